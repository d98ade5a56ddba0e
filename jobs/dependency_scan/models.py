"""The tables of dependency scans. A scan and all that it found are written in one transaction and never change.

What people decided to ignore belongs to the source and not to a scan: it counts for every scan of that source, also
for those that were made before.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from database import Base, UtcDateTime

BigId = BigInteger().with_variant(Integer, "sqlite")


class DependencyScan(Base):
    """One finished scan. `counters` holds its sums, `facts` what else its pages say:

    {files: [{path, reader, packages, problem}], data: [{ecosystem, records, source, licence, data_date, imported_at}],
    fixed: [{package, ecosystem, was, now, advisory, ids, severity, how}], host, updates, warnings}
    """

    __tablename__ = "dependency_scans"
    __table_args__ = (UniqueConstraint("task_id"), Index("ix_dependency_scans_source", "source", "id"))

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    task_id: Mapped[str] = mapped_column(String(36))
    source: Mapped[str] = mapped_column(String(1000))
    previous_task_id: Mapped[str | None] = mapped_column(String(36))
    previous_finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    commit: Mapped[str | None] = mapped_column(String(64))
    data_date: Mapped[datetime | None] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime] = mapped_column(UtcDateTime)
    duration_ms: Mapped[int] = mapped_column(BigInteger)
    counters: Mapped[dict[str, Any]] = mapped_column(JSON)
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)


class DependencyPackage(Base):
    """One version of one package, once however many files name it.

    `places` are [{file, line, relation, via[], others, is_dev, condition}]. `reason` says why it was not evaluated,
    `note` the same as a sentence. `source_name` and `source_version` are those of a Debian source package.
    """

    __tablename__ = "dependency_packages"
    __table_args__ = (Index("ix_dependency_packages_scan", "scan_id", "name"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    scan_id: Mapped[int] = mapped_column(ForeignKey("dependency_scans.id", ondelete="CASCADE"))
    ecosystem: Mapped[str] = mapped_column(String(60))
    name: Mapped[str] = mapped_column(String(300))
    version: Mapped[str | None] = mapped_column(String(200))
    source_name: Mapped[str | None] = mapped_column(String(300))
    source_version: Mapped[str | None] = mapped_column(String(200))
    places: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    reason: Mapped[str | None] = mapped_column(String(20))
    note: Mapped[str | None] = mapped_column(String(500))


class DependencyFinding(Base):
    """One vulnerability of one package version; of a Debian source package, with the installed packages built from it.

    `change` compares with the scan before: "first" (there was none), "same", "new" (the version is new here), or
    "new_data" (only the advisories are newer). `rank` orders by severity, the worst 0.
    """

    __tablename__ = "dependency_findings"
    __table_args__ = (Index("ix_dependency_findings_scan", "scan_id", "rank", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    scan_id: Mapped[int] = mapped_column(ForeignKey("dependency_scans.id", ondelete="CASCADE"))
    ecosystem: Mapped[str] = mapped_column(String(60))
    name: Mapped[str] = mapped_column(String(300))
    version: Mapped[str] = mapped_column(String(200))
    places: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    installed: Mapped[list[str]] = mapped_column(JSON)
    advisory: Mapped[str] = mapped_column(String(120))
    ids: Mapped[list[str]] = mapped_column(JSON)
    summary: Mapped[str] = mapped_column(String(300))
    severity: Mapped[str] = mapped_column(String(10))
    rank: Mapped[int] = mapped_column(Integer)
    score: Mapped[float | None] = mapped_column(Float)
    vector: Mapped[str | None] = mapped_column(String(300))
    fixed_in: Mapped[str | None] = mapped_column(String(200))
    change: Mapped[str] = mapped_column(String(10))
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    modified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DependencyIgnore(Base):
    """Somebody's decision that a vulnerability of a package does not count for this source, until a day.

    `had_fix` False: it was ignored because there was no fix; it ends as soon as one is known. `ended_at` is set when
    it is taken back. `ids` are all names the vulnerability had then.
    """

    __tablename__ = "dependency_ignores"
    __table_args__ = (Index("ix_dependency_ignores_source", "source", "ended_at"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    source: Mapped[str] = mapped_column(String(1000))
    ecosystem: Mapped[str] = mapped_column(String(60))
    name: Mapped[str] = mapped_column(String(300))
    advisory: Mapped[str] = mapped_column(String(120))
    ids: Mapped[list[str]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(String(1000))
    had_fix: Mapped[bool] = mapped_column()
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
