"""The shapes of what a code scan found."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from api.parsing import LongCursor, Query, Whole, Words
from api.task_shapes import Answer, TaskId, Time
from jobs.code_scan.cursors import MAX_LIMIT
from jobs.code_scan.facts import NODE_TYPES
from jobs.code_scan.filters import MAX_VALUES
from jobs.code_scan.languages import LANGUAGES

MAX_ID = 2**53 - 1
NodeType: Any = Literal[NODE_TYPES]
Language: Any = Literal[tuple(LANGUAGES)]
Sureness = Literal["certain", "likely", "guess"]


def _split(values: object) -> object:
    """`a,b` is the same as two values."""
    if not isinstance(values, list):
        return values
    return [part for value in values for part in str(value).split(",") if part]


Several = BeforeValidator(_split)


class NodeFilters(Query):
    """Which nodes; every filter that is set must fit. Several values of one are repeated or use commas."""

    type: Annotated[list[NodeType], Several] = Field([], max_length=MAX_VALUES)
    language: Annotated[list[Language], Several] = Field([], max_length=MAX_VALUES)
    table: Annotated[list[Words], Several] = Field([], max_length=MAX_VALUES)
    sureness: Sureness | None = None
    q: Words = Field("", description="Words in the name, target, function or path.")
    path: Words = Field("", description="How the path begins.")


class PageQuery(Query):
    """One page of a list."""

    limit: Whole = Field(100, ge=1, le=MAX_LIMIT)
    cursor: LongCursor = Field("", description="`next_cursor` of the page before.")


class NodeList(NodeFilters, PageQuery):
    """Which nodes, and which page of them."""


class TextList(PageQuery):
    """What contains this text, and which page of it."""

    q: Words = ""


class TableList(TextList):
    """Which tables, in which order."""

    sort: Literal["readers", "writers", "name"] = "readers"


class FileList(TextList):
    """Which files without nodes."""

    status: Literal["all", "skipped", "failed"] = "all"
    reason: Words = Field("", description="The word of one reason, as the summary lists them.")


class FlowStart(Query):
    """Where the picture begins; 0 picks the trigger or route that reaches most data."""

    start_id: Whole = Field(0, ge=0, le=MAX_ID)


class CodeSummary(Answer):
    """The scan in numbers. `change` compares with the scan `since`; both are null for the first one."""

    scan_id: TaskId
    source: str
    commit: str | None
    started_at: Time
    finished_at: Time
    duration_ms: int
    since: dict[str, Any] | None
    counters: dict[str, int]
    change: dict[str, int] | None
    skipped_by_reason: list[dict[str, Any]]
    breakdown: dict[str, Any]


class NodeRow(Answer):
    """Something found in the code. `confidence` goes from 0 to 1, `sureness` is its word."""

    id: int
    type: NodeType
    name: str
    target: str | None
    verb: str | None
    function: str | None
    language: str
    path: str
    line: int
    end_line: int
    confidence: float
    sureness: Sureness


class NodePage(Answer):
    """Nodes in order of path and line."""

    items: list[NodeRow]
    next_cursor: str | None
    total: int | None


class NodeDetail(NodeRow):
    """A node with its code, why it was taken for what it is, and what it is connected to."""

    snippet: str
    evidence: str
    since_scan_id: TaskId | None
    outgoing: list[dict[str, Any]]
    incoming: list[dict[str, Any]]
    reached_from: dict[str, int]


class Facets(Answer):
    """How many nodes each value of a filter has under the others."""

    types: list[dict[str, Any]]
    languages: list[dict[str, Any]]


class RowPage(Answer):
    """Some rows, and how many there are in all."""

    items: list[dict[str, Any]]
    next_cursor: str | None
    total: int | None


class Flow(Answer):
    """The way from a trigger through routes and code to data, in four columns; `more` says how much is folded away."""

    start_id: int | None
    columns: list[dict[str, Any]]
    links: list[dict[str, Any]]
    sentences: list[dict[str, Any]]
    total_triggers: int
    total_routes: int


class CodeExport(Answer):
    """The whole scan in one object."""

    summary: dict[str, Any]
    breakdown: dict[str, Any]
    nodes: list[dict[str, Any]]
