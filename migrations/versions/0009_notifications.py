"""Notifications, what people want to be told, and who follows a task.

Revision ID: 0009_notifications
Revises: 0008_settings
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from database import UtcDateTime

revision = "0009_notifications"
down_revision = "0008_settings"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "notifications",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("type", sa.String(20), nullable=False),
        sa.Column("level", sa.String(10), nullable=False),
        sa.Column("title", sa.String(300), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("task_id", sa.String(36)),
        sa.Column("kind", sa.String(100)),
        sa.Column("href", sa.String(300)),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("read_at", UtcDateTime),
        sa.Column("announced_at", UtcDateTime),
        sa.Column("routed_at", UtcDateTime),
    )
    op.create_index("ix_notifications_inbox", "notifications", ["user_id", "id"])
    op.create_index("ix_notifications_unread", "notifications", ["user_id", "read_at"])
    op.create_index("ix_notifications_unannounced", "notifications", ["announced_at", "id"])
    op.create_index("ix_notifications_unrouted", "notifications", ["routed_at", "id"])
    once = sa.text("task_id IS NOT NULL AND type IN ('finished', 'failed', 'cancelled', 'needs_review')")
    op.create_index(
        "uq_notifications_end",
        "notifications",
        ["task_id", "user_id", "type"],
        unique=True,
        sqlite_where=once,
        postgresql_where=once,
    )
    op.create_table(
        "notification_preferences",
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), primary_key=True, autoincrement=False),
        sa.Column("muted_types", sa.JSON, nullable=False),
        sa.Column("muted_kinds", sa.JSON, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "task_followers",
        sa.Column("task_id", sa.String(36), sa.ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("wants", sa.Boolean, nullable=False),
    )
    op.create_index("ix_task_followers_user_id", "task_followers", ["user_id"])
