"""Making notifications, in the transaction of what they tell.

Its rule: who does not want to hear of something gets no row of it, and of one end of a task nobody gets two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from accounts import User
from database import utc_now
from tasks.notices.models import Notification, NotificationPreferences, TaskFollower

END_TYPES = ("finished", "failed", "cancelled", "needs_review")
MUTABLE_TYPES = (*END_TYPES, "alert")
TYPES = (*MUTABLE_TYPES, "test")
MAX_TITLE = 300
MAX_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Notice:
    """What is to be told. `type` and `level` are those of Notification; `href` is a path of this server."""

    type: str
    level: str
    title: str
    text: str = ""
    task_id: str | None = None
    kind: str | None = None
    href: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may be told: what they said of the task, and what they muted."""

    id: int
    username: str
    is_admin: bool
    wants: bool | None
    muted_types: Sequence[str]
    muted_kinds: Sequence[str]

    def wants_to_hear(self, notice: Notice) -> bool:
        """What somebody said of a task counts more than what they muted; a test is never muted."""
        is_end = notice.type in END_TYPES
        if is_end and self.wants is not None:
            return self.wants
        is_muted = notice.type in self.muted_types or (is_end and notice.kind in self.muted_kinds)
        return notice.type not in MUTABLE_TYPES or not is_muted


def notify(session: Session, user_id: int, notice: Notice) -> Notification | None:
    """Store a notification in the caller's transaction; None where the person does not want to hear of it.

    The scheduler brings it to the person's open tabs once that is committed.
    """
    found = people(session, User.id == user_id, notice.task_id)
    return next(iter(store(session, found, notice)), None)


def notify_admins(session: Session, notice: Notice) -> list[Notification]:
    """Store a notification for every active admin who wants to hear of it."""
    return store(session, people(session, User.role == "admin", notice.task_id), notice)


def people(session: Session, who: ColumnElement[bool], task_id: str | None) -> list[Person]:
    """Those of the active users, with all that decides what of this task they are told, in one statement."""
    about_task = and_(TaskFollower.user_id == User.id, TaskFollower.task_id == task_id)
    muted = NotificationPreferences
    query = (
        select(User.id, User.username, User.role, TaskFollower.wants, muted.muted_types, muted.muted_kinds)
        .outerjoin(TaskFollower, about_task)
        .outerjoin(muted, muted.user_id == User.id)
        .where(who, User.is_active.is_(True))
        .order_by(User.id)
    )
    return [
        Person(user_id, username, role == "admin", wants, types or (), kinds or ())
        for user_id, username, role, wants, types, kinds in session.execute(query)
    ]


def store(session: Session, to: Iterable[Person], notice: Notice) -> list[Notification]:
    """Store it for those of the people who want to hear of it, and have not been told of this very end."""
    values: dict[str, Any] = {
        "type": notice.type,
        "level": notice.level,
        "title": notice.title[:MAX_TITLE],
        "text": notice.text[:MAX_TEXT],
        "task_id": notice.task_id,
        "kind": notice.kind,
        "href": notice.href,
        "created_at": utc_now(),
    }
    rows = [values | {"user_id": person.id} for person in to if person.wants_to_hear(notice)]
    if not rows:
        return []
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    stored = dialect.insert(Notification).on_conflict_do_nothing().returning(Notification)
    return list(session.scalars(stored, rows))
