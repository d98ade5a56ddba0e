"""Pausing and resuming: what admins say about which tasks may begin.

A claim reads the control in its own transaction, after the lock that all claims share (on SQLite, its write lock), and
each change takes the same lock. So a claim is over before a pause is committed, or it sees the pause: from the commit
on, no task begins. What runs goes on.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from accounts import Actor
from database import Database, rfc3339, utc_now
from server_settings import change_setting
from tasks import queue_control
from tasks.errors import Unavailable
from tasks.lifecycle.record import serialise
from tasks.queue_control import MAINTENANCE, PAUSED, PAUSED_KINDS, PREFIX, Control, Hold


def pause(database: Database, actor: Actor, reason: str | None = None, kinds: Sequence[str] = ()) -> Control:
    """Let no task begin, or none of these kinds. What is paused already keeps who paused it, when and why."""
    with database.write() as session:
        serialise(session)
        now = queue_control.read(session)
        if not kinds:
            return _write(session, now, PAUSED, now.paused or _hold(actor, reason), actor, reason)
        held = {kind: _hold(actor, reason) for kind in kinds} | now.paused_kinds
        return _write(session, now, PAUSED_KINDS, held, actor, reason)


def resume(database: Database, actor: Actor, reason: str | None = None, kinds: Sequence[str] = ()) -> Control:
    """Let tasks begin again: those of these kinds, or without kinds the queue as a whole (kinds stay paused)."""
    with database.write() as session:
        serialise(session)
        now = queue_control.read(session)
        if not kinds:
            return _write(session, now, PAUSED, None, actor, reason)
        left = {kind: hold for kind, hold in now.paused_kinds.items() if kind not in kinds}
        return _write(session, now, PAUSED_KINDS, left, actor, reason)


def begin_maintenance(database: Database, actor: Actor, reason: str | None = None) -> Control:
    """Take no new tasks and begin none; what runs may end. The end is `end_maintenance`'s, by hand."""
    with database.write() as session:
        serialise(session)
        now = queue_control.read(session)
        return _write(session, now, MAINTENANCE, now.maintenance or _hold(actor, reason), actor, reason)


def end_maintenance(database: Database, actor: Actor, reason: str | None = None) -> Control:
    """Take and begin tasks again."""
    with database.write() as session:
        serialise(session)
        return _write(session, queue_control.read(session), MAINTENANCE, None, actor, reason)


def refuse_in_maintenance(session: Session) -> None:
    """Raise Unavailable while no new tasks are taken."""
    hold = queue_control.read(session).maintenance
    if hold:
        raise Unavailable(
            f"Maintenance since {hold['since'][11:16]} UTC, by {hold['by']}: no new tasks are taken. "
            "Start it again when that is over.",
            details={"maintenance": hold},
        )


def _hold(actor: Actor, reason: str | None) -> Hold:
    return {"by": actor.name, "reason": reason, "since": rfc3339(utc_now())}


def _write(
    session: Session, now: Control, name: str, value: Hold | dict[str, Hold] | None, actor: Actor, reason: str | None
) -> Control:
    if getattr(now, name) != value:
        change_setting(session, PREFIX + name, value, actor, reason=reason)
        session.flush()
    return queue_control.read(session)
