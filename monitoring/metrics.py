"""True numbers about this installation at one moment. What cannot be measured is None, never zero.

`METRICS` names what a sample holds: shares in percent, sizes in bytes, times in the unit of their names.
"""

from __future__ import annotations

import os
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import psutil
import redis
from redis.exceptions import RedisError
from sqlalchemy import case, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from config import Config
from database import Database, DatabaseBusy, rfc3339, utc_now
from delivery.latency import percentile
from monitoring.presence import present
from monitoring.web_totals import WEB_METRICS, Processes, totals
from monitoring.workers import workers
from tasks.models import Task
from tasks.states import Priority, State

HOUR = timedelta(hours=1)
LATE = timedelta(seconds=5)
"""an end is counted into the history so long after it, when whatever wrote it has committed"""
STEP = timedelta(minutes=1)
MINUTE_OF_SAMPLES = 12
MOST_SEEN = 500
LIVING = ("idle", "running", "draining")

TASK_METRICS = (
    "active_jobs",
    "queued_jobs",
    "queued_by_priority",
    "oldest_by_priority_s",
    "oldest_queued_s",
    "completed_today",
    "failed_jobs",
    "cancelled_today",
    "success_rate",
    "error_rate",
    "avg_processing_time_ms",
    "finished_last_hour",
    "failed_last_hour",
    "finished",
    "failed",
    "database_ms",
)
PROCESS_METRICS = ("workers", "workers_by_state", "schedulers", "redis_ms", "redis_memory", *WEB_METRICS)


class Sampler:
    """Measures when asked; nothing runs in between.

    `read` runs what asks the database: where a loop must not wait, it moves that elsewhere. What counts from sample to
    sample (`finished`, `refused`, `latency`, …) is None in the first one.
    """

    def __init__(
        self,
        config: Config,
        database: Database,
        client: redis.Redis,
        read: Callable[[Callable[[], dict[str, Any]]], dict[str, Any]] = lambda question: question(),
    ) -> None:
        self._config = config
        self._database = database
        self._client = client
        self._read = read
        self._counted_to: datetime | None = None
        self._seen: Processes | None = None
        """every web process as it was last seen, those included that have not been heard of for a while"""
        self._latency: deque[list[int]] = deque(maxlen=MINUTE_OF_SAMPLES)
        self._today: tuple[str, int] | None = None
        psutil.cpu_percent()

    def sample(self) -> dict[str, Any]:
        """The metrics of `system_metrics_update`."""
        now = utc_now()
        processes = self._processes()
        found = {
            **self._read(lambda: self._tasks(now, processes["top_rooms"] or ())),
            **self._machine(),
            **processes,
            "sampled_at": rfc3339(now),
            "sampled_on": socket.gethostname().split(".")[0],
        }
        found["connections_peak_today"] = self._peak(now, found["connections"])
        return found

    def begin_with(self, peak_today: int | None, counted_to: datetime | None) -> None:
        """Go on where another sampler ended: its peak of today, and up to when it has counted what ended."""
        now = utc_now()
        self._today = None if peak_today is None else (now.date().isoformat(), peak_today)
        self._counted_to = counted_to if counted_to and now - counted_to < STEP else None

    def _tasks(self, now: datetime, rooms: Sequence[dict[str, Any]]) -> dict[str, Any]:
        asked_s = time.perf_counter()
        try:
            with self._database.read() as session:
                session.execute(text("SELECT 1"))
                took_ms = round((time.perf_counter() - asked_s) * 1000, 1)
                _name(session, rooms)
                return {
                    "database": "ok",
                    "database_ms": took_ms,
                    **_waiting(session, now),
                    **_ended(session, now),
                    **self._ended_since(session, now),
                }
        except (SQLAlchemyError, DatabaseBusy):
            self._counted_to = None
            return {**dict.fromkeys(TASK_METRICS), "database": "unavailable"}

    def _ended_since(self, session: Session, now: datetime) -> dict[str, int | None]:
        """What ended since the last sample, a little late, so that what commits now is in the next one."""
        begin, self._counted_to = self._counted_to, now - LATE
        if begin is None:
            return {"finished": None, "failed": None}
        counted = session.execute(
            select(Task.state, func.count())
            .where(Task.finished_at >= begin, Task.finished_at < self._counted_to)
            .group_by(Task.state)
        )
        ended = dict(counted.all())
        return {"finished": ended.get(State.COMPLETED, 0), "failed": ended.get(State.FAILED, 0)}

    def _machine(self) -> dict[str, Any]:
        memory = psutil.virtual_memory()
        try:
            disk = psutil.disk_usage(str(self._config.data_dir))
        except OSError:  # it is on another machine, or not made yet
            disk = None
        return {
            "system_load": round(os.getloadavg()[0], 2),
            "cpu_percent": psutil.cpu_percent(),
            "memory_percent": memory.percent,
            "memory_total": memory.total,
            "disk_percent": disk and disk.percent,
            "disk_free": disk and disk.free,
            "disk_total": disk and disk.total,
        }

    def _processes(self) -> dict[str, Any]:
        prefix = self._config.redis_prefix
        asked_s = time.perf_counter()
        try:
            self._client.ping()
            took_ms = round((time.perf_counter() - asked_s) * 1000, 1)
            memory: Mapping[str, Any] = self._client.info("memory")
            web, schedulers = (present(self._client, prefix, role) for role in ("web", "scheduler"))
            states = Counter(worker["state"] for worker in workers(self._client, prefix, utc_now()))
        except RedisError:
            return {**dict.fromkeys(PROCESS_METRICS), "redis": "unavailable"}
        processes: Processes = {each["name"]: each["figures"] for each in web}
        found = totals(processes, self._seen)
        self._seen = {**(self._seen or {}), **processes}
        if len(self._seen) > MOST_SEEN:
            self._seen = processes
        if found["latency"] is not None:
            self._latency.append(found["latency"])
        minute = [sum(counts) for counts in zip(*self._latency, strict=True)]
        return {
            "redis": "ok",
            "redis_ms": took_ms,
            "redis_memory": memory.get("used_memory"),
            "workers": sum(count for state, count in states.items() if state in LIVING),
            "workers_by_state": dict(states),
            "schedulers": len(schedulers),
            **found,
            "delivery_p50_ms": percentile(minute, 0.5),
            "delivery_p99_ms": percentile(minute, 0.99),
        }

    def _peak(self, now: datetime, connections: int | None) -> int | None:
        today = now.date().isoformat()
        known = self._today[1] if self._today is not None and self._today[0] == today else None
        peak = max((each for each in (known, connections) if each is not None), default=None)
        self._today = None if peak is None else (today, peak)
        return peak


