"""Indexes of scanned code, whose files, nodes and edges carry the scans they are true for.

Revision ID: 0003_code_scan
Revises: 0002_tasks
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from database import UtcDateTime

revision = "0003_code_scan"
down_revision = "0002_tasks"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables and their indexes."""
    op.create_table(
        "code_indexes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("source", sa.String(2000), nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("analyzer", sa.String(64)),
        sa.Column("writer", sa.String(80)),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("next_file", sa.BigInteger, nullable=False),
        sa.Column("next_node", sa.BigInteger, nullable=False),
        sa.Column("next_edge", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("digest"),
    )
    op.create_table(
        "code_scans",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("task_id", sa.String(36), nullable=False),
        _index_id(),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("commit", sa.String(64)),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("finished_at", UtcDateTime, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("counters", sa.JSON, nullable=False),
        sa.UniqueConstraint("task_id"),
        sa.UniqueConstraint("index_id", "sequence"),
    )
    _create_files()
    _create_nodes()
    _create_edges()


def downgrade() -> None:
    """Remove the tables."""
    for name in ("code_edges", "code_nodes", "code_files", "code_scans", "code_indexes"):
        op.drop_table(name)


def _index_id() -> sa.Column[int]:
    return sa.Column("index_id", sa.Integer, sa.ForeignKey("code_indexes.id", ondelete="CASCADE"), nullable=False)


def _lifetime() -> tuple[sa.Column[int], sa.Column[int]]:
    return (
        sa.Column("first_scan", sa.Integer, nullable=False),
        sa.Column("removed_in", sa.Integer, nullable=False),
    )


def _create_files() -> None:
    op.create_table(
        "code_files",
        sa.Column("id", BIG_ID, primary_key=True, autoincrement=False),
        _index_id(),
        sa.Column("path", sa.String(1000), nullable=False),
        sa.Column("language", sa.String(20)),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(32)),
        sa.Column("lines", sa.Integer, nullable=False),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("reason", sa.String(20)),
        sa.Column("note", sa.String(300)),
        *_lifetime(),
        sa.Column("node_ids", sa.LargeBinary),
        sa.Column("linkage", sa.LargeBinary),
    )
    op.create_index("ix_code_files_removed", "code_files", ["index_id", "removed_in", "status"])
    op.create_index("ix_code_files_first", "code_files", ["index_id", "first_scan"])
    op.create_index("ix_code_files_path", "code_files", ["index_id", "path"])


def _create_nodes() -> None:
    op.create_table(
        "code_nodes",
        sa.Column("id", BIG_ID, primary_key=True, autoincrement=False),
        _index_id(),
        sa.Column("path", sa.String(1000), nullable=False),
        sa.Column("line", sa.Integer, nullable=False),
        sa.Column("end_line", sa.Integer, nullable=False),
        sa.Column("type", sa.String(20), nullable=False),
        sa.Column("language", sa.String(20), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("target", sa.String(300)),
        sa.Column("verb", sa.String(40)),
        sa.Column("function", sa.String(300)),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("evidence", sa.String(300), nullable=False),
        sa.Column("search", sa.String(900), nullable=False),
        *_lifetime(),
        sa.Column("snippet", sa.Text, nullable=False),
    )
    listed = ["index_id", "path", "line", "id", "removed_in", "first_scan", "type", "language", "confidence", "search"]
    op.create_index("ix_code_nodes_list", "code_nodes", listed)
    typed = ["index_id", "type", "target", "removed_in", "first_scan", "language", "path"]
    op.create_index("ix_code_nodes_type", "code_nodes", typed)
    op.create_index("ix_code_nodes_removed", "code_nodes", ["index_id", "removed_in"])
    op.create_index("ix_code_nodes_first", "code_nodes", ["index_id", "first_scan"])


def _create_edges() -> None:
    op.create_table(
        "code_edges",
        sa.Column("id", BIG_ID, primary_key=True, autoincrement=False),
        _index_id(),
        sa.Column("source_id", sa.BigInteger, nullable=False),
        sa.Column("target_id", sa.BigInteger, nullable=False),
        sa.Column("label", sa.String(20), nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        *_lifetime(),
    )
    op.create_index("ix_code_edges_source", "code_edges", ["source_id"])
    op.create_index("ix_code_edges_target", "code_edges", ["target_id"])
    op.create_index("ix_code_edges_removed", "code_edges", ["index_id", "removed_in"])
    op.create_index("ix_code_edges_first", "code_edges", ["index_id", "first_scan"])
