"""The tables of advisories: one data set per ecosystem, whose records carry the imports they are true for.

A record belongs to import number `n` of its ecosystem when `first_import <= n < removed_in`. So a reader who looks at
the ecosystem's `sequence` once sees one whole import, an import writes only what changed, and it becomes visible in
the one transaction that raises the sequence; records numbered above that are leftovers of an attempt that broke off.
Ended records are deleted after the switch: a reader who began before sees that the sequence has moved, and asks again.

Ids of records are `ecosystem_id << 32 | number`, given out by the one writer of the ecosystem.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from database import Base, UtcDateTime

BigId = BigInteger().with_variant(Integer, "sqlite")
NEVER = 2**31 - 1
ID_SHIFT = 32


class AdvisoryEcosystem(Base):
    """One ecosystem's data and where they come from. `sequence` 0: nothing was ever imported whole.

    `writer` names the attempt that may write; the newest claim wins. `fingerprint` is what tells unchanged data, see
    jobs.advisories.unchanged. `counters` are those of the last import, with the records of each release.
    """

    __tablename__ = "advisory_ecosystems"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    sequence: Mapped[int] = mapped_column(Integer)
    writer: Mapped[str | None] = mapped_column(String(80))
    task_id: Mapped[str | None] = mapped_column(String(36))
    source: Mapped[str | None] = mapped_column(String(2000))
    fingerprint: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    licence: Mapped[str | None] = mapped_column(String(300))
    data_date: Mapped[datetime | None] = mapped_column(UtcDateTime)
    imported_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    checked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    records: Mapped[int] = mapped_column(Integer)
    packages: Mapped[int] = mapped_column(Integer)
    counters: Mapped[dict[str, Any]] = mapped_column(JSON)


class Advisory(Base):
    """One version of one record of one ecosystem. `aliases` and `upstream` are lists of ids.

    `severity` is critical, high, medium, low or unknown; `score` is CVSS's where a vector says it.
    """

    __tablename__ = "advisories"
    __table_args__ = (
        Index("ix_advisories_record", "record_id"),
        Index("ix_advisories_removed", "ecosystem_id", "removed_in"),
        Index("ix_advisories_first", "ecosystem_id", "first_import"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    ecosystem_id: Mapped[int] = mapped_column(ForeignKey("advisory_ecosystems.id", ondelete="CASCADE"))
    record_id: Mapped[str] = mapped_column(String(120))
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    is_withdrawn: Mapped[bool] = mapped_column()
    first_import: Mapped[int] = mapped_column(Integer)
    removed_in: Mapped[int] = mapped_column(Integer)
    severity: Mapped[str] = mapped_column(String(10))
    score: Mapped[float | None] = mapped_column(Float)
    vector: Mapped[str | None] = mapped_column(String(300))
    summary: Mapped[str] = mapped_column(String(300))
    aliases: Mapped[list[str]] = mapped_column(JSON)
    upstream: Mapped[list[str]] = mapped_column(JSON)
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    modified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AdvisoryPackage(Base):
    """What one record says of one package. `name` is normalised; `release` is "12" of "Debian:12", else "".

    `facts` are the ranges and versions as OSV has them, packed by jobs.advisories.records.
    """

    __tablename__ = "advisory_packages"
    __table_args__ = (
        Index("ix_advisory_packages_name", "ecosystem_id", "name"),
        Index("ix_advisory_packages_advisory", "advisory_id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    advisory_id: Mapped[int] = mapped_column(ForeignKey("advisories.id", ondelete="CASCADE"))
    ecosystem_id: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(String(300))
    release: Mapped[str] = mapped_column(String(40))
    facts: Mapped[bytes] = mapped_column(LargeBinary)
