"""What admins note on a task: for each other, never shown to its owner. Notes go when their task goes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, String, Text, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from accounts import Actor
from database import Base, UtcDateTime, rfc3339, utc_now
from tasks.models import BigId

MAX_NOTE = 2000
MAX_SHOWN = 200


class TaskNote(Base):
    """One remark."""

    __tablename__ = "task_notes"
    __table_args__ = (Index("ix_task_notes_task", "task_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"))
    author_id: Mapped[int | None] = mapped_column(Integer)
    author_name: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


def add_note(session: Session, task_id: str, actor: Actor, text: str) -> TaskNote:
    """Add a note in the caller's transaction."""
    note = TaskNote(
        task_id=task_id, author_id=actor.user_id, author_name=actor.name[:64], text=text[:MAX_NOTE], at=utc_now()
    )
    session.add(note)
    return note


def notes_of(session: Session, task_id: str) -> list[dict[str, Any]]:
    """The newest notes on a task, newest first, each `{id, by, at, text}`."""
    query = select(TaskNote).where(TaskNote.task_id == task_id).order_by(TaskNote.id.desc()).limit(MAX_SHOWN)
    return [
        {"id": note.id, "by": note.author_name, "at": rfc3339(note.at), "text": note.text}
        for note in session.scalars(query)
    ]


def count_notes(session: Session, task_ids: Collection[str]) -> dict[str, int]:
    """How many notes each of these tasks has; those without are left out."""
    query = select(TaskNote.task_id, func.count()).where(TaskNote.task_id.in_(task_ids)).group_by(TaskNote.task_id)
    return {task_id: number for task_id, number in session.execute(query)}  # noqa: C416  # a Row is no pair to mypy
