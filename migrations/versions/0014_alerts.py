"""Alerts and their notes.

Revision ID: 0014_alerts
Revises: 0013_samples
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from database import UtcDateTime

revision = "0014_alerts"
down_revision = "0013_samples"
branch_labels = None
depends_on = None

OPEN = sa.text("resolved_at IS NULL")


def upgrade() -> None:
    """Create the tables."""
    big_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "alerts",
        sa.Column("id", big_id, primary_key=True, autoincrement=True),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("severity", sa.String(10), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("title", sa.String(300), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("task_id", sa.String(36)),
        sa.Column("first_at", UtcDateTime, nullable=False),
        sa.Column("last_at", UtcDateTime, nullable=False),
        sa.Column("escalated_at", UtcDateTime),
        sa.Column("acknowledged_at", UtcDateTime),
        sa.Column("acknowledged_by", sa.String(64)),
        sa.Column("resolved_at", UtcDateTime),
        sa.Column("resolved_by", sa.String(64)),
    )
    op.create_index(
        "uq_alerts_open", "alerts", ["type", "subject"], unique=True, sqlite_where=OPEN, postgresql_where=OPEN
    )
    op.create_index("ix_alerts_resolved", "alerts", ["resolved_at"])
    op.create_table(
        "alert_events",
        sa.Column("id", big_id, primary_key=True, autoincrement=True),
        sa.Column("alert_id", big_id, sa.ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("what", sa.String(20), nullable=False),
        sa.Column("severity", sa.String(10), nullable=False),
        sa.Column("actor_name", sa.String(64)),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_index("ix_alert_events_alert", "alert_events", ["alert_id", "id"])
    op.create_index("ix_tasks_finished", "tasks", ["finished_at"])
