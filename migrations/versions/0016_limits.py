"""Limits of a person's own, and links with which people set their password.

Revision ID: 0016_limits
Revises: 0015_queue_control
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from database import UtcDateTime

revision = "0016_limits"
down_revision = "0015_queue_control"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables, and what the audit log is filtered by."""
    op.create_table(
        "user_limits",
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", name="fk_user_limits_user_id"), nullable=False),
        sa.Column("max_running", sa.Integer),
        sa.Column("tasks_per_day", sa.Integer),
        sa.Column("timeout_s", sa.Integer),
        sa.Column("may_cancel", sa.Boolean),
        sa.Column("may_retry", sa.Boolean),
        sa.Column("highest_priority", sa.String(10)),
        sa.PrimaryKeyConstraint("user_id", name="pk_user_limits"),
    )
    op.create_table(
        "password_links",
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", name="fk_password_links_user_id"), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_password_links"),
        sa.UniqueConstraint("token_hash", name="uq_password_links_token_hash"),
    )
    op.create_index("ix_audit_log_actor_id_id", "audit_log", ["actor_id", "id"])
    op.create_index("ix_audit_log_subject_id", "audit_log", ["subject", "id"])


def downgrade() -> None:
    """Take both away."""
    op.drop_index("ix_audit_log_subject_id", "audit_log")
    op.drop_index("ix_audit_log_actor_id_id", "audit_log")
    op.drop_table("password_links")
    op.drop_table("user_limits")
