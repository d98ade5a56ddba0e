"""One attempt of a trace scan, phase by phase.

An unchanged file is taken from the last scan; links are built anew, unless nothing that they depend on is different.
"""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from database import utc_now
from jobs.code_scan.parse_pool import Answer, ParsePool, Work
from jobs.trace_scan import origin, repositories, rules, saving, walk
from jobs.trace_scan.assemble import Found, assemble, documents, reason_text
from jobs.trace_scan.differences import Before, Differences
from jobs.trace_scan.evidence import key_file, load_keys
from jobs.trace_scan.examine import ARTIFACT
from jobs.trace_scan.found import Artifact
from jobs.trace_scan.models import TraceArtifact, TraceFinding, TraceScan
from jobs.trace_scan.params import TraceScanParams
from jobs.trace_scan.records import Record, records
from jobs.trace_scan.walk import Plan, Seen
from jobs.trace_scan.words import EVIDENCE
from tasks.context import JobContext

DEADLINE_S = 20.0
FEW_FILES = 100
LOGGED_FINDINGS = 200


def results_of(scan: TraceScan) -> dict[str, Any]:
    """A finished scan as the wire contract wants it."""
    numbers = scan.counters["numbers"]
    return {
        "scan_id": scan.task_id,
        "status": "completed",
        "artifactsCreated": numbers["artifacts_created"],
        "artifactsUpdated": numbers["artifacts_updated"],
        "artifactsRemoved": numbers["artifacts_removed"],
        "artifacts_by_type": scan.counters["artifacts_by_type"],
        **{name: numbers[name] for name in ("links", "broken_links", "missing_links", "changed_files")},
        **{name: numbers[name] for name in ("requirements", "traced", "artifacts", "tests")},
        "commit": scan.commit,
        "durationMs": scan.duration_ms,
    }


