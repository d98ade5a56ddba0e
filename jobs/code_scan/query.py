"""Reads a finished scan for pages and the API: sums, lists by cursor, details. Plain dicts, ready for JSON.

Everything is asked of the scan's own number, so the answer for a scan is the same for ever. Rights are the caller's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from database import rfc3339
from jobs.code_scan import facts
from jobs.code_scan.cursors import clamp, decode, encode
from jobs.code_scan.filters import NodeFilter
from jobs.code_scan.languages import LANGUAGES
from jobs.code_scan.models import CodeEdge, CodeFile, CodeIndex, CodeNode, CodeScan
from jobs.code_scan.reasons import FAILED, SKIPPED, TEXTS, text_of
from tasks.errors import NotFound

GROUPS = (
    ("Database", "read", facts.DATABASE_READ),
    ("Database", "write", facts.DATABASE_WRITE),
    ("Files", "read", facts.FILE_READ),
    ("Files", "write", facts.FILE_WRITE),
    ("Cache", "read", facts.CACHE_READ),
    ("Cache", "write", facts.CACHE_WRITE),
    ("Messages", "receive", facts.MESSAGE_RECEIVE),
    ("Messages", "send", facts.MESSAGE_SEND),
    ("API", "call", facts.API_CALL),
    ("Data", "transform", facts.DATA_TRANSFORM),
)
COUNTERS = ("nodes", "edges", "routes", "entities", "files_scanned", "files_skipped", "files_failed", "changed_files")
MAX_NEIGHBOURS = 100
ID_CHUNK = 500

ROW = (
    CodeNode.id, CodeNode.type, CodeNode.name, CodeNode.target, CodeNode.verb, CodeNode.function, CodeNode.language,
    CodeNode.path, CodeNode.line, CodeNode.end_line, CodeNode.confidence,
)  # fmt: skip


def find_scan(session: Session, scan_id: str) -> CodeScan | None:
    """The finished scan of this task, or None while there is none."""
    return session.scalar(select(CodeScan).where(CodeScan.task_id == scan_id))


def get_scan(session: Session, scan_id: str) -> CodeScan:
    """The finished scan of this task. Raises NotFound."""
    scan = find_scan(session, scan_id)
    if scan is None:
        raise NotFound("This scan has no results. It may be running, or it ended without any.")
    return scan


def previous(session: Session, scan: CodeScan) -> CodeScan | None:
    """The scan before this one, of the same source with the same options."""
    before = (CodeScan.index_id == scan.index_id) & (CodeScan.sequence < scan.sequence)
    return session.scalar(select(CodeScan).where(before).order_by(CodeScan.sequence.desc()).limit(1))


def alive(model: Any, scan: CodeScan) -> Any:
    """The condition that a row belongs to this scan.

    It is written as sums so that no index is chosen for it: nearly all rows are alive, and SQLite would take an index
    on the lifetime and look each row up, in place of one that holds all that is asked for (5 times slower).
    """
    return and_(
        model.index_id == scan.index_id, model.removed_in + 0 > scan.sequence, model.first_scan + 0 <= scan.sequence
    )


def node_row(row: Any) -> dict[str, Any]:
    """One line of a list of nodes, from a row of ROW's columns."""
    shown = dict(row._mapping)
    shown["sureness"] = facts.confidence_level(shown["confidence"])
    return shown


def _since(before: CodeScan | None) -> dict[str, Any] | None:
    return {"scan_id": before.task_id, "finished_at": rfc3339(before.finished_at)} if before else None


def summary(session: Session, scan_id: str) -> dict[str, Any]:
    """The numbers that the results page leads with, and how they differ from the last scan."""
    scan = get_scan(session, scan_id)
    before = previous(session, scan)
    counters = scan.counters
    change = {name: counters[name] - before.counters[name] for name in COUNTERS} if before else None
    index = session.get_one(CodeIndex, scan.index_id)
    return {
        "scan_id": scan.task_id,
        "source": index.source,
        "commit": scan.commit,
        "started_at": rfc3339(scan.started_at),
        "finished_at": rfc3339(scan.finished_at),
        "duration_ms": scan.duration_ms,
        "since": _since(before),
        "counters": {name: counters[name] for name in COUNTERS},
        "change": change,
        "skipped_by_reason": _reasons(counters["skipped_by_reason"]),
        "failed_by_reason": _reasons(counters["failed_by_reason"]),
        **{name: counters[name] for name in ("files_added", "files_modified", "files_removed")},
    }


def _reasons(counts: dict[str, int]) -> list[dict[str, Any]]:
    return [{"reason": reason, "text": TEXTS[reason][1], "count": count} for reason, count in counts.items()]


