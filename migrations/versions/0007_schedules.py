"""Schedules, and the tasks that name theirs.

Revision ID: 0007_schedules
Revises: 0006_captions
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from database import UtcDateTime

revision = "0007_schedules"
down_revision = "0006_captions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, and let tasks name their schedule."""
    op.create_table(
        "schedules",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(100), nullable=False),
        sa.Column("params", sa.JSON, nullable=False),
        sa.Column("cron", sa.String(200), nullable=False),
        sa.Column("timezone", sa.String(100), nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("overlap", sa.String(10), nullable=False),
        sa.Column("catch_up", sa.Boolean, nullable=False),
        sa.Column("priority", sa.String(10), nullable=False),
        sa.Column("visibility", sa.String(20), nullable=False),
        sa.Column("owner_id", sa.Integer, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.Column("next_run_at", UtcDateTime),
        sa.Column("due_at", UtcDateTime),
        sa.Column("waiting", sa.Boolean, nullable=False),
        sa.Column("last_run_at", UtcDateTime),
        sa.Column("last_task_id", sa.String(36)),
        sa.Column("last_outcome", sa.String(12)),
        sa.Column("last_error", sa.Text),
    )
    op.create_index("ix_schedules_due", "schedules", ["active", "next_run_at"])
    op.create_index("ix_schedules_owner", "schedules", ["owner_id", "created_at"])
    op.add_column("tasks", sa.Column("schedule_id", sa.String(36)))
    op.create_index("ix_tasks_schedule", "tasks", ["schedule_id", "created_at"])
