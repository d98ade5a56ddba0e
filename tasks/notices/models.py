"""The tables of notifications: what people were told, what they want to be told, and who asked about which task."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, Boolean, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from database import Base, UtcDateTime
from tasks.models import BigId

ONCE = text("task_id IS NOT NULL AND type IN ('finished', 'failed', 'cancelled', 'needs_review')")


class Notification(Base):
    """One thing that one person was told. What is pushed, mailed or posted is read from here."""

    __tablename__ = "notifications"
    __table_args__ = (
        Index("ix_notifications_inbox", "user_id", "id"),
        Index("ix_notifications_unread", "user_id", "read_at"),
        Index("ix_notifications_unannounced", "announced_at", "id"),
        Index("ix_notifications_unrouted", "routed_at", "id"),
        Index(
            "uq_notifications_end",
            "task_id",
            "user_id",
            "type",
            unique=True,
            sqlite_where=ONCE,
            postgresql_where=ONCE,
        ),
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


class NotificationPreferences(Base):
    """What a person does not want to be told. Without a row, everything is told."""

    __tablename__ = "notification_preferences"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    muted_types: Mapped[list[str]] = mapped_column(JSON)
    muted_kinds: Mapped[list[str]] = mapped_column(JSON)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class TaskFollower(Base):
    """What a person said of one task: tell me of its end, even if I muted its like, or do not."""

    __tablename__ = "task_followers"
    __table_args__ = (Index("ix_task_followers_user_id", "user_id"),)

    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    wants: Mapped[bool] = mapped_column(Boolean)
