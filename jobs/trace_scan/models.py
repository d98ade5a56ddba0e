"""The tables of trace scans: registered repositories, scans, and what a scan found.

What a scan found is a snapshot: artifacts, links, tests, findings and the matrix, written in one transaction and never
changed. A scan that finds what the one before it found points to the same snapshot, so an unchanged rescan writes one
row. What a scan compares with (the files it read, by digest) lies in its source, which is one repository at one ref.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
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


class Repository(Base):
    """A registered repository: a folder below a scan root, or an https address with an optional `ref`."""

    __tablename__ = "repositories"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    source: Mapped[str] = mapped_column(String(1000))
    ref: Mapped[str | None] = mapped_column(String(200))
    created_by: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class TraceSource(Base):
    """One repository at one ref, as it is scanned. `known` is what its newest scan read, by path and digest."""

    __tablename__ = "trace_sources"
    __table_args__ = (UniqueConstraint("digest"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(String(1300))
    sequence: Mapped[int] = mapped_column(Integer)
    known: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)


class TraceSnapshot(Base):
    """What one or more scans found. `digest` stands for all of it."""

    __tablename__ = "trace_snapshots"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("trace_sources.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(String(64))


class TraceScan(Base):
    """One finished scan. `counters` holds the sums that its pages lead with."""

    __tablename__ = "trace_scans"
    __table_args__ = (UniqueConstraint("task_id"), UniqueConstraint("source_id", "sequence"))

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    task_id: Mapped[str] = mapped_column(String(36))
    source_id: Mapped[int] = mapped_column(ForeignKey("trace_sources.id", ondelete="CASCADE"))
    snapshot_id: Mapped[int] = mapped_column(ForeignKey("trace_snapshots.id", ondelete="CASCADE"), index=True)
    repository_id: Mapped[int | None] = mapped_column(ForeignKey("repositories.id", ondelete="SET NULL"), index=True)
    sequence: Mapped[int] = mapped_column(Integer)
    commit: Mapped[str | None] = mapped_column(String(64))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime] = mapped_column(UtcDateTime)
    duration_ms: Mapped[int] = mapped_column(BigInteger)
    counters: Mapped[dict[str, Any]] = mapped_column(JSON)


def _snapshot_id() -> Mapped[int]:
    return mapped_column(ForeignKey("trace_snapshots.id", ondelete="CASCADE"))


class TraceArtifact(Base):
    """One document, or one id that exists by annotations alone. `position` orders by type, then id, then path."""

    __tablename__ = "trace_artifacts"
    __table_args__ = (
        Index("ix_trace_artifacts_list", "snapshot_id", "position"),
        Index("ix_trace_artifacts_ref", "snapshot_id", "artifact_id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    snapshot_id: Mapped[int] = _snapshot_id()
    position: Mapped[int] = mapped_column(Integer)
    type: Mapped[str] = mapped_column(String(20))
    artifact_id: Mapped[str] = mapped_column(String(200))
    title: Mapped[str] = mapped_column(String(500))
    path: Mapped[str] = mapped_column(String(1000))
    line: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(20))
    risk: Mapped[str | None] = mapped_column(String(10))
    tier: Mapped[str | None] = mapped_column(String(10))
    status: Mapped[str | None] = mapped_column(String(100))
    fields: Mapped[dict[str, Any]] = mapped_column(JSON)
    problems: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    body: Mapped[str] = mapped_column(Text)
    search: Mapped[str] = mapped_column(Text)


class TraceLink(Base):
    """One link: from an artifact, a source file or a test file to one id or path, with every place that says so."""

    __tablename__ = "trace_links"
    __table_args__ = (
        Index("ix_trace_links_list", "snapshot_id", "position"),
        Index("ix_trace_links_from", "snapshot_id", "from_ref"),
        Index("ix_trace_links_to", "snapshot_id", "to_ref"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    snapshot_id: Mapped[int] = _snapshot_id()
    position: Mapped[int] = mapped_column(Integer)
    relation: Mapped[str] = mapped_column(String(20))
    from_type: Mapped[str] = mapped_column(String(20))
    from_ref: Mapped[str] = mapped_column(String(1000))
    to_type: Mapped[str] = mapped_column(String(20))
    to_ref: Mapped[str] = mapped_column(String(1000))
    state: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str | None] = mapped_column(String(20))
    hint: Mapped[str | None] = mapped_column(String(500))
    is_inferred: Mapped[bool] = mapped_column(Boolean)
    places: Mapped[list[dict[str, Any]]] = mapped_column(JSON)


class TraceTest(Base):
    """One annotated test or suite, or one test file without any annotation."""

    __tablename__ = "trace_tests"
    __table_args__ = (Index("ix_trace_tests_list", "snapshot_id", "position"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    snapshot_id: Mapped[int] = _snapshot_id()
    position: Mapped[int] = mapped_column(Integer)
    path: Mapped[str] = mapped_column(String(1000))
    line: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(String(300))
    state: Mapped[str] = mapped_column(String(20))
    tier: Mapped[str | None] = mapped_column(String(10))
    is_tier_inferred: Mapped[bool] = mapped_column(Boolean)
    risk: Mapped[str | None] = mapped_column(String(10))
    refs: Mapped[list[str]] = mapped_column(JSON)


class TraceFinding(Base):
    """One thing to look at. `key` names it from scan to scan, whatever line it moves to."""

    __tablename__ = "trace_findings"
    __table_args__ = (Index("ix_trace_findings_list", "snapshot_id", "kind", "position"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    snapshot_id: Mapped[int] = _snapshot_id()
    position: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(20))
    severity: Mapped[str] = mapped_column(String(10))
    code: Mapped[str] = mapped_column(String(40))
    key: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(1000))
    path: Mapped[str | None] = mapped_column(String(1000))
    line: Mapped[int | None] = mapped_column(Integer)
    message: Mapped[str] = mapped_column(String(1000))
    hint: Mapped[str | None] = mapped_column(String(500))
    risk: Mapped[str | None] = mapped_column(String(10))


class TraceRow(Base):
    """One requirement's row of the matrix. `position` puts gaps first, higher risk before lower."""

    __tablename__ = "trace_rows"
    __table_args__ = (Index("ix_trace_rows_list", "snapshot_id", "position"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    snapshot_id: Mapped[int] = _snapshot_id()
    position: Mapped[int] = mapped_column(Integer)
    requirement: Mapped[str] = mapped_column(String(200))
    title: Mapped[str] = mapped_column(String(500))
    path: Mapped[str] = mapped_column(String(1000))
    risk: Mapped[str | None] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10))
    is_look_again: Mapped[bool] = mapped_column(Boolean)
    cells: Mapped[dict[str, Any]] = mapped_column(JSON)
    search: Mapped[str] = mapped_column(Text)


class TraceChange(Base):
    """One difference between a scan and the one before it of the same source."""

    __tablename__ = "trace_changes"
    __table_args__ = (Index("ix_trace_changes_list", "scan_id", "position"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    scan_id: Mapped[int] = mapped_column(ForeignKey("trace_scans.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(Integer)
    subject: Mapped[str] = mapped_column(String(20))
    change: Mapped[str] = mapped_column(String(20))
    type: Mapped[str | None] = mapped_column(String(20))
    ref: Mapped[str] = mapped_column(String(1000))
    title: Mapped[str] = mapped_column(String(1000))
    path: Mapped[str | None] = mapped_column(String(1000))
    fields: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
