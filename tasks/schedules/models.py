"""The table of schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from database import Base, UtcDateTime


class Schedule(Base):
    """One recipe. `next_run_at` is what the scheduler looks at: due, and claimed by moving it on."""

    __tablename__ = "schedules"
    __table_args__ = (
        Index("ix_schedules_due", "active", "next_run_at"),
        Index("ix_schedules_owner", "owner_id", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(100))
    params: Mapped[dict[str, Any]] = mapped_column(JSON)
    cron: Mapped[str] = mapped_column(String(200))
    timezone: Mapped[str] = mapped_column(String(100))
    active: Mapped[bool] = mapped_column(Boolean)
    overlap: Mapped[str] = mapped_column(String(10))
    catch_up: Mapped[bool] = mapped_column(Boolean)
    priority: Mapped[str] = mapped_column(String(10))
    visibility: Mapped[str] = mapped_column(String(20))
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    next_run_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """the newest moment that it came due for and that was dealt with"""
    waiting: Mapped[bool] = mapped_column(Boolean)
    """due, and waiting for the end of the run before"""
    last_run_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_task_id: Mapped[str | None] = mapped_column(String(36))
    last_outcome: Mapped[str | None] = mapped_column(String(12))
    """what came of `due_at`: started, skipped, missed, or refused"""
    last_error: Mapped[str | None] = mapped_column(Text)
