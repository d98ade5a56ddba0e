"""Asking database, Redis and workers whether they are there, each within a deadline, so that the answer never hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from sqlalchemy import func, select, text

from config import Config
from database import Database, utc_now
from delivery.event_log import connect
from tasks.models import Task
from tasks.queue import queue_name
from tasks.states import Priority, State

DEADLINE_S = 0.7
REDIS_TIMEOUT_S = 0.3
SILENT_WORKER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one part was found to be. `data` is shown; `took_ms` is None when it did not answer."""

    is_ok: bool
    said: str
    took_ms: float | None = None
    data: tuple[tuple[str, Any], ...] = ()

    def shape(self) -> dict[str, Any]:
        """The finding as JSON."""
        status = "ok" if self.is_ok else "unavailable"
        took = None if self.took_ms is None else round(self.took_ms, 1)
        return {"status": status, "message": self.said, "took_ms": took, **dict(self.data)}


class Probe:
    """One question at a time, in a thread of its own: while one still waits for an answer, no other is asked."""

    def __init__(self, question: Callable[[], Finding], silent: str) -> None:
        self._question = question
        self._silent = Finding(False, silent)
        self._lock = threading.Lock()
        self._found: Finding | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Ask, unless an earlier question still waits."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            self._found = None
            self._thread = threading.Thread(target=self._run, name="readiness", daemon=True)
            self._thread.start()

    def answer(self, deadline_s: float) -> Finding:
        """The finding, or that nothing answered by `deadline_s` (on the monotonic clock)."""
        if self._thread is not None:
            self._thread.join(max(0.0, deadline_s - time.monotonic()))
        return self._found or self._silent

    def _run(self) -> None:
        started_s = time.perf_counter()
        try:
            found = self._question()
        except Exception:  # whatever is wrong with the part, it is not ready; doctor says more
            self._found = self._silent
            return
        self._found = Finding(found.is_ok, found.said, (time.perf_counter() - started_s) * 1000, found.data)


class Readiness:
    """The three parts of one installation."""

    def __init__(self, config: Config, database: Database) -> None:
        self._config = config
        self._database = database
        self._client = connect(config.redis_url, REDIS_TIMEOUT_S) if config.redis_url else None
        self._probes = {
            "database": Probe(self._ask_database, "The database does not answer."),
            "redis": Probe(self._ask_redis, "Redis does not answer."),
            "workers": Probe(self._ask_workers, "Neither the database nor Redis says whether a worker lives."),
        }

    def ask(self) -> dict[str, Finding]:
        """All three, within DEADLINE_S together."""
        deadline_s = time.monotonic() + DEADLINE_S
        for probe in self._probes.values():
            probe.start()
        return {name: probe.answer(deadline_s) for name, probe in self._probes.items()}

    def _ask_database(self) -> Finding:
        with self._database.read() as session:
            session.execute(text("SELECT 1"))
        return Finding(True, "SQLite answers." if self._database.is_sqlite else "PostgreSQL answers.")

    def _ask_redis(self) -> Finding:
        if self._client is None:
            return Finding(False, "No Redis is configured.")
        self._client.ping()
        return Finding(True, "Redis answers.")

    def _ask_workers(self) -> Finding:
        """Workers register in Redis; while it is away, one that holds a task's lease in SQL lives too."""
        try:
            count = len(live_workers(self._client, self._config.redis_prefix)) if self._client else 0
        except redis.RedisError:
            count = 0
        count = count or self._leases()
        if not count:
            return Finding(False, "No worker has been heard of within a minute.", data=(("count", 0),))
        return Finding(True, f"{count} heard of within a minute.", data=(("count", count),))

    def _leases(self) -> int:
        query = select(func.count(func.distinct(Task.worker))).where(
            Task.state == State.RUNNING, Task.lease_expires_at > utc_now()
        )
        with self._database.read() as session:
            return session.scalar(query) or 0


def live_workers(client: redis.Redis, prefix: str) -> list[str]:
    """Names of the workers of this installation that were heard of within a minute. Raises redis.RedisError.

    Two round trips, however many there are; workers of other installations on the same Redis do not count.
    """
    mine = f"rq:workers:{queue_name(prefix, Priority.NORMAL)}"
    names = sorted(_text(key) for key in client.smembers(mine))
    pipe = client.pipeline(transaction=False)
    for name in names:
        pipe.hget(name, "last_heartbeat")
    now = datetime.now(UTC)
    heard = zip(names, pipe.execute(), strict=True)
    return [name.removeprefix("rq:worker:") for name, heartbeat in heard if _is_recent(heartbeat, now)]


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _is_recent(heartbeat: bytes | None, now: datetime) -> bool:
    if not heartbeat:
        return False
    heard_at = datetime.fromisoformat(heartbeat.decode())
    aware = heard_at if heard_at.tzinfo else heard_at.replace(tzinfo=UTC)
    return now - aware < SILENT_WORKER
