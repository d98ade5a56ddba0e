"""The dependency scan as a job: its phases in order, what it reports, and which trouble is whose."""

from __future__ import annotations

import errno
import os
import socket
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from database import DatabaseBusy, rfc3339, utc_now
from jobs.advisories.matching import SEVERITIES
from jobs.dependency_scan import compare, host_updates, ignoring, saving
from jobs.dependency_scan.confined import read_confined
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
from jobs.dependency_scan.inventory import FolderReader, Inventory, lock_files
from jobs.dependency_scan.models import DependencyScan
from jobs.dependency_scan.packages import Unreadable
from jobs.dependency_scan.params import (
    DependencyScanParams,
    check_params,
    resolve_status,
    resource_for,
    source_of,
    title_for,
)
from jobs.dependency_scan.readers.dpkg import ecosystem_of
from jobs.repository import git_fetch
from jobs.repository.discovery import TooManyFiles
from jobs.repository.git_address import AddressRefused, check_ref, parse_address, resolve
from jobs.repository.sources import SourceRefused, head_commit, resolve_local
from tasks.context import JobContext
from tasks.errors import JobFailed, Retryable
from tasks.registry import Phase, RetryPolicy, job

PHASES = (
    Phase("discovery", "Find lock files", 10),
    Phase("inventory", "Read packages", 40),
    Phase("evaluate", "Ask the advisories", 40),
    Phase("persist", "Save results", 10),
)
HOST = Path("/")
STATUS = "var/lib/dpkg/status"
LOGGED = 200
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


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
)
def dependency_scan(ctx: JobContext, params: DependencyScanParams) -> dict[str, Any]:
    """Scan the source and return the sums of PROTOCOL.md section 10. Raises Retryable and JobFailed."""
    try:
        with ctx.database.read() as session:
            done = saving.scan_of(session, ctx.task_id)
        return results_of(done) if done else _Scan(ctx, params).run()
    except (SourceRefused, AddressRefused, git_fetch.FetchFailed) as error:
        raise JobFailed(str(error)) from error
    except TooManyFiles as error:
        raise JobFailed("There are more than a million files. Check a part, or leave folders out.") from error
    except git_fetch.FetchInterrupted as error:
        raise Retryable(str(error)) from error
    except (DBAPIError, DatabaseBusy) as error:
        raise Retryable("The database did not take the results.") from error
    except OSError as error:
        if error.errno in DISK_FULL:
            raise Retryable("The disk of this worker is full. Free some space.") from error
        raise Retryable(f"The files could not be read: {error.strerror or 'the disk did not answer'}.") from error


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
        self._params = params
        self._started_at: datetime = utc_now()
        self._inventory = Inventory()
        self._commit: str | None = None
        self._source = source_of(params, ctx.config)
        self._facts: dict[str, Any] = {}
        self._warnings: list[str] = []

    def run(self) -> dict[str, Any]:
        """All phases."""
        params = self._params
        if params.host or params.dpkg_status:
            self._read_status()
        else:
            self._read_folder(self._fetched() if params.git_url else self._local())
        for note in self._inventory.notes[:LOGGED]:
            self._ctx.log(note, "debug")
        return self._persist(self._evaluate())

    # Discovery and inventory

    def _local(self) -> Path:
        self._ctx.phase("discovery")
        root = resolve_local(self._params.repository_path or "", self._ctx.config.scan_roots)
        self._commit = head_commit(root)
        self._ctx.log(f"Folder {root.name}" + (f" at {self._commit[:12]}" if self._commit else ""))
        return root

    def _fetched(self) -> Path:
        ctx, params = self._ctx, self._params
        ctx.phase("discovery")
        check_ref(params.ref)
        address = parse_address(params.git_url or "", ctx.config.git_hosts)
        try:
            resolve(address)
        except OSError as error:
            raise Retryable(f"The name {address.host} cannot be resolved now. Check the address.") from error
        checkout = ctx.work_dir / "checkout"
        checkout.mkdir()

        def tell(progress: git_fetch.Progress | None) -> None:
            ctx.check_cancelled()
            if progress:
                ctx.update(step=f"{progress.step}, {progress.done:,} of {progress.total:,}")

        self._commit = git_fetch.fetch(address, params.ref, checkout, tell)
        ctx.log(f"Fetched {address.url} at {self._commit}")
        return checkout

    def _read_folder(self, root: Path) -> None:
        ctx = self._ctx
        found = lock_files(root, self._params.exclude_patterns, lambda seen: ctx.update(step=f"{seen:,} files seen"))
        ctx.phase_note(f"{len(found):,} lock files")
        ctx.phase("inventory", total=len(found), unit="files")

        def on_file(path: str, total: int) -> None:
            ctx.set_total(total)
            done = len(self._inventory.files)
            ctx.update(done=min(done, total), step=path, current_file=path, **self._details(total))

        FolderReader(root, self._inventory, ctx.check_cancelled).read(found, on_file)
        ctx.set_total(len(self._inventory.files))
        ctx.update(done=len(self._inventory.files), **self._details(len(self._inventory.files)))
        self._tell_files()
        if not self._inventory.files:
            self._facts["nothing"] = "No lock file was found, so nothing could be checked."
            ctx.log("No lock file was found", "warning")

    def _read_status(self) -> None:
        """This host's packages and pending updates, or the packages of another host's status file."""
        ctx = self._ctx
        ctx.phase("discovery")
        is_host = self._params.host
        path = HOST / STATUS if is_host else resolve_status(self._params.dpkg_status or "", ctx.config)
        if is_host:
            name = socket.gethostname()
            self._source = f"host:{name}"
            self._facts["host"] = name
            if not path.is_file():
                raise JobFailed(
                    f"{name} has no dpkg database. Only hosts with Debian packages can be checked as a host."
                )
        shown = f"/{STATUS}" if is_host else path.name
        ctx.phase("inventory", total=2 if is_host else 1, unit="steps")
        try:
            reading = read_confined(os.fsencode(path.resolve()), "dpkg", ctx.check_cancelled)
        except Unreadable as error:
            self._inventory.fail(shown, "dpkg", str(error))
        else:
            if is_host:
                own = ecosystem_of(_small_text(HOST / "etc/os-release"))
                reading.packages = [each._replace(ecosystem=own) for each in reading.packages]
            self._inventory.add(shown, "dpkg", reading)
        ctx.advance(**self._details(1))
        self._tell_files()
        if is_host:
            self._read_updates()

    def _read_updates(self) -> None:
        ctx = self._ctx
        ctx.update(step="Asking apt for pending updates")
        updates = host_updates.pending_updates(ctx.check_cancelled)
        self._facts["updates"] = updates.as_facts()
        if updates.problem:
            self._warnings.append(updates.problem)
            ctx.log(updates.problem, "warning")
        else:
            ctx.log(f"{len(updates.pending):,} updates wait, {updates.security:,} of them security updates")
        ctx.advance()

    def _details(self, total: int) -> dict[str, Any]:
        return {
            "files_processed": len(self._inventory.files),
            "total_files": total,
            "packages": len(self._inventory.entries),
        }

    def _tell_files(self) -> None:
        for each in self._inventory.files[:LOGGED]:
            if each["problem"]:
                self._ctx.log(f"{each['path']}: {each['problem']}", "warning")
            else:
                self._ctx.log(f"{each['path']}: {each['packages']:,} packages")
        self._ctx.phase_note(f"{len(self._inventory.entries):,} packages")

    # Evaluate and persist

    def _evaluate(self) -> Evaluation:
        ctx = self._ctx
        ctx.phase("evaluate", total=len(self._inventory.entries), unit="packages")
        with ctx.database.read() as session:
            found = evaluate(session, self._inventory, ctx.advance)
        ctx.update(done=len(self._inventory.entries), vulnerabilities=len(found.matches))
        if len(found.matches) >= MAX_FINDINGS:
            self._inventory.fail("", "", f"has more than {MAX_FINDINGS:,} vulnerabilities; the mildest are left out")
        self._warnings += age_warnings(found.data, utc_now(), ctx.config.advisory_max_age_days)
        for warning in self._warnings:
            ctx.log(warning, "warning")
        return found

    def _persist(self, found: Evaluation) -> dict[str, Any]:
        ctx, inventory = self._ctx, self._inventory
        ctx.phase("persist", total=len(inventory.entries) + len(found.matches), unit="rows")
        now = utc_now()
        current = [known(each) for each in found.matches]
        with ctx.database.read() as session:
            before = saving.last_scan(session, self._source)
            earlier = saving.known_findings(session, before.id) if before else None
            was_there = saving.inventory_of(session, before) if before else compare.Inventory({}, set(), False)
            ignored = ignoring.ignored(session, self._source, found.matches, now)
        changes = compare.changes(current, earlier, was_there)
        fixed = compare.gone(current, earlier or [], self._as_compared())
        rows = [
            finding_row(match, found.entries_of[match.package], change)
            for match, change in zip(found.matches, changes, strict=True)
        ]
        scan = DependencyScan(
            task_id=ctx.task_id,
            source=self._source,
            previous_task_id=before.task_id if before else None,
            previous_finished_at=before.finished_at if before else None,
            commit=self._commit,
            data_date=found.data_date,
            started_at=self._started_at,
            finished_at=now,
            duration_ms=round((now - self._started_at).total_seconds() * 1000),
            counters=self._counters(rows, ignored),
            facts=self._facts
            | {
                "files": inventory.files,
                "data": data_facts(found.data),
                "fixed": fixed[:1_000],
                "warnings": self._warnings,
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
        updates = self._facts.get("updates") or {}
        return {
            "packages": len(self._inventory.entries),
            "vulnerabilities": len(counted),
            **{name: sum(row["severity"] == name for row in counted) for name in SEVERITIES},
            "not_evaluated": not_evaluated,
            "complete": not not_evaluated and bool(self._inventory.files),
            "ignored": len(ignored),
            "fixable": sum(row["fixed_in"] is not None for row in counted),
            "files": len(self._inventory.files),
            "is_host": self._params.host,
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


def _small_text(path: Path) -> str:
    try:
        return path.read_bytes()[:20_000].decode("utf-8", "replace")
    except OSError:
        return ""
