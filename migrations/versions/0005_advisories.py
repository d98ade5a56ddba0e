"""Advisories by package, and what dependency scans found.

Revision ID: 0005_advisories
Revises: 0004_trace_scan
"""

from __future__ import annotations

revision = "0005_advisories"
down_revision = "0004_trace_scan"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and their indexes."""
