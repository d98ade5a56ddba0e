"""The dashboard's first page: what runs, what waits, and how the machine does. True before JavaScript, live with it."""

from __future__ import annotations

from typing import Any

from flask import render_template
from sqlalchemy import select

import extensions
from accounts import User
from admin.frame import blueprint
from database import Database, utc_now
from tasks import store
from tasks.models import Task
from tasks.states import ACTIVE

MAX_ROWS = 100
BYTES_PER_GB = 1e9


@blueprint.get("")
def overview() -> str:
    """Metrics and active jobs."""
    room = extensions.current()
    metrics = room.metrics.now()
    return render_template(
        "admin/overview.html",
        tiles=tiles(metrics),
        jobs=_active_jobs(room.database),
        sampled_at=metrics["sampled_at"],
        now=utc_now(),
    )


def tiles(metrics: dict[str, Any]) -> list[dict[str, str]]:
    """The metrics as label, value and note, in the order in which an operator asks."""

    def tile(key: str, label: str, value: str, note: str = "") -> dict[str, str]:
        return {"key": key, "label": label, "value": value, "note": note}

    queued = metrics.get("queued_by_priority") or {}
    waiting = ", ".join(f"{count} {priority}" for priority, count in queued.items() if count)
    return [
        tile("active_jobs", "Running", _number(metrics["active_jobs"])),
        tile("queued_jobs", "Queued", _number(metrics["queued_jobs"]), waiting),
        tile("completed_today", "Completed today", _number(metrics["completed_today"])),
        tile("failed_jobs", "Failed today", _number(metrics["failed_jobs"])),
        tile("success_rate", "Success rate today", _share(metrics["success_rate"])),
        tile("workers", "Workers", _number(metrics["workers"])),
        tile("connections", "Connections", _number(metrics["connections"]), "of all web processes"),
        tile("cpu_percent", "CPU", _share(metrics["cpu_percent"])),
        tile("memory_percent", "Memory", _share(metrics["memory_percent"])),
        tile("disk_free", "Disk free", _gigabytes(metrics["disk_free"])),
        tile("redis", "Redis", str(metrics["redis"])),
        tile("database", "Database", str(metrics["database"])),
    ]


def _active_jobs(database: Database) -> list[dict[str, Any]]:
    query = (
        select(Task, User.username)
        .join(User, User.id == Task.owner_id)
        .where(Task.state.in_(ACTIVE))
        .order_by(Task.state.desc(), Task.priority_rank, Task.queued_at)
        .limit(MAX_ROWS)
    )
    with database.read() as session:
        return [store.snapshot(task, owner) for task, owner in session.execute(query)]


def _number(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} %"


def _gigabytes(value: int | None) -> str:
    return "unknown" if value is None else f"{value / BYTES_PER_GB:.1f} GB"
