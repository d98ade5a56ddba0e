"""Alerts and their notes.

Revision ID: 0014_alerts
Revises: 0013_samples
"""

from __future__ import annotations

revision = "0014_alerts"
down_revision = "0013_samples"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
