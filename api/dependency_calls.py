"""What a dependency scan found, what of it is ignored, and exports.

Everything is asked through the scan's task, so whoever may not watch the task finds nothing here; who may only watch it
is refused when it comes to ignoring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from flask import Response
from sqlalchemy.orm import Session

import extensions
from api import reading
from api.code_shapes import RowPage
from api.dependency_shapes import (
    Decision,
    DecisionList,
    DependencyExport,
    DependencySummary,
    FindingList,
    FindingPage,
    PackageList,
    StartIgnore,
)
from api.operations import JSON, Call, Reply, operation
from database import Database, utc_now
from jobs.dependency_scan import documents, exports, ignoring, query
from jobs.dependency_scan.query import FindingFilter
from tasks import store
from tasks.errors import Forbidden, NotFound

DEPENDENCY_SCAN = "dependency_scan"
SCAN = "/scans/{scan_id}"
TAG = "Dependencies"
CURSOR_REFUSED = (400,)
T = TypeVar("T")


@operation(
    "GET",
    f"{SCAN}/dependency-summary",
    summary="Read a dependency scan in numbers",
    tag=TAG,
    answer=DependencySummary,
)
def show_dependency_summary(call: Call) -> dict[str, Any]:
    """What counts now, what was not evaluated and why, the age of the data, and how it differs from the last scan."""
    return _read(call, lambda session, scan_id: query.summary(session, scan_id, utc_now()))


@operation(
    "GET",
    f"{SCAN}/vulnerabilities",
    summary="List known vulnerabilities",
    tag=TAG,
    answer=FindingPage,
    query=FindingList,
    refuses=CURSOR_REFUSED,
)
def list_vulnerabilities(call: Call) -> dict[str, Any]:
    """The worst first, each with the fixed version and the way to the package in the tree."""
    asked: FindingList = call.query
    filters = FindingFilter(asked.severity or "", asked.ecosystem, asked.show, asked.new, asked.fixable, asked.q)

    def read(session: Session, scan_id: str) -> dict[str, Any]:
        return query.findings(session, scan_id, utc_now(), filters, asked.cursor or None, asked.limit)

    return _read(call, read)


@operation(
    "GET",
    f"{SCAN}/packages",
    summary="List packages",
    tag=TAG,
    answer=RowPage,
    query=PackageList,
    refuses=CURSOR_REFUSED,
)
def list_packages(call: Call) -> dict[str, Any]:
    """Each with the files that name it; what could not be evaluated says why and what to do."""
    asked: PackageList = call.query

    def read(session: Session, scan_id: str) -> dict[str, Any]:
        return query.packages(
            session,
            scan_id,
            text=asked.q,
            ecosystem=asked.ecosystem,
            only_gaps=asked.not_evaluated,
            cursor=asked.cursor or None,
            limit=asked.limit,
        )

    return _read(call, read)


@operation("GET", f"{SCAN}/ignores", summary="List what is ignored", tag=TAG, answer=DecisionList)
def list_ignores(call: Call) -> dict[str, Any]:
    """Every decision for the scan's source, also those that ended."""
    return {"items": _read(call, lambda session, scan_id: query.decisions(session, scan_id, utc_now()))}


@operation(
    "POST",
    f"{SCAN}/ignores",
    summary="Ignore a vulnerability for a time",
    tag=TAG,
    status=201,
    answer=Decision,
    body=StartIgnore,
    refuses=(409,),
)
def start_ignore(call: Call) -> Reply:
    """For every scan of the same source. It ends after its days, or sooner when a fix appears that was not known."""
    scan_id = _changeable(call)
    asked: StartIgnore = call.body
    with reading.database().write() as session:
        scan = query.get_scan(session, scan_id)
        made = ignoring.ignore(session, scan, asked.finding_id, asked.model_dump(), call.actor)
        answer = query.as_decision(made)
    return Reply(answer)


