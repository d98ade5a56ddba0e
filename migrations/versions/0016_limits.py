"""Limits of a person's own.

Revision ID: 0016_limits
Revises: 0015_queue_control
"""

from __future__ import annotations

revision = "0016_limits"
down_revision = "0015_queue_control"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
