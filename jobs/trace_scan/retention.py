"""Drops trace scans whose tasks are gone, and the snapshots that no remaining scan shows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from database import Database
from jobs.trace_scan.models import (
    TraceArtifact,
    TraceChange,
    TraceFinding,
    TraceLink,
    TraceRow,
    TraceScan,
    TraceSnapshot,
    TraceTest,
)

PARTS = (TraceArtifact, TraceLink, TraceTest, TraceFinding, TraceRow)
CHUNK = 500


def forget(database: Database, task_ids: Sequence[str]) -> int:
    """Delete these tasks' scans, in short transactions. Returns how many there were.

    A source goes on knowing which files it read, so that the next scan of it still reads only what changed.
    """
    forgotten = 0
    for start in range(0, len(task_ids), CHUNK):
        with database.write() as session:
            named = TraceScan.task_id.in_(task_ids[start : start + CHUNK])
            found = session.execute(select(TraceScan.id, TraceScan.snapshot_id).where(named)).all()
            session.execute(delete(TraceChange).where(TraceChange.scan_id.in_([row.id for row in found])))
            session.execute(delete(TraceScan).where(TraceScan.id.in_([row.id for row in found])))
        forgotten += len(found)
        for snapshot_id in sorted({row.snapshot_id for row in found}):
            with database.write() as session:
                _drop_unseen(session, snapshot_id)
    return forgotten


def _drop_unseen(session: Session, snapshot_id: int) -> None:
    """Delete a snapshot that no scan points to."""
    seen = select(func.count()).select_from(TraceScan).where(TraceScan.snapshot_id == snapshot_id)
    if session.scalar(seen):
        return
    for model in PARTS:
        session.execute(delete(model).where(model.snapshot_id == snapshot_id))
    session.execute(delete(TraceSnapshot).where(TraceSnapshot.id == snapshot_id))
