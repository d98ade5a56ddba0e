"""True numbers about this installation, for the dashboard. What cannot be measured is None, never zero."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import psutil
import redis
from redis.exceptions import RedisError
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from config import Config
from database import Database, DatabaseBusy, rfc3339, utc_now
from tasks.models import Task
from tasks.states import Priority, State


class Sampler:
    """Measures when asked; nothing runs in between.

    `connections` tells the sockets of this process, `web` what else it knows of itself (how late its loop is, whom it
    refused and why).
    """

    def __init__(
        self,
        config: Config,
        database: Database,
        client: redis.Redis,
        connections: Callable[[], int],
        web: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._config = config
        self._database = database
        self._client = client
        self._connections = connections
        self._web = web
        psutil.cpu_percent()

    def sample(self) -> dict[str, Any]:
        """The metrics of `system_metrics_update`: shares in percent, sizes in bytes, times in milliseconds."""
        now = utc_now()
        return {
            **self._tasks(now),
            **self._machine(),
            **self._redis(),
            **self._web(),
            "connections": self._connections(),
            "sampled_at": rfc3339(now),
        }

    def _tasks(self, now: datetime) -> dict[str, Any]:
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        try:
            with self._database.read() as session:
                active = session.scalar(select(func.count()).select_from(Task).where(Task.state == State.RUNNING)) or 0
                waiting = session.execute(
                    select(Task.priority, func.count()).where(Task.state == State.QUEUED).group_by(Task.priority)
                )
                queued = dict(waiting.tuples().all())
                ended = session.execute(
                    select(Task.state, func.count()).where(Task.finished_at >= today).group_by(Task.state)
                )
                outcomes = dict(ended.tuples().all())
                average = session.scalar(
                    select(func.avg(Task.duration_ms)).where(Task.state == State.COMPLETED, Task.finished_at >= today)
                )
        except (SQLAlchemyError, DatabaseBusy):
            return {**dict.fromkeys(TASK_METRICS), "database": "unavailable"}
        completed, failed = outcomes.get(State.COMPLETED, 0), outcomes.get(State.FAILED, 0)
        judged = completed + failed
        return {
            "database": "ok",
            "active_jobs": active,
            "queued_jobs": sum(queued.values()),
            "queued_by_priority": {priority.value: queued.get(priority, 0) for priority in Priority},
            "completed_today": completed,
            "failed_jobs": failed,
            "cancelled_today": outcomes.get(State.CANCELLED, 0),
            "success_rate": round(100 * completed / judged, 2) if judged else None,
            "error_rate": round(100 * failed / judged, 2) if judged else None,
            "avg_processing_time_ms": None if average is None else round(float(average)),
        }

    def _machine(self) -> dict[str, Any]:
        memory = psutil.virtual_memory()
        disk = psutil.disk_usage(str(self._config.data_dir))
        return {
            "system_load": os.getloadavg()[0],
            "cpu_percent": psutil.cpu_percent(),
            "memory_percent": memory.percent,
            "memory_total": memory.total,
            "disk_percent": disk.percent,
            "disk_free": disk.free,
        }

    def _redis(self) -> dict[str, Any]:
        try:
            workers = self._client.scard("rq:workers")
        except RedisError:
            return {"redis": "unavailable", "workers": None}
        return {"redis": "ok", "workers": workers}


TASK_METRICS = (
    "active_jobs",
    "queued_jobs",
    "queued_by_priority",
    "completed_today",
    "failed_jobs",
    "cancelled_today",
    "success_rate",
    "error_rate",
    "avg_processing_time_ms",
)