def breakdown(session: Session, scan_id: str) -> dict[str, Any]:
    """Nodes by type of operation (always all ten), by structure and by language."""
    counters = get_scan(session, scan_id).counters
    types, languages, files = (counters[name] for name in ("nodes_by_type", "nodes_by_language", "files_by_language"))
    return {
        "types": [{"group": g, "way": way, "type": type_, "count": types.get(type_, 0)} for g, way, type_ in GROUPS],
        "structure": [{"type": type_, "count": types.get(type_, 0)} for type_ in facts.STRUCTURE_TYPES],
        "languages": [
            {"language": name, "title": _title(name), "files": files[name], "nodes": languages.get(name, 0)}
            for name in files
        ],
    }


def _title(language: str) -> str:
    return LANGUAGES[language].title if language in LANGUAGES else language


def nodes(
    session: Session,
    scan_id: str,
    filters: NodeFilter = NodeFilter(),
    cursor: str | None = None,
    limit: int = 100,
    with_total: bool = True,
) -> dict[str, Any]:
    """Nodes in order of path and line. `total` is None unless asked for."""
    scan = get_scan(session, scan_id)
    limit = clamp(limit)
    matching = and_(alive(CodeNode, scan), *filters.conditions(scan.index_id))
    page = select(CodeNode.id, CodeNode.path, CodeNode.line).where(matching)
    if cursor:
        path, line, node_id = decode(cursor, (str, int, int))
        page = page.where(
            or_(
                CodeNode.path > path,
                and_(CodeNode.path == path, CodeNode.line > line),
                and_(CodeNode.path == path, CodeNode.line == line, CodeNode.id > node_id),
            ),
            CodeNode.path >= path,
        )
    found = session.execute(page.order_by(CodeNode.path, CodeNode.line, CodeNode.id).limit(limit + 1)).all()
    rows = by_id(session, [row.id for row in found[:limit]])
    last = found[limit - 1] if len(found) > limit else None
    total = None
    if with_total and cursor is None and last is None:
        total = len(found)
    elif with_total:
        total = session.scalar(select(func.count()).select_from(CodeNode).where(matching))
    return {
        "items": [rows[row.id] for row in found[:limit]],
        "next_cursor": encode(last.path, last.line, last.id) if last else None,
        "total": total,
    }


