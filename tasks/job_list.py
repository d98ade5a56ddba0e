"""All users' tasks as admins see them: filters, sorted pages with cursors, and what there is to filter by.

These reads may look at every task, so the web process runs them beside its loop (`extensions.offload_read`).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import ColumnElement, String, and_, cast, func, or_, select
from sqlalchemy.orm import Session

from accounts import User
from database import rfc3339
from tasks.errors import InvalidPayload
from tasks.models import Task
from tasks.states import State

MAX_PAGE = 200
MAX_SUGGESTED = 50
AGES = {"15m": timedelta(minutes=15), "1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7)}
Sorted = tuple[tuple[Any, bool], ...]
"""columns that are never null, each with whether the largest comes first"""
SORTS: dict[str, Sorted] = {
    "newest": ((Task.created_at, True),),
    "oldest": ((Task.created_at, False),),
    "started": ((func.coalesce(Task.started_at, Task.created_at), True),),
    "longest": ((func.coalesce(Task.duration_ms, 0), True), (Task.created_at, True)),
    "line": ((Task.priority_rank, False), (Task.queued_at, False)),
}


@dataclass(frozen=True, slots=True)
class JobFilters:
    """What the list is narrowed to; None and empty mean no limit. `as_of` leaves out what was made after that."""

    ids: Sequence[str] = ()
    states: Sequence[str] = ()
    kind: str | None = None
    owner: str | None = None
    priority: str | None = None
    worker: str | None = None
    age: str | None = None
    text: str | None = None
    as_of: datetime | None = None

    def conditions(self, now: datetime) -> list[ColumnElement[bool]]:
        """As SQL, for statements on Task joined with its owner, User."""
        found: list[ColumnElement[bool]] = []
        for listed, those in ((Task.id, self.ids), (Task.state, self.states)):
            if those:
                found.append(listed.in_(those))
        for column, value in ((Task.kind, self.kind), (Task.priority, self.priority)):
            if value:
                found.append(column == value)
        if self.owner:
            found.append(func.lower(User.username) == self.owner.lower())
        if self.worker:
            found.append(Task.worker.startswith(self.worker, autoescape=True))
        if self.age:
            found.append(Task.created_at >= now - AGES[self.age])
        if self.text:
            found.append(_holds_text(self.text.lower()))
        if self.as_of:
            found.append(Task.created_at <= self.as_of)
        return found


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some tasks with their owners' names, how many match in all, and the cursor that goes on."""

    items: list[tuple[Task, str]]
    total: int
    next_cursor: str | None


def _holds_text(text: str) -> ColumnElement[bool]:
    return or_(
        func.lower(Task.title).contains(text, autoescape=True),
        Task.id.startswith(text, autoescape=True),
        func.lower(cast(Task.params, String)).contains(text, autoescape=True),
        func.lower(Task.worker).contains(text, autoescape=True),
    )


def list_jobs(
    session: Session, filters: JobFilters, now: datetime, sort: str = "newest", cursor: str = "", limit: int = 100
) -> JobPage:
    """One page, sorted by one of SORTS. Raises InvalidPayload for a cursor that this sorting did not give out."""
    columns: Sorted = (*SORTS[sort], (Task.id, SORTS[sort][-1][1]))
    conditions = filters.conditions(now)
    total = session.scalar(
        select(func.count()).select_from(Task).join(User, User.id == Task.owner_id).where(*conditions)
    )
    limit = max(1, min(limit, MAX_PAGE))
    keys = [column.label(f"key_{place}") for place, (column, _) in enumerate(columns)]
    query = select(Task, User.username, *keys).join(User, User.id == Task.owner_id).where(*conditions)
    if cursor:
        query = query.where(_after(columns, _read_cursor(cursor, sort, len(columns))))
    rows = session.execute(query.order_by(*(_ordered(*each) for each in columns)).limit(limit + 1)).all()
    following = _write_cursor(sort, rows[limit - 1][2:]) if len(rows) > limit else None
    return JobPage([(row[0], row[1]) for row in rows[:limit]], total or 0, following)


def matching_ids(session: Session, filters: JobFilters, now: datetime, limit: int) -> tuple[list[str], int]:
    """The ids of at most `limit` matching tasks, oldest first, and how many match in all."""
    joined = select(Task.id).join(User, User.id == Task.owner_id).where(*filters.conditions(now))
    ids = list(session.scalars(joined.order_by(Task.created_at, Task.id).limit(limit)))
    if len(ids) < limit:
        return ids, len(ids)
    return ids, session.scalar(select(func.count()).select_from(joined.subquery())) or 0


def suggestions(session: Session) -> dict[str, list[str]]:
    """What there is to filter by: `{kinds, owners, workers}`; the workers that hold a task now come first."""
    held = select(Task.worker).where(Task.state == State.RUNNING, Task.worker.is_not(None)).distinct()
    owners = select(User.username).where(select(Task.id).where(Task.owner_id == User.id).exists())
    return {
        "kinds": list(session.scalars(select(Task.kind).distinct().order_by(Task.kind).limit(MAX_SUGGESTED))),
        "owners": list(session.scalars(owners.order_by(User.username).limit(MAX_SUGGESTED))),
        "workers": [each for each in session.scalars(held.limit(MAX_SUGGESTED)) if each],
    }


def _ordered(column: Any, is_descending: bool) -> Any:
    return column.desc() if is_descending else column.asc()


def _after(columns: Sorted, values: Sequence[Any]) -> ColumnElement[bool]:
    """The rows after this one: equal in the first columns, and further in the next."""
    found = []
    for place, (column, is_descending) in enumerate(columns):
        equal = [each == value for (each, _), value in zip(columns[:place], values, strict=False)]
        further = column < values[place] if is_descending else column > values[place]
        found.append(and_(*equal, further))
    return or_(*found)


def _write_cursor(sort: str, values: Sequence[Any]) -> str:
    plain = [rfc3339(each) if isinstance(each, datetime) else each for each in values]
    return base64.urlsafe_b64encode(orjson.dumps([sort, *plain])).decode().rstrip("=")


def _read_cursor(cursor: str, sort: str, count: int) -> list[Any]:
    try:
        told, *values = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        is_ours = told == sort and len(values) == count and isinstance(values[-1], str)
        kinds = {"longest": (int, str, str), "line": (int, str, str)}.get(sort, (str, str))
        if not is_ours or any(type(value) is not kind for value, kind in zip(values, kinds, strict=True)):
            raise ValueError
        if kinds[0] is int and not 0 <= values[0] < 2**31:
            raise ValueError
        return [_moment(each) if place == len(values) - 2 else each for place, each in enumerate(values)]
    except (ValueError, TypeError, OverflowError, binascii.Error, orjson.JSONDecodeError):
        raise InvalidPayload("This cursor is not one that this list gave out. Start again without it.") from None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)
