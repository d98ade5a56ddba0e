"""Refused access in the audit log: who asked for somebody else's task, an admin's page or the dashboard's room.

Bounded, so that a flood of requests fills no disk: one entry for each person, subject and minute, and no more than
MAX_A_MINUTE for one person. What is left out is left out by what the log holds already, so all processes share the
count.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from accounts.audit import Actor, record
from accounts.models import AuditEntry, User
from database import Database, DatabaseBusy, utc_now

log = logging.getLogger(__name__)

ACTION = "access.refused"
WINDOW = timedelta(minutes=1)
MAX_A_MINUTE = 30


def note_refused(db: Database, subject: str, actor: Actor) -> None:
    """Keep that this person was refused `subject` (`task:<id>`, `page:/admin/people`). Never fails.

    Who is not signed in leaves no entry: there is nobody to name.
    """
    if actor.user_id is None:
        return
    try:
        with db.read() as session:
            if not _is_due(session, subject[:200], actor.user_id):
                return
        with db.write() as session:
            session.get(User, actor.user_id, with_for_update={"key_share": True})  # one after the other
            if _is_due(session, subject[:200], actor.user_id):
                record(session, ACTION, subject, actor)
    except (SQLAlchemyError, DatabaseBusy) as error:
        log.warning("a refused access of user %d could not be kept: %s", actor.user_id, type(error).__name__)


def _is_due(session: Session, subject: str, user_id: int) -> bool:
    lately = (AuditEntry.action == ACTION, AuditEntry.at > utc_now() - WINDOW, AuditEntry.actor_id == user_id)
    known = session.scalars(select(AuditEntry.subject).where(*lately).limit(MAX_A_MINUTE)).all()
    return len(known) < MAX_A_MINUTE and subject not in known
