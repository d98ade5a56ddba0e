"""The shapes of schedules: what is sent in, and what comes back."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from api.parsing import Body, Cursor, Query, Text, Truth, Whole, Words
from api.task_shapes import Answer, Owner, Priority, Snapshot, TaskId, Time, Visibility
from tasks.cron import MAX_EXPRESSION
from tasks.schedules.recipes import MAX_NAME, MAX_PAGE

Overlap = Literal["skip", "queue"]
OVERLAP = "While its last task still runs: leave this run out, or run it right after that."
CATCH_UP = "Whether to run once what came due while no scheduler ran."
TIMEZONE = "The zone in which the expression is meant, such as `Europe/Berlin`."


class NewSchedule(Body):
    """What to run when."""

    name: Text = Field(min_length=1, max_length=MAX_NAME)
    kind: Text = Field(min_length=1, max_length=100, description="The job, one of those that `GET /api/v1/jobs` lists.")
    cron: Text = Field(max_length=MAX_EXPRESSION, description="Minute, hour, day of month, month, day of week.")
    params: dict[str, Any] = Field(default_factory=dict, description="The job's parameters.")
    timezone: Text = Field("UTC", max_length=100, description=TIMEZONE)
    active: bool = True
    overlap: Overlap = Field("skip", description=OVERLAP)
    catch_up: bool = Field(True, description=CATCH_UP)
    priority: Priority = "normal"
    visibility: Visibility | None = Field(None, description="Who may watch; the installation's default when left out.")


class ChangeSchedule(Body):
    """What to change; what is left out or null stays."""

    name: Text | None = Field(None, min_length=1, max_length=MAX_NAME)
    cron: Text | None = Field(None, max_length=MAX_EXPRESSION, description="Five fields, as in a new one.")
    params: dict[str, Any] | None = Field(None, description="The job's parameters, all of them.")
    timezone: Text | None = Field(None, max_length=100, description=TIMEZONE)
    active: bool | None = None
    overlap: Overlap | None = Field(None, description=OVERLAP)
    catch_up: bool | None = Field(None, description=CATCH_UP)
    priority: Priority | None = None
    visibility: Visibility | None = None


class ScheduleFilters(Query):
    """What the list is narrowed to; every filter that is set must fit."""

    kind: Words = Field("", max_length=100)
    active: Truth | None = Field(None, description="Only the active ones, or only those that are paused.")
    status: Literal["", "completed", "failed", "cancelled", "skipped", "missed", "refused"] = Field(
        "", description="What became of the last run."
    )
    q: Words = Field("", description="Part of the name, the job or a parameter.")
    mine: Truth = Field(False, description="Only your own.")
    limit: Whole = Field(50, ge=1, le=MAX_PAGE)
    cursor: Cursor = Field("", description="`next_cursor` of the page before.")


class RunQuery(Query):
    """Which part of the list."""

    limit: Whole = Field(50, ge=1, le=MAX_PAGE)
    cursor: Cursor = Field("", description="`next_cursor` of the page before.")


class CronQuestion(Query):
    """What to read."""

    cron: Words = Field(min_length=1)
    timezone: Words = Field("UTC", max_length=100)


class ReadCron(Answer):
    """A cron expression in words."""

    cron: str
    timezone: str
    reading: str
    next_times: list[Time]


class ScheduleShape(Answer):
    """`last_status` is its newest task's; `skipped`, `missed` or `refused` tell of a run that never began."""

    id: str
    name: str
    kind: str
    params: dict[str, Any]
    cron: str
    timezone: str
    active: bool
    overlap: Overlap
    catch_up: bool
    priority: Priority
    visibility: Visibility
    owner: Owner
    created_at: Time
    updated_at: Time
    next_run_at: Time | None
    next_times: list[Time]
    reading: str | None
    waiting: bool
    last_run_at: Time | None
    last_task_id: TaskId | None
    last_status: str | None
    last_error: str | None


class SchedulePage(Answer):
    """Some schedules, newest first."""

    items: list[ScheduleShape]
    next_cursor: str | None


class RunPage(Answer):
    """Some tasks of a schedule, newest first."""

    items: list[Snapshot]
    next_cursor: str | None
