"""From click to data: one trigger's way through routes and code to tables, small enough to read.

Four columns. What does not fit is folded into "more" of its column; the list (`triggers`, `sentences`) holds all.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from jobs.code_scan import facts
from jobs.code_scan.cursors import clamp, decode, encode
from jobs.code_scan.endpoints import DATA_TYPES
from jobs.code_scan.filters import Contains
from jobs.code_scan.models import CodeNode, CodeScan
from jobs.code_scan.query import ROW, alive, by_id, get_scan
from jobs.code_scan.reach import Step, edges_from
from tasks.errors import NotFound

COLUMNS = (("trigger", "UI trigger"), ("route", "Route"), ("code", "Code"), ("data", "Data"))
MAX_BOXES = 6
MAX_STARTS_TRIED = 60
MAX_NODES = 400
DEPTH = 7
VERBS = {
    facts.DATABASE_READ: "reads",
    facts.DATABASE_WRITE: "writes",
    facts.CACHE_READ: "reads cache",
    facts.CACHE_WRITE: "writes cache",
    facts.FILE_READ: "reads file",
    facts.FILE_WRITE: "writes file",
    facts.MESSAGE_SEND: "sends",
}


@dataclass(slots=True)
class _Path:
    """What can be reached from one start, with the edges between."""

    start: int
    nodes: dict[int, dict[str, Any]] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    def of(self, *types: str) -> list[dict[str, Any]]:
        return [node for node in self.nodes.values() if node["type"] in types]


def triggers(
    session: Session, scan_id: str, text: str = "", cursor: str | None = None, limit: int = 100
) -> dict[str, Any]:
    """Triggers of the user interface in order of place, each with the route it leads to where one is known."""
    scan = get_scan(session, scan_id)
    limit = clamp(limit)
    matching = [CodeNode.type == facts.UI_TRIGGER, alive(CodeNode, scan)]
    matching += [Contains(CodeNode.search, word) for word in text.lower().split()]
    page = select(*ROW).where(*matching)
    if cursor:
        path, line, node_id = decode(cursor, (str, int, int))
        same = CodeNode.path == path
        page = page.where(
            or_(
                CodeNode.path > path,
                and_(same, CodeNode.line > line),
                and_(same, CodeNode.line == line, CodeNode.id > node_id),
            )
        )
    found = session.execute(page.order_by(CodeNode.path, CodeNode.line, CodeNode.id).limit(limit + 1)).all()
    rows = found[:limit]
    items = []
    for row in rows:
        routes = _follow(session, scan, row.id, depth=4).of(facts.ROUTE) if len(rows) <= 100 else []
        items.append(
            {
                "id": row.id,
                "label": row.name,
                "event": row.verb,
                "path": row.path,
                "line": row.line,
                "route_id": routes[0]["id"] if routes else None,
            }
        )
    last = rows[-1] if len(found) > limit else None
    return {
        "items": items,
        "next_cursor": encode(last.path, last.line, last.id) if last else None,
        "total": session.scalar(select(func.count()).select_from(CodeNode).where(*matching)),
    }


def flow(session: Session, scan_id: str, start_id: int | None = None, limit: int = 3) -> dict[str, Any]:
    """The picture that opens at one trigger or route (the one that reaches most data, unless `start_id` is given), with
    up to `limit` starts in all: that one, and those that share data with it. Raises NotFound for another start.
    """
    scan = get_scan(session, scan_id)
    counts = {type_: scan.counters["nodes_by_type"].get(type_, 0) for type_ in facts.NODE_TYPES}
    paths = _paths(session, scan, start_id, max(1, min(limit, 5)))
    columns: dict[str, dict[str, dict[str, Any]]] = {name: {} for name, _ in COLUMNS}
    links: dict[tuple[str, str], dict[str, Any]] = {}
    sentences = []
    for number, path in enumerate(paths):
        _draw(path, columns, links, is_on_path=number == 0)
        sentences.append(_sentence(path))
    shown = {key for boxes in columns.values() for key in boxes}
    totals = {
        "trigger": counts[facts.UI_TRIGGER],
        "route": counts[facts.ROUTE],
        "code": counts[facts.FUNCTION],
        "data": counts[facts.TABLE] or counts[facts.ENTITY],
    }
    return {
        "start_id": paths[0].start if paths else None,
        "columns": [
            {
                "name": name,
                "title": title,
                "boxes": list(columns[name].values()),
                "more": max(0, totals[name] - len(columns[name])),
            }
            for name, title in COLUMNS
        ],
        "links": [link for (source, target), link in links.items() if source in shown and target in shown],
        "sentences": sentences,
        "total_triggers": counts[facts.UI_TRIGGER],
        "total_routes": counts[facts.ROUTE],
    }


def _paths(session: Session, scan: CodeScan, start_id: int | None, limit: int) -> list[_Path]:
    """The chosen start's path first, then the nearest by shared data."""
    starts = _starts(session, scan)
    if start_id is not None:
        allowed = (CodeNode.id == start_id, CodeNode.type.in_((facts.UI_TRIGGER, facts.ROUTE, facts.FUNCTION)))
        if session.scalar(select(CodeNode.id).where(*allowed, alive(CodeNode, scan))) is None:
            raise NotFound("This scan has no such trigger or route.")
        starts = [start_id, *(each for each in starts if each != start_id)]
    paths = [_follow(session, scan, each) for each in starts]
    if not paths:
        return []
    chosen = paths[0] if start_id is not None else max(paths, key=_weight)
    data = set(_data(chosen))
    others = sorted((each for each in paths if each is not chosen), key=lambda each: -len(data & set(_data(each))))
    return [chosen, *(each for each in others if data & set(_data(each)))][:limit]


