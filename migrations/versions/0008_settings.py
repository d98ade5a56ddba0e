"""What admins change while the server runs.

Revision ID: 0008_settings
Revises: 0007_schedules
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from database import UtcDateTime

revision = "0008_settings"
down_revision = "0007_schedules"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "settings",
        sa.Column("key", sa.String(100), primary_key=True),
        sa.Column("value", sa.JSON, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.Column("changed_by", sa.String(64), nullable=False),
    )
