"""What pages, exports and the API ask of finished trace scans. Read only; each call is one short transaction's work.

Lists are `{"items": [...], "next_cursor": str | None, "total": int | None}`; `total` is None unless asked for. Risks
are HIGH, MEDIUM, LOW or None (not stated anywhere); tiers IQ, OQ, PQ or None. Closed sets and their titles: words.py.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from database import rfc3339
from jobs.code_scan.cursors import clamp, decode, encode
from jobs.trace_scan import words
from jobs.trace_scan.filters import ArtifactFilter, FindingFilter, LinkFilter, RowFilter, TestFilter
from jobs.trace_scan.models import (
    Repository,
    TraceArtifact,
    TraceChange,
    TraceFinding,
    TraceLink,
    TraceRow,
    TraceScan,
    TraceSource,
    TraceTest,
)
from tasks.errors import NotFound

Page = dict[str, Any]
MAX_LINKS = 200


def find_scan(session: Session, scan_id: str) -> TraceScan | None:
    """The finished scan of this task, or None while there is none."""
    return session.scalar(select(TraceScan).where(TraceScan.task_id == scan_id))


def get_scan(session: Session, scan_id: str) -> TraceScan:
    """The finished scan of this task. Raises NotFound."""
    scan = find_scan(session, scan_id)
    if scan is None:
        raise NotFound("This scan has no results. It may be running, or it ended without any.")
    return scan


def previous(session: Session, scan: TraceScan) -> TraceScan | None:
    """The scan before this one, of the same repository at the same ref."""
    before = (TraceScan.source_id == scan.source_id) & (TraceScan.sequence < scan.sequence)
    return session.scalar(select(TraceScan).where(before).order_by(TraceScan.sequence.desc()).limit(1))


def summary(session: Session, scan_id: str) -> dict[str, Any]:
    """What the results page leads with.

    `{scan_id, source, repository: {id, name} | None, commit, started_at, finished_at, duration_ms, since, counters,
    change, artifacts_by_type: {type: n}, findings_by_kind: [{kind, title, count}]}`. `since` is `{scan_id, finished_at,
    commit}` of the scan before, or None; `change` the differences of `counters` to it, or None. `counters`: artifacts,
    requirements, traced (requirements that a test reaches), stopped_broken and stopped_missing (of those that none
    reaches), look_again (requirements whose code changed after their tests), links, broken_links, missing_links, tests,
    orphan_tests, unannotated_tests, malformed, duplicates, cycles, notices, files, files_skipped, changed_files,
    artifacts_created, artifacts_updated, artifacts_removed.
    """
    scan = get_scan(session, scan_id)
    before = previous(session, scan)
    counters, kinds = scan.counters["numbers"], scan.counters["findings_by_kind"]
    earlier = before.counters["numbers"] if before else None
    repository = session.get(Repository, scan.repository_id) if scan.repository_id else None
    return {
        "scan_id": scan.task_id,
        "source": session.get_one(TraceSource, scan.source_id).source,
        "repository": {"id": repository.id, "name": repository.name} if repository else None,
        "commit": scan.commit,
        "started_at": rfc3339(scan.started_at),
        "finished_at": rfc3339(scan.finished_at),
        "duration_ms": scan.duration_ms,
        "since": _since(before),
        "counters": counters,
        "change": {name: counters[name] - earlier.get(name, 0) for name in counters} if earlier else None,
        "artifacts_by_type": scan.counters["artifacts_by_type"],
        "findings_by_kind": [
            {"kind": kind, "title": title, "count": kinds.get(kind, 0)} for kind, title in words.FINDING_KINDS.items()
        ],
    }


def _since(before: TraceScan | None) -> dict[str, Any] | None:
    if before is None:
        return None
    return {"scan_id": before.task_id, "finished_at": rfc3339(before.finished_at), "commit": before.commit}


def coverage(session: Session, scan_id: str) -> list[dict[str, Any]]:
    """Coverage by risk: HIGH, MEDIUM, LOW, None (only where there are such requirements), then "ALL".

    Each `{risk, requirements, with_story, with_specification, with_code, with_tests, percent, target_percent,
    demanded_tiers: [IQ…], with_all_tiers}`. `with_tests` counts requirements that a test reaches by valid links;
    `percent` (one decimal) is its share, None for no requirement; the target is None for "ALL" and for no risk.
    """
    found: list[dict[str, Any]] = get_scan(session, scan_id).counters["coverage"]
    return found


def artifacts(
    session: Session,
    scan_id: str,
    filters: ArtifactFilter = ArtifactFilter(),
    cursor: str | None = None,
    limit: int = 100,
    with_total: bool = True,
) -> Page:
    """Artifacts by type, id and path: `{id, type, artifact_id, title, path, line, state, risk, tier, status,
    problems}`. `id` is the number of the row, for `artifact`; `problems` how many messages validation had.
    """
    scan = get_scan(session, scan_id)
    return _page(session, TraceArtifact, scan.snapshot_id, filters.conditions(), _artifact, cursor, limit, with_total)


def _artifact(row: TraceArtifact) -> dict[str, Any]:
    names = ("id", "type", "artifact_id", "title", "path", "line", "state", "risk", "tier", "status")
    return {name: getattr(row, name) for name in names} | {"problems": len(row.problems)}


def artifact_facets(session: Session, scan_id: str) -> dict[str, dict[str, int]]:
    """How many artifacts there are by type, by risk ("unknown" for none) and by state: `{types, risks, states}`."""
    scan = get_scan(session, scan_id)
    columns = (TraceArtifact.type, TraceArtifact.risk, TraceArtifact.state)
    query = select(*columns, func.count()).where(TraceArtifact.snapshot_id == scan.snapshot_id).group_by(*columns)
    found: tuple[Counter[str], Counter[str], Counter[str]] = (Counter(), Counter(), Counter())
    for type_, risk, state, count in session.execute(query):
        found[0][type_] += count
        found[1][risk or "unknown"] += count
        found[2][state] += count
    return {name: dict(counts) for name, counts in zip(("types", "risks", "states"), found, strict=True)}


def find_artifact(session: Session, scan_id: str, artifact_id: str) -> int | None:
    """The row number of the artifact with this id (the first of several), or None. For links such as `?ref=REQ-001`."""
    scan = get_scan(session, scan_id)
    wanted = (TraceArtifact.snapshot_id == scan.snapshot_id, TraceArtifact.artifact_id == artifact_id)
    return session.scalar(select(TraceArtifact.id).where(*wanted).order_by(TraceArtifact.position).limit(1))


def artifact(session: Session, scan_id: str, number: int) -> dict[str, Any]:
    """One artifact: its row as in the list with `problems` as `[{severity, field, line, message}]`, and `fields` (front
    matter, unknown ones included), `body` (Markdown as text, may be cut), `up` (links to what it stands on) and `down`
    (links of what stands on it, and to its files), as in `links`, at most MAX_LINKS each, with `other`: `{id, title,
    type, state}` of the artifact at the far end, or None. Raises NotFound.
    """
    scan = get_scan(session, scan_id)
    row = session.get(TraceArtifact, number)
    if row is None or row.snapshot_id != scan.snapshot_id:
        raise NotFound("This scan has no such artifact.")
    shown = _artifact(row) | {"problems": row.problems, "fields": row.fields, "body": row.body}
    leaving = and_(TraceLink.from_ref == row.artifact_id, TraceLink.from_type == row.type)
    arriving = and_(TraceLink.to_ref == row.artifact_id, TraceLink.to_type == row.type)
    to_files = TraceLink.relation.in_((words.SOURCE_FILE, words.TEST_FILE))
    return shown | {
        "up": _links_of(session, row, and_(leaving, ~to_files)),
        "down": _links_of(session, row, or_(arriving, and_(leaving, to_files))),
    }


def _links_of(session: Session, near: TraceArtifact, condition: Any) -> list[dict[str, Any]]:
    query = select(TraceLink).where(TraceLink.snapshot_id == near.snapshot_id, condition)
    found = [_link(row) for row in session.scalars(query.order_by(TraceLink.position).limit(MAX_LINKS))]
    ends = [(each["from_ref"], each["from_type"]) for each in found] + [
        (each["to_ref"], each["to_type"]) for each in found
    ]
    refs = {ref for ref, _ in ends}
    wanted = (TraceArtifact.snapshot_id == near.snapshot_id, TraceArtifact.artifact_id.in_(refs))
    others = {(row.artifact_id, row.type): row for row in session.scalars(select(TraceArtifact).where(*wanted))}
    for number, each in enumerate(found):
        is_leaving = ends[number] == (near.artifact_id, near.type)
        other = others.get(ends[number + len(found)] if is_leaving else ends[number])
        each["other"] = {name: getattr(other, name) for name in ("id", "title", "type", "state")} if other else None
    return found


def links(
    session: Session,
    scan_id: str,
    filters: LinkFilter = LinkFilter(),
    cursor: str | None = None,
    limit: int = 100,
    with_total: bool = True,
) -> Page:
    """Links, broken ones first: `{id, relation, from_type, from_ref, to_type, to_ref, state, reason, hint, is_inferred,
    places}`. Refs are ids of artifacts, or paths where the type is source, test or file. `places` is `[{path, line,
    name?, tag?}]`, the first 50; `reason` and `hint` are for broken ones.
    """
    scan = get_scan(session, scan_id)
    return _page(session, TraceLink, scan.snapshot_id, filters.conditions(), _link, cursor, limit, with_total)


def _link(row: TraceLink) -> dict[str, Any]:
    names = ("id", "relation", "from_type", "from_ref", "to_type", "to_ref", "state", "reason", "hint", "is_inferred")
    return {name: getattr(row, name) for name in names} | {"places": row.places}


def matrix(
    session: Session,
    scan_id: str,
    filters: RowFilter = RowFilter(),
    cursor: str | None = None,
    limit: int = 100,
    with_total: bool = True,
) -> Page:
    """The traceability matrix, a row for each requirement, gaps first:

    `{id, requirement, title, path, risk, state (broken, missing, linked), is_look_again, traced, stories,
    specifications, code, tests, more, gaps, links, tiers}`.

    stories, specifications: `[{ref, title, path, line, state}]`; code: `[{path, line, state}]`; tests: `[{path, line,
    name, tier, is_tier_inferred, state}]`; each at most 200, `more` says how many were left out by column. `gaps`:
    `[{column, state (broken, missing), text}]`. `links`: the chain in order, `[{state, relation, from_ref, to_ref,
    path, line, text}]`, at most 100. `tiers`: `{demanded, present, absent}`. `traced`: a test reaches it.
    """
    scan = get_scan(session, scan_id)
    return _page(session, TraceRow, scan.snapshot_id, filters.conditions(), _row, cursor, limit, with_total)


def _row(row: TraceRow) -> dict[str, Any]:
    names = ("id", "requirement", "title", "path", "risk", "state", "is_look_again")
    return {name: getattr(row, name) for name in names} | row.cells


def matrix_facets(session: Session, scan_id: str) -> dict[str, Any]:
    """For the matrix's filter bar: `{all, gap, look_again, risks: {HIGH: n, …, unknown: n}}`."""
    scan = get_scan(session, scan_id)
    query = select(TraceRow.state, TraceRow.is_look_again, TraceRow.risk).where(
        TraceRow.snapshot_id == scan.snapshot_id
    )
    found = session.execute(query).all()
    return {
        "all": len(found),
        "gap": sum(row.state != words.LINKED for row in found),
        "look_again": sum(row.is_look_again for row in found),
        "risks": dict(Counter(row.risk or "unknown" for row in found)),
    }


