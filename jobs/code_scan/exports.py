"""A scan as a file: JSON and CSV in full and streamed, Mermaid for one readable path."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

import orjson
from sqlalchemy.orm import Session

from database import Database
from jobs.code_scan import flow as flows
from jobs.code_scan import query
from jobs.code_scan.cursors import MAX_LIMIT
from jobs.code_scan.filters import NodeFilter

CSV_COLUMNS = (
    "type", "name", "target", "verb", "function", "language", "path", "line", "end_line", "confidence", "sureness",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
MERMAID_CHARS = 60
_UNSAFE = re.compile(r"[^\w\s./:{}()*,+=?!'@$%&–-]", re.ASCII)


def _pages(database: Database, scan_id: str, filters: NodeFilter) -> Iterator[list[dict[str, Any]]]:
    """All matching nodes, a page at a time and each in a transaction of its own: a slow reader holds nothing up."""
    cursor = None
    while True:
        with database.read() as session:
            page = query.nodes(session, scan_id, filters, cursor, MAX_LIMIT, with_total=False)
        yield page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def as_json(database: Database, scan_id: str, filters: NodeFilter = NodeFilter()) -> Iterator[bytes]:
    """One JSON object: the summary, and `nodes` as the list shows them. Raises NotFound before the first byte."""
    with database.read() as session:
        head = {"summary": query.summary(session, scan_id), "breakdown": query.breakdown(session, scan_id)}
    return _json(database, scan_id, filters, head)


def _json(database: Database, scan_id: str, filters: NodeFilter, head: dict[str, Any]) -> Iterator[bytes]:
    yield orjson.dumps(head)[:-1] + b',"nodes":['
    is_first = True
    for items in _pages(database, scan_id, filters):
        if items:
            yield (b"" if is_first else b",") + orjson.dumps(items)[1:-1]
            is_first = False
    yield b"]}\n"


def as_csv(database: Database, scan_id: str, filters: NodeFilter = NodeFilter()) -> Iterator[bytes]:
    """UTF-8 with a mark, as spreadsheets want it; no cell can be taken for a formula. Raises NotFound first."""
    with database.read() as session:
        query.get_scan(session, scan_id)
    return _csv(database, scan_id, filters)


def _csv(database: Database, scan_id: str, filters: NodeFilter) -> Iterator[bytes]:
    yield b"\xef\xbb\xbf" + _lines([list(CSV_COLUMNS)])
    for items in _pages(database, scan_id, filters):
        yield _lines([[cell(item[name]) for name in CSV_COLUMNS] for item in items])


def _lines(rows: list[list[Any]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def cell(value: Any) -> Any:
    """The value, with an apostrophe before text that a spreadsheet would run as a formula."""
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA):
        return "'" + value
    return "" if value is None else value


def as_mermaid(session: Session, scan_id: str, start_id: int | None = None) -> str:
    """The picture of `flow` as a Mermaid flowchart. Raises NotFound."""
    picture = flows.flow(session, scan_id, start_id)
    names: dict[str, str] = {}
    lines = ["flowchart LR"]
    for column in picture["columns"]:
        lines.append(f'  subgraph {column["name"]}["{_words(column["title"])}"]')
        for box in column["boxes"]:
            names[box["key"]] = f"b{len(names)}"
            lines.append(f'    {names[box["key"]]}["{_words(box["title"])}<br/>{_words(box["subtitle"])}"]')
        if column["more"]:
            lines.append(f'    {column["name"]}_more["{column["more"]:,} more"]')
        lines.append("  end")
    for link in picture["links"]:
        label = f'|"{_words(link["label"])}"|' if link["label"] else ""
        lines.append(f"  {names[link['source']]} -->{label} {names[link['target']]}")
    return "\n".join(lines) + "\n"


def _words(text: str) -> str:
    """Text that cannot end a label or become markup: other characters as numeric entities, cut to MERMAID_CHARS."""
    short = text if len(text) <= MERMAID_CHARS else text[: MERMAID_CHARS - 1] + "…"
    return _UNSAFE.sub(lambda match: f"#{ord(match[0])};", " ".join(short.split()))
