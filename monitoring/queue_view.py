"""What waits and for what, and who works: the figures of the queue page, read when asked.

SQL decides what waits; the workers tell of themselves over Redis, and without Redis nothing is known of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import redis
from redis.exceptions import RedisError
from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from accounts import User
from accounts.limits import default_running, own_limits
from config import Config
from database import Database, rfc3339, utc_now
from delivery import server_status
from monitoring.workers import workers
from tasks import queue_control
from tasks.models import Task
from tasks.states import Priority, State

OLDEST = 10
REASONS = ("maintenance", "queue", "kind", "retry", "user_limit", "all_limit", "worker", "no_worker", "sending")
"""what a task waits for: the end of maintenance; the queue or its kind to be resumed; the time of its next attempt; its
owner's limit or the installation's; a free worker; any worker at all; or the dispatcher, which sends it at once"""


@dataclass(frozen=True, slots=True)
class _Load:
    """What bounds the waiting: slots in use by owner, sent tasks among them, and what may be in use."""

    used: dict[int, int]
    own: Mapping[int, Mapping[str, Any]]
    usual: int
    total: int
    control: queue_control.Control
    has_workers: bool

    def waits_for(self, kind: str, owner_id: int, *, is_sent: bool, is_early: bool) -> str:
        """One of REASONS."""
        if held := self.control.holds(kind):
            return held
        if is_early:
            return "retry"
        if is_sent or not self.has_workers:
            return "worker" if self.has_workers else "no_worker"
        if self.used.get(owner_id, 0) >= self.own.get(owner_id, {}).get("max_running", self.usual):
            return "user_limit"
        return "all_limit" if sum(self.used.values()) >= self.total else "sending"


class QueueView:
    """Reads the queue and the workers of one installation."""

    def __init__(self, config: Config, database: Database, client: redis.Redis) -> None:
        self._config = config
        self._database = database
        self._client = client

    def look(self) -> dict[str, Any]:
        """`{queue, workers}` now. `workers` is None while Redis is away; see `monitoring.workers` for each of them."""
        now = utc_now()
        known = self._workers(now)
        living = None if known is None else [each for each in known if each["state"] in ("idle", "running")]
        with self._database.read() as session:
            load = self._load(session, has_workers=living is None or bool(living))
            queue = {**server_status.shown(session), **self._queue(session, load, now)}
            held = session.execute(
                select(Task.id, Task.title, Task.kind, Task.worker, Task.lease_expires_at).where(
                    Task.state == State.RUNNING
                )
            ).all()
        return {"queue": queue, "workers": None if known is None else self._with_tasks(known, held)}

    def _workers(self, now: datetime) -> list[dict[str, Any]] | None:
        try:
            return workers(self._client, self._config.redis_prefix, now)
        except RedisError:
            return None

    def _load(self, session: Session, *, has_workers: bool) -> _Load:
        occupied = (Task.state == State.RUNNING) | ((Task.state == State.QUEUED) & Task.dispatched_at.is_not(None))
        rows = session.execute(select(Task.owner_id, func.count()).where(occupied).group_by(Task.owner_id))
        used: dict[int, int] = {owner: number for owner, number in rows}  # noqa: C416  # a Row is no pair to mypy
        waiting = session.scalars(select(Task.owner_id).where(Task.state == State.QUEUED).distinct())
        return _Load(
            used,
            own_limits(session, set(waiting)),
            default_running(session, self._config.max_user_tasks),
            self._config.max_concurrent_tasks,
            queue_control.read(session),
            has_workers,
        )

    def _queue(self, session: Session, load: _Load, now: datetime) -> dict[str, Any]:
        waiting = (
            select(
                Task.priority,
                Task.kind,
                Task.owner_id,
                Task.queued_at,
                case((Task.dispatched_at.is_not(None), 1), else_=0).label("is_sent"),
                case((Task.retry_at > now, 1), else_=0).label("is_early"),
            )
            .where(Task.state == State.QUEUED)
            .subquery()
        ).c
        groups = (waiting.priority, waiting.kind, waiting.owner_id, waiting.is_sent, waiting.is_early)
        query = select(*groups, func.count(), func.min(waiting.queued_at)).group_by(*groups)
        counted: Counter[str] = Counter()
        lines: dict[str, dict[str, Any]] = {each: {"waiting": 0, "oldest_at": None} for each in Priority}
        for priority, kind, owner_id, sent, early, number, oldest in session.execute(query):
            counted[load.waits_for(kind, owner_id, is_sent=bool(sent), is_early=bool(early))] += number
            line = lines[priority]
            line["waiting"] += number
            line["oldest_at"] = min(filter(None, (line["oldest_at"], rfc3339(oldest))))
        return {
            "waiting": sum(line["waiting"] for line in lines.values()),
            "running": session.scalar(select(func.count()).select_from(Task).where(Task.state == State.RUNNING)) or 0,
            "limit": load.total,
            "limit_per_user": load.usual,
            "by_priority": lines,
            "waits_for": {each: counted[each] for each in REASONS},
            "oldest": self._oldest(session, load, now),
        }

    @staticmethod
    def _oldest(session: Session, load: _Load, now: datetime) -> list[dict[str, Any]]:
        query = (
            select(Task, User.username)
            .join(User, User.id == Task.owner_id)
            .where(Task.state == State.QUEUED)
            .order_by(Task.queued_at)
            .limit(OLDEST)
        )
        return [
            {
                "task_id": task.id,
                "title": task.title,
                "kind": task.kind,
                "owner": owner,
                "priority": task.priority,
                "queued_at": rfc3339(task.queued_at),
                "retry_at": rfc3339(task.retry_at),
                "waits_for": load.waits_for(
                    task.kind,
                    task.owner_id,
                    is_sent=task.dispatched_at is not None,
                    is_early=task.retry_at is not None and task.retry_at > now,
                ),
            }
            for task, owner in session.execute(query)
        ]

    def _with_tasks(self, known: list[dict[str, Any]], held: Iterable[Any]) -> list[dict[str, Any]]:
        """The workers with the task that each holds, and whoever holds one and was never heard of."""
        lease = timedelta(seconds=self._config.lease_s)
        by_worker = {
            worker: {
                "task_id": task_id,
                "title": title,
                "kind": kind,
                "lease_renewed_at": rfc3339(until and until - lease),
            }
            for task_id, title, kind, worker, until in held
        }
        strangers = [_stranger(worker) for worker in sorted(by_worker.keys() - {each["name"] for each in known})]
        return [{**each, "task": by_worker.get(each["name"])} for each in (*known, *strangers)]


def _stranger(worker: str) -> dict[str, Any]:
    unknown = dict.fromkeys(("pid", "started_at", "seen_at", "task_id", "memory_bytes", "cpu_percent"))
    host = worker.partition("@")[2].partition(":")[0] or None
    return {"name": worker, "host": host, "state": "silent", "wants_drain": False, **unknown}
