"""The tables of captions: one row for each image that was attempted, what people changed, and their own settings.

A row is written when its image is done, so the rows of a task are what it achieved, however it ends.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from database import Base, UtcDateTime

TO_REVIEW, APPROVED, REJECTED, FAILED = "review", "approved", "rejected", "failed"
STATUSES = (TO_REVIEW, APPROVED, REJECTED, FAILED)
MAX_NAME = 1000


class CaptionImage(Base):
    """An image with its caption, or with the reason why there is none.

    `drafted` is the text as the captioner gave it, `caption` as it is now. `revision` rises with every change.
    """

    __tablename__ = "caption_images"
    __table_args__ = (
        UniqueConstraint("task_id", "position"),
        Index("ix_caption_images_status", "task_id", "status", "position"),
        Index("ix_caption_images_known", "owner_id", "digest"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    task_id: Mapped[str] = mapped_column(String(36))
    owner_id: Mapped[int] = mapped_column(Integer)
    position: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(String(MAX_NAME))
    digest: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(10))
    caption: Mapped[str] = mapped_column(Text)
    drafted: Mapped[str] = mapped_column(Text)
    is_decorative: Mapped[bool] = mapped_column(Boolean)
    captioner: Mapped[str] = mapped_column(String(10))
    model: Mapped[str] = mapped_column(String(200))
    error: Mapped[str | None] = mapped_column(String(500))
    size: Mapped[int] = mapped_column(BigInteger)
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    revision: Mapped[int] = mapped_column(Integer)
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_by: Mapped[int | None] = mapped_column(Integer)


class CaptionChange(Base):
    """What one decision replaced, so that it can be undone: `before` holds the columns it changed."""

    __tablename__ = "caption_changes"
    __table_args__ = (Index("ix_caption_changes_newest", "task_id", "user_id", "id"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    task_id: Mapped[str] = mapped_column(String(36))
    image_id: Mapped[int] = mapped_column(ForeignKey("caption_images.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[int] = mapped_column(Integer)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    action: Mapped[str] = mapped_column(String(20))
    before: Mapped[dict[str, Any]] = mapped_column(JSON)


class CaptionDefaults(Base):
    """The settings that a person's start form begins with."""

    __tablename__ = "caption_defaults"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