def tests(
    session: Session,
    scan_id: str,
    filters: TestFilter = TestFilter(),
    cursor: str | None = None,
    limit: int = 100,
    with_total: bool = True,
) -> Page:
    """Tests by path and line: `{id, path, line, name, state (linked, orphan, unannotated), tier, is_tier_inferred,
    risk, refs}`; `refs` are the ids that it names. An unannotated one stands for its whole file, its name is "".
    """
    scan = get_scan(session, scan_id)
    return _page(session, TraceTest, scan.snapshot_id, filters.conditions(), _test, cursor, limit, with_total)


def _test(row: TraceTest) -> dict[str, Any]:
    names = ("id", "path", "line", "name", "state", "tier", "is_tier_inferred", "risk", "refs")
    return {name: getattr(row, name) for name in names}


def findings(
    session: Session,
    scan_id: str,
    filters: FindingFilter = FindingFilter(),
    cursor: str | None = None,
    limit: int = 100,
    with_total: bool = True,
) -> Page:
    """What is to be looked at, worst first: `{id, kind, severity (error, warning, notice), code, subject, path, line,
    message, hint, risk}`. Kinds: words.FINDING_KINDS; how many of each: `summary`'s findings_by_kind.
    """
    scan = get_scan(session, scan_id)
    return _page(session, TraceFinding, scan.snapshot_id, filters.conditions(), _finding, cursor, limit, with_total)


