"""A trace scan as a file, in full and streamed: CSV and JSON of the matrix and the findings, these also as SARIF."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson
from sqlalchemy.orm import Session

from database import Database
from jobs.code_scan.cursors import MAX_LIMIT
from jobs.code_scan.exports import cell
from jobs.trace_scan import query, words
from jobs.trace_scan.filters import FindingFilter, RowFilter

MATRIX_COLUMNS = (
    "requirement", "title", "risk", "state", "traced", "look_again", "user_stories", "specifications", "code", "tests",
    "tiers_demanded", "tiers_absent", "gaps", "path",
)  # fmt: skip
FINDING_COLUMNS = ("kind", "severity", "code", "subject", "risk", "path", "line", "message", "hint")

SARIF_SCHEMA = b"https://json.schemastore.org/sarif-2.1.0.json"
SARIF_LEVELS = {words.ERROR: "error", words.WARNING: "warning", words.NOTICE: "note"}

Rows = Iterator[list[dict[str, Any]]]
Ask = Callable[[Session, str | None], Mapping[str, Any]]


def matrix_json(database: Database, scan_id: str, filters: RowFilter = RowFilter()) -> Iterator[bytes]:
    """One JSON object: `summary`, `coverage`, and `matrix` as `query.matrix` shows it. Raises NotFound first."""
    return _json(database, scan_id, "matrix", _pages(database, _matrix(scan_id, filters)))


def findings_json(database: Database, scan_id: str, filters: FindingFilter = FindingFilter()) -> Iterator[bytes]:
    """One JSON object: `summary`, `coverage`, and `findings` as `query.findings` shows them. Raises NotFound first."""
    return _json(database, scan_id, "findings", _pages(database, _findings(scan_id, filters)))


def matrix_csv(database: Database, scan_id: str, filters: RowFilter = RowFilter()) -> Iterator[bytes]:
    """A row for each requirement; several values of a cell are separated by "; ". Raises NotFound first."""
    _check(database, scan_id)
    return _csv(MATRIX_COLUMNS, _pages(database, _matrix(scan_id, filters)), _matrix_cells)


def findings_csv(database: Database, scan_id: str, filters: FindingFilter = FindingFilter()) -> Iterator[bytes]:
    """A row for each finding. Raises NotFound before the first byte."""
    _check(database, scan_id)
    return _csv(FINDING_COLUMNS, _pages(database, _findings(scan_id, filters)), _finding_cells)


def findings_sarif(database: Database, scan_id: str, filters: FindingFilter = FindingFilter()) -> Iterator[bytes]:
    """SARIF 2.1.0: a rule for each kind, a result for each finding with its file and line. Raises NotFound first."""
    with database.read() as session:
        summary = query.summary(session, scan_id)
    return _sarif(summary, _pages(database, _findings(scan_id, filters)))


def _sarif(summary: Mapping[str, Any], rows: Rows) -> Iterator[bytes]:
    """Written by hand around the results, which are the only part that may be large."""
    rules = [{"id": kind, "shortDescription": {"text": title}} for kind, title in words.FINDING_KINDS.items()]
    tool = {"driver": {"name": "Taskroom", "semanticVersion": "1.0.0", "rules": rules}}
    commit = {"versionControlProvenance": [_provenance(summary)]} if _provenance(summary) else {}
    head = orjson.dumps({"tool": tool, "automationDetails": {"id": f"trace_scan/{summary['scan_id']}"}, **commit})[:-1]
    yield b'{"$schema":"' + SARIF_SCHEMA + b'","version":"2.1.0","runs":[' + head + b',"results":['
    is_first = True
    for items in rows:
        if items:
            yield (b"" if is_first else b",") + orjson.dumps([_sarif_result(item) for item in items])[1:-1]
            is_first = False
    yield b"]}]}\n"


def _provenance(summary: Mapping[str, Any]) -> dict[str, str]:
    """The address and the commit, where both are known: a folder's path tells a code host nothing."""
    address = summary["source"].rpartition("@")[0]
    if not summary["commit"] or not address.startswith("https://"):
        return {}
    return {"repositoryUri": address, "revisionId": summary["commit"]}


