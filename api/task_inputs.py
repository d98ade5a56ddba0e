"""What is sent in about tasks: bodies, headers and query strings, each checked to the letter."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from api.parsing import Body, Cursor, Headers, Moment, Query, Text, Truth, Whole, Words
from api.task_shapes import Level, Priority, State, Visibility
from tasks.listing import MAX_PAGE
from tasks.service import MAX_KEY, MAX_REASON, MAX_TITLE
from tasks.store import MAX_LOG_LINES

MAX_EVENT_ID = 2**53 - 1
MAX_LINE = 2**31 - 1


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("The key holds characters that cannot be printed")
    return value


class StartTask(Body):
    """What to run, and how."""

    kind: Text = Field(min_length=1, max_length=100, description="The job, one of those that `GET /api/v1/jobs` lists.")
    params: dict[str, Any] = Field(default_factory=dict, description="The job's parameters.")
    title: Text | None = Field(
        None, max_length=MAX_TITLE, description="What to call the task; by default the job says."
    )
    priority: Priority = "normal"
    visibility: Visibility | None = Field(None, description="Who may watch; the installation's default when left out.")
    notify: bool | None = Field(
        None, description="Tell me of its end even if I muted its like, or do not; as my preferences say when left out."
    )


class StartHeaders(Headers):
    """The header that makes a repeated start harmless."""

    idempotency_key: Annotated[str, AfterValidator(_printable)] | None = Field(
        None,
        alias="Idempotency-Key",
        min_length=1,
        max_length=MAX_KEY,
        description="Any text of your choice. The same key again answers with the task that it started first.",
    )


class CancelTask(Body):
    """Why the task should end."""

    reason: Text | None = Field(None, max_length=MAX_REASON)


class Nothing(Body):
    """No fields. The body may be left out."""


class TaskFilters(Query):
    """What the list is narrowed to; every filter that is set must fit."""

    state: list[State] = Field([], max_length=5, description="May be given several times.")
    kind: Words = Field("", max_length=100)
    q: Words = Field("", description="Part of the title or of a parameter, or the beginning of the id.")
    mine: Truth = Field(False, description="Only your own tasks.")
    owner: Words = Field("", max_length=64, description="Only tasks of the user of this name.")
    schedule_id: Words = Field("", max_length=36, description="Only tasks that this schedule started.")
    from_: Moment | None = Field(None, alias="from", description="Only tasks that were queued then or later.")
    to: Moment | None = Field(None, description="Only tasks that were queued before that.")
    sort: Literal["newest", "oldest", "ended", "longest"] = Field(
        "newest", description="What comes first. `ended` and `longest` leave out tasks that have not ended."
    )
    limit: Whole = Field(50, ge=1, le=MAX_PAGE)
    cursor: Cursor = Field("", description="`next_cursor` of the page before.")


class EventRange(Query):
    """Which part of the history."""

    after: Whole = Field(0, ge=0, le=MAX_EVENT_ID, description="The `id` of the last event that you have.")
    limit: Whole = Field(200, ge=1, le=1000)


class LogRange(Query):
    """Which lines of the log. `q` and `level` search all of it from line `from` on."""

    from_: Whole = Field(1, alias="from", ge=0, le=MAX_LINE, description="The number of the first line.")
    limit: Whole = Field(500, ge=1, le=MAX_LOG_LINES)
    q: Words = Field("", description="Text that a line contains, in any capitalisation.")
    level: Level = Field("all", description="This level and worse.")
