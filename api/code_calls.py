"""What a code scan found: numbers, nodes, tables, endpoints, the way of data, what was skipped, and exports.

Everything is asked through the scan's task, so whoever may not watch the task finds nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from flask import Response
from sqlalchemy.orm import Session

import extensions
from api import reading
from api.code_shapes import (
    MAX_ID,
    CodeExport,
    CodeSummary,
    Facets,
    FileList,
    Flow,
    FlowStart,
    NodeDetail,
    NodeFilters,
    NodeList,
    NodePage,
    PageQuery,
    RowPage,
    TableList,
    TextList,
)
from api.operations import JSON, Call, operation
from api.scan_calls import CODE_SCAN
from jobs.code_scan import endpoints, exports, flow, query, tables
from jobs.code_scan.filters import NodeFilter
from tasks.errors import NotFound

SCAN = "/scans/{scan_id}"
CURSOR_REFUSED = (400,)
T = TypeVar("T")


@operation("GET", f"{SCAN}/summary", summary="Read a code scan in numbers", tag="Code", answer=CodeSummary)
def show_code_summary(call: Call) -> dict[str, Any]:
    """Counters, how they differ from the last scan, and nodes by type and language."""

    def read(session: Session, scan_id: str) -> dict[str, Any]:
        return query.summary(session, scan_id) | {"breakdown": query.breakdown(session, scan_id)}

    return _read(call, read)


@operation(
    "GET",
    f"{SCAN}/nodes",
    summary="Search what was found",
    tag="Code",
    answer=NodePage,
    query=NodeList,
    refuses=CURSOR_REFUSED,
)
def list_nodes(call: Call) -> dict[str, Any]:
    """Nodes in order of path and line."""
    asked: NodeList = call.query
    return _read(call, lambda session, scan_id: query.nodes(session, scan_id, _filter(asked), *_page(asked)))


@operation("GET", f"{SCAN}/nodes/{{node_id}}", summary="Look at one node", tag="Code", answer=NodeDetail)
def show_node(call: Call) -> dict[str, Any]:
    """Its code, the evidence, and what it is connected to."""
    text = call.path["node_id"]
    node_id = int(text) if text.isascii() and text.isdigit() and len(text) < 17 else 0
    return _read(call, lambda session, scan_id: query.node(session, scan_id, min(node_id, MAX_ID)))


@operation(
    "GET", f"{SCAN}/facets", summary="Count the values of the filters", tag="Code", answer=Facets, query=NodeFilters
)
def show_facets(call: Call) -> dict[str, Any]:
    """How many nodes each type and language has under the other filters."""
    return _read(call, lambda session, scan_id: query.facets(session, scan_id, _filter(call.query)))


@operation(
    "GET",
    f"{SCAN}/tables",
    summary="List tables with readers and writers",
    tag="Code",
    answer=RowPage,
    query=TableList,
    refuses=CURSOR_REFUSED,
)
def list_tables(call: Call) -> dict[str, Any]:
    """Each table with how many places read and write it."""
    asked: TableList = call.query
    return _read(call, lambda session, scan_id: tables.tables(session, scan_id, asked.q, asked.sort, *_page(asked)))


@operation(
    "GET",
    f"{SCAN}/endpoints",
    summary="List endpoints",
    tag="Code",
    answer=RowPage,
    query=TextList,
    refuses=CURSOR_REFUSED,
)
def list_endpoints(call: Call) -> dict[str, Any]:
    """Each route with its handler, the tables it touches, and whether the user interface calls it."""
    asked: TextList = call.query
    return _read(call, lambda session, scan_id: endpoints.endpoints(session, scan_id, asked.q, *_page(asked)))


@operation(
    "GET",
    f"{SCAN}/triggers",
    summary="List triggers of the user interface",
    tag="Code",
    answer=RowPage,
    query=TextList,
    refuses=CURSOR_REFUSED,
)
def list_triggers(call: Call) -> dict[str, Any]:
    """Each with its place and the route that it leads to, where one is known."""
    asked: TextList = call.query
    return _read(call, lambda session, scan_id: flow.triggers(session, scan_id, asked.q, *_page(asked)))


@operation("GET", f"{SCAN}/flow", summary="Follow a click to the data", tag="Code", answer=Flow, query=FlowStart)
def show_flow(call: Call) -> dict[str, Any]:
    """The way from one trigger or route through code to tables, small enough to read."""
    return _read(call, lambda session, scan_id: flow.flow(session, scan_id, call.query.start_id or None))


@operation(
    "GET",
    f"{SCAN}/skipped",
    summary="List files that gave nothing",
    tag="Code",
    answer=RowPage,
    query=FileList,
    refuses=CURSOR_REFUSED,
)
def list_skipped_files(call: Call) -> dict[str, Any]:
    """Files that were skipped or failed, each with the reason."""
    asked: FileList = call.query
    status = None if asked.status == "all" else asked.status

    def read(session: Session, scan_id: str) -> dict[str, Any]:
        return query.files(session, scan_id, status, asked.reason or None, asked.q, *_page(asked))

    return _read(call, read)


@operation(
    "GET",
    f"{SCAN}/changes",
    summary="See what changed since the last scan",
    tag="Code",
    answer=RowPage,
    query=PageQuery,
    refuses=CURSOR_REFUSED,
)
def list_changes(call: Call) -> dict[str, Any]:
    """Files that differ, with how many of their nodes came and went."""
    return _read(call, lambda session, scan_id: query.changes(session, scan_id, *_page(call.query)))


@operation("GET", f"{SCAN}/export.json", summary="Export as JSON", tag="Code", answer=CodeExport, query=NodeFilters)
def export_json(call: Call) -> Response:
    """The summary and every node that fits the filters."""
    scan_id = _allowed(call)
    body = exports.as_json(reading.database(), scan_id, _filter(call.query))
    return _download(body, scan_id, JSON, "json")


@operation("GET", f"{SCAN}/export.csv", summary="Export as CSV", tag="Code", media_type="text/csv", query=NodeFilters)
def export_csv(call: Call) -> Response:
    """A row for every node that fits the filters; safe to open in a spreadsheet."""
    scan_id = _allowed(call)
    return _download(exports.as_csv(reading.database(), scan_id, _filter(call.query)), scan_id, "text/csv", "csv")


@operation(
    "GET", f"{SCAN}/export.mmd", summary="Export as Mermaid", tag="Code", media_type="text/plain", query=FlowStart
)
def export_mermaid(call: Call) -> Response:
    """The picture of `flow` as a Mermaid flowchart."""
    start_id = call.query.start_id or None
    text = _read(call, lambda session, scan_id: exports.as_mermaid(session, scan_id, start_id))
    return _download([text.encode()], reading.task_id(call.path["scan_id"]), "text/plain", "mmd")


def _allowed(call: Call) -> str:
    """The id of a code scan that the asker may see. Raises NotFound in the words of an unknown task."""
    with reading.database().read() as session:
        task, _ = reading.find_task(session, call.path["scan_id"], call.identity)
    if task.kind != CODE_SCAN:
        raise NotFound(reading.NO_TASK)
    return task.id


def _read(call: Call, read: Callable[[Session, str], T]) -> T:
    """Read beside the event loop: following edges through a large scan takes longer than others should wait."""
    scan_id, database = _allowed(call), extensions.current().analysis

    def answer() -> T:
        with database.read() as session:
            return read(session, scan_id)

    return extensions.offload_read(answer) if database.is_sqlite else answer()


def _page(asked: PageQuery) -> tuple[str | None, int]:
    return asked.cursor or None, asked.limit


def _filter(asked: NodeFilters) -> NodeFilter:
    return NodeFilter(
        tuple(asked.type),
        tuple(asked.language),
        tuple(asked.table),
        asked.sureness,
        asked.q.strip(),
        asked.path.strip(),
    )


def _download(body: Iterable[bytes], scan_id: str, media_type: str, ending: str) -> Response:
    response = Response(body, mimetype=media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="code-scan-{scan_id[:8]}.{ending}"'
    return response
