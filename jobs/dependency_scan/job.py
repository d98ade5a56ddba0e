"""The dependency scan as a job: its phases in order, what it reports, and which trouble is whose."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from database import rfc3339, utc_now
from jobs.advisories.matching import SEVERITIES
from jobs.dependency_scan import compare, ignoring, saving
from jobs.dependency_scan.evaluate import (
    MAX_FINDINGS,
    Evaluation,
    age_warnings,
    data_facts,
    evaluate,
    finding_row,
    known,
    package_row,
)
from jobs.dependency_scan.models import DependencyScan
from jobs.dependency_scan.params import (
    DependencyScanParams,
    check_params,
    resource_for,
    title_for,
)
from jobs.dependency_scan.retention import forget
from jobs.dependency_scan.sources import read_source
from jobs.repository import trouble
from tasks.context import JobContext
from tasks.registry import Phase, RetryPolicy, job

PHASES = (
    Phase("discovery", "Find lock files", 10),
    Phase("inventory", "Read packages", 40),
    Phase("evaluate", "Ask the advisories", 40),
    Phase("persist", "Save results", 10),
)


@job(
    "dependency_scan",
    title="Check dependencies",
    description="Looks installed packages and lock files up in the imported advisories",
    icon="box",
    verb="Start the check",
    params=DependencyScanParams,
    phases=PHASES,
    timeout_s=1800,
    retry=RetryPolicy(max_attempts=3, backoff_s=5),
    title_for=title_for,
    resource_for=resource_for,
    check=check_params,
    forget=lambda _config, database, task_ids: forget(database, task_ids),
)
def dependency_scan(ctx: JobContext, params: DependencyScanParams) -> dict[str, Any]:
    """Scan the source and return the sums of PROTOCOL.md section 10. Raises Retryable and JobFailed."""
    with trouble.told():
        with ctx.database.read() as session:
            done = saving.scan_of(session, ctx.task_id)
        return results_of(done) if done else _Scan(ctx, params).run()


def results_of(scan: DependencyScan) -> dict[str, Any]:
    """A finished scan as the wire contract wants it."""
    return {
        "scan_id": scan.task_id,
        **scan.counters,
        "data_date": rfc3339(scan.data_date),
        "duration_ms": scan.duration_ms,
        "commit": scan.commit,
    }


class _Scan:
    """One attempt."""

    def __init__(self, ctx: JobContext, params: DependencyScanParams) -> None:
        self._ctx = ctx
        self._started_at: datetime = utc_now()
        self._read = read_source(ctx, params)
        self._inventory = self._read.inventory
        self._is_host = params.host

    def run(self) -> dict[str, Any]:
        """The phases after reading."""
        return self._persist(self._evaluate())

    def _evaluate(self) -> Evaluation:
        ctx = self._ctx
        ctx.phase("evaluate", total=len(self._inventory.entries), unit="packages")
        with ctx.database.read() as session:
            found = evaluate(session, self._inventory, ctx.advance)
        ctx.update(done=len(self._inventory.entries), vulnerabilities=len(found.matches))
        if len(found.matches) >= MAX_FINDINGS:
            self._inventory.fail("", "", f"has more than {MAX_FINDINGS:,} vulnerabilities; the mildest are left out")
        self._read.warnings += age_warnings(found.data, utc_now(), ctx.config.advisory_max_age_days)
        for warning in self._read.warnings:
            ctx.log(warning, "warning")
        return found

    def _persist(self, found: Evaluation) -> dict[str, Any]:
        ctx, inventory = self._ctx, self._inventory
        ctx.phase("persist", total=len(inventory.entries) + len(found.matches), unit="rows")
        now = utc_now()
        current = [known(each) for each in found.matches]
        with ctx.database.read() as session:
            before = saving.last_scan(session, self._read.source)
            earlier = saving.known_findings(session, before.id) if before else None
            was_there = saving.inventory_of(session, before) if before else compare.Inventory({}, set(), False)
            ignored = ignoring.ignored(session, self._read.source, found.matches, now)
        changes = compare.changes(current, earlier, was_there)
        fixed = compare.gone(current, earlier or [], self._as_compared())
        rows = [
            finding_row(match, found.entries_of[match.package], change)
            for match, change in zip(found.matches, changes, strict=True)
        ]
        scan = DependencyScan(
            task_id=ctx.task_id,
            source=self._read.source,
            previous_task_id=before.task_id if before else None,
            previous_finished_at=before.finished_at if before else None,
            commit=self._read.commit,
            data_date=found.data_date,
            started_at=self._started_at,
            finished_at=now,
            duration_ms=round((now - self._started_at).total_seconds() * 1000),
            counters=self._counters(rows, ignored),
            facts=self._read.facts
            | {
                "files": inventory.files,
                "data": data_facts(found.data),
                "fixed": fixed[:1_000],
                "warnings": self._read.warnings,
                "max_age_days": ctx.config.advisory_max_age_days,
            },
        )
        saving.save(ctx.database, scan, [package_row(each) for each in inventory.entries.values()], rows, ctx.advance)
        return self._end(scan)

    def _as_compared(self) -> compare.Inventory:
        versions: dict[tuple[str, str], set[str]] = {}
        gaps: set[tuple[str, str]] = set()
        for entry in self._inventory.entries.values():
            package = entry.package
            key = (package.ecosystem, package.source or package.name)
            versions.setdefault(key, set()).add(package.source_version or package.version or "")
            if entry.reason:
                gaps.add(key)
        return compare.Inventory(versions, gaps, bool(self._inventory.problems) or not self._inventory.files)

    def _counters(self, rows: list[dict[str, Any]], ignored: set[int]) -> dict[str, Any]:
        """The sums; what is ignored now is counted apart."""
        counted = [row for index, row in enumerate(rows) if index not in ignored]
        gaps = sum(entry.reason is not None for entry in self._inventory.entries.values())
        not_evaluated = gaps + len(self._inventory.problems)
        updates = self._read.facts.get("updates") or {}
        return {
            "packages": len(self._inventory.entries),
            "vulnerabilities": len(counted),
            **{name: sum(row["severity"] == name for row in counted) for name in SEVERITIES},
            "not_evaluated": not_evaluated,
            "complete": not not_evaluated and bool(self._inventory.files),
            "ignored": len(ignored),
            "fixable": sum(row["fixed_in"] is not None for row in counted),
            "files": len(self._inventory.files),
            "is_host": self._is_host,
            "pending_updates": updates.get("total"),
            "security_updates": updates.get("security"),
        }

    def _end(self, scan: DependencyScan) -> dict[str, Any]:
        results = results_of(scan)
        ended = "complete" if results["complete"] else "INCOMPLETE"
        self._ctx.log(
            f"{results['packages']:,} packages, {results['vulnerabilities']:,} vulnerabilities, "
            f"{results['not_evaluated']:,} not evaluated: {ended}",
            "info" if results["complete"] else "warning",
        )
        return results
