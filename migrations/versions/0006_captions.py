"""Images with their descriptions, and the settings of those who have them made.

Revision ID: 0006_captions
Revises: 0005_advisories
"""

from __future__ import annotations

revision = "0006_captions"
down_revision = "0005_advisories"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and their indexes."""
