"""What a job's past says in numbers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

import extensions
from api.operations import Call, operation
from api.parsing import Query
from api.task_shapes import Answer, TaskId, Time
from database import utc_now
from tasks.statistics import job_statistics


class StatisticsQuery(Query):
    """Which days."""

    range: Literal["7d", "30d", "90d"] = Field("30d", description="So many days, today included, by UTC.")


class Spread(Answer):
    """Milliseconds: the median, and the ends of the middle nine tenths. Null where nothing was measured."""

    low: int | None
    median: int | None
    high: int | None


class DayShape(Answer):
    """How many ended on one day."""

    day: str
    completed: int
    failed: int
    cancelled: int


class RunShape(Answer):
    """One of the last runs that completed or failed."""

    task_id: TaskId
    title: str
    status: Literal["completed", "failed"]
    finished_at: Time
    duration_ms: int | None


class CauseShape(Answer):
    """Failures of one category, and the newest of them."""

    category: str | None
    count: int
    newest_task_id: TaskId
    newest_at: Time
    newest_error: str | None


class EstimateQuality(Answer):
    """At how many moments of the runs the time left was estimated, at how many of these it came true within the range,
    and by how many percent of the truth it was off in the median.
    """

    runs: int
    moments: int
    held: int
    held_percent: float | None
    median_error_percent: float | None


class JobStatistics(Answer):
    """The tasks of one job that ended in the range: yours, or everybody's for an admin."""

    kind: str
    title: str
    range: Literal["7d", "30d", "90d"]
    from_: Time = Field(alias="from")
    to: Time
    completed: int
    failed: int
    cancelled: int
    success_rate: float | None
    completed_per_day: float
    duration_ms: Spread
    wait_ms: Spread
    days: list[DayShape]
    runs: list[RunShape]
    causes: list[CauseShape]
    estimates: EstimateQuality


@operation(
    "GET",
    "/jobs/{kind}/statistics",
    summary="See how a job has been doing",
    tag="History",
    answer=JobStatistics,
    query=StatisticsQuery,
)
def show_job_statistics(call: Call) -> dict[str, Any]:
    """Durations, failures by day and by cause, waiting time, and how good the estimates were."""
    asked: StatisticsQuery = call.query
    analysis = extensions.current().analysis

    def read() -> dict[str, Any]:
        with analysis.read() as session:
            return job_statistics(session, call.identity, call.path["kind"], asked.range, utc_now())

    return extensions.offload_read(read)
