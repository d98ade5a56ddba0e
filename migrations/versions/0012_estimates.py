"""How long jobs take, and how good the estimates were.

Revision ID: 0012_estimates
Revises: 0011_share_links
"""

from __future__ import annotations

revision = "0012_estimates"
down_revision = "0011_share_links"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
