"""Stores a scan in one transaction: its snapshot, unless the last one is the same, its changes, and what it read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session, undefer

from database import Database
from jobs.trace_scan.differences import Differences
from jobs.trace_scan.models import (
    TraceArtifact,
    TraceChange,
    TraceLink,
    TraceScan,
    TraceSnapshot,
    TraceSource,
)
from jobs.trace_scan.records import Record, digest_of

CHUNK = 500


class Overtaken(RuntimeError):
    """Another scan of this source was stored since this one began to compare."""


def digest(source: str) -> str:
    """The key of a source."""
    return hashlib.blake2b(source.encode(), digest_size=32).hexdigest()


def find_source(session: Session, source: str) -> TraceSource | None:
    """The source with what is remembered of it, or None before its first scan."""
    query = select(TraceSource).where(TraceSource.digest == digest(source))
    return session.scalar(query.options(undefer(TraceSource.known)))


def last_scan(session: Session, source: TraceSource | None) -> TraceScan | None:
    """The newest scan of a source that is still there."""
    if source is None:
        return None
    query = select(TraceScan).where(TraceScan.source_id == source.id)
    return session.scalar(query.order_by(TraceScan.sequence.desc()).limit(1))


def save(
    database: Database,
    source: str,
    sequence: int,
    scan: TraceScan,
    parts: dict[Any, list[Record]],
    differences: Differences,
    known: bytes,
    on_step: Callable[[int, str], None],
) -> None:
    """Store everything or nothing. `sequence` is that of the source when it was compared with; `on_step` is told how
    far it is (0 to 30) and may raise to stop. Raises Overtaken.
    """
    found = digest_of(parts)
    with database.write() as session:
        row = _claim(session, source, sequence)
        last = last_scan(session, row)
        snapshot = session.get(TraceSnapshot, last.snapshot_id) if last else None
        if snapshot is None or snapshot.digest != found:
            snapshot = TraceSnapshot(source_id=row.id, digest=found)
            session.add(snapshot)
            session.flush()
            _insert(session, TraceArtifact, parts[TraceArtifact], {"snapshot_id": snapshot.id})
            on_step(10, "Saving checksums")
            session.execute(update(TraceSource).where(TraceSource.id == row.id).values(known=known))
            on_step(15, "Saving links")
            _insert(session, TraceLink, parts[TraceLink], {"snapshot_id": snapshot.id})
            on_step(20, "Saving tests, findings and evidence")
            for model, rows in parts.items():
                if model not in (TraceArtifact, TraceLink):
                    _insert(session, model, rows, {"snapshot_id": snapshot.id})
        else:
            session.execute(update(TraceSource).where(TraceSource.id == row.id).values(known=known))
        on_step(25, "Finishing")
        scan.source_id, scan.snapshot_id, scan.sequence = row.id, snapshot.id, row.sequence
        session.add(scan)
        session.flush()
        _insert(session, TraceChange, differences.rows(), {"scan_id": scan.id})
        on_step(30, "")


def _claim(session: Session, source: str, sequence: int) -> TraceSource:
    """The source's row, locked, one scan further."""
    query = select(TraceSource).where(TraceSource.digest == digest(source)).with_for_update()
    row = session.scalar(query)
    if row is None:
        row = TraceSource(digest=digest(source), source=source[:1300], sequence=0)
        session.add(row)
    if row.sequence != sequence:
        raise Overtaken
    row.sequence = sequence + 1
    session.flush()
    return row


def _insert(session: Session, model: Any, rows: list[Record], owner: dict[str, int]) -> None:
    for start in range(0, len(rows), CHUNK):
        session.execute(insert(model), [row | owner for row in rows[start : start + CHUNK]])
