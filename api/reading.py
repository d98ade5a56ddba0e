"""What the API reads: tasks through what the asker may see, joined with the live tail where Redis answers.

SQL decides what a task is; the tail only makes its progress newer, and only when it tells of the same state.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

import extensions
from accounts import Identity, User
from accounts.limits import PersonLimits, limits_for
from api.dispatch import state
from database import Database, rfc3339, utc_now
from delivery.newest_state import add_tail
from tasks import listing, store
from tasks.errors import NotFound
from tasks.models import Task, TaskEvent
from tasks.service import Tasks
from tasks.states import State

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
NO_TASK = "There is no such task, or you may not see it."


def database() -> Database:
    """The database of the app that answers this request."""
    found: Database = extensions.current().database
    return found


def commands() -> Tasks:
    """What may be done to tasks."""
    found: Tasks = extensions.current().tasks
    return found


def task_id(text: str) -> str:
    """The id in its one spelling. Raises NotFound for what cannot be one, in the words of an unknown task."""
    lower = text.lower()
    if not UUID.fullmatch(lower):
        raise NotFound(NO_TASK)
    return lower


def find_task(session: Session, text: str, identity: Identity) -> tuple[Task, str]:
    """The task and its owner's name, if the asker may watch it; else NotFound, whatever the reason."""
    return store.find_task(session, task_id(text), identity)


def snapshot(identity: Identity, text: str) -> dict[str, Any]:
    """The task's newest state. Raises NotFound.

    The tail is read first and used only if nothing was committed since: so `seq` never names a state older than what
    is shown.
    """
    wanted = task_id(text)
    tail = state().quick.ask_tail(lambda events: events.read(wanted))
    with database().read() as session:
        task, owner = store.find_task(session, wanted, identity)
        shown = stored_snapshot(session, task, owner, identity)
        newest = session.scalar(select(func.max(TaskEvent.id)).where(TaskEvent.task_id == wanted))
    add_tail(shown, tail, newest)
    return shown


def stored_snapshot(session: Session, task: Task, owner: str, identity: Identity) -> dict[str, Any]:
    """The state as SQL has it, with the place in line and what the asker may do."""
    return _shown(task, owner, identity, limits_for(session, identity), store.queue_position(session, task))


def _shown(task: Task, owner: str, identity: Identity, limits: PersonLimits, position: int | None) -> dict[str, Any]:
    """A running task whose worker is silent is dated by its last sign of life."""
    shown = store.snapshot(task, owner)
    shown["queue_position"] = position
    shown["may"] = store.allowed(task, identity, limits)
    if task.state == State.RUNNING and task.lease_expires_at and task.lease_expires_at < utc_now():
        lease = timedelta(seconds=extensions.current().config.lease_s)
        shown["timestamp"] = rfc3339(task.lease_expires_at - lease)
    return shown


def list_snapshots(
    session: Session, identity: Identity, filters: listing.Filters, cursor: str | None = None, limit: int = 50
) -> tuple[list[dict[str, Any]], str | None]:
    """Visible tasks as SQL has them, newest first, and the cursor that goes on. Raises InvalidPayload."""
    page = listing.list_tasks(session, identity, filters, cursor, limit)
    return shown(session, identity, page.items), page.next_cursor


def list_aside(
    identity: Identity, filters: listing.Filters, cursor: str | None, limit: int, sort: listing.Sort
) -> tuple[list[dict[str, Any]], str | None]:
    """Like `list_snapshots`, sorted, for filters that may read many rows. Raises InvalidPayload.

    SQLite answers in C, so it is waited for beside the loop.
    """
    analysis: Database = extensions.current().analysis

    def read() -> listing.Page:
        with analysis.read() as session:
            return listing.list_tasks(session, identity, filters, cursor, limit, sort)

    page = extensions.offload_read(read) if analysis.is_sqlite else read()
    with database().read() as session:
        return shown(session, identity, page.items), page.next_cursor


def shown(session: Session, identity: Identity, tasks: Sequence[tuple[Task, str]]) -> list[dict[str, Any]]:
    """These tasks with their owners' names as snapshots, with the places in line and what the asker may do."""
    line = store.waiting_line(session) if any(task.state == State.QUEUED for task, _ in tasks) else []
    limits = limits_for(session, identity)
    return [_shown(task, owner, identity, limits, store.place_in(line, task)) for task, owner in tasks]


def recently_ended(session: Session, identity: Identity, count: int) -> list[dict[str, Any]]:
    """The visible tasks that ended last, the newest end first."""
    query = (
        select(Task, User.username)
        .join(User, User.id == Task.owner_id)
        .where(store.visible_to(identity), Task.finished_at.is_not(None))
        .order_by(Task.finished_at.desc(), Task.id.desc())
        .limit(count)
    )
    limits = limits_for(session, identity)
    return [_shown(task, owner, identity, limits, None) for task, owner in session.execute(query)]


def levels_from(level: str) -> Sequence[str]:
    """The levels that are this one or worse; nothing for all of them."""
    levels = ("debug", "info", "warning", "error")
    return () if level in ("all", "debug") else levels[levels.index(level) :]
