"""The append-only record of who changed what. Entries belong to the transaction of their change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from accounts.models import AuditEntry
from database import utc_now


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks for a change, and from where. `user_id` is None for the command line and for people not signed in."""

    name: str
    user_id: int | None = None
    address: str | None = None
    request_id: str | None = None


COMMAND_LINE = Actor("command line")
_tell: Callable[[AuditEntry], None] | None = None


def tell_of_entries(tell: Callable[[AuditEntry], None] | None) -> None:
    """Have `tell` called with each entry that this process has committed, for pages that show the log live."""
    global _tell
    _tell = tell


def record(
    session: Session,
    action: str,
    subject: str,
    actor: Actor,
    *,
    reason: str | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> AuditEntry:
    """Add one entry to the caller's transaction.

    `action` is `thing.verb_done` (`user.role_changed`), `subject` names what it was done to (`user:ada`,
    `task:<id>`). Never put a secret into `before` or `after`.
    """
    entry = AuditEntry(
        at=utc_now(),
        actor_id=actor.user_id,
        actor_name=actor.name[:64],
        action=action,
        subject=subject[:200],
        reason=reason,
        before=before,
        after=after,
        address=actor.address,
        request_id=actor.request_id,
    )
    session.add(entry)
    if _tell is not None:
        tell = _tell
        event.listen(session, "after_commit", lambda _session: tell(entry), once=True)
    return entry
