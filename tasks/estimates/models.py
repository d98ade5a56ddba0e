"""The table of how long completed tasks took and how good their estimates were: what later estimates learn from."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Float, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from database import Base, UtcDateTime


class TaskTiming(Base):
    """The last attempt of a completed task. Written in the transaction that completes it, removed with it."""

    __tablename__ = "task_timings"
    __table_args__ = (
        Index("ix_task_timings_likeness", "kind", "likeness", "finished_at"),
        Index("ix_task_timings_kind", "kind", "finished_at"),
    )

    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(100))
    likeness: Mapped[str] = mapped_column(String(32))
    """equal for tasks that work on the same thing"""
    finished_at: Mapped[datetime] = mapped_column(UtcDateTime)
    phases: Mapped[dict[str, Any]] = mapped_column(JSON)
    gap_s: Mapped[float | None] = mapped_column(Float)
    """between two moves of its progress, as a mean; null where it hardly moved"""
    longest_gap_s: Mapped[float | None] = mapped_column(Float)
    told: Mapped[int] = mapped_column(Integer)
    """at how many of the judged moments an estimate stood there"""
    held: Mapped[int] = mapped_column(Integer)
    """at how many of them the truth lay within"""
    error: Mapped[float | None] = mapped_column(Float)
    """the median of how far they were off, as a share of the truth"""
    misses: Mapped[list[Any]] = mapped_column(JSON)
    moments: Mapped[list[Any]] = mapped_column(JSON)
