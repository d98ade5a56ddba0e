"""The tables of notifications."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from database import Base, UtcDateTime
from tasks.models import BigId


class Notification(Base):
    """One thing that one person was told. What is pushed, mailed or posted is read from here."""

    __tablename__ = "notifications"
    __table_args__ = (
        Index("ix_notifications_inbox", "user_id", "id"),
        Index("ix_notifications_unread", "user_id", "read_at"),
        Index("ix_notifications_unannounced", "announced_at", "id"),
        Index("ix_notifications_unrouted", "routed_at", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    type: Mapped[str] = mapped_column(String(20))
    """`finished`, `failed`, `cancelled`, `needs_review`, `alert` or `test`."""
    level: Mapped[str] = mapped_column(String(10))
    """`info`, `success`, `warning` or `error`."""
    title: Mapped[str] = mapped_column(String(300))
    text: Mapped[str] = mapped_column(Text)
    task_id: Mapped[str | None] = mapped_column(String(36))
    """The task it is about. No foreign key: a notification outlives the task."""
    kind: Mapped[str | None] = mapped_column(String(100))
    href: Mapped[str | None] = mapped_column(String(300))
    """The page to open, a path of this server."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    read_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    announced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When it went to the person's open tabs; null until then."""
    routed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When it was handed to the person's webhooks and mail; null until then."""
