"""What admins do to alerts: each in one transaction with its audit entry, and then told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from accounts import audit
from accounts.audit import Actor
from database import Database, utc_now
from monitoring.alerts import store
from monitoring.alerts.models import Alert, AlertEvent
from monitoring.alerts.rules import AlertState
from tasks.errors import Conflict, InvalidParams

MAX_NOTE = 2000


def acknowledge(database: Database, alert_id: int, actor: Actor, note: str = "") -> Alert:
    """Say that somebody knows of it: its severity rises no more. Does nothing to one that is acknowledged already.

    Raises NotFound, Conflict for a resolved one, InvalidParams for a note that is too long.
    """
    values = {"state": AlertState.ACKNOWLEDGED.value, "acknowledged_by": actor.name[:64]}
    with database.write() as session:
        return _move(session, alert_id, "acknowledged", (AlertState.ACTIVE,), values, actor, note)


def resolve(database: Database, alert_id: int, actor: Actor, note: str = "") -> Alert:
    """Say that it is over. A cause that lasts is an alert again after five minutes (causes.SETTLE_S).

    Raises NotFound, InvalidParams. Does nothing to a resolved one.
    """
    values = {"state": AlertState.RESOLVED.value, "resolved_by": actor.name[:64]}
    with database.write() as session:
        return _move(session, alert_id, "resolved", (AlertState.ACTIVE, AlertState.ACKNOWLEDGED), values, actor, note)


def add_note(database: Database, alert_id: int, actor: Actor, note: str) -> AlertEvent:
    """Keep words beside an alert, resolved or not. Raises NotFound, InvalidParams."""
    words = _words(note)
    if not words:
        raise InvalidParams({"text": "Write what others should know."})
    with database.write() as session:
        alert = store.find(session, alert_id)
        event = _event(session, alert, "note", actor, words)
        audit.record(session, "alert.noted", f"alert:{alert.id}", actor, reason=words, after={"title": alert.title})
        session.flush()
        return event


def _move(
    session: Session,
    alert_id: int,
    what: str,
    sources: tuple[AlertState, ...],
    values: Mapping[str, Any],
    actor: Actor,
    note: str,
) -> Alert:
    words = _words(note)
    alert = store.find(session, alert_id)
    before = alert.state
    moved = session.execute(
        update(Alert)
        .where(Alert.id == alert_id, Alert.state.in_(sources))
        .values(**values, **{f"{what}_at": utc_now()})
        .execution_options(synchronize_session=False)
    )
    session.refresh(alert)
    if moved.rowcount == 1:  # type: ignore[attr-defined]
        _event(session, alert, what, actor, words)
        audit.record(
            session,
            f"alert.{what}",
            f"alert:{alert.id}",
            actor,
            reason=words or None,
            before={"state": before, "title": alert.title},
            after={"state": alert.state},
        )
    elif alert.state == AlertState.RESOLVED and what != "resolved":
        raise Conflict("This alert is resolved already. If its cause comes back, there will be a new one.")
    return alert


def _event(session: Session, alert: Alert, what: str, actor: Actor, words: str) -> AlertEvent:
    event = AlertEvent(
        alert_id=alert.id, at=utc_now(), what=what, severity=alert.severity, actor_name=actor.name[:64], text=words
    )
    session.add(event)
    return event


def _words(note: str) -> str:
    words = note.strip()
    if len(words) > MAX_NOTE:
        raise InvalidParams({"text": f"A note has at most {MAX_NOTE:,} characters."})
    return words
