"""The shapes of registered repositories, and of what trace scans of them found."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from api.code_shapes import Several
from api.parsing import Body, LongCursor, Query, Text, Whole, Words
from api.task_shapes import Answer, State, TaskId, Time
from jobs.code_scan.cursors import MAX_LIMIT
from jobs.trace_scan import words
from jobs.trace_scan.filters import MAX_VALUES, UNKNOWN_RISK
from jobs.trace_scan.repositories import MAX_NAME

Risk: Any = Literal[(*words.RISKS, UNKNOWN_RISK)]
RowState: Any = Literal[words.ROW_STATES]
FindingKind: Any = Literal[tuple(words.FINDING_KINDS)]
Severity: Any = Literal[words.ERROR, words.WARNING, words.NOTICE]


class NewRepository(Body):
    """What to register."""

    name: Text = Field(min_length=1, max_length=MAX_NAME, description="What people call it; every name is given once.")
    source: Text = Field(
        min_length=1,
        max_length=1000,
        description="A folder, absolute or relative to a scan root; or an https git address that the operator allowed.",
    )
    ref: Text | None = Field(
        None, max_length=200, description="A branch, tag or commit; only with an address. Null is the default branch."
    )


class LastScan(Answer):
    """The newest scan that you may see, in whatever state it is."""

    scanId: TaskId  # noqa: N815
    status: State
    created_at: Time
    finished_at: Time | None


class RepositoryShape(Answer):
    """A registered repository."""

    id: int
    name: str
    source: str
    ref: str | None
    is_git_address: bool
    created_by: int | None
    created_at: Time
    last_scan: LastScan | None


class RegisteredPage(Answer):
    """All registered repositories, by name."""

    items: list[RepositoryShape]
    next_cursor: str | None


class RepositoryScanStarted(Answer):
    """The scan waits for a worker; follow it under its id."""

    scanId: TaskId  # noqa: N815
    scan_id: TaskId
    status: State


class HistoryQuery(Query):
    """One page of a repository's history."""

    limit: Whole = Field(100, ge=1, le=MAX_LIMIT)
    cursor: LongCursor = Field("", description="`next_cursor` of the page before.")


class PastScan(Answer):
    """A finished scan: the commit that it saw, and its numbers."""

    scanId: TaskId  # noqa: N815
    commit: str | None
    finished_at: Time
    duration_ms: int
    counters: dict[str, int]


class ScanHistory(Answer):
    """Finished scans that you may see, newest first."""

    items: list[PastScan]
    next_cursor: str | None


class TraceSummary(Answer):
    """A trace scan in numbers. `change` compares with the scan `since`; both are null for the first one."""

    scan_id: TaskId
    source: str
    repository: dict[str, Any] | None
    commit: str | None
    started_at: Time
    finished_at: Time
    duration_ms: int
    since: dict[str, Any] | None
    counters: dict[str, int]
    change: dict[str, int] | None
    artifacts_by_type: dict[str, int]
    findings_by_kind: list[dict[str, Any]]
    coverage: list[dict[str, Any]]


class RowFilters(Query):
    """Which rows of the matrix; every filter that is set must fit. Several values of one are repeated or use commas."""

    show: Literal["all", "gap", "look_again"] = "all"
    state: Annotated[list[RowState], Several] = Field([], max_length=MAX_VALUES)
    risk: Annotated[list[Risk], Several] = Field([], max_length=MAX_VALUES)
    q: Words = Field("", description="Words in the ids, titles and paths of the row.")


class FindingFilters(Query):
    """Which findings; every filter that is set must fit."""

    kind: Annotated[list[FindingKind], Several] = Field([], max_length=MAX_VALUES)
    severity: Annotated[list[Severity], Several] = Field([], max_length=MAX_VALUES)
    risk: Annotated[list[Risk], Several] = Field([], max_length=MAX_VALUES)
    q: Words = Field("", description="Text in the message, the subject or the path.")


class MatrixExport(Answer):
    """The summary, the coverage, and the rows of the matrix."""

    summary: dict[str, Any]
    coverage: list[dict[str, Any]]
    matrix: list[dict[str, Any]]


class FindingExport(Answer):
    """The summary, the coverage, and the findings."""

    summary: dict[str, Any]
    coverage: list[dict[str, Any]]
    findings: list[dict[str, Any]]
