"""The shapes of tasks as they come back: the snapshot and everything around it.

Answers may gain fields, so their models allow more than they name.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["queued", "running", "completed", "failed", "cancelled"]
Priority = Literal["urgent", "high", "normal", "low"]
Visibility = Literal["private", "everyone"]
Level = Literal["all", "debug", "info", "warning", "error"]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
TaskId = Annotated[str, Field(json_schema_extra={"format": "uuid"})]


class Answer(BaseModel):
    """The root of answers: more fields may come."""

    model_config = ConfigDict(extra="allow")


class Owner(Answer):
    """Whose task it is."""

    id: int
    username: str


class PhaseShape(Answer):
    """One stage of a task; `weight` is its share of the whole."""

    name: str
    title: str
    weight: float
    state: Literal["pending", "running", "done", "failed"]
    done: float | None
    total: float | None
    unit: str | None
    note: str | None
    started_at: Time | None
    duration_ms: int | None
    first_line: int | None


class May(Answer):
    """What you may do to the task now."""

    cancel: bool
    retry: bool
    share: bool


class Snapshot(Answer):
    """The whole state of a task at one moment. Unknown is null.

    `epoch` and `seq` say which event of the live tail it is true at; they are null where the database alone answered.
    """

    task_id: TaskId
    kind: str
    title: str
    status: State
    phase: str | None
    phases: list[PhaseShape]
    progress_percent: float | None
    done: float | None
    total: float | None
    unit: str | None
    rate: float | None
    eta_s: float | None
    eta_low_s: float | None
    eta_high_s: float | None
    eta_runs: int | None
    estimated_completion: Time | None
    current_step: str | None
    details: dict[str, Any]
    stalled_since: Time | None
    usual_gap_s: float | None
    attempt: int
    max_attempts: int
    cancel_requested: bool
    owner: Owner
    visibility: Visibility
    priority: Priority
    params: dict[str, Any]
    created_at: Time
    queued_at: Time
    started_at: Time | None
    finished_at: Time | None
    retry_at: Time | None
    cancel_requested_at: Time | None
    cancelled_by: str | None
    reason: str | None
    forced: bool | None
    duration_ms: int | None
    results: dict[str, Any] | None
    error: str | None
    category: str | None
    retryable: bool | None
    reference: str | None
    worker: str | None
    timeout_s: float | None
    log_total: int
    log_warnings: int
    log_errors: int
    retry_of: TaskId | None
    retried_by: TaskId | None
    schedule_id: str | None
    queue_position: int | None
    may: May
    timestamp: Time
    epoch: str | None
    seq: int | None


class TaskPage(Answer):
    """Some tasks, newest first."""

    items: list[Snapshot]
    next_cursor: str | None


class EventShape(Answer):
    """A change of the task that is kept for ever. `id` rises; it is not the `seq` of the live tail."""

    id: int
    event: str
    attempt: int
    status: State
    timestamp: Time
    data: dict[str, Any]


class EventPage(Answer):
    """Some events, oldest first; `next_cursor` is the `after` of the next page."""

    items: list[EventShape]
    next_cursor: str | None


class LineShape(Answer):
    """One line of the log; `n` is its number for ever."""

    n: int
    at: Time
    level: str
    text: str


class LogPage(Answer):
    """Some lines. `next_line` is where to go on, null at the end; `matches` counts what a search found in all."""

    lines: list[LineShape]
    next_line: int | None
    total_lines: int
    matches: int = 0


class Results(Answer):
    """What the job returned; its fields are the job's own."""


class ArtifactShape(Answer):
    """A file that the job made. `size` is in bytes."""

    name: str
    content_type: str
    size: int
    url: str


class ArtifactPage(Answer):
    """Every file of a task."""

    items: list[ArtifactShape]
    next_cursor: str | None


class JobPhase(Answer):
    """A stage that tasks of this job go through."""

    name: str
    title: str
    weight: float


class RetryShape(Answer):
    """How often a failing task is tried in all, and how long it waits first."""

    max_attempts: int
    backoff_s: float


class JobShape(Answer):
    """A job that you may start; `params` is the JSON Schema of its parameters."""

    kind: str
    title: str
    description: str
    icon: str
    verb: str
    params: dict[str, Any]
    phases: list[JobPhase]
    timeout_s: float | None
    retry: RetryShape


class JobPage(Answer):
    """Every job that you may start."""

    items: list[JobShape]
    next_cursor: str | None


class Counters(Answer):
    """Of the tasks that you see; today is since midnight UTC."""

    running: int
    queued: int
    completed_today: int
    failed_today: int


class Activity(Answer):
    """What runs, what ended last, and the counters, all at one moment."""

    running: list[Snapshot]
    recent: list[Snapshot]
    counters: Counters
    timestamp: Time


class Me(Answer):
    """Who you are to this server. `scopes` are what this login or token may do."""

    id: int
    username: str
    role: Literal["user", "admin"]
    scopes: list[Literal["read", "write", "admin"]]
    login: Literal["session", "token"]
    server_time: Time
    protocol: int
