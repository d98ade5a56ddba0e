"""The history of the metrics.

Revision ID: 0013_samples
Revises: 0012_estimates
"""

from __future__ import annotations

revision = "0013_samples"
down_revision = "0012_estimates"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
