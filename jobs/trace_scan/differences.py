"""What a scan found otherwise than the one before it: artifacts with their fields, findings, files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.trace_scan.models import TraceArtifact, TraceFinding, TraceRow
from jobs.trace_scan.records import Record

COMPARED = ("title", "path", "risk", "tier", "status", "state")
QUIET_KINDS = frozenset({"notice", "skipped"})
MAX_CHANGES = 20_000
MAX_VALUE_CHARS = 1_000
Key = tuple[str, str, int]


class Before:
    """The parts of the last scan's snapshot that are compared. Empty for a first scan."""

    def __init__(self, session: Session, snapshot_id: int | None) -> None:
        columns = (TraceArtifact.type, TraceArtifact.artifact_id, TraceArtifact.fields, TraceArtifact.body)
        columns += tuple(getattr(TraceArtifact, name) for name in COMPARED)
        here = TraceArtifact.snapshot_id == snapshot_id
        rows = session.execute(select(*columns).where(here).order_by(TraceArtifact.position))
        self.artifacts = keyed([dict(row._mapping) for row in rows]) if snapshot_id else {}
        named = (TraceFinding.key, TraceFinding.kind, TraceFinding.subject, TraceFinding.message, TraceFinding.path)
        there = select(*named).where(TraceFinding.snapshot_id == snapshot_id, TraceFinding.kind.not_in(QUIET_KINDS))
        found = session.execute(there).all() if snapshot_id else []
        self.findings = {row.key: dict(row._mapping) for row in found}
        due = select(TraceRow.requirement).where(TraceRow.snapshot_id == snapshot_id, TraceRow.is_look_again)
        self.look_again = set(session.scalars(due)) if snapshot_id else set()
        self.exists = snapshot_id is not None


def keyed(rows: list[Record]) -> dict[Key, Record]:
    """Artifacts by type and id; of several with one id, the second is another."""
    found: dict[Key, Record] = {}
    for row in rows:
        number = 0
        while (key := (row["type"], row["artifact_id"], number)) in found:
            number += 1
        found[key] = row
    return found


class Differences:
    """The changes of one scan as rows without `scan_id`, and the sums that its results promise."""

    def __init__(
        self, before: Before, artifacts: list[Record], findings: list[Record], files: Mapping[str, str]
    ) -> None:
        self._rows: list[Record] = []
        after = keyed(artifacts)
        self.created = self.updated = self.removed = 0
        for key in sorted(after.keys() | before.artifacts.keys()):
            self._compare(before.artifacts.get(key), after.get(key))
        new = {row["key"]: row for row in findings if row["kind"] not in QUIET_KINDS}
        for key, row in new.items():
            if key not in before.findings:
                self._add("finding", "added", row["kind"], row["subject"], row["message"], row["path"])
        for key, row in before.findings.items():
            if key not in new:
                self._add("finding", "removed", row["kind"], row["subject"], row["message"], row["path"])
        for path, change in files.items():
            self._add("file", change, None, path, path, path)
        self._is_first = not before.exists

    def rows(self) -> list[Record]:
        """The rows in the order of the page; none for a first scan, in which everything is new."""
        kept = [] if self._is_first else self._rows[:MAX_CHANGES]
        return [row | {"position": position} for position, row in enumerate(kept)]

    def _compare(self, old: Record | None, new: Record | None) -> None:
        if old is None and new is not None:
            self.created += 1
            self._add("artifact", "added", new["type"], new["artifact_id"], new["title"], new["path"])
        elif new is None and old is not None:
            self.removed += 1
            self._add("artifact", "removed", old["type"], old["artifact_id"], old["title"], old["path"])
        elif old is not None and new is not None:
            fields = list(_differing(old, new))
            if fields:
                self.updated += 1
                self._add("artifact", "updated", new["type"], new["artifact_id"], new["title"], new["path"], fields)

    def _add(
        self,
        subject: str,
        change: str,
        type_: str | None,
        ref: str,
        title: str,
        path: str | None,
        fields: list[dict[str, Any]] | None = None,
    ) -> None:
        row: Record = {"subject": subject, "change": change, "type": type_, "ref": ref, "title": title}
        self._rows.append(row | {"path": path, "fields": fields or []})


def _differing(old: Record, new: Record) -> Iterator[dict[str, Any]]:
    for name in COMPARED:
        if old[name] != new[name] and name not in new["fields"]:
            yield {"field": name, "before": old[name], "after": new[name]}
    for name in sorted(old["fields"].keys() | new["fields"].keys()):
        before, after = old["fields"].get(name), new["fields"].get(name)
        if before != after:
            yield {"field": name, "before": _shown(before), "after": _shown(after)}
    if old["body"] != new["body"]:
        yield {"field": "text", "before": None, "after": None}


def _shown(value: Any) -> Any:
    """The value, cut where it is long."""
    text = value if isinstance(value, str) else str(value)
    return value if len(text) <= MAX_VALUE_CHARS else text[: MAX_VALUE_CHARS - 1] + "…"
