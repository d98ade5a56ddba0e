"""Registered repositories, and what trace scans of them found.

Revision ID: 0004_trace_scan
Revises: 0003_code_scan
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from database import UtcDateTime

revision = "0004_trace_scan"
down_revision = "0003_code_scan"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables and their indexes."""
    op.create_table(
        "repositories",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("source", sa.String(1000), nullable=False),
        sa.Column("ref", sa.String(200)),
        sa.Column("created_by", sa.Integer, sa.ForeignKey("users.id", ondelete="SET NULL")),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "trace_sources",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("source", sa.String(1300), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("known", sa.LargeBinary),
        sa.UniqueConstraint("digest"),
    )
    op.create_table(
        "trace_snapshots",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("source_id", sa.Integer, sa.ForeignKey("trace_sources.id", ondelete="CASCADE"), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.create_index("ix_trace_snapshots_source_id", "trace_snapshots", ["source_id"])
    _create_scans()
    _create_artifacts_and_links()
    _create_tests_findings_and_rows()


def downgrade() -> None:
    """Remove the tables."""
    for name in ("changes", "rows", "findings", "tests", "links", "artifacts", "scans", "snapshots", "sources"):
        op.drop_table(f"trace_{name}")
    op.drop_table("repositories")


def _create_scans() -> None:
    op.create_table(
        "trace_scans",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("task_id", sa.String(36), nullable=False),
        sa.Column("source_id", sa.Integer, sa.ForeignKey("trace_sources.id", ondelete="CASCADE"), nullable=False),
        _snapshot_id(),
        sa.Column("repository_id", sa.Integer, sa.ForeignKey("repositories.id", ondelete="SET NULL")),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("commit", sa.String(64)),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("finished_at", UtcDateTime, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("counters", sa.JSON, nullable=False),
        sa.UniqueConstraint("task_id"),
        sa.UniqueConstraint("source_id", "sequence"),
    )
    op.create_index("ix_trace_scans_snapshot_id", "trace_scans", ["snapshot_id"])
    op.create_index("ix_trace_scans_repository_id", "trace_scans", ["repository_id"])
    op.create_table(
        "trace_changes",
        sa.Column("id", BIG_ID, primary_key=True),
        sa.Column("scan_id", sa.Integer, sa.ForeignKey("trace_scans.id", ondelete="CASCADE"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("subject", sa.String(20), nullable=False),
        sa.Column("change", sa.String(20), nullable=False),
        sa.Column("type", sa.String(20)),
        sa.Column("ref", sa.String(1000), nullable=False),
        sa.Column("title", sa.String(1000), nullable=False),
        sa.Column("path", sa.String(1000)),
        sa.Column("fields", sa.JSON, nullable=False),
    )
    op.create_index("ix_trace_changes_list", "trace_changes", ["scan_id", "position"])


def _snapshot_id() -> sa.Column[int]:
    key = sa.ForeignKey("trace_snapshots.id", ondelete="CASCADE")
    return sa.Column("snapshot_id", sa.Integer, key, nullable=False)


def _create_part(name: str, *columns: sa.Column[Any]) -> None:
    """A table of rows that belong to a snapshot, in an order of their own."""
    head = (
        sa.Column("id", BIG_ID, primary_key=True),
        _snapshot_id(),
        sa.Column("position", sa.Integer, nullable=False),
    )
    op.create_table(name, *head, *columns)


def _create_artifacts_and_links() -> None:
    _create_part(
        "trace_artifacts",
        sa.Column("type", sa.String(20), nullable=False),
        sa.Column("artifact_id", sa.String(200), nullable=False),
        sa.Column("title", sa.String(500), nullable=False),
        sa.Column("path", sa.String(1000), nullable=False),
        sa.Column("line", sa.Integer, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("risk", sa.String(10)),
        sa.Column("tier", sa.String(10)),
        sa.Column("status", sa.String(100)),
        sa.Column("fields", sa.JSON, nullable=False),
        sa.Column("problems", sa.JSON, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("search", sa.Text, nullable=False),
    )
    op.create_index("ix_trace_artifacts_list", "trace_artifacts", ["snapshot_id", "position"])
    op.create_index("ix_trace_artifacts_ref", "trace_artifacts", ["snapshot_id", "artifact_id"])
    _create_part(
        "trace_links",
        sa.Column("relation", sa.String(20), nullable=False),
        sa.Column("from_type", sa.String(20), nullable=False),
        sa.Column("from_ref", sa.String(1000), nullable=False),
        sa.Column("to_type", sa.String(20), nullable=False),
        sa.Column("to_ref", sa.String(1000), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(20)),
        sa.Column("hint", sa.String(500)),
        sa.Column("is_inferred", sa.Boolean, nullable=False),
        sa.Column("places", sa.JSON, nullable=False),
    )
    op.create_index("ix_trace_links_list", "trace_links", ["snapshot_id", "position"])
    op.create_index("ix_trace_links_from", "trace_links", ["snapshot_id", "from_ref"])
    op.create_index("ix_trace_links_to", "trace_links", ["snapshot_id", "to_ref"])


def _create_tests_findings_and_rows() -> None:
    _create_part(
        "trace_tests",
        sa.Column("path", sa.String(1000), nullable=False),
        sa.Column("line", sa.Integer, nullable=False),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("tier", sa.String(10)),
        sa.Column("is_tier_inferred", sa.Boolean, nullable=False),
        sa.Column("risk", sa.String(10)),
        sa.Column("refs", sa.JSON, nullable=False),
    )
    op.create_index("ix_trace_tests_list", "trace_tests", ["snapshot_id", "position"])
    _create_part(
        "trace_findings",
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("severity", sa.String(10), nullable=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(1000), nullable=False),
        sa.Column("path", sa.String(1000)),
        sa.Column("line", sa.Integer),
        sa.Column("message", sa.String(1000), nullable=False),
        sa.Column("hint", sa.String(500)),
        sa.Column("risk", sa.String(10)),
    )
    op.create_index("ix_trace_findings_list", "trace_findings", ["snapshot_id", "kind", "position"])
    _create_part(
        "trace_rows",
        sa.Column("requirement", sa.String(200), nullable=False),
        sa.Column("title", sa.String(500), nullable=False),
        sa.Column("path", sa.String(1000), nullable=False),
        sa.Column("risk", sa.String(10)),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("is_look_again", sa.Boolean, nullable=False),
        sa.Column("cells", sa.JSON, nullable=False),
        sa.Column("search", sa.Text, nullable=False),
    )
    op.create_index("ix_trace_rows_list", "trace_rows", ["snapshot_id", "position"])
