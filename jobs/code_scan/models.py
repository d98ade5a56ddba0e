"""The tables of code scans: an index per source and options, whose rows carry the scans they are true for.

A row belongs to scan number `n` of its index when `first_scan <= n < removed_in`. So an unchanged rescan writes one
row, a finished scan's pages never change, and what changed is a question of two equalities. A scan exists from the
moment its row is written, in the transaction that raises the index's `sequence`; rows numbered above that are leftovers
of an attempt that broke off.

Ids are `index_id << 32 | number`: given out by the one writer of the index, unique everywhere, exact in JavaScript.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from database import Base, UtcDateTime

BigId = BigInteger().with_variant(Integer, "sqlite")
NEVER = 2**31 - 1
ID_SHIFT = 32


class CodeIndex(Base):
    """One source scanned with one set of options. `writer` names the attempt that may write; the newest claim wins."""

    __tablename__ = "code_indexes"
    __table_args__ = (UniqueConstraint("digest"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(String(2000))
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    analyzer: Mapped[str | None] = mapped_column(String(64))
    writer: Mapped[str | None] = mapped_column(String(80))
    sequence: Mapped[int] = mapped_column(Integer)
    next_file: Mapped[int] = mapped_column(BigInteger)
    next_node: Mapped[int] = mapped_column(BigInteger)
    next_edge: Mapped[int] = mapped_column(BigInteger)


class CodeScan(Base):
    """One finished scan. `counters` holds the sums that its pages lead with, true at `sequence`."""

    __tablename__ = "code_scans"
    __table_args__ = (UniqueConstraint("task_id"), UniqueConstraint("index_id", "sequence"))

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    task_id: Mapped[str] = mapped_column(String(36))
    index_id: Mapped[int] = mapped_column(ForeignKey("code_indexes.id", ondelete="CASCADE"))
    sequence: Mapped[int] = mapped_column(Integer)
    commit: Mapped[str | None] = mapped_column(String(64))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime] = mapped_column(UtcDateTime)
    duration_ms: Mapped[int] = mapped_column(BigInteger)
    counters: Mapped[dict[str, Any]] = mapped_column(JSON)


class CodeFile(Base):
    """One version of a file: parsed, skipped or failed. `node_ids` and `linkage` are what linking it again needs."""

    __tablename__ = "code_files"
    __table_args__ = (
        Index("ix_code_files_removed", "index_id", "removed_in", "status"),
        Index("ix_code_files_first", "index_id", "first_scan"),
        Index("ix_code_files_path", "index_id", "path"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    index_id: Mapped[int] = mapped_column(ForeignKey("code_indexes.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(String(1000))
    language: Mapped[str | None] = mapped_column(String(20))
    size: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[str | None] = mapped_column(String(32))
    lines: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(String(8))
    reason: Mapped[str | None] = mapped_column(String(20))
    note: Mapped[str | None] = mapped_column(String(300))
    first_scan: Mapped[int] = mapped_column(Integer)
    removed_in: Mapped[int] = mapped_column(Integer)
    node_ids: Mapped[bytes | None] = mapped_column(LargeBinary)
    linkage: Mapped[bytes | None] = mapped_column(LargeBinary)


class CodeNode(Base):
    """One version of something found. `search` is what a text search looks at, in lower case.

    The first index holds all that the filtered list needs, in the order of the list.
    """

    __tablename__ = "code_nodes"
    __table_args__ = (
        Index(
            "ix_code_nodes_list",
            *("index_id", "path", "line", "id", "removed_in", "first_scan", "type", "language", "confidence", "search"),
        ),
        Index("ix_code_nodes_type", "index_id", "type", "target", "removed_in", "first_scan", "language", "path"),
        Index("ix_code_nodes_removed", "index_id", "removed_in"),
        Index("ix_code_nodes_first", "index_id", "first_scan"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    index_id: Mapped[int] = mapped_column(ForeignKey("code_indexes.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(String(1000))
    line: Mapped[int] = mapped_column(Integer)
    end_line: Mapped[int] = mapped_column(Integer)
    type: Mapped[str] = mapped_column(String(20))
    language: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(200))
    target: Mapped[str | None] = mapped_column(String(300))
    verb: Mapped[str | None] = mapped_column(String(40))
    function: Mapped[str | None] = mapped_column(String(300))
    confidence: Mapped[float] = mapped_column(Float)
    evidence: Mapped[str] = mapped_column(String(300))
    search: Mapped[str] = mapped_column(String(900))
    first_scan: Mapped[int] = mapped_column(Integer)
    removed_in: Mapped[int] = mapped_column(Integer)
    snippet: Mapped[str] = mapped_column(Text)


class CodeEdge(Base):
    """One version of a connection between two nodes."""

    __tablename__ = "code_edges"
    __table_args__ = (
        Index("ix_code_edges_source", "source_id"),
        Index("ix_code_edges_target", "target_id"),
        Index("ix_code_edges_removed", "index_id", "removed_in"),
        Index("ix_code_edges_first", "index_id", "first_scan"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    index_id: Mapped[int] = mapped_column(ForeignKey("code_indexes.id", ondelete="CASCADE"))
    source_id: Mapped[int] = mapped_column(BigInteger)
    target_id: Mapped[int] = mapped_column(BigInteger)
    label: Mapped[str] = mapped_column(String(20))
    confidence: Mapped[float] = mapped_column(Float)
    first_scan: Mapped[int] = mapped_column(Integer)
    removed_in: Mapped[int] = mapped_column(Integer)
