"""Advisories by package, and what dependency scans found.

Revision ID: 0005_advisories
Revises: 0004_trace_scan
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from database import UtcDateTime

revision = "0005_advisories"
down_revision = "0004_trace_scan"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables and their indexes."""
    _create_advisories()
    _create_dependency_scans()
    _create_ignores()


def downgrade() -> None:
    """Remove the tables."""
    for name in (
        "dependency_ignores",
        "dependency_findings",
        "dependency_packages",
        "dependency_scans",
        "advisory_packages",
        "advisories",
        "advisory_ecosystems",
    ):
        op.drop_table(name)


def _create_advisories() -> None:
    op.create_table(
        "advisory_ecosystems",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("writer", sa.String(80)),
        sa.Column("task_id", sa.String(36)),
        sa.Column("source", sa.String(2000)),
        sa.Column("fingerprint", sa.JSON),
        sa.Column("licence", sa.String(300)),
        sa.Column("data_date", UtcDateTime),
        sa.Column("imported_at", UtcDateTime),
        sa.Column("checked_at", UtcDateTime),
        sa.Column("records", sa.Integer, nullable=False),
        sa.Column("packages", sa.Integer, nullable=False),
        sa.Column("counters", sa.JSON, nullable=False),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "advisories",
        sa.Column("id", BIG_ID, primary_key=True, autoincrement=False),
        sa.Column(
            "ecosystem_id", sa.Integer, sa.ForeignKey("advisory_ecosystems.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("record_id", sa.String(120), nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("is_withdrawn", sa.Boolean, nullable=False),
        sa.Column("first_import", sa.Integer, nullable=False),
        sa.Column("removed_in", sa.Integer, nullable=False),
        sa.Column("severity", sa.String(10), nullable=False),
        sa.Column("score", sa.Float),
        sa.Column("vector", sa.String(300)),
        sa.Column("summary", sa.String(300), nullable=False),
        sa.Column("aliases", sa.JSON, nullable=False),
        sa.Column("upstream", sa.JSON, nullable=False),
        sa.Column("published_at", UtcDateTime),
        sa.Column("modified_at", UtcDateTime),
    )
    op.create_index("ix_advisories_record", "advisories", ["record_id"])
    op.create_index("ix_advisories_removed", "advisories", ["ecosystem_id", "removed_in"])
    op.create_index("ix_advisories_first", "advisories", ["ecosystem_id", "first_import"])
    op.create_table(
        "advisory_packages",
        sa.Column("id", BIG_ID, primary_key=True),
        sa.Column("advisory_id", sa.BigInteger, sa.ForeignKey("advisories.id", ondelete="CASCADE"), nullable=False),
        sa.Column("ecosystem_id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("release", sa.String(40), nullable=False),
        sa.Column("facts", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_advisory_packages_name", "advisory_packages", ["ecosystem_id", "name"])
    op.create_index("ix_advisory_packages_advisory", "advisory_packages", ["advisory_id"])


def _create_dependency_scans() -> None:
    op.create_table(
        "dependency_scans",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("task_id", sa.String(36), nullable=False),
        sa.Column("source", sa.String(1000), nullable=False),
        sa.Column("previous_task_id", sa.String(36)),
        sa.Column("previous_finished_at", UtcDateTime),
        sa.Column("commit", sa.String(64)),
        sa.Column("data_date", UtcDateTime),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("finished_at", UtcDateTime, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("counters", sa.JSON, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.UniqueConstraint("task_id"),
    )
    op.create_index("ix_dependency_scans_source", "dependency_scans", ["source", "id"])
    op.create_table(
        "dependency_packages",
        sa.Column("id", BIG_ID, primary_key=True),
        _scan_id(),
        sa.Column("ecosystem", sa.String(60), nullable=False),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("version", sa.String(200)),
        sa.Column("source_name", sa.String(300)),
        sa.Column("source_version", sa.String(200)),
        sa.Column("places", sa.JSON, nullable=False),
        sa.Column("reason", sa.String(20)),
        sa.Column("note", sa.String(500)),
    )
    op.create_index("ix_dependency_packages_scan", "dependency_packages", ["scan_id", "name"])
    op.create_table(
        "dependency_findings",
        sa.Column("id", BIG_ID, primary_key=True),
        _scan_id(),
        sa.Column("ecosystem", sa.String(60), nullable=False),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("version", sa.String(200), nullable=False),
        sa.Column("places", sa.JSON, nullable=False),
        sa.Column("installed", sa.JSON, nullable=False),
        sa.Column("advisory", sa.String(120), nullable=False),
        sa.Column("ids", sa.JSON, nullable=False),
        sa.Column("summary", sa.String(300), nullable=False),
        sa.Column("severity", sa.String(10), nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("score", sa.Float),
        sa.Column("vector", sa.String(300)),
        sa.Column("fixed_in", sa.String(200)),
        sa.Column("change", sa.String(10), nullable=False),
        sa.Column("published_at", UtcDateTime),
        sa.Column("modified_at", UtcDateTime),
    )
    op.create_index("ix_dependency_findings_scan", "dependency_findings", ["scan_id", "rank", "id"])


def _create_ignores() -> None:
    op.create_table(
        "dependency_ignores",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("source", sa.String(1000), nullable=False),
        sa.Column("ecosystem", sa.String(60), nullable=False),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("advisory", sa.String(120), nullable=False),
        sa.Column("ids", sa.JSON, nullable=False),
        sa.Column("reason", sa.String(1000), nullable=False),
        sa.Column("had_fix", sa.Boolean, nullable=False),
        sa.Column("created_by", sa.String(64), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime),
    )
    op.create_index("ix_dependency_ignores_source", "dependency_ignores", ["source", "ended_at"])


def _scan_id() -> sa.Column[int]:
    return sa.Column("scan_id", sa.Integer, sa.ForeignKey("dependency_scans.id", ondelete="CASCADE"), nullable=False)