def by_id(session: Session, ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Rows of nodes by id."""
    wanted = list(dict.fromkeys(ids))
    found: dict[int, dict[str, Any]] = {}
    for start in range(0, len(wanted), ID_CHUNK):
        part = wanted[start : start + ID_CHUNK]
        found.update((row.id, node_row(row)) for row in session.execute(select(*ROW).where(CodeNode.id.in_(part))))
    return found


def facets(session: Session, scan_id: str, filters: NodeFilter = NodeFilter()) -> dict[str, Any]:
    """How many nodes each type and each language has under the other filters."""
    scan = get_scan(session, scan_id)

    def counted(column: Any, without: str) -> list[tuple[str, int]]:
        query = select(column, func.count()).where(
            alive(CodeNode, scan), *filters.without(without).conditions(scan.index_id)
        )
        return sorted(((value, count) for value, count in session.execute(query.group_by(column))), key=_by_count)

    return {
        "types": [{"value": value, "count": count} for value, count in counted(CodeNode.type, "types")],
        "languages": [
            {"value": value, "title": _title(value), "count": count}
            for value, count in counted(CodeNode.language, "languages")
        ],
    }


def _by_count(item: tuple[str, int]) -> tuple[int, str]:
    return (-item[1], item[0])


def node(session: Session, scan_id: str, node_id: int) -> dict[str, Any]:
    """One node with its snippet, its evidence and what it is connected to. Raises NotFound."""
    scan = get_scan(session, scan_id)
    columns = (*ROW, CodeNode.snippet, CodeNode.evidence, CodeNode.first_scan)
    row = session.execute(select(*columns).where(CodeNode.id == node_id, alive(CodeNode, scan))).first()
    if row is None:
        raise NotFound("This scan has no such node.")
    shown = node_row(row)
    first = shown.pop("first_scan")
    since = select(CodeScan.task_id).where(CodeScan.index_id == scan.index_id, CodeScan.sequence == first)
    return shown | {
        "since_scan_id": session.scalar(since),
        "outgoing": _neighbours(session, scan, CodeEdge.source_id, CodeEdge.target_id, node_id),
        "incoming": _neighbours(session, scan, CodeEdge.target_id, CodeEdge.source_id, node_id),
        "reached_from": _reached_from(session, scan, node_id),
    }


def _neighbours(session: Session, scan: CodeScan, near: Any, far: Any, node_id: int) -> list[dict[str, Any]]:
    query = select(CodeEdge.label, CodeEdge.confidence, far).where(near == node_id, alive(CodeEdge, scan))
    edges = session.execute(query.order_by(CodeEdge.label, CodeEdge.id).limit(MAX_NEIGHBOURS)).all()
    rows = by_id(session, [edge[2] for edge in edges])
    return [
        {"label": label, "confidence": confidence, "node": rows[other]}
        for label, confidence, other in edges
        if other in rows
    ]


def _reached_from(session: Session, scan: CodeScan, node_id: int) -> dict[str, int]:
    from jobs.code_scan.reach import types_of, walk

    reached = walk(session, scan, [node_id], is_backward=True)[node_id]
    types = Counter(types_of(session, reached).values())
    return {"routes": types[facts.ROUTE], "triggers": types[facts.UI_TRIGGER]}


def files(
    session: Session,
    scan_id: str,
    status: str | None = None,
    reason: str | None = None,
    text: str = "",
    cursor: str | None = None,
    limit: int = 100,
) -> dict[str, Any]:
    """Files without nodes and why: failed ones, then skipped ones, each in order of path."""
    scan = get_scan(session, scan_id)
    limit = clamp(limit)
    statuses = [status] if status in (SKIPPED, FAILED) else [SKIPPED, FAILED]
    matching = [alive(CodeFile, scan), CodeFile.status.in_(statuses)]
    if reason:
        matching.append(CodeFile.reason == reason)
    if text:
        matching.append(func.lower(CodeFile.path).contains(text.lower(), autoescape=True))
    columns = (CodeFile.path, CodeFile.status, CodeFile.reason, CodeFile.note, CodeFile.size, CodeFile.language)
    page = select(*columns).where(*matching)
    if cursor:
        last_status, path = decode(cursor, (str, str))
        page = page.where(
            or_(CodeFile.status > last_status, and_(CodeFile.status == last_status, CodeFile.path > path))
        )
    found = session.execute(page.order_by(CodeFile.status, CodeFile.path).limit(limit + 1)).all()
    items = [
        {
            "path": row.path,
            "status": row.status,
            "reason": row.reason,
            "text": text_of(row.reason, row.note),
            "size": row.size,
            "language": row.language,
        }
        for row in found[:limit]
    ]
    last = items[-1] if len(found) > limit else None
    total = session.scalar(select(func.count()).select_from(CodeFile).where(*matching))
    return {
        "items": items,
        "next_cursor": encode(last["status"], last["path"]) if last else None,
        "total": total,
    }


def changes(session: Session, scan_id: str, cursor: str | None = None, limit: int = 100) -> dict[str, Any]:
    """Files that differ from the last scan, in order of path, with how many of their nodes came and went."""
    scan = get_scan(session, scan_id)
    before = previous(session, scan)
    counters = scan.counters
    limit = clamp(limit)
    start = decode(cursor, (str,))[0] if cursor else ""
    came, went = _file_versions(session, scan, CodeFile.first_scan), _file_versions(session, scan, CodeFile.removed_in)
    paths = sorted(path for path in came.keys() | went.keys() if _is_change(came.get(path), went.get(path)))
    page = [path for path in paths if path > start][: limit + 1]
    counts = _node_changes(session, scan, page[:limit])
    return {
        "items": [
            {
                "path": path,
                "change": _change(came.get(path), went.get(path)),
                "language": (came.get(path) or went[path])[1],
                "nodes_added": counts[path][0],
                "nodes_removed": counts[path][1],
            }
            for path in page[:limit]
        ],
        "next_cursor": encode(page[limit - 1]) if len(page) > limit else None,
        "total": len(paths),
        "nodes": {"added": counters["nodes_added"], "removed": counters["nodes_removed"]},
        "edges": {"added": counters["edges_added"], "removed": counters["edges_removed"]},
        "since": _since(before),
    }


Version = tuple[str, str | None, str | None]


def _file_versions(session: Session, scan: CodeScan, boundary: Any) -> dict[str, Version]:
    """(status, language, digest) by path of the file rows that begin or end with this scan."""
    columns = (CodeFile.path, CodeFile.status, CodeFile.language, CodeFile.digest)
    query = select(*columns).where(CodeFile.index_id == scan.index_id, boundary == scan.sequence)
    return {row[0]: (row[1], row[2], row[3]) for row in session.execute(query)}


def _is_change(came: Version | None, went: Version | None) -> bool:
    if all(each is None or each[0] == SKIPPED for each in (came, went)):
        return False
    return not (came and went and came[2] is not None and came[2] == went[2])


def _change(came: Version | None, went: Version | None) -> str:
    return "modified" if came and went else "added" if came else "removed"


def _node_changes(session: Session, scan: CodeScan, paths: Sequence[str]) -> dict[str, tuple[int, int]]:
    """By path, how many nodes came and how many went, what merely moved left out."""
    identity = (CodeNode.path, CodeNode.type, CodeNode.name, CodeNode.target, CodeNode.verb, CodeNode.function)
    balance: dict[str, Counter[Any]] = defaultdict(Counter)
    for boundary, sign in ((CodeNode.first_scan, 1), (CodeNode.removed_in, -1)):
        query = select(*identity).where(CodeNode.index_id == scan.index_id, boundary == scan.sequence)
        for start in range(0, len(paths), ID_CHUNK):
            for row in session.execute(query.where(CodeNode.path.in_(paths[start : start + ID_CHUNK]))):
                balance[row[0]][tuple(row[1:])] += sign
    return {
        path: (
            sum(count for count in balance[path].values() if count > 0),
            -sum(count for count in balance[path].values() if count < 0),
        )
        for path in paths
    }