def _name(session: Session, rooms: Sequence[dict[str, Any]]) -> None:
    """Give the watched tasks their titles."""
    if rooms:
        wanted = select(Task.id, Task.title).where(Task.id.in_([room["task_id"] for room in rooms]))
        titles: dict[str, str] = {task_id: title for task_id, title in session.execute(wanted)}  # noqa: C416
        for room in rooms:
            room["title"] = titles.get(room["task_id"])


def _waiting(session: Session, now: datetime) -> dict[str, Any]:
    active = session.scalar(select(func.count()).select_from(Task).where(Task.state == State.RUNNING)) or 0
    rows: Sequence[Any] = session.execute(
        select(Task.priority, func.count(), func.min(Task.queued_at))
        .where(Task.state == State.QUEUED)
        .group_by(Task.priority)
    ).all()
    count = {priority: waits for priority, waits, _ in rows}
    age_s = {priority: round(max(0.0, (now - oldest).total_seconds()), 1) for priority, _, oldest in rows}
    return {
        "active_jobs": active,
        "queued_jobs": sum(count.values()),
        "queued_by_priority": {priority.value: count.get(priority, 0) for priority in Priority},
        "oldest_by_priority_s": {priority.value: age_s.get(priority) for priority in Priority},
        "oldest_queued_s": max(age_s.values(), default=None),
    }


def _ended(session: Session, now: datetime) -> dict[str, Any]:
    """What ended today and in the last hour, in one pass over the index of ends."""
    today, hour_ago = now.replace(hour=0, minute=0, second=0, microsecond=0), now - HOUR
    is_today = case((Task.finished_at >= today, 1), else_=0)
    rows: Sequence[Any] = session.execute(
        select(
            Task.state,
            func.sum(is_today),
            func.sum(case((Task.finished_at >= hour_ago, 1), else_=0)),
            func.sum(case((Task.finished_at >= today, Task.duration_ms), else_=0)),
        )
        .where(Task.finished_at >= min(today, hour_ago))
        .group_by(Task.state)
    ).all()
    day = {state: int(count) for state, count, _, _ in rows}
    hour = {state: int(count) for state, _, count, _ in rows}
    spent_ms = {state: int(total or 0) for state, _, _, total in rows}
    completed, failed = day.get(State.COMPLETED, 0), day.get(State.FAILED, 0)
    judged = completed + failed
    return {
        "completed_today": completed,
        "failed_jobs": failed,
        "cancelled_today": day.get(State.CANCELLED, 0),
        "success_rate": round(100 * completed / judged, 2) if judged else None,
        "error_rate": round(100 * failed / judged, 2) if judged else None,
        "avg_processing_time_ms": round(spent_ms[State.COMPLETED] / completed) if completed else None,
        "finished_last_hour": hour.get(State.COMPLETED, 0) + hour.get(State.FAILED, 0),
        "failed_last_hour": hour.get(State.FAILED, 0),
    }
