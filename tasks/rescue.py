"""Finds attempts whose worker fell silent and gives their tasks to the next attempt.

A lease is judged by this process's own monotonic clock: it has run out when its value has not changed for a whole lease
time. So neither a clock set forward nor two hosts that disagree end a living attempt. Time in which the database took
no writes does not count: nobody could renew a lease then.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import select

from database import Database, DatabaseBusy
from tasks import lifecycle
from tasks.events import Announcer
from tasks.models import Task
from tasks.registry import RetryPolicy
from tasks.states import State

log = logging.getLogger("taskroom.rescue")

QUICK_S = 0.5
"""in which a write transaction begins, unless somebody holds the lock"""


class Rescuer:
    """Watches the leases of one database. Any number may run; the conditional UPDATE lets one of them win."""

    def __init__(
        self,
        database: Database,
        announcer: Announcer,
        lease_s: float,
        retry_policy: Callable[[str], RetryPolicy],
        newest_progress: Callable[[str, int], dict[str, Any] | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._announcer = announcer
        self._lease_s = lease_s
        self._retry_policy = retry_policy
        self._newest_progress = newest_progress
        self._clock = clock
        self._seen: dict[tuple[str, int], tuple[datetime | None, float]] = {}

    def rescue(self) -> list[str]:
        """Look at every running task once; returns those that were taken from a silent worker."""
        now = self._clock()
        running = self._running()
        self._seen = {key: seen for key, seen in self._seen.items() if key in running}
        self._forgive(now)
        rescued = []
        for key, (lease, kind) in running.items():
            known = self._seen.get(key)
            if known is None or known[0] != lease:
                self._seen[key] = (lease, now)
            elif now - known[1] >= self._lease_s and self._take(key, lease, kind):
                rescued.append(key[0])
        return rescued

    def _forgive(self, now: float) -> None:
        """Count from here on again for leases that may be old only because the database was locked."""
        old = [key for key, (_, since) in self._seen.items() if now - since >= self._lease_s / 2]
        if old and not self._takes_writes():
            for key in old:
                self._seen[key] = (self._seen[key][0], self._clock())

    def _takes_writes(self) -> bool:
        asked_s = time.monotonic()
        try:
            with self._database.write() as session:
                session.connection()  # only now is the lock asked for
                return time.monotonic() - asked_s < QUICK_S
        except DatabaseBusy:
            return False

    def _running(self) -> dict[tuple[str, int], tuple[datetime | None, str]]:
        with self._database.read() as session:
            query = select(Task.id, Task.attempt, Task.lease_expires_at, Task.kind).where(Task.state == State.RUNNING)
            return {(task_id, attempt): (lease, kind) for task_id, attempt, lease, kind in session.execute(query)}

    def _take(self, key: tuple[str, int], lease: datetime | None, kind: str) -> bool:
        task_id, attempt = key
        delay_s = self._retry_policy(kind).delay_s(attempt)
        progress = self._newest_progress(task_id, attempt)
        if not lifecycle.lose_worker(self._database, task_id, attempt, lease, delay_s, progress=progress):
            return False
        log.warning("task %s: the worker of attempt %d fell silent", task_id, attempt)
        self._announcer.announce(task_id)
        return True
