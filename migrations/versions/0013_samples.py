"""The history of the metrics, and who measures them.

Revision ID: 0013_samples
Revises: 0012_estimates
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from database import UtcDateTime

revision = "0013_samples"
down_revision = "0012_estimates"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "metric_samples",
        sa.Column("resolution_s", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", UtcDateTime, primary_key=True),
        sa.Column("metrics", sa.JSON, nullable=False),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("beat", sa.BigInteger, nullable=False),
    )