def _starts(session: Session, scan: CodeScan) -> list[int]:
    for type_ in (facts.UI_TRIGGER, facts.ROUTE):
        query = select(CodeNode.id).where(CodeNode.type == type_, alive(CodeNode, scan))
        if type_ == facts.UI_TRIGGER:
            query = query.where(CodeNode.id.in_(_sources(scan)))
        ids = session.scalars(query.order_by(CodeNode.id).limit(MAX_STARTS_TRIED)).all()
        if ids:
            return list(ids)
    return []


def _sources(scan: CodeScan) -> Any:
    from jobs.code_scan.models import CodeEdge

    return select(CodeEdge.source_id).where(alive(CodeEdge, scan), CodeEdge.label == facts.TRIGGERS)


def _weight(path: _Path) -> tuple[int, int]:
    return (len(_data(path)), len(path.of(facts.ROUTE)))


def _data(path: _Path) -> dict[str, list[str]]:
    """What data the path touches: name → how."""
    touched: dict[str, list[str]] = defaultdict(list)
    for node in path.of(*VERBS):
        name = node["target"] or node["name"]
        if VERBS[node["type"]] not in touched[name]:
            touched[name].append(VERBS[node["type"]])
    return touched


def _follow(session: Session, scan: CodeScan, start: int, depth: int = DEPTH) -> _Path:
    """Everything within `depth` steps, MAX_NODES at most, with the nodes' rows."""
    path = _Path(start)
    seen, front = {start}, [start]
    for _ in range(depth):
        steps = edges_from(session, scan, front)
        front = []
        for step in steps:
            if step.target not in seen and len(seen) < MAX_NODES:
                seen.add(step.target)
                front.append(step.target)
            if step.target in seen:
                path.steps.append(step)
        if not front:
            break
    path.nodes = by_id(session, seen)
    return path


def _draw(
    path: _Path,
    columns: dict[str, dict[str, dict[str, Any]]],
    links: dict[tuple[str, str], dict[str, Any]],
    is_on_path: bool,
) -> None:
    """Add one path's boxes and links: trigger → route → the functions that do something → data."""
    after: dict[int, list[int]] = defaultdict(list)
    for step in path.steps:
        after[step.source].append(step.target)

    def box(column: str, key: str, node: dict[str, Any] | None, title: str, subtitle: str) -> str | None:
        boxes = columns[column]
        if key not in boxes:
            if len(boxes) >= MAX_BOXES:
                return None
            boxes[key] = {
                "key": key,
                "node_id": node["id"] if node else None,
                "title": title,
                "subtitle": subtitle,
                "on_path": False,
            }
        boxes[key]["on_path"] = boxes[key]["on_path"] or is_on_path
        return key

    def join(source: str | None, target: str | None, label: str) -> None:
        if source and target and source != target:
            link = links.setdefault(
                (source, target), {"source": source, "target": target, "label": label, "on_path": False}
            )
            link["on_path"] = link["on_path"] or is_on_path
            if label and label not in link["label"]:
                link["label"] = f"{link['label']}, {label}"

    def visit(node_id: int, last: str | None, seen: set[int]) -> None:
        node = path.nodes.get(node_id)
        if node is None or node_id in seen:
            return
        seen.add(node_id)
        where = f"{PurePosixPath(node['path']).name}:{node['line']}"
        kind = node["type"]
        if kind == facts.UI_TRIGGER:
            here = box("trigger", f"n{node_id}", node, where, f"{node['verb'] or ''} “{node['name']}”".strip())
        elif kind == facts.ROUTE:
            here = box(
                "route", f"n{node_id}", node, f"{node['verb'] or ''} {node['target'] or node['name']}".strip(), where
            )
            join(last, here, "")
        elif kind == facts.FUNCTION and _does_data(node_id, after, path):
            here = box("code", f"n{node_id}", node, f"{node['name'].rpartition('.')[2]}()", where)
            join(last, here, "")
        elif kind in VERBS:
            name = node["target"] or node["name"]
            sort = "table" if kind in (facts.DATABASE_READ, facts.DATABASE_WRITE) else kind.partition("_")[0]
            here = box("data", f"d:{sort}:{name.lower()}", node, name, sort)
            join(last, here, VERBS[kind])
            return
        else:
            here = last
        for following in after[node_id]:
            visit(following, here or last, seen)

    visit(path.start, None, set())


def _does_data(node_id: int, after: dict[int, list[int]], path: _Path) -> bool:
    return any(path.nodes[each]["type"] in DATA_TYPES for each in after[node_id] if each in path.nodes)


def _sentence(path: _Path) -> dict[str, Any]:
    """The path as text: `where` it begins and what follows."""
    start = path.nodes[path.start]
    where = f"{PurePosixPath(start['path']).name} line {start['line']}"
    begin = f"{start['verb'] or ''} “{start['name']}”".strip() if start["type"] == facts.UI_TRIGGER else ""
    routes = [f"{node['verb'] or ''} {node['target'] or node['name']}".strip() for node in path.of(facts.ROUTE)][:3]
    touched = [f"{' and '.join(how)} {name}" for name, how in list(_data(path).items())[:8]]
    parts = [*([", ".join(routes)] if routes else []), ", ".join(touched) or "no data that is known"]
    return {"start_id": path.start, "where": where, "text": (begin + ": " if begin else "") + ", ".join(parts)}
