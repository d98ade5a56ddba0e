"""The tables of alerts. At most one alert of a type and subject is open: the database refuses a second one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from database import Base, UtcDateTime
from tasks.models import BigId

OPEN = text("resolved_at IS NULL")


class Alert(Base):
    """Something that is wrong, or was. It is open until `resolved_at` is set."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index("uq_alerts_open", "type", "subject", unique=True, sqlite_where=OPEN, postgresql_where=OPEN),
        Index("ix_alerts_resolved", "resolved_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    type: Mapped[str] = mapped_column(String(40))
    """a key of rules.RULES"""
    subject: Mapped[str] = mapped_column(String(200))
    """what is wrong with it: a host and path, a job, a worker, a task's id"""
    severity: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(12))
    count: Mapped[int] = mapped_column(Integer)
    title: Mapped[str] = mapped_column(String(300))
    text: Mapped[str] = mapped_column(Text)
    facts: Mapped[list[Any]] = mapped_column(JSON)
    """the numbers behind the words as (name, value in words)"""
    task_id: Mapped[str | None] = mapped_column(String(36))
    """the task it is about. No foreign key: an alert outlives the task"""
    first_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
    escalated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    acknowledged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    acknowledged_by: Mapped[str | None] = mapped_column(String(64))
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    resolved_by: Mapped[str | None] = mapped_column(String(64))
    """null where the cause was gone by itself"""


class AlertEvent(Base):
    """One thing that happened to an alert; `actor_name` is null where no person did it."""

    __tablename__ = "alert_events"
    __table_args__ = (Index("ix_alert_events_alert", "alert_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    alert_id: Mapped[int] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    what: Mapped[str] = mapped_column(String(20))
    """`raised`, `again`, `escalated`, `acknowledged`, `resolved` or `note`"""
    severity: Mapped[str] = mapped_column(String(10))
    actor_name: Mapped[str | None] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text)