@operation("DELETE", f"{SCAN}/ignores/{{ignore_id}}", summary="Take an ignore back", tag=TAG, answer=Decision)
def end_ignore(call: Call) -> dict[str, Any]:
    """What it covered counts again, at once."""
    scan_id = _changeable(call)
    text = call.path["ignore_id"]
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    with reading.database().write() as session:
        ended = ignoring.take_back(session, query.get_scan(session, scan_id), number, call.actor)
        return query.as_decision(ended)


@operation("GET", f"{SCAN}/dependencies.json", summary="Export as JSON", tag=TAG, answer=DependencyExport)
def export_dependencies_json(call: Call) -> Response:
    """Summary, findings and packages."""
    return _streamed(call, exports.as_json, JSON, "json")


@operation("GET", f"{SCAN}/dependencies.csv", summary="Export as CSV", tag=TAG, media_type="text/csv")
def export_dependencies_csv(call: Call) -> Response:
    """A row for every finding and for everything that was not evaluated; safe to open in a spreadsheet."""
    return _streamed(call, exports.as_csv, "text/csv", "csv")


@operation(
    "GET", f"{SCAN}/dependencies.sarif", summary="Export as SARIF 2.1.0", tag=TAG, media_type="application/sarif+json"
)
def export_dependencies_sarif(call: Call) -> Response:
    """A result for every finding; ignored ones are suppressed, gaps stand among the notifications."""
    return _built(call, documents.as_sarif, "application/sarif+json", "sarif")


@operation(
    "GET",
    f"{SCAN}/dependencies.cdx.json",
    summary="Export as CycloneDX 1.6 VEX",
    tag=TAG,
    media_type="application/vnd.cyclonedx+json",
)
def export_dependencies_vex(call: Call) -> Response:
    """The packages with findings, and what was decided about each vulnerability."""
    return _built(call, documents.as_vex, "application/vnd.cyclonedx+json", "cdx.json")


def _streamed(call: Call, export: Callable[..., Iterable[bytes]], media_type: str, ending: str) -> Response:
    """A file whose head is made at once, beside the event loop, and whose rows are read while it is sent."""
    scan_id, pages = _allowed(call), reading.database()
    body = _offloaded(lambda database: export(database, scan_id, utc_now(), pages))
    return _download(body, scan_id, media_type, ending)


def _built(call: Call, build: Callable[..., bytes], media_type: str, ending: str) -> Response:
    """A document that is made as a whole, beside the event loop."""
    scan_id = _allowed(call)
    whole = _offloaded(lambda database: build(database, scan_id, utc_now()))
    return _download([whole], scan_id, media_type, ending)


def _offloaded(read: Callable[[Database], T]) -> T:
    database: Database = extensions.current().analysis
    return extensions.offload_read(lambda: read(database)) if database.is_sqlite else read(database)


def _allowed(call: Call) -> str:
    """The id of a dependency scan that the asker may see. Raises NotFound in the words of an unknown task."""
    with reading.database().read() as session:
        task, _ = reading.find_task(session, call.path["scan_id"], call.identity)
    if task.kind != DEPENDENCY_SCAN:
        raise NotFound(reading.NO_TASK)
    return task.id


def _changeable(call: Call) -> str:
    """The id of a scan whose findings the asker may ignore. Raises Forbidden for who may only watch it."""
    with reading.database().read() as session:
        task, _ = reading.find_task(session, call.path["scan_id"], call.identity)
    if not store.may_change(task, call.identity):
        raise Forbidden("You may look at this scan. Only its owner and admins decide what is ignored.")
    return _allowed(call)


def _read(call: Call, read: Callable[[Session, str], T]) -> T:
    """Read beside the event loop: a host can have thousands of findings."""
    scan_id = _allowed(call)

    def answer(database: Database) -> T:
        with database.read() as session:
            return read(session, scan_id)

    return _offloaded(answer)


def _download(body: Iterable[bytes], scan_id: str, media_type: str, ending: str) -> Response:
    response = Response(body, mimetype=media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="dependencies-{scan_id[:8]}.{ending}"'
    return response
