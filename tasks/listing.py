"""Lists of tasks: what they are narrowed to, how they are sorted, and cursors that neither lose nor double a row.

A page begins after the last row of the one before, by what the list is sorted by and the id; so rows that arrive
meanwhile move none. A person sees their own tasks and those for everyone: each of the two is read along an index of its
own and no further than one page, because no index serves both at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, String, and_, cast, func, literal, or_, select, union_all
from sqlalchemy.orm import Session

from accounts import Identity, User
from accounts.usernames import name_key
from database import rfc3339
from tasks.errors import InvalidPayload
from tasks.models import Task
from tasks.states import ACTIVE, Visibility
from tasks.store import visible_to

MAX_PAGE = 200
MOST_COUNTED = 10_000


class Sort(StrEnum):
    """What comes first. The last two leave out tasks that have not ended."""

    NEWEST = "newest"
    OLDEST = "oldest"
    ENDED = "ended"
    LONGEST = "longest"


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list of tasks is narrowed to; None and empty mean no limit.

    `since` (included) and `until` (not included) are about when a task was queued. `text` is looked for in titles, ids
    and parameters.
    """

    states: Sequence[str] = ()
    kind: str | None = None
    text: str | None = None
    mine: bool = False
    owner: str | None = None
    schedule_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    finished_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some tasks with their owners' names, and the cursor that continues after them."""

    items: list[tuple[Task, str]]
    next_cursor: str | None


def list_tasks(
    session: Session,
    identity: Identity,
    filters: Filters,
    cursor: str | None = None,
    limit: int = 50,
    sort: Sort = Sort.NEWEST,
) -> Page:
    """Visible tasks, sorted, `limit` (1 to 200) at a time.

    Raises InvalidPayload for a cursor that this function did not give out for this sorting.
    """
    limit = max(1, min(limit, MAX_PAGE))
    conditions = list(_conditions(filters, identity))
    if sort in (Sort.ENDED, Sort.LONGEST):
        conditions.append(Task.finished_at.is_not(None))
    if cursor:
        conditions.append(_after(cursor, sort))
    column = _column(sort)
    order = (column.asc(), Task.id.asc()) if sort is Sort.OLDEST else (column.desc(), Task.id.desc())
    parts = [
        select(Task.id).where(seen, *conditions).order_by(*order).limit(limit + 1).subquery()
        for seen in _seen_by(identity, filters)
    ]
    ids = union_all(*(select(part.c.id) for part in parts)).subquery()
    query = select(Task, User.username).join(User, User.id == Task.owner_id).where(Task.id.in_(select(ids.c.id)))
    rows = session.execute(query.order_by(*order).limit(limit + 1)).all()
    last = rows[limit - 1][0] if len(rows) > limit else None
    return Page([(row[0], row[1]) for row in rows[:limit]], _cursor_after(last, sort) if last else None)


def count_tasks(session: Session, identity: Identity, filters: Filters) -> int:
    """How many visible tasks the filters leave; MOST_COUNTED + 1 stands for more than that."""
    conditions = list(_conditions(filters, identity))
    found = 0
    for seen in _seen_by(identity, filters):
        some = select(literal(1)).select_from(Task).where(seen, *conditions).limit(MOST_COUNTED + 1).subquery()
        found += session.scalar(select(func.count()).select_from(some)) or 0
    return min(found, MOST_COUNTED + 1)


def owners(session: Session, limit: int = 50) -> list[str]:
    """Who has tasks, by name: what an admin may filter by."""
    query = select(User.username).where(select(Task.id).where(Task.owner_id == User.id).exists())
    return list(session.scalars(query.order_by(User.name_key).limit(limit)))


def _seen_by(identity: Identity, filters: Filters) -> list[ColumnElement[bool]]:
    """Conditions that together hold for what this person sees, and no two of them for one task.

    Few tasks wait or run, whoever's they are: those are found by their state.
    """
    if identity.is_admin or (filters.states and set(filters.states) <= ACTIVE):
        return [visible_to(identity)]
    own = Task.owner_id == identity.user_id
    return [own, and_(Task.visibility == Visibility.EVERYONE, Task.owner_id != identity.user_id)]


def _conditions(filters: Filters, identity: Identity) -> Iterator[ColumnElement[bool]]:
    if filters.states:
        yield Task.state.in_(filters.states)
    if filters.kind:
        yield Task.kind == filters.kind
    if filters.mine:
        yield Task.owner_id == identity.user_id
    if filters.owner:
        owner = select(User.id).where(User.name_key == name_key(filters.owner)).scalar_subquery()
        yield Task.owner_id == owner
    if filters.schedule_id:
        yield Task.schedule_id == filters.schedule_id
    if filters.since:
        yield Task.created_at >= filters.since
    if filters.until:
        yield Task.created_at < filters.until
    if filters.finished_since:
        yield Task.finished_at >= filters.finished_since
    if filters.text:
        yield _holds(filters.text.lower())


def _holds(text: str) -> ColumnElement[bool]:
    """Parameters are JSON, in which other letters than those of English are written as their numbers."""
    params = func.lower(cast(Task.params, String))
    return or_(
        func.lower(Task.title).contains(text, autoescape=True),
        Task.id.startswith(text, autoescape=True),
        params.contains(json.dumps(text)[1:-1], autoescape=True),
    )


def _column(sort: Sort) -> Any:
    return {Sort.ENDED: Task.finished_at, Sort.LONGEST: Task.duration_ms}.get(sort, Task.created_at)


def _cursor_after(task: Task, sort: Sort) -> str:
    value = {Sort.ENDED: task.finished_at, Sort.LONGEST: task.duration_ms}.get(sort, task.created_at)
    text = rfc3339(value) if isinstance(value, datetime) else str(value or 0)
    return f"{text}_{task.id}"


def _after(cursor: str, sort: Sort) -> ColumnElement[bool]:
    text, _, last_id = cursor.partition("_")
    column = _column(sort)
    try:
        value = _duration(text) if sort is Sort.LONGEST else _moment(text)
        if not last_id:
            raise ValueError
    except (ValueError, OverflowError):
        words = "This cursor is not one that this list gave out. Start again without it."
        raise InvalidPayload(words) from None
    # The first condition alone lets the database begin at this place of the index.
    if sort is Sort.OLDEST:
        return and_(column >= value, or_(column > value, Task.id > last_id))
    return and_(column <= value, or_(column < value, Task.id < last_id))


def _duration(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ValueError
    return int(text)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)
