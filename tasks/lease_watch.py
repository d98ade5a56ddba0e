"""The running attempt's own look at its lease, so that no two attempts of one task ever run at once.

The worker renews the lease and ends an attempt that was taken away. When the worker itself is stopped or stuck it does
neither: the attempt then ends itself, before the lease runs out and the task goes to another worker.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from database import Database, DatabaseBusy
from tasks.lifecycle import Claim
from tasks.models import Task
from tasks.states import State

log = logging.getLogger("taskroom.lease")

LOOKS_PER_LEASE = 15
STALE_AFTER = 0.65
"""of the lease time; the worker renews after 0.2 of it"""
QUICK_S = 0.5


def watch_lease(database: Database, held: Claim, lease_s: float) -> None:
    """Watch in the background, and end this process and its group as soon as the attempt may not go on."""
    threading.Thread(target=_watch, args=(database, held, lease_s), name="lease", daemon=True).start()


def _watch(database: Database, held: Claim, lease_s: float) -> None:
    lease, since_s = None, time.monotonic()
    while True:
        time.sleep(lease_s / LOOKS_PER_LEASE)
        try:
            seen = _lease(database, held)
            if seen is None or seen[1]:
                if seen is None:
                    _end(held, "the task went to another worker")
                return
            if seen[0] != lease:
                lease, since_s = seen[0], time.monotonic()
            elif time.monotonic() - since_s > lease_s * STALE_AFTER:
                if _is_stale(database, held, lease):
                    _end(held, "nobody renews the lease")
                since_s = time.monotonic()
        except (SQLAlchemyError, DatabaseBusy) as error:
            log.debug("the lease of task %s cannot be read: %s", held.task_id, type(error).__name__)


def _lease(database: Database, held: Claim) -> tuple[datetime | None, bool] | None:
    """The lease, and whether the attempt has ended; None when the task runs elsewhere or waits again."""
    with database.read() as session:
        row = session.execute(
            select(Task.lease_expires_at, Task.attempt, Task.worker, Task.state).where(Task.id == held.task_id)
        ).one_or_none()
    if row is None or row.attempt != held.attempt:
        return None
    if row.state == State.RUNNING:
        return (row.lease_expires_at, False) if row.worker == held.worker else None
    return row.lease_expires_at, True


def _is_stale(database: Database, held: Claim, lease: datetime | None) -> bool:
    """Whether the lease stays as it is although it could be renewed: while the database is locked, nobody can."""
    asked_s = time.monotonic()
    with database.write() as session:
        newest = session.scalar(select(Task.lease_expires_at).where(Task.id == held.task_id))
        return time.monotonic() - asked_s < QUICK_S and newest == lease


def _end(held: Claim, reason: str) -> None:
    log.warning("task %s, attempt %d ends itself: %s", held.task_id, held.attempt, reason)
    logging.shutdown()
    os.killpg(0, signal.SIGKILL)
