"""The code scan as a job: its phases in order, what it reports, and which trouble is whose."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from database import utc_now
from jobs.code_scan.changes import Plan, analyzer_version, known_digest, plan
from jobs.code_scan.index_writer import IndexWriter, Superseded
from jobs.code_scan.languages import language_of
from jobs.code_scan.models import CodeScan
from jobs.code_scan.params import (
    CodeScanParams,
    check_params,
    index_digest,
    resource_for,
    source_of,
    title_for,
)
from jobs.code_scan.parse_pool import Answer, ParsePool, PoolBroken, Work
from jobs.code_scan.reasons import FAILED, SKIPPED, status_of, text_of
from jobs.code_scan.retention import forget
from jobs.code_scan.saving import Parsed, Saver
from jobs.code_scan.spool import Spool
from jobs.repository import git_fetch, trouble
from jobs.repository.discovery import Filters, Listing, list_files
from jobs.repository.git_address import check_ref, parse_address, resolve
from jobs.repository.sources import head_commit, resolve_local
from tasks.context import JobContext
from tasks.errors import JobFailed, Retryable
from tasks.registry import Phase, RetryPolicy, job

PHASES = (
    Phase("discovery", "Discover", 5),
    Phase("fetch", "Fetch", 5),
    Phase("parse", "Parse", 75),
    Phase("persist", "Save results", 15),
)
LOGGED_FAILURES = 200


@job(
    "code_scan",
    title="Scan code",
    description="Finds reads, writes, calls and routes in a repository",
    icon="code",
    verb="Start the scan",
    params=CodeScanParams,
    phases=PHASES,
    timeout_s=1800,
    retry=RetryPolicy(max_attempts=3, backoff_s=5),
    title_for=title_for,
    resource_for=resource_for,
    check=check_params,
    forget=lambda _config, database, task_ids: forget(database, task_ids),
)
def code_scan(ctx: JobContext, params: CodeScanParams) -> dict[str, Any]:
    """Scan the source and return the sums of PROTOCOL.md section 10. Raises Retryable and JobFailed."""
    try:
        with trouble.told():
            return _finished(ctx) or _Scan(ctx, params).run()
    except Superseded as error:
        raise JobFailed("Another scan of this repository took over. Look at that one.") from error
    except PoolBroken as error:
        raise Retryable("The worker could not start its parsers.") from error


def _finished(ctx: JobContext) -> dict[str, Any] | None:
    """The results, when an earlier attempt of this task saved them and died before it could say so."""
    with ctx.database.read() as session:
        scan = session.scalar(select(CodeScan).where(CodeScan.task_id == ctx.task_id))
    return results_of(scan) if scan else None


def results_of(scan: CodeScan) -> dict[str, Any]:
    """A finished scan as the wire contract wants it."""
    counters = scan.counters
    names = ("files_scanned", "files_skipped", "files_failed", "changed_files")
    return {
        "scan_id": scan.task_id,
        **{name: counters[name] for name in names},
        "nodes_found": counters["nodes"],
        "edges_found": counters["edges"],
        "routes_found": counters["routes"],
        "entities_found": counters["entities"],
        "nodes_by_type": counters["nodes_by_type"],
        "nodes_by_language": counters["nodes_by_language"],
        "duration_ms": scan.duration_ms,
        "commit": scan.commit,
    }


@dataclass(slots=True)
class _Counts:
    """What the page shows while the scan runs."""

    files_processed: int = 0
    total_files: int = 0
    nodes_found: int = 0
    edges_found: int = 0
    routes_found: int = 0
    files_skipped: int = 0
    files_failed: int = 0

    def details(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


class _Scan:
    """One attempt."""

    def __init__(self, ctx: JobContext, params: CodeScanParams) -> None:
        self._ctx = ctx
        self._params = params
        self._counts = _Counts()
        self._commit: str | None = None
        self._started_at: datetime = utc_now()
        self._listed_at_ns = 0
        self._filters = Filters(language_of, params.file_types, params.exclude_patterns, params.max_file_bytes)

    def run(self) -> dict[str, Any]:
        """All phases."""
        listing = self._obtain()
        options = self._params.options()
        source = source_of(self._params, self._ctx.config)
        writer = IndexWriter(self._ctx.database, index_digest(source, options), source, options, self._ctx.task_id)
        planned = plan(listing.files, writer.known_files(), writer.analyzer == analyzer_version())
        with Spool(self._ctx.work_dir / "facts.spool") as spool:
            parsed = self._parse(planned, spool, writer.analyzer == analyzer_version())
            # One connection stays open meanwhile: SQLite moves its whole log into the file when the last one closes.
            with self._ctx.database.engine.connect() as connection:
                connection.exec_driver_sql("SELECT 1").close()
                connection.rollback()
                return self._persist(writer, planned, parsed, spool)

    # Discovery and fetch

    def _obtain(self) -> Listing:
        """List the files: of a folder at once, of an address after fetching it."""
        ctx, params = self._ctx, self._params
        ctx.phase("discovery")
        if params.git_url:
            check_ref(params.ref)
            address = parse_address(params.git_url, ctx.config.git_hosts)
            try:
                resolve(address)
            except OSError as error:
                raise Retryable(f"The name {address.host} cannot be resolved now. Check the address.") from error
            ctx.log(f"{address.url}: the address may be fetched")
            return self._list(self._fetch(params.ref))
        root = resolve_local(params.repository_path or "", ctx.config.scan_roots)
        ctx.log(f"Folder {root.name}")
        listing = self._list(root)
        ctx.phase("fetch", total=1, unit="folder")
        self._commit = head_commit(root)
        ctx.advance()
        ctx.phase_note(f"local folder at {self._commit[:12]}" if self._commit else "local folder")
        return listing

    def _list(self, root: Path) -> Listing:
        ctx = self._ctx
        self._listed_at_ns = time.time_ns()
        listing = list_files(root, self._filters, lambda count: ctx.update(step=f"{count:,} files seen"))
        ctx.phase_note(f"{len(listing.files):,} paths")
        ctx.log(f"{len(listing.files):,} files in {listing.folders:,} folders pass the filters")
        for folder in listing.unreadable[:LOGGED_FAILURES]:
            ctx.log(f"{folder}: this folder cannot be read", "warning")
        return listing

    def _fetch(self, ref: str | None) -> Path:
        ctx = self._ctx
        ctx.phase("fetch")
        checkout = ctx.work_dir / "checkout"
        checkout.mkdir()
        step = ""

        def tell(progress: git_fetch.Progress | None) -> None:
            nonlocal step
            ctx.check_cancelled()
            if progress is None:
                return
            if progress.step != step:
                step = progress.step
                ctx.log(f"git: {step}")
            ctx.update(step=f"{step}, {progress.done:,} of {progress.total:,}")

        address = parse_address(self._params.git_url or "", ctx.config.git_hosts)
        self._commit = git_fetch.fetch(address, ref, checkout, tell)
        ctx.log(f"Fetched {address.url} at {self._commit}")
        return checkout

    # Parse

    def _parse(self, planned: Plan, spool: Spool, is_same_analyzer: bool) -> dict[int, Parsed]:
        ctx, params, counts = self._ctx, self._params, self._counts
        total = len(planned.parse) + len(planned.unchanged)
        ctx.phase("parse", total=total, unit="files")
        counts.total_files = total
        counts.files_processed = len(planned.unchanged)
        counts.files_skipped = len(planned.skipped)
        known = [planned.known[planned.files[position].path] for position in planned.unchanged]
        counts.files_failed = sum(each.status == FAILED for each in known)
        counts.files_skipped += sum(each.status == SKIPPED for each in known)
        ctx.update(done=counts.files_processed, **counts.details())
        parsed: dict[int, Parsed] = {}
        if not planned.parse:
            return parsed
        if planned.unchanged:
            ctx.log(f"{len(planned.unchanged):,} files are as they were at the last scan")
        work = (self._work(planned, position, is_same_analyzer) for position in planned.parse)
        options = {"node_types": sorted(params.node_types), "max_file_bytes": params.max_file_bytes}
        with ParsePool(options, params.parse_deadline_s) as pool:
            for batch in pool.results(work):
                for answer in batch:
                    self._take(planned, answer, parsed, spool)
                if batch:
                    path = planned.files[batch[-1].head["n"]].path
                    ctx.advance(len(batch), step=path, current_file=path, **counts.details())
                else:
                    ctx.check_cancelled()
        return parsed

    def _work(self, planned: Plan, position: int, is_same_analyzer: bool) -> Work:
        found = planned.files[position]
        digest = known_digest(found, planned.known.get(found.path), is_same_analyzer)
        return Work(position, found.raw, found.path, found.language or "", digest)

    def _take(self, planned: Plan, answer: Answer, parsed: dict[int, Parsed], spool: Spool) -> None:
        head, counts = answer.head, self._counts
        position = head["n"]
        counts.files_processed += 1
        if head["status"] == "parsed":
            parsed[position] = Parsed(head, spool.add(answer.nodes, answer.linkage))
            counts.nodes_found += head["nodes"]
            counts.routes_found += head["routes"]
            if head["note"]:
                self._ctx.log(f"{planned.files[position].path}: {head['note']}", "debug")
            return
        parsed[position] = Parsed(head)
        if head["status"] == "same":
            return
        path, words = planned.files[position].path, text_of(head["reason"], head.get("note"))
        if status_of(head["reason"]) == SKIPPED:
            counts.files_skipped += 1
            self._ctx.log(f"{path}: skipped. {words}", "debug")
            return
        counts.files_failed += 1
        if counts.files_failed <= LOGGED_FAILURES:
            self._ctx.log(f"{path}: {words}", "warning")

    # Persist

    def _persist(self, writer: IndexWriter, planned: Plan, parsed: dict[int, Parsed], spool: Spool) -> dict[str, Any]:
        ctx, counts = self._ctx, self._counts
        rows = counts.nodes_found + sum(each.head["status"] != "same" for each in parsed.values())
        ctx.phase("persist", total=rows + 1, unit="rows")

        def on_rows(count: int, step: str) -> None:
            ctx.advance(count, step=step or None)

        saver = Saver(writer, planned, parsed, spool, self._listed_at_ns, on_rows)
        is_linked = saver.has_changes and "dependencies" in self._params.detect
        if is_linked:
            ctx.update(step="Connecting what was found")
            counts.edges_found = saver.connect()
            ctx.set_total(rows + counts.edges_found + 1)
            ctx.update(edges_found=counts.edges_found)
        saver.save_files()
        if is_linked:
            saver.save_edges()
        before = writer.last_counters()
        is_as_before = before is not None and not saver.has_changes and not saver.wrote_files
        counters = {**before, **saver.changes()} if before and is_as_before else saver.counters()
        scan = CodeScan(task_id=ctx.task_id, commit=self._commit, started_at=self._started_at, counters=counters)
        shown = {"nodes_found": counters["nodes"], "edges_found": counters["edges"], "routes_found": counters["routes"]}
        ctx.advance(step="", **shown)
        ctx.phase_note(f"{counters['nodes']:,} nodes, {counters['edges']:,} edges")
        ctx.log(
            f"{counters['files_scanned']:,} files scanned, {counters['changed_files']:,} changed, "
            f"{counters['nodes']:,} nodes, {counters['edges']:,} edges"
        )
        # The last moment for a cancel is above: once the scan is visible, its task must be told as completed.
        writer.finish(scan, analyzer_version())
        return results_of(scan)
