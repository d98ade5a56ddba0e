"""What a trace scan found: its numbers, and the matrix and the findings as files.

Everything is asked through the scan's task, so whoever may not watch the task finds nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Response

import extensions
from api import reading
from api.operations import JSON, Call, operation
from api.repository_shapes import FindingExport, FindingFilters, MatrixExport, RowFilters, TraceSummary
from database import Database
from jobs.trace_scan import exports, query
from jobs.trace_scan.filters import FindingFilter, RowFilter
from jobs.trace_scan.registered import KIND
from tasks.errors import NotFound

SCAN = "/scans/{scan_id}"
CSV = "text/csv"
SARIF = "application/sarif+json"


@operation("GET", f"{SCAN}/trace", summary="Read a trace scan in numbers", tag="Traces", answer=TraceSummary)
def show_trace_summary(call: Call) -> dict[str, Any]:
    """Counters, how they differ from the last scan, coverage by risk, and findings by kind."""
    scan_id, database = _allowed(call), extensions.current().analysis

    def answer() -> dict[str, Any]:
        with database.read() as session:
            return query.summary(session, scan_id) | {"coverage": query.coverage(session, scan_id)}

    return extensions.offload_read(answer) if database.is_sqlite else answer()


@operation(
    "GET",
    f"{SCAN}/matrix.json",
    summary="Export the matrix as JSON",
    tag="Traces",
    answer=MatrixExport,
    query=RowFilters,
)
def export_matrix_json(call: Call) -> Response:
    """The summary, and a row for each requirement that fits the filters, with its stories, code, tests and gaps."""
    scan_id = _allowed(call)
    return _download(exports.matrix_json(_database(), scan_id, _rows(call.query)), f"matrix-{scan_id[:8]}.json", JSON)


@operation(
    "GET", f"{SCAN}/matrix.csv", summary="Export the matrix as CSV", tag="Traces", media_type=CSV, query=RowFilters
)
def export_matrix_csv(call: Call) -> Response:
    """A row for each requirement that fits the filters; safe to open in a spreadsheet."""
    scan_id = _allowed(call)
    return _download(exports.matrix_csv(_database(), scan_id, _rows(call.query)), f"matrix-{scan_id[:8]}.csv", CSV)


@operation(
    "GET",
    f"{SCAN}/findings.json",
    summary="Export the findings as JSON",
    tag="Traces",
    answer=FindingExport,
    query=FindingFilters,
)
def export_findings_json(call: Call) -> Response:
    """The summary, and every finding that fits the filters."""
    scan_id = _allowed(call)
    body = exports.findings_json(_database(), scan_id, _findings(call.query))
    return _download(body, f"findings-{scan_id[:8]}.json", JSON)


@operation(
    "GET",
    f"{SCAN}/findings.csv",
    summary="Export the findings as CSV",
    tag="Traces",
    media_type=CSV,
    query=FindingFilters,
)
def export_findings_csv(call: Call) -> Response:
    """A row for every finding that fits the filters; safe to open in a spreadsheet."""
    scan_id = _allowed(call)
    body = exports.findings_csv(_database(), scan_id, _findings(call.query))
    return _download(body, f"findings-{scan_id[:8]}.csv", CSV)


@operation(
    "GET",
    f"{SCAN}/findings.sarif",
    summary="Export the findings as SARIF 2.1.0",
    tag="Traces",
    media_type=SARIF,
    query=FindingFilters,
)
def export_findings_sarif(call: Call) -> Response:
    """For code hosts and editors: a result with file and line for every finding that fits the filters."""
    scan_id = _allowed(call)
    body = exports.findings_sarif(_database(), scan_id, _findings(call.query))
    return _download(body, f"findings-{scan_id[:8]}.sarif", SARIF)


def _allowed(call: Call) -> str:
    """The id of a trace scan that the asker may see. Raises NotFound in the words of an unknown task."""
    with _database().read() as session:
        task, _ = reading.find_task(session, call.path["scan_id"], call.identity)
    if task.kind != KIND:
        raise NotFound(reading.NO_TASK)
    return task.id


def _database() -> Database:
    return reading.database()


def _rows(asked: RowFilters) -> RowFilter:
    show = "" if asked.show == "all" else asked.show
    return RowFilter(show, tuple(asked.state), tuple(asked.risk), asked.q.strip())


def _findings(asked: FindingFilters) -> FindingFilter:
    return FindingFilter(tuple(asked.kind), tuple(asked.severity), tuple(asked.risk), asked.q.strip())


def _download(body: Iterable[bytes], name: str, media_type: str) -> Response:
    response = Response(body, mimetype=media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="trace-{name}"'
    return response
