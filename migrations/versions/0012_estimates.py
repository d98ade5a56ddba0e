"""How long jobs take, and how good the estimates were.

Revision ID: 0012_estimates
Revises: 0011_share_links
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from database import UtcDateTime

revision = "0012_estimates"
down_revision = "0011_share_links"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, and the index by which one job's past is read."""
    op.create_table(
        "task_timings",
        sa.Column("task_id", sa.String(36), sa.ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("kind", sa.String(100), nullable=False),
        sa.Column("likeness", sa.String(32), nullable=False),
        sa.Column("finished_at", UtcDateTime, nullable=False),
        sa.Column("phases", sa.JSON, nullable=False),
        sa.Column("gap_s", sa.Float),
        sa.Column("longest_gap_s", sa.Float),
        sa.Column("told", sa.Integer, nullable=False),
        sa.Column("held", sa.Integer, nullable=False),
        sa.Column("error", sa.Float),
        sa.Column("misses", sa.JSON, nullable=False),
        sa.Column("moments", sa.JSON, nullable=False),
    )
    op.create_index("ix_task_timings_likeness", "task_timings", ["kind", "likeness", "finished_at"])
    op.create_index("ix_task_timings_kind", "task_timings", ["kind", "finished_at"])
    op.create_index("ix_tasks_kind_finished", "tasks", ["kind", "finished_at"])
