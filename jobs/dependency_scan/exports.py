"""A scan as a file with everything in it: JSON and CSV. What is ignored is there as ignored, gaps are there as gaps."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson

from database import Database, rfc3339
from jobs.code_scan.exports import cell
from jobs.dependency_scan import query
from jobs.dependency_scan.models import DependencyScan
from jobs.dependency_scan.query import Findings, Shown

CSV_COLUMNS = (
    "severity", "score", "package", "ecosystem", "installed", "fixed_in", "advisory", "aliases", "summary", "state",
    "ignored_because", "ignored_until", "change", "file", "line", "relation", "path",
)  # fmt: skip
ROWS = 500


def as_json(database: Database, scan_id: str, now: datetime, pages: Database | None = None) -> Iterator[bytes]:
    """One object: summary, findings with their decisions, and every package. Raises NotFound before the first byte.

    `pages` is where the packages are read from while the answer is sent, if that is another connection.
    """
    with database.read() as session:
        found = query.findings_of(session, query.get_scan(session, scan_id), now)
        summary = query.summary(session, scan_id, now, found)
    items = [query.as_item(each) for each in found.shown]
    return _json(pages or database, scan_id, {"summary": summary, "findings": items})


def _json(database: Database, scan_id: str, head: dict[str, Any]) -> Iterator[bytes]:
    yield orjson.dumps(head)[:-1] + b',"packages":['
    cursor, is_first = None, True
    while True:
        with database.read() as session:
            page = query.packages(session, scan_id, cursor=cursor, limit=ROWS)
        if page["items"]:
            yield (b"" if is_first else b",") + orjson.dumps(page["items"])[1:-1]
            is_first = False
        cursor = page["next_cursor"]
        if cursor is None:
            break
    yield b"]}\n"


def as_csv(database: Database, scan_id: str, now: datetime, pages: Database | None = None) -> Iterator[bytes]:
    """A row for each finding, then one for each package or file that was not evaluated. UTF-8 with a mark.

    No cell can be taken for a formula. Raises NotFound before the first byte.
    """
    with database.read() as session:
        scan = query.get_scan(session, scan_id)
        found = query.findings_of(session, scan, now)
    return _csv(pages or database, scan, found)


def _csv(database: Database, scan: DependencyScan, found: Findings) -> Iterator[bytes]:
    yield b"\xef\xbb\xbf" + _line(CSV_COLUMNS)
    for each in found.shown:
        yield _line(_finding_cells(each))
    for problem in scan.facts["files"]:
        if problem["problem"]:
            yield _line((*[None] * 8, problem["problem"], "not evaluated", None, None, None, problem["path"]))
    cursor = None
    while True:
        with database.read() as session:
            page = query.packages(session, scan.task_id, only_gaps=True, cursor=cursor, limit=ROWS)
        for item in page["items"]:
            yield _line(_gap_cells(item))
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _finding_cells(each: Shown) -> tuple[Any, ...]:
    row = each.row
    place = row.places[0] if row.places else {}
    others = [name for name in row.ids if name != row.advisory]
    return (
        row.severity,
        row.score,
        row.name,
        row.ecosystem,
        row.version,
        row.fixed_in,
        row.advisory,
        " ".join(others),
        row.summary,
        "ignored" if each.ignore else "open",
        each.ignore.reason if each.ignore else None,
        rfc3339(each.ignore.expires_at) if each.ignore else None,
        row.change,
        place.get("file") or " ".join(row.installed),
        place.get("line"),
        place.get("relation"),
        " > ".join(place.get("via") or ()),
    )


def _gap_cells(item: dict[str, Any]) -> tuple[Any, ...]:
    place = item["places"][0] if item["places"] else {}
    return (
        None, None, item["name"], item["ecosystem"], item["version"], None, None, None, item["text"], "not evaluated",
        None, None, None, place.get("file"), place.get("line"), place.get("relation"),
        " > ".join(place.get("via") or ()),
    )  # fmt: skip


def _line(values: tuple[Any, ...]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow([cell(each) for each in values])
    return out.getvalue().encode()
