"""The shapes of what a dependency scan found, and of ignoring a finding."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from api.code_shapes import PageQuery
from api.parsing import Body, Text, Truth, Words
from api.task_shapes import Answer, TaskId, Time
from jobs.dependency_scan.ignoring import MAX_DAYS, MAX_REASON, MIN_REASON

MAX_ID = 2**53 - 1
SeverityWord = Literal["critical", "high", "medium", "low", "unknown"]


class FindingList(PageQuery):
    """Which findings, and which page of them. Only those that count, unless `show` asks for others."""

    severity: SeverityWord | None = None
    ecosystem: Words = ""
    show: Literal["open", "ignored", "all"] = "open"
    new: Truth = Field(False, description="Only what the last scan of this source had not.")
    fixable: Truth = Field(False, description="Only what has a known fixed version.")
    q: Words = Field("", description="A part of the package's name, of an id or of the summary.")


class PackageList(PageQuery):
    """Which packages, and which page of them."""

    q: Words = ""
    ecosystem: Words = ""
    not_evaluated: Truth = Field(False, description="Only what could not be evaluated.")


def _as_json_counts(value: object) -> object:
    """To JSON Schema 30.0 is an integer, too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_as_json_counts)


class StartIgnore(Body):
    """What is ignored, why, and for how many days."""

    finding_id: Annotated[int, Field(ge=1, le=MAX_ID), WHOLE]
    reason: Annotated[Text, Field(min_length=MIN_REASON, max_length=MAX_REASON)]
    days: Annotated[int, Field(ge=1, le=MAX_DAYS), WHOLE]


class DependencySummary(Answer):
    """The scan in numbers, as they count now. `since` compares with the last scan of the source; null for the first."""

    scan_id: TaskId
    packages: int
    vulnerabilities: int
    by_severity: dict[str, int]
    fixable: int
    ignored: int
    not_evaluated: int
    complete: bool
    gaps: list[dict[str, Any]]
    warnings: list[str]
    data_date: Time | None
    data: list[dict[str, Any]]
    since: dict[str, Any] | None
    fixed: list[dict[str, Any]]
    updates: dict[str, Any] | None


class Decision(Answer):
    """A finding that was ignored: by whom, why, until when."""

    id: int
    advisory: str
    ecosystem: str
    name: str
    reason: str
    created_by: str
    created_at: Time
    expires_at: Time
    ended_at: Time | None
    ends_with_a_fix: bool


class DecisionList(Answer):
    """What is and was ignored for a source, the newest first."""

    items: list[Decision]


class FindingRow(Answer):
    """One vulnerability of one package version; `ids` are all of its names."""

    id: int
    ecosystem: str
    name: str
    version: str
    advisory: str
    ids: list[str]
    summary: str
    severity: SeverityWord
    score: float | None
    vector: str | None
    fixed_in: str | None
    change: Literal["first", "same", "new", "new_data"]
    places: list[dict[str, Any]]
    installed: list[str]
    ignored: Decision | None


class FindingPage(Answer):
    """Findings, the worst first."""

    items: list[FindingRow]
    next_cursor: str | None
    total: int
    facets: dict[str, dict[str, int]]


class DependencyExport(Answer):
    """The whole scan in one object."""

    summary: dict[str, Any]
    findings: list[FindingRow]
    packages: list[dict[str, Any]]