def _finding(row: TraceFinding) -> dict[str, Any]:
    names = ("id", "kind", "severity", "code", "subject", "path", "line", "message", "hint", "risk")
    return {name: getattr(row, name) for name in names}


def changes(
    session: Session, scan_id: str, subject: str | None = None, cursor: str | None = None, limit: int = 100
) -> Page:
    """What differs from the scan before, and `since` (None for a first scan, which has no items) and `counts`,
    `{"artifact": {"added": n, "updated": n, "removed": n}, "finding": {"added": n, "removed": n}, "file": {…}}`.

    Items `{id, subject, change, type, ref, title, path, fields}`: an artifact (`type` as in words.ARTIFACT_TYPES, `ref`
    its id, `fields` `[{field, before, after}]` of an updated one), a finding that came or went (`type` its kind, `ref`
    its subject, `title` its message), or a file that was read (`ref` its path).
    """
    scan = get_scan(session, scan_id)
    counts: dict[str, dict[str, int]] = {each: {} for each in ("artifact", "finding", "file")}
    columns = (TraceChange.subject, TraceChange.change)
    query = select(*columns, func.count()).where(TraceChange.scan_id == scan.id).group_by(*columns)
    for kind, change, count in session.execute(query):
        counts[kind][change] = count
    only = [TraceChange.subject == subject] if subject else []
    page = _page(session, TraceChange, scan.id, only, _change, cursor, limit, True, TraceChange.scan_id)
    return page | {"since": _since(previous(session, scan)), "counts": counts}


