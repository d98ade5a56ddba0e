"""The end after the end: a task that has ended long ago is removed with its history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, delete, func, select

from database import Database
from tasks.estimates.models import TaskTiming
from tasks.models import Artifact, LogLine, Task, TaskAttempt, TaskEvent
from tasks.notes import TaskNote
from tasks.states import FINAL

HISTORY = (LogLine, TaskEvent, TaskAttempt, Artifact, TaskTiming, TaskNote)


class Ended(NamedTuple):
    """A task that has ended."""

    id: str
    kind: str


def count_ended(database: Database, before: datetime) -> int:
    """How many tasks ended before this moment."""
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(Task).where(_ended(before))) or 0


def ended_before(database: Database, before: datetime, limit: int) -> list[Ended]:
    """The tasks that ended first, before this moment."""
    query = select(Task.id, Task.kind).where(_ended(before)).order_by(Task.finished_at, Task.id).limit(limit)
    with database.read() as session:
        return [Ended(*row) for row in session.execute(query)]


def remove(database: Database, task_ids: Sequence[str]) -> int:
    """Remove these tasks with log, events, attempts and artifacts; returns how many. Those that have not ended stay."""
    with database.write() as session:
        ids = list(session.scalars(select(Task.id).where(Task.id.in_(task_ids), Task.state.in_(FINAL))))
        for model in HISTORY:
            session.execute(delete(model).where(model.task_id.in_(ids)))
        session.execute(delete(Task).where(Task.id.in_(ids)))
        return len(ids)


def _ended(before: datetime) -> ColumnElement[bool]:
    return and_(Task.state.in_(FINAL), Task.finished_at < before)
