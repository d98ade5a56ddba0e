"""Making notifications, in the transaction of what they tell."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from accounts import User
from database import utc_now
from tasks.notices.models import Notification


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
    """Store a notification in the caller's transaction; None where the person does not want to hear of it."""
    told = Notification(
        user_id=user_id,
        type=notice.type,
        level=notice.level,
        title=notice.title[:300],
        text=notice.text,
        task_id=notice.task_id,
        kind=notice.kind,
        href=notice.href,
        created_at=utc_now(),
    )
    session.add(told)
    session.flush()
    return told


def notify_admins(session: Session, notice: Notice) -> list[Notification]:
    """Store a notification for every active admin who wants to hear of it."""
    admins = session.scalars(select(User.id).where(User.role == "admin", User.is_active.is_(True)).order_by(User.id))
    return [told for user_id in admins.all() if (told := notify(session, user_id, notice)) is not None]