def _change(row: TraceChange) -> dict[str, Any]:
    names = ("id", "subject", "change", "type", "ref", "title", "path", "fields")
    return {name: getattr(row, name) for name in names}


def history(session: Session, repository_id: int, cursor: str | None = None, limit: int = 100) -> Page:
    """The finished scans of a registered repository, newest first: `{scan_id, source, commit, finished_at, duration_ms,
    counters}`; `counters` as in `summary`. The caller shows only those whose tasks the asker may see.
    """
    return _history(session, TraceScan.repository_id == repository_id, cursor, limit)


def history_of(session: Session, scan_id: str, cursor: str | None = None, limit: int = 100) -> Page:
    """The same for the repository and ref of a scan, whether registered or not. Raises NotFound."""
    return _history(session, TraceScan.source_id == get_scan(session, scan_id).source_id, cursor, limit)


def _history(session: Session, condition: Any, cursor: str | None, limit: int) -> Page:
    limit = clamp(limit)
    query = select(TraceScan, TraceSource.source).join(TraceSource, TraceSource.id == TraceScan.source_id)
    if cursor:
        query = query.where(TraceScan.id < decode(cursor, (int,))[0])
    found = session.execute(query.where(condition).order_by(TraceScan.id.desc()).limit(limit + 1)).all()
    items = [
        {
            "scan_id": scan.task_id,
            "source": source,
            "commit": scan.commit,
            "finished_at": rfc3339(scan.finished_at),
            "duration_ms": scan.duration_ms,
            "counters": scan.counters["numbers"],
        }
        for scan, source in found[:limit]
    ]
    total = session.scalar(select(func.count()).select_from(TraceScan).where(condition))
    more = encode(found[limit - 1][0].id) if len(found) > limit else None
    return {"items": items, "next_cursor": more, "total": total}


def _page(
    session: Session,
    model: Any,
    owner_id: int,
    conditions: list[Any],
    shape: Any,
    cursor: str | None,
    limit: int,
    with_total: bool,
    owner: Any = None,
) -> Page:
    """A page of a snapshot's (or a scan's) rows in the order of their positions."""
    limit = clamp(limit)
    matching = [(owner if owner is not None else model.snapshot_id) == owner_id, *conditions]
    query = select(model).where(*matching)
    if cursor:
        query = query.where(model.position > decode(cursor, (int,))[0])
    rows = session.scalars(query.order_by(model.position).limit(limit + 1)).all()
    total = session.scalar(select(func.count()).select_from(model).where(*matching)) if with_total else None
    more = encode(rows[limit - 1].position) if len(rows) > limit else None
    return {"items": [shape(row) for row in rows[:limit]], "next_cursor": more, "total": total}
