"""The worker processes: each tells every few seconds that it lives, what it does and uses, and hears whether to drain.

A worker is known by the name that its tasks carry (`worker-1@host:4711`). One that drains ends its task, takes no more,
and exits; its supervisor starts a fresh one under another name, so the order never meets a second worker.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

import orjson
import psutil
import redis

from accounts import Actor, audit
from database import Database, rfc3339, utc_now
from monitoring.presence import Presence, present
from tasks.errors import Conflict, NotFound

BEAT_S = 3.0
SILENT_AFTER_S = 10.0
"""three beats and a little"""
REMEMBERED_FOR = timedelta(minutes=10)
ORDER_KEPT_S = 24 * 3600
ORDER = {"silent": 1, "stopped": 2}


class WorkerPresence:
    """What one worker process tells of itself. Not for two threads at once."""

    def __init__(self, client: redis.Redis, prefix: str, worker: str) -> None:
        self._client = client
        self._prefix = prefix
        self._worker = worker
        self._presence = Presence(client, prefix, "worker")
        self._started_at = rfc3339(utc_now())
        self._use = Use()

    def beat(self, task_id: str | None, *, is_draining: bool = False) -> bool:
        """Say that it lives; whether somebody wants it to drain. Raises RedisError."""
        state = "draining" if is_draining else "running" if task_id else "idle"
        figures = {"worker": self._worker, "state": state, "task_id": task_id, **self._use.look()}
        self._presence.beat(figures)
        self._remember(figures)
        return bool(self._client.exists(_order(self._prefix, self._worker)))

    def leave(self) -> None:
        """It ends in good order. Raises RedisError."""
        self._presence.leave()
        self._remember({"worker": self._worker, "state": "stopped", "task_id": None})
        self._client.delete(_order(self._prefix, self._worker))

    def _remember(self, figures: Mapping[str, Any]) -> None:
        about = {
            "name": self._worker,
            "host": self._presence.host,
            "pid": int(self._presence.name.rpartition(":")[2]),
            "started_at": self._started_at,
            "seen_at": rfc3339(utc_now()),
            **figures,
        }
        self._client.hset(_known(self._prefix), self._worker, orjson.dumps(about))


class Use:
    """Memory and processor of this process and all below it."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._looked_s = time.monotonic()
        self._used_s = self._process_s()

    def look(self) -> dict[str, float]:
        """`memory_bytes` now (pages that processes share count for each), `cpu_percent` of one core since last time."""
        processes = [self._process, *self._process.children(recursive=True)]
        memory, used_s = 0, self._process_s()
        for process in processes:
            try:
                memory += process.memory_info().rss
                if process is not self._process:
                    times = process.cpu_times()
                    used_s += times.user + times.system
            except psutil.Error:
                continue
        now_s = time.monotonic()
        spent_s, passed_s = max(0.0, used_s - self._used_s), max(now_s - self._looked_s, 1e-3)
        self._looked_s, self._used_s = now_s, used_s
        return {"memory_bytes": memory, "cpu_percent": round(100 * spent_s / passed_s, 1)}

    def _process_s(self) -> float:
        """Seconds of this process and of its children that have ended."""
        times = self._process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)


def workers(client: redis.Redis, prefix: str, now: datetime) -> list[dict[str, Any]]:
    """The workers that live by name, then those that fell silent or stopped in the last ten minutes.

    Each `{name, host, pid, started_at, seen_at, state, task_id, memory_bytes, cpu_percent, wants_drain}`; `state` is
    `idle`, `running`, `draining`, `silent` or `stopped`. Raises RedisError.
    """
    living = {each["figures"].get("worker") for each in present(client, prefix, "worker")}
    known = [orjson.loads(about) for about in client.hvals(_known(prefix))]
    kept, gone = [], []
    for about in sorted(known, key=itemgetter("name")):
        name = about["name"]
        age_s = (now - datetime.fromisoformat(about["seen_at"])).total_seconds()
        if name not in living and age_s > REMEMBERED_FOR.total_seconds():
            gone.append(name)
            continue
        if about["state"] != "stopped" and (name not in living or age_s > SILENT_AFTER_S):
            about["state"] = "silent"
        kept.append({"memory_bytes": None, "cpu_percent": None, **about})
    kept.sort(key=lambda each: ORDER.get(each["state"], 0))
    if gone:
        client.hdel(_known(prefix), *gone)
    asked = client.mget([_order(prefix, each["name"]) for each in kept]) if kept else []
    return [{**each, "wants_drain": order is not None} for each, order in zip(kept, asked, strict=True)]


def order_drain(client: redis.Redis, prefix: str, database: Database, worker: str, actor: Actor) -> dict[str, Any]:
    """Have this worker drain: it hears of it with its next beat. What is known of it, as `workers` tells it.

    Raises NotFound, Conflict (it does not answer any more) and RedisError.
    """
    known = {each["name"]: each for each in workers(client, prefix, utc_now())}
    if worker not in known:
        raise NotFound("There is no such worker.")
    if known[worker]["state"] in ("silent", "stopped"):
        raise Conflict("This worker does not answer any more; there is nothing to drain.")
    with database.write() as session:
        state = {"state": known[worker]["state"]}
        audit.record(session, "worker.drained", f"worker:{worker}", actor, before=state, after={"wants_drain": True})
        client.set(_order(prefix, worker), rfc3339(utc_now()) or "", ex=ORDER_KEPT_S)
    return {**known[worker], "wants_drain": True}


def _known(prefix: str) -> str:
    return f"{prefix}workers"


def _order(prefix: str, worker: str) -> str:
    return f"{prefix}drain:{worker}"
