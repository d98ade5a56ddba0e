"""A person's inbox: what they were told, newest first, what of it is unread, and what they want to be told.

Every function takes whose inbox it is; there is no way to another's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from database import Database, rfc3339, utc_now
from tasks.errors import InvalidPayload, NotFound
from tasks.notices.models import Notification, NotificationPreferences

MAX_PAGE = 200
REMOVED_AT_ONCE = 1000
NOT_YOURS = "There is no such notification, or it is not yours."


@dataclass(frozen=True, slots=True)
class Filters:
    """What the list is narrowed to; None and False mean no limit."""

    unread: bool = False
    type: str | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Preferences:
    """The types and the kinds of jobs that a person does not want to hear of."""

    muted_types: Sequence[str] = ()
    muted_kinds: Sequence[str] = ()


def fields(row: Notification) -> dict[str, Any]:
    """A notification as it goes over the wire, without the count of what is unread."""
    return {
        "id": row.id,
        "type": row.type,
        "level": row.level,
        "title": row.title,
        "text": row.text,
        "task_id": row.task_id,
        "kind": row.kind,
        "href": row.href,
        "created_at": rfc3339(row.created_at),
        "read_at": rfc3339(row.read_at),
    }


def listed(
    session: Session, user_id: int, filters: Filters, cursor: str | None = None, limit: int = 50
) -> tuple[list[Notification], str | None]:
    """Notifications, newest first, `limit` (1 to 200) at a time, and the cursor that goes on. Raises InvalidPayload."""
    query = select(Notification).where(Notification.user_id == user_id)
    if filters.unread:
        query = query.where(Notification.read_at.is_(None))
    if filters.type:
        query = query.where(Notification.type == filters.type)
    if filters.kind:
        query = query.where(Notification.kind == filters.kind)
    if cursor:
        query = query.where(Notification.id < _before(cursor))
    rows = session.scalars(query.order_by(Notification.id.desc()).limit(limit + 1)).all()
    return list(rows[:limit]), str(rows[limit - 1].id) if len(rows) > limit else None


def unread_count(session: Session, user_id: int) -> int:
    """How many notifications this person has not read."""
    query = select(func.count()).where(Notification.user_id == user_id, Notification.read_at.is_(None))
    return session.scalar(query) or 0


def unread_of_task(session: Session, user_id: int, task_id: str) -> list[int]:
    """The ids of what this person has not read about one task."""
    query = select(Notification.id).where(Notification.task_id == task_id, Notification.user_id == user_id)
    return list(session.scalars(query.where(Notification.read_at.is_(None))))


def kinds_in(session: Session, user_id: int) -> list[str]:
    """The kinds of jobs that this person's notifications are about."""
    query = select(Notification.kind).where(Notification.user_id == user_id, Notification.kind.is_not(None)).distinct()
    return sorted(kind for kind in session.scalars(query) if kind)


def mark(session: Session, user_id: int, ids: Collection[int], *, read: bool = True) -> None:
    """Mark these as read, or as unread. Raises NotFound, and marks none, when one of them is not this person's."""
    mine = _mine(user_id, Notification.id.in_(ids))
    if session.scalar(select(func.count()).select_from(Notification).where(*mine)) != len(set(ids)):
        raise NotFound(NOT_YOURS)
    _set_read(session, mine, utc_now() if read else None)


def mark_up_to(session: Session, user_id: int, newest: int | None = None) -> int:
    """Mark everything up to this id, or all there is, as read; the id up to which that was."""
    last = session.scalar(select(func.max(Notification.id)).where(Notification.user_id == user_id)) or 0
    up_to = last if newest is None else min(newest, last)
    _set_read(session, _mine(user_id, Notification.id <= up_to), utc_now())
    return up_to


def preferences(session: Session, user_id: int) -> Preferences:
    """What this person muted."""
    kept = session.get(NotificationPreferences, user_id)
    return Preferences(kept.muted_types, kept.muted_kinds) if kept else Preferences()


def keep_preferences(session: Session, user_id: int, wished: Preferences) -> None:
    """Keep what this person mutes from now on. It has been checked."""
    session.merge(
        NotificationPreferences(
            user_id=user_id,
            muted_types=sorted(set(wished.muted_types)),
            muted_kinds=sorted(set(wished.muted_kinds)),
            updated_at=utc_now(),
        )
    )


def remove_read(database: Database, before: datetime) -> int:
    """Remove what was read and is older than this moment, batch by batch; returns how many."""
    old = select(Notification.id).where(Notification.created_at < before, Notification.read_at.is_not(None))
    removed = 0
    while True:
        with database.write() as session:
            ids = session.scalars(old.limit(REMOVED_AT_ONCE)).all()
            session.execute(delete(Notification).where(Notification.id.in_(ids)))
        removed += len(ids)
        if len(ids) < REMOVED_AT_ONCE:
            return removed


def _mine(user_id: int, which: ColumnElement[bool]) -> tuple[ColumnElement[bool], ...]:
    return Notification.user_id == user_id, which


def _set_read(session: Session, which: tuple[ColumnElement[bool], ...], at: datetime | None) -> None:
    """What is read keeps the moment at which it was read first."""
    changes = Notification.read_at.is_not(None) if at is None else Notification.read_at.is_(None)
    session.execute(
        update(Notification).where(*which, changes).values(read_at=at).execution_options(synchronize_session=False)
    )


def _before(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise InvalidPayload("This cursor is not one that a list gave out. Start again without it.")
    return int(cursor)
