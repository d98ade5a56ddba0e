"""The shapes of alerts and of what admins set of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.parsing import Body, Cursor, Query, Text, Whole
from api.task_shapes import Answer, TaskId, Time
from monitoring.alerts.people import MAX_NOTE
from monitoring.alerts.rules import RULES
from monitoring.alerts.store import MAX_PAGE

Severity = Literal["info", "warning", "high", "critical"]
AlertState = Literal["active", "acknowledged", "resolved"]
Note = Annotated[Text, Field(max_length=MAX_NOTE)]
Setting = bool | int | Text | None
TYPES = ", ".join(f"`{each}`" for each in RULES)


class AlertQuery(Query):
    """What the list is narrowed to; every filter that is set must fit."""

    state: Literal["", "open", "active", "acknowledged", "resolved"] = Field(
        "", description="`open` is what is not resolved."
    )
    severity: Literal["", "info", "warning", "high", "critical"] = ""
    type: Text = Field("", max_length=40, description=f"One of {TYPES}.")
    limit: Whole = Field(50, ge=1, le=MAX_PAGE)
    cursor: Cursor = Field("", description="`next_cursor` of the page before.")


class Remark(Body):
    """What others should know, if anything."""

    note: Note = ""


class NewNote(Body):
    """What others should know."""

    text: Note = Field(min_length=1)


class Fact(Answer):
    """A number behind the words, with its unit."""

    name: str
    value: str


class AlertShape(Answer):
    """`count` is how often it happened; `step` what to do about it; `resolved_by` null where its cause was gone."""

    id: int
    type: str
    subject: str
    severity: Severity
    state: AlertState
    count: int
    title: str
    text: str
    step: str
    facts: list[Fact]
    task_id: TaskId | None
    first_at: Time
    last_at: Time
    escalated_at: Time | None
    acknowledged_at: Time | None
    acknowledged_by: str | None
    resolved_at: Time | None
    resolved_by: str | None


class AlertEventShape(Answer):
    """One thing that happened to an alert. `by` is null where no person did it."""

    at: Time
    what: Literal["raised", "again", "escalated", "acknowledged", "resolved", "note"]
    severity: Severity
    by: str | None
    text: str


class WholeAlert(AlertShape):
    """An alert with what happened to it, the newest first."""

    events: list[AlertEventShape]


class AlertPage(Answer):
    """Some alerts, newest first."""

    items: list[AlertShape]
    next_cursor: str | None


class NumberShape(Answer):
    """A number of a rule that can be set, between `low` and `high`."""

    name: str
    title: str
    unit: str
    value: int
    default: int
    low: int
    high: int


class ThresholdShape(Answer):
    """A rule as it counts now. `changed` names what is not as it comes."""

    type: str
    title: str
    measures: str
    step: str
    on: bool
    severity: Severity
    default_severity: Severity
    numbers: list[NumberShape]
    changed: list[str]


class ThresholdList(Answer):
    """All rules."""

    items: list[ThresholdShape]


class ChangeThresholds(Body):
    """By type of alert, what to set of it; null brings the default back, what is left out stays."""

    thresholds: dict[str, dict[str, Setting]] = Field(
        max_length=len(RULES),
        description="`on`, `severity`, or one of the rule's numbers: `{disk_low: {free_percent: 12, on: true}}`.",
    )
    reason: Text | None = Field(None, max_length=500, description="Why; it is kept in the audit log.")