class Scan:
    """One attempt."""

    def __init__(self, ctx: JobContext, params: TraceScanParams) -> None:
        self._ctx = ctx
        self._params = params
        self._commit: str | None = None
        self._started_at: datetime = utc_now()
        self._started = time.monotonic()
        self._listed_at_ns = 0
        self._is_local = not repositories.is_address(params.location)
        self._details: dict[str, Any] = {"artifacts_found": 0, "files_processed": 0, "total_files": 0}
        self._key_text = key_file(ctx.config.trace_public_keys)

    def run(self) -> dict[str, Any]:
        """All phases."""
        ctx = self._ctx
        ctx.phase("discovery", total=10)
        root, self._commit = (origin.local if self._is_local else origin.fetched)(ctx, self._params)
        wanted, settings = rules.read(origin.settings(root))
        files = self._list(root, wanted.folder)
        with ctx.database.read() as session:
            source = saving.find_source(session, self._params.source)
            sequence = source.sequence if source else 0
            last = saving.last_scan(session, source)
            memory = walk.unpacked(source.known if source else None)
        planned = walk.plan(files, memory.files, memory.is_same_reader)
        self._compare(planned)
        seen = self._read(planned)
        inputs = walk.inputs_digest(seen, planned, self._key_text)
        known = walk.packed(seen, inputs)
        if last and inputs == memory.inputs:
            return self._repeat(last, known, sequence)
        with ctx.database.read() as session:
            before = Before(session, last.snapshot_id if last else None)
        changed = walk.changed_paths(memory.files, seen)
        found = self._validate(seen, settings, wanted, planned, changed if last else {}, before)
        return self._persist(found, known, before, changed, sequence)

    # Discovery and comparison

    def _list(self, root: Path, folder: str) -> list[Any]:
        ctx = self._ctx
        ctx.update(done=5 if self._is_local else 15, step="Listing files")
        self._listed_at_ns = time.time_ns()
        listed = walk.listing(root, folder, lambda count: ctx.update(step=f"{count:,} files seen"))
        if self._is_local:
            ctx.update(done=10)
        artifacts = sum((each.language or "").startswith(ARTIFACT) for each in listed.files)
        ctx.phase_note(f"{len(listed.files):,} files")
        ctx.log(f"{len(listed.files):,} files, {artifacts:,} of them below {folder}/")
        for unreadable in listed.unreadable[:LOGGED_FINDINGS]:
            ctx.log(f"{unreadable}: this folder cannot be read", "warning")
        return listed.files

    def _compare(self, planned: Plan) -> None:
        ctx = self._ctx
        if self._is_local:
            ctx.phase("fetch", total=20)
        ctx.update(done=18, step="Comparing with the last scan")
        if planned.unchanged:
            ctx.log(f"{len(planned.unchanged):,} files are as they were at the last scan")
        ctx.update(done=20, step="")
        ctx.phase_note(f"{len(planned.read):,} files to read")

    # Parse

    def _read(self, planned: Plan) -> dict[str, Seen]:
        ctx, details = self._ctx, self._details
        # Documents first: what a page wants to know early, and what a bad register or requirement stops soon.
        order = sorted(planned.read, key=lambda n: not (planned.files[n].language or "").startswith(ARTIFACT))
        total = len(order) + len(planned.unchanged)
        ctx.phase("parse", total=total, unit="files")
        seen = dict(planned.unchanged)
        details["total_files"], details["files_processed"] = total, len(seen)
        details["artifacts_found"] = sum(each.language.startswith(ARTIFACT) for each in seen.values())
        ctx.update(done=len(seen), **details)
        if not order:
            return seen
        work = (self._work(planned, position) for position in order)
        size = 1 if len(order) < FEW_FILES else None
        with ParsePool({"examiner": "jobs.trace_scan.examine"}, DEADLINE_S, size) as pool:
            for batch in pool.results(work):
                for answer in batch:
                    self._take(planned, answer, seen)
                if batch:
                    path = planned.files[batch[-1].head["n"]].path
                    details["files_processed"] += len(batch)
                    ctx.advance(len(batch), step=path, current_file=path, **details)
                else:
                    ctx.check_cancelled()
        return dict(sorted(seen.items()))

    def _work(self, planned: Plan, position: int) -> Work:
        found = planned.files[position]
        return Work(position, found.raw, found.path, found.language or "", walk.known_digest(found, planned))

    def _take(self, planned: Plan, answer: Answer, seen: dict[str, Seen]) -> None:
        head, found = answer.head, planned.files[answer.head["n"]]
        made = Seen(found.size, walk.trusted_mtime(found, self._listed_at_ns), found.language or "", head.get("digest"))
        self._details["artifacts_found"] += made.language.startswith(ARTIFACT)
        if head["status"] == "same":
            made.facts = planned.known[found.path].facts
        elif head["status"] == "parsed":
            made.facts = orjson.loads(answer.nodes)
        else:
            made.reason, made.note = head["reason"], head.get("note")
            self._ctx.log(f"{found.path}: {reason_text(made.reason, made.note)}", "warning")
        seen[found.path] = made

    # Validate

    def _validate(
        self,
        seen: dict[str, Seen],
        settings: Artifact | None,
        wanted: rules.Rules,
        planned: Plan,
        changed: dict[str, str],
        before: Before,
    ) -> Found:
        ctx = self._ctx
        ctx.phase("validate", total=15)
        unread = [each.path for each in planned.skipped if each.language == ARTIFACT + EVIDENCE]
        made = documents(seen, settings, load_keys(self._key_text), unread)
        ctx.update(done=5, step="Following the links", artifacts_found=len(made))
        skipped = [(each.path, each.reason or "") for each in planned.skipped]
        paths = {each.path for each in planned.files}
        found = assemble(seen, made, wanted, paths, skipped, changed.keys(), before.look_again, ctx.check_cancelled)
        ctx.update(done=15, step="", artifacts_found=len(found.graph.artifacts))
        numbers = found.numbers
        ctx.phase_note(f"{numbers['broken_links']:,} broken, {numbers['missing_links']:,} missing")
        errors = [each for each in found.findings if each.severity == "error" and each.kind != "uncovered"]
        for each in errors[:LOGGED_FINDINGS]:
            place = f"{each.path}:{each.line}: " if each.path else ""
            ctx.log(f"{place}{each.message}", "warning")
        return found

    # Persist

    def _repeat(self, last: TraceScan, known: bytes, sequence: int) -> dict[str, Any]:
        """Nothing that a result depends on has changed: what the last scan found is what this one finds."""
        ctx = self._ctx
        ctx.phase("validate", total=15)
        numbers = last.counters["numbers"]
        ctx.update(done=15, artifacts_found=numbers["artifacts"])
        ctx.phase_note("as at the last scan")
        ctx.log("Nothing has changed since the last scan, so its links hold")
        ctx.phase("persist", total=30)
        none = ("artifacts_created", "artifacts_updated", "artifacts_removed", "changed_files")
        counters = last.counters | {"numbers": numbers | dict.fromkeys(none, 0)}
        return self._save(counters, known, sequence, {}, [], last.snapshot_id)

    def _persist(
        self, found: Found, known: bytes, before: Before, changed: dict[str, str], sequence: int
    ) -> dict[str, Any]:
        ctx = self._ctx
        ctx.phase("persist", total=30)
        parts = records(found, ctx.check_cancelled)
        differences = Differences(before, parts[TraceArtifact], parts[TraceFinding], changed)
        numbers = found.numbers | {
            "artifacts_created": differences.created,
            "artifacts_updated": differences.updated,
            "artifacts_removed": differences.removed,
            "changed_files": len(changed),
        }
        counters = {
            "numbers": numbers,
            "artifacts_by_type": found.artifacts_by_type,
            "findings_by_kind": found.findings_by_kind,
            "coverage": found.coverage,
        }
        ctx.log(
            f"{numbers['artifacts']:,} artifacts, {numbers['links']:,} links, {numbers['broken_links']:,} broken, "
            f"{numbers['missing_links']:,} missing; {numbers['traced']:,} of {numbers['requirements']:,} requirements "
            f"are traced to a test; {len(changed):,} files changed"
        )
        return self._save(counters, known, sequence, parts, differences.rows(), None)

    def _save(
        self,
        counters: dict[str, Any],
        known: bytes,
        sequence: int,
        parts: dict[Any, list[Record]],
        changes: list[Record],
        snapshot_id: int | None,
    ) -> dict[str, Any]:
        """Store the scan; `snapshot_id` where it found what an earlier one found."""
        ctx = self._ctx
        scan = TraceScan(task_id=ctx.task_id, repository_id=self._params.repository_id, commit=self._commit)
        scan.started_at, scan.finished_at, scan.counters = self._started_at, utc_now(), counters
        scan.duration_ms = round(1000 * (time.monotonic() - self._started))
        # The last moment for a cancel is before the commit: once the scan is visible, its task must end as completed.
        saving.save(
            ctx.database,
            saving.Result(self._params.source, sequence, scan, parts, changes, known, snapshot_id),
            lambda done, step: ctx.update(done=done, step=step),
        )
        return results_of(scan)
