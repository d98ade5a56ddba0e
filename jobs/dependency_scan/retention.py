"""Drops scans whose tasks are gone. What people decided to ignore stays: it belongs to the source."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select

from database import Database
from jobs.dependency_scan.models import DependencyFinding, DependencyPackage, DependencyScan

CHUNK = 500


def forget(database: Database, task_ids: Sequence[str]) -> int:
    """Delete these tasks' scans with all their rows. Returns how many there were."""
    forgotten = 0
    for start in range(0, len(task_ids), CHUNK):
        part = task_ids[start : start + CHUNK]
        with database.write() as session:
            ids = session.scalars(select(DependencyScan.id).where(DependencyScan.task_id.in_(part))).all()
            for model in (DependencyFinding, DependencyPackage):
                session.execute(delete(model).where(model.scan_id.in_(ids)))
            session.execute(delete(DependencyScan).where(DependencyScan.id.in_(ids)))
        forgotten += len(ids)
    return forgotten
