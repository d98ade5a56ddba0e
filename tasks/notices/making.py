"""Making notifications, in the transaction of what they tell.

Its rule: who does not want to hear of something gets no row of it, and of one end of a task nobody gets two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, select
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


def notify(session: Session, user_id: int, notice: Notice) -> Notification | None:
    """Store a notification in the caller's transaction; None where the person does not want to hear of it.

    The scheduler brings it to the person's open tabs once that is committed.
    """
    return next(iter(notify_all(session, [user_id], notice)), None)


def notify_admins(session: Session, notice: Notice) -> list[Notification]:
    """Store a notification for every active admin who wants to hear of it."""
    admins = session.scalars(select(User.id).where(User.role == "admin", User.is_active.is_(True)).order_by(User.id))
    return notify_all(session, admins.all(), notice)


def notify_all(session: Session, user_ids: Iterable[int], notice: Notice) -> list[Notification]:
    """The same for several people at once."""
    wanting = _wanting(session, list(user_ids), notice)
    if not wanting:
        return []
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
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    rows = [values | {"user_id": user_id} for user_id in wanting]
    stored = dialect.insert(Notification).values(rows).on_conflict_do_nothing().returning(Notification)
    return list(session.scalars(stored))


def _wanting(session: Session, user_ids: list[int], notice: Notice) -> list[int]:
    """Those of the people who want to hear of it: what they said of this task counts more than what they muted."""
    about_task = and_(TaskFollower.user_id == User.id, TaskFollower.task_id == notice.task_id)
    query = (
        select(User.id, TaskFollower.wants, NotificationPreferences.muted_types, NotificationPreferences.muted_kinds)
        .outerjoin(TaskFollower, about_task)
        .outerjoin(NotificationPreferences, NotificationPreferences.user_id == User.id)
        .where(User.id.in_(user_ids), User.is_active.is_(True))
        .order_by(User.id)
    )
    is_end = notice.type in END_TYPES
    wanting = []
    for user_id, said, types, kinds in session.execute(query):
        muted = notice.type in (types or ()) or (is_end and notice.kind in (kinds or ()))
        if notice.type not in MUTABLE_TYPES or (said if is_end and said is not None else not muted):
            wanting.append(user_id)
    return wanting
