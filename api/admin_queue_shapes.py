"""The shapes of what admins do to everybody's tasks, to the queue and to its workers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.parsing import Body, LongCursor, Query, Text, Whole, Words
from api.task_shapes import Answer, Priority, Snapshot, State, TaskId, Time
from tasks.administration import MAX_AT_ONCE
from tasks.job_list import MAX_PAGE
from tasks.notes import MAX_NOTE
from tasks.queue_control import MAX_REASON

Age = Literal["", "15m", "1h", "24h", "7d"]
REASON = "Why; it is kept in the audit log and shown to those whom it concerns."


class JobFilters(Query):
    """What the list of all tasks is narrowed to; every filter that is set must fit."""

    id: list[Words] = Field([], max_length=50, description="Only these; may be given several times.")
    state: list[State] = Field([], max_length=5, description="May be given several times.")
    kind: Words = Field("", max_length=100)
    owner: Words = Field("", max_length=64, description="A user name.")
    priority: Literal["", "urgent", "high", "normal", "low"] = ""
    worker: Words = Field("", description="The beginning of a worker's name.")
    age: Age = Field("", description="Only what was made within this time.")
    q: Words = Field("", description="Part of the title, of a parameter or of the worker, or the beginning of the id.")
    sort: Literal["newest", "oldest", "started", "longest", "line"] = Field(
        "newest", description="`line` is the order in which waiting tasks go."
    )
    limit: Whole = Field(100, ge=1, le=MAX_PAGE)
    cursor: LongCursor = Field("", description="`next_cursor` of the page before.")


class Selection(Body):
    """The same filters, for an action on all tasks that match."""

    state: list[State] = Field([], max_length=5)
    kind: Text = Field("", max_length=100)
    owner: Text = Field("", max_length=64)
    priority: Literal["", "urgent", "high", "normal", "low"] = ""
    worker: Text = Field("", max_length=200)
    age: Age = ""
    q: Text = Field("", max_length=200)
    as_of: Text | None = Field(
        None, max_length=40, description="A moment (RFC 3339): what was made after it is left alone.", pattern=r"^\S+$"
    )


class BulkAction(Body):
    """What to do to which tasks: to those with these `ids`, or to all that match the `filter`."""

    action: Literal["cancel", "retry", "priority", "note"]
    ids: list[Text] | None = Field(None, max_length=MAX_AT_ONCE)
    filter: Selection | None = None
    reason: Text | None = Field(None, max_length=MAX_REASON, description=REASON)
    priority: Priority | None = Field(None, description="The new one, for the action `priority`.")
    note: Text | None = Field(None, max_length=MAX_NOTE, description="The words, for the action `note`.")
    dry_run: bool = Field(False, description="Only say what would happen.")


class BulkResult(Answer):
    """What became of one task; `outcome` is one word, `message` says why it was refused."""

    task_id: TaskId
    outcome: str
    message: str | None
    new_task_id: TaskId | None


class BulkAnswer(Answer):
    """`matched` counts what fits the filter; no more than 1,000 are dealt with in one call, the oldest first."""

    dry_run: bool
    matched: int
    as_of: Time
    summary: str
    results: list[BulkResult]


class AllTasksPage(Answer):
    """Some of everybody's tasks; `total` counts all that match."""

    items: list[Snapshot]
    total: int
    next_cursor: str | None


class Note(Answer):
    """A remark for other admins."""

    id: int
    by: str
    at: Time
    text: str


class NotePage(Answer):
    """The newest notes on a task, newest first."""

    items: list[Note]
    next_cursor: str | None


class Pause(Body):
    """What to pause, or to resume: these kinds of jobs, or without any the queue as a whole."""

    kinds: list[Text] = Field([], max_length=100)
    reason: Text | None = Field(None, max_length=MAX_REASON, description=REASON)


class Hold(Answer):
    """Who holds tasks back, why and since when."""

    by: str
    reason: str | None
    since: Time


class Status(Answer):
    """What holds tasks back now. Maintenance also counts the tasks that still run."""

    paused: Hold | None
    paused_kinds: dict[str, Hold]
    maintenance: Hold | None


class Maintenance(Body):
    """Whether there is maintenance."""

    on: bool
    reason: Text | None = Field(None, max_length=MAX_REASON, description=REASON)


class QueueShape(Status):
    """What waits, and for what."""

    waiting: int
    running: int
    limit: int
    limit_per_user: int
    by_priority: dict[str, dict[str, int | str | None]]
    waits_for: dict[str, int]
    oldest: list[dict[str, str | None]]


class Worker(Answer):
    """One worker process; `lease_renewed_at` of its task is its last sign of life in the database."""

    name: str
    host: str | None
    pid: int | None
    started_at: Time | None
    seen_at: Time | None
    state: Literal["idle", "running", "draining", "silent", "stopped"]
    wants_drain: bool
    memory_bytes: int | None
    cpu_percent: float | None
    task: dict[str, str | None] | None


class WorkerPage(Answer):
    """All workers that were heard of in the last ten minutes."""

    items: list[Worker]
    next_cursor: str | None
