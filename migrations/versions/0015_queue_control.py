"""What operators say to the queue: notes on tasks, workers that drain.

Revision ID: 0015_queue_control
Revises: 0014_alerts
"""

from __future__ import annotations

revision = "0015_queue_control"
down_revision = "0014_alerts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
