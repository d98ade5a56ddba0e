"""Links that show one task to people without an account.

Revision ID: 0011_share_links
Revises: 0010_deliveries
"""

from __future__ import annotations

revision = "0011_share_links"
down_revision = "0010_deliveries"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
