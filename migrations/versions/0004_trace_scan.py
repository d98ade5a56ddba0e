"""Registered repositories, and what trace scans of them found.

Revision ID: 0004_trace_scan
Revises: 0003_code_scan
"""

from __future__ import annotations

revision = "0004_trace_scan"
down_revision = "0003_code_scan"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and their indexes."""