def _sarif_result(row: Mapping[str, Any]) -> dict[str, Any]:
    text = f"{row['message']} {row['hint']}" if row["hint"] else row["message"]
    result = {"ruleId": row["kind"], "level": SARIF_LEVELS[row["severity"]], "message": {"text": text}}
    if not row["path"]:
        return result
    physical: dict[str, Any] = {"artifactLocation": {"uri": quote(row["path"]), "uriBaseId": "%SRCROOT%"}}
    if row["line"]:
        physical["region"] = {"startLine": row["line"]}
    return {**result, "locations": [{"physicalLocation": physical}]}


def _matrix(scan_id: str, filters: RowFilter) -> Ask:
    return lambda session, cursor: query.matrix(session, scan_id, filters, cursor, MAX_LIMIT, with_total=False)


def _findings(scan_id: str, filters: FindingFilter) -> Ask:
    return lambda session, cursor: query.findings(session, scan_id, filters, cursor, MAX_LIMIT, with_total=False)


def _check(database: Database, scan_id: str) -> None:
    with database.read() as session:
        query.get_scan(session, scan_id)


def _pages(database: Database, ask: Ask) -> Rows:
    """All rows, a page at a time and each in a transaction of its own: a slow reader holds nothing up."""
    cursor = None
    while True:
        with database.read() as session:
            page = ask(session, cursor)
        yield page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _json(database: Database, scan_id: str, name: str, rows: Rows) -> Iterator[bytes]:
    with database.read() as session:
        head = {"summary": query.summary(session, scan_id), "coverage": query.coverage(session, scan_id)}
    return _json_parts(head, name, rows)


def _json_parts(head: Mapping[str, Any], name: str, rows: Rows) -> Iterator[bytes]:
    yield orjson.dumps(head)[:-1] + f',"{name}":['.encode()
    is_first = True
    for items in rows:
        if items:
            yield (b"" if is_first else b",") + orjson.dumps(items)[1:-1]
            is_first = False
    yield b"]}\n"


def _csv(columns: Sequence[str], rows: Rows, cells: Callable[[dict[str, Any]], list[Any]]) -> Iterator[bytes]:
    """UTF-8 with a mark, as spreadsheets want it; no cell can be taken for a formula."""
    yield b"\xef\xbb\xbf" + _lines([list(columns)])
    for items in rows:
        yield _lines([[cell(value) for value in cells(item)] for item in items])


def _lines(rows: list[list[Any]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def _finding_cells(row: dict[str, Any]) -> list[Any]:
    return [row[name] for name in FINDING_COLUMNS]


def _matrix_cells(row: dict[str, Any]) -> list[Any]:
    more, tiers = row["more"], row["tiers"]
    return [
        row["requirement"],
        row["title"],
        row["risk"],
        row["state"],
        _yes(row["traced"]),
        _yes(row["is_look_again"]),
        _joined([each["ref"] for each in row["stories"]], more.get("stories", 0)),
        _joined([each["ref"] for each in row["specifications"]], more.get("specifications", 0)),
        _joined([_place(each) for each in row["code"]], more.get("code", 0)),
        _joined([_test(each) for each in row["tests"]], more.get("tests", 0)),
        " ".join(tiers["demanded"]),
        " ".join(tiers["absent"]),
        _joined([each["text"] for each in row["gaps"]], 0),
        row["path"],
    ]


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _test(each: Mapping[str, Any]) -> str:
    name = f" {each['name']}" if each["name"] else ""
    tier = f" ({each['tier']})" if each["tier"] else ""
    return f"{_place(each)}{name}{tier}"


def _place(each: Mapping[str, Any]) -> str:
    return f"{each['path']}:{each['line']}" if each["line"] else str(each["path"])


def _joined(values: Sequence[str], left_out: int) -> str:
    return "; ".join([*values, *([f"and {left_out:,} more"] if left_out else [])])
