"""Links that show one task to people without an account, and indexes along which lists of tasks are read.

Revision ID: 0011_share_links
Revises: 0010_deliveries
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from database import UtcDateTime

revision = "0011_share_links"
down_revision = "0010_deliveries"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and the indexes."""
    op.create_table(
        "share_links",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("task_id", sa.String(36), sa.ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("created_by", sa.Integer, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("revoked_at", UtcDateTime),
        sa.Column("last_used_at", UtcDateTime),
        sa.Column("uses", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_share_links_task", "share_links", ["task_id", "id"])
    for column in ("state", "kind", "visibility"):
        op.create_index(f"ix_tasks_{column}_created", "tasks", [column, "created_at"])
