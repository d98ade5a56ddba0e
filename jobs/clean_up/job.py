"""The clean-up as a job: which tasks are old enough, what their jobs left besides, and what was removed.

Batch by batch, each whole: what a cancel or a crash leaves is removed by the next run.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import groupby
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from accounts import purge_ended
from database import rfc3339, utc_now
from monitoring.alerts.store import remove_resolved
from tasks.context import JobContext
from tasks.errors import NotFound
from tasks.lifecycle import count_ended, ended_before, remove
from tasks.notices.inbox import remove_read
from tasks.registry import Phase, RetryPolicy, find_job, job

BATCH = 100


class CleanUpParams(BaseModel):
    """How old is too old."""

    model_config = ConfigDict(extra="forbid")

    days: int | None = Field(
        None,
        ge=1,
        le=36500,
        title="Keep ended tasks for",
        description="Empty means as long as this installation keeps them (RETENTION_DAYS).",
        json_schema_extra={"unit": "days"},
    )


@job(
    "clean_up",
    title="Clean up the history",
    description="Removes ended tasks that are older than this installation keeps them",
    icon="asof",
    verb="Start the clean-up",
    params=CleanUpParams,
    phases=(
        Phase("tasks", "Remove old tasks", 7),
        Phase("notifications", "Remove old notifications", 1),
        Phase("alerts", "Remove old alerts", 1),
        Phase("logins", "Remove ended logins", 1),
    ),
    retry=RetryPolicy(max_attempts=3, backoff_s=30),
    admin_only=True,
    resource_for=lambda _params, _config: "clean_up",
)
def clean_up(ctx: JobContext, params: CleanUpParams) -> dict[str, Any]:
    """Remove what is too old; the answer says how much of what, and what `before` was."""
    before = utc_now() - timedelta(days=params.days or ctx.config.retention_days)
    removed: Counter[str] = Counter()
    left = 0
    ctx.phase("tasks", total=count_ended(ctx.database, before), unit="tasks")
    while batch := ended_before(ctx.database, before, BATCH):
        for kind, tasks in groupby(sorted(batch, key=lambda each: each.kind), lambda each: each.kind):
            ids = [each.id for each in tasks]
            left += _forget(ctx, kind, ids)
            removed[kind] += remove(ctx.database, ids)
            ctx.advance(len(ids), step=kind, tasks_removed=removed.total())
    ctx.phase("notifications")
    notifications = remove_read(ctx.database, before)
    ctx.phase("alerts")
    alerts = remove_resolved(ctx.database, before)
    ctx.phase("logins")
    logins = purge_ended(ctx.database)
    for kind, number in sorted(removed.items()):
        ctx.log(f"{number:,} of {kind} removed")
    ctx.log(f"{notifications:,} read notifications removed")
    ctx.log(f"{alerts:,} resolved alerts removed")
    return {
        "tasks_removed": removed.total(),
        "tasks_by_kind": dict(removed),
        "left_behind_removed": left,
        "notifications_removed": notifications,
        "alerts_removed": alerts,
        "logins_removed": logins,
        "before": rfc3339(before),
    }


def _forget(ctx: JobContext, kind: str, task_ids: list[str]) -> int:
    """Have the job remove what these tasks left outside their own rows; a job that is gone left what nobody knows."""
    try:
        forget = find_job(kind).forget
    except NotFound:
        return 0
    return forget(ctx.config, ctx.database, task_ids) if forget else 0
