"""Stores a scan in one transaction: its snapshot, unless the last one is the same, its changes, and what it read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session, undefer

from database import Database
from jobs.trace_scan.models import TraceChange, TraceScan, TraceSnapshot, TraceSource
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


class Result(NamedTuple):
    """What is stored. `sequence` is the source's when it was compared with; `known` what it is to remember;
    `snapshot_id` an earlier snapshot that says the same, or None to store `parts`.
    """

    source: str
    sequence: int
    scan: TraceScan
    parts: dict[Any, list[Record]]
    changes: list[Record]
    known: bytes
    snapshot_id: int | None


def save(database: Database, result: Result, on_step: Callable[[int, str], None]) -> None:
    """Store everything or nothing. `on_step` hears how far it is (0 to 30) and may raise to stop. Raises Overtaken."""
    scan = result.scan
    with database.write() as session:
        row = _claim(session, result.source, result.sequence)
        scan.snapshot_id = result.snapshot_id or _snapshot(session, row, result.parts, on_step)
        on_step(25, "Saving checksums and changes")
        session.execute(update(TraceSource).where(TraceSource.id == row.id).values(known=result.known))
        scan.source_id, scan.sequence = row.id, row.sequence
        session.add(scan)
        session.flush()
        _insert(session, TraceChange, result.changes, {"scan_id": scan.id}, partial(on_step, 25, "Saving changes"))
        on_step(30, "")


def _snapshot(
    session: Session, row: TraceSource, parts: dict[Any, list[Record]], on_step: Callable[[int, str], None]
) -> int:
    """The number of a snapshot with these rows: the last scan's, if it is the same, else a new one."""
    found = digest_of(parts)
    last = last_scan(session, row)
    before = session.get(TraceSnapshot, last.snapshot_id) if last else None
    if before is not None and before.digest == found:
        return before.id
    snapshot = TraceSnapshot(source_id=row.id, digest=found)
    session.add(snapshot)
    session.flush()
    for number, (model, rows) in enumerate(parts.items()):
        tick = partial(on_step, 5 * number, f"Saving {model.__tablename__.removeprefix('trace_')}")
        _insert(session, model, rows, {"snapshot_id": snapshot.id}, tick)
    return snapshot.id


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


def _insert(session: Session, model: Any, rows: list[Record], owner: dict[str, int], tick: Callable[[], None]) -> None:
    tick()
    for start in range(0, len(rows), CHUNK):
        tick()
        session.execute(insert(model), [row | owner for row in rows[start : start + CHUNK]])
