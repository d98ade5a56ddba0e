"""Writes a scan: everything in one transaction, so that it is there whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from database import Database
from jobs.dependency_scan import compare
from jobs.dependency_scan.models import DependencyFinding, DependencyPackage, DependencyScan

CHUNK = 1_000


def last_scan(session: Session, source: str) -> DependencyScan | None:
    """The newest scan of a source."""
    return session.scalar(
        select(DependencyScan).where(DependencyScan.source == source).order_by(DependencyScan.id.desc()).limit(1)
    )


def scan_of(session: Session, task_id: str) -> DependencyScan | None:
    """The scan of this task, once it is finished."""
    return session.scalar(select(DependencyScan).where(DependencyScan.task_id == task_id))


def known_findings(session: Session, scan_id: int) -> list[compare.Known]:
    """The findings of a scan, to be compared."""
    rows = session.execute(
        select(
            DependencyFinding.ecosystem,
            DependencyFinding.name,
            DependencyFinding.version,
            DependencyFinding.advisory,
            DependencyFinding.ids,
            DependencyFinding.severity,
        ).where(DependencyFinding.scan_id == scan_id)
    )
    return [compare.Known(*row[:4], tuple(row[4]), row[5]) for row in rows]


def inventory_of(session: Session, scan: DependencyScan) -> compare.Inventory:
    """The packages of a scan, to be compared."""
    versions: dict[tuple[str, str], set[str]] = {}
    gaps: set[tuple[str, str]] = set()
    rows = session.execute(
        select(
            DependencyPackage.ecosystem,
            DependencyPackage.name,
            DependencyPackage.version,
            DependencyPackage.source_name,
            DependencyPackage.source_version,
            DependencyPackage.reason,
        ).where(DependencyPackage.scan_id == scan.id)
    )
    for ecosystem, name, version, source_name, source_version, reason in rows:
        key = (ecosystem, source_name or name)
        versions.setdefault(key, set()).add(source_version or version or "")
        if reason:
            gaps.add(key)
    return compare.Inventory(versions, gaps, any(each["problem"] for each in scan.facts["files"]))


def save(
    database: Database,
    scan: DependencyScan,
    packages: Sequence[dict[str, Any]],
    findings: Sequence[dict[str, Any]],
    on_rows: Callable[[int], None],
) -> None:
    """Write the scan with its rows. `on_rows` may raise to leave nothing written."""
    with database.write() as session:
        session.add(scan)
        session.flush()
        for model, rows in ((DependencyPackage, packages), (DependencyFinding, findings)):
            _insert(session, model, rows, scan.id, on_rows)


def _insert(
    session: Session,
    model: type[DependencyPackage] | type[DependencyFinding],
    rows: Sequence[dict[str, Any]],
    scan_id: int,
    on_rows: Callable[[int], None],
) -> None:
    for start in range(0, len(rows), CHUNK):
        part = [{**row, "scan_id": scan_id} for row in rows[start : start + CHUNK]]
        session.execute(insert(model), part)
        on_rows(len(part))
