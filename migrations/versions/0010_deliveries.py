"""Webhooks, mail, and what became of each delivery.

Revision ID: 0010_deliveries
Revises: 0009_notifications
"""

from __future__ import annotations

revision = "0010_deliveries"
down_revision = "0009_notifications"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
