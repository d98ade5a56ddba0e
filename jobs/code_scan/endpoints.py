"""The endpoints of a scan: what handles each, what data it touches, and who of this user interface calls it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from jobs.code_scan import facts
from jobs.code_scan.cursors import clamp, decode, encode
from jobs.code_scan.filters import Contains
from jobs.code_scan.models import CodeEdge, CodeNode, CodeScan
from jobs.code_scan.query import ROW, alive, get_scan
from jobs.code_scan.reach import ID_CHUNK, Step, edges_from, walk

DATA_TYPES = (
    facts.DATABASE_READ, facts.DATABASE_WRITE, facts.TABLE, facts.ENTITY, facts.MESSAGE_SEND, facts.CACHE_READ,
    facts.CACHE_WRITE, facts.FILE_READ, facts.FILE_WRITE,
)  # fmt: skip
TOUCHED_TYPES = (facts.DATABASE_READ, facts.DATABASE_WRITE, facts.TABLE)
CALLERS = (facts.REQUESTS, facts.TRIGGERS)


def endpoints(
    session: Session, scan_id: str, text: str = "", cursor: str | None = None, limit: int = 100
) -> dict[str, Any]:
    """Routes in order of path and method. `touches` names the tables that can be reached from the handler.

    `called_from_ui` counts the calls and triggers that lead to the route; views (`verb` VIEW) are left out.
    """
    scan = get_scan(session, scan_id)
    limit = clamp(limit)
    key = func.coalesce(CodeNode.target, CodeNode.name)
    verb = func.coalesce(CodeNode.verb, "")
    matching = [CodeNode.type == facts.ROUTE, alive(CodeNode, scan), verb != "VIEW"]
    matching += [Contains(CodeNode.search, word) for word in text.lower().split()]
    page = select(*ROW).where(*matching)
    if cursor:
        path, method, node_id = decode(cursor, (str, str, int))
        page = page.where(
            or_(
                key > path,
                and_(key == path, verb > method),
                and_(key == path, verb == method, CodeNode.id > node_id),
            )
        )
    found = session.execute(page.order_by(key, verb, CodeNode.id).limit(limit + 1)).all()
    rows = found[:limit]
    ids = [row.id for row in rows]
    reached = walk(session, scan, ids)
    touched = _touched(session, {node for nodes in reached.values() for node in nodes})
    handlers, called = _handlers(session, scan, ids), _called(session, scan, ids)
    last = rows[-1] if len(found) > limit else None
    return {
        "items": [
            {
                "id": row.id,
                "method": row.verb,
                "path": row.target or row.name,
                "handler": handlers.get(row.id, row.function),
                "where": f"{PurePosixPath(row.path).name}:{row.line}",
                "file": row.path,
                "line": row.line,
                "touches": sorted({touched[node] for node in reached[row.id] if node in touched}),
                "called_from_ui": called.get(row.id, 0),
            }
            for row in rows
        ],
        "next_cursor": encode(last.target or last.name, last.verb or "", last.id) if last else None,
        "total": session.scalar(select(func.count()).select_from(CodeNode).where(*matching)),
        "never_called": session.scalar(select(func.count()).select_from(CodeNode).where(*matching, ~_is_called(scan))),
    }


def _is_called(scan: CodeScan) -> Any:
    edge = aliased(CodeEdge)
    return (
        select(edge.id)
        .where(
            edge.target_id == CodeNode.id,
            edge.label.in_(CALLERS),
            edge.first_scan <= scan.sequence,
            edge.removed_in > scan.sequence,
        )
        .exists()
    )


def _touched(session: Session, ids: Iterable[int]) -> dict[int, str]:
    """The table that each of these nodes means, where it means one."""
    wanted, found = list(ids), dict[int, str]()
    for start in range(0, len(wanted), ID_CHUNK):
        query = select(CodeNode.id, CodeNode.target, CodeNode.name, CodeNode.type).where(
            CodeNode.id.in_(wanted[start : start + ID_CHUNK]), CodeNode.type.in_(TOUCHED_TYPES)
        )
        for node_id, target, name, type_ in session.execute(query):
            if target or type_ == facts.TABLE:
                found[node_id] = target or name
    return found


def _handlers(session: Session, scan: CodeScan, ids: list[int]) -> dict[int, str]:
    steps = [step for step in edges_from(session, scan, ids) if step.label == facts.HANDLED_BY]
    names = dict[int, str]()
    targets = list({step.target for step in steps})
    for start in range(0, len(targets), ID_CHUNK):
        query = select(CodeNode.id, CodeNode.name).where(CodeNode.id.in_(targets[start : start + ID_CHUNK]))
        names.update((row[0], row[1]) for row in session.execute(query))
    return {step.source: names[step.target] for step in steps if step.target in names}


def _called(session: Session, scan: CodeScan, ids: list[int]) -> dict[int, int]:
    callers: dict[int, set[int]] = {}
    for step in edges_from(session, scan, ids, is_backward=True):
        if is_call(step):
            callers.setdefault(step.target, set()).add(step.source)
    return {route: len(sources) for route, sources in callers.items()}


def is_call(step: Step) -> bool:
    """Whether this edge means that a user interface or a client calls a route."""
    return step.label in CALLERS
