"""The parent's watch over the process that runs a task.

It renews the lease, passes on a cancel, ends what overstays, and stores the outcome of a child that died. It judges by
SQL alone; what RQ thinks of a job is never believed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psutil
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from database import DatabaseBusy
from delivery.announcer import TailAnnouncer
from delivery.event_log import EventLog
from tasks import lifecycle
from tasks.lifecycle import Claim, Failure
from tasks.models import Task
from tasks.registry import all_jobs, find_job
from tasks.runner import Station
from tasks.states import State

log = logging.getLogger("taskroom.worker")

LOOK_EVERY_S = 0.25
RENEW_AFTER = 0.2
"""of the lease time"""
WAIT_STEP_S = 0.02
PULSE_EVERY_S = 15.0
BEAT_AFTER_MS = 3000
FINISHING_S = 30.0
DRAIN_S = 15.0
ORPHANS_S = 5.0


@dataclass(frozen=True, slots=True)
class Look:
    """What SQL says of the task that a child works on."""

    state: str
    attempt: int
    worker: str | None
    lease: datetime | None
    cancel_requested: bool
    timeout_s: float | None
    timeout_grace_s: float


class Watch:
    """Watches over one child process until it has ended and its task is in a true state."""

    def __init__(
        self,
        station: Station,
        announcer: TailAnnouncer,
        event_log: EventLog,
        task_id: str,
        child: int,
        pulse: Callable[[], None] = lambda: None,
        *,
        has_orphans: bool = False,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._station = station
        self._database = station.database
        self._announcer = announcer
        self._log = event_log
        self._task_id = task_id
        self._child = child
        self._pulse = pulse
        self._has_orphans = has_orphans
        self._tell_presence = beat
        self._started_s = time.monotonic()
        self._attempt: int | None = None
        self._renewed_s = self._started_s
        self._cancel_told_s: float | None = None
        self._ended_s: float | None = None
        self._verdict: str | None = None
        self.draining_since_s: float | None = None

    def run(self) -> int:
        """Wait for the child's end; returns its wait status."""
        over = threading.Event()
        heart = threading.Thread(target=self._tell_of_life, args=(over,), name="heart", daemon=True)
        heart.start()
        looked_s = 0.0
        while True:
            pid, status = self._wait()
            if pid:
                break
            now_s = time.monotonic()
            if now_s - looked_s >= LOOK_EVERY_S:
                looked_s = now_s
                with contextlib.suppress(SQLAlchemyError, DatabaseBusy):
                    self._look(now_s)
            time.sleep(WAIT_STEP_S)
        self._kill_group()
        if self._has_orphans:
            self._end_orphans()
        over.set()
        heart.join()  # the next child is forked from a process with one thread
        self._settle(status)
        return status

    def _tell_of_life(self, over: threading.Event) -> None:
        """Heartbeats over Redis, in a thread: a Redis that hangs must not keep this process from renewing the lease."""
        pulsed_s = 0.0
        self._tell_presence()
        while not over.wait(self._station.config.lease_s * RENEW_AFTER):
            self._tell_presence()
            if self._attempt is not None:
                with contextlib.suppress(SQLAlchemyError, DatabaseBusy):
                    self._beat(self._attempt)
            if time.monotonic() - pulsed_s >= PULSE_EVERY_S:
                pulsed_s = time.monotonic()
                self._pulse()

    def _wait(self) -> tuple[int, int]:
        try:
            return os.waitpid(self._child, os.WNOHANG)
        except ChildProcessError:
            return self._child, 0

    def _look(self, now_s: float) -> None:
        look = self._read()
        if look is None:
            return
        if look.state == State.RUNNING and look.worker == self._station.worker:
            self._attempt = look.attempt
            self._keep(look, now_s)
        elif self._attempt is not None:
            self._outlived(look, now_s)

    def _read(self) -> Look | None:
        query = select(
            Task.state, Task.attempt, Task.worker, Task.lease_expires_at, Task.cancel_requested_at, Task.timeout_s,
            Task.kind,
        ).where(Task.id == self._task_id)  # fmt: skip
        with self._database.read() as session:
            row = session.execute(query).one_or_none()
        if row is None:
            return None
        grace_s = next((each.timeout_grace_s for each in all_jobs() if each.kind == row[6]), 0.0)
        return Look(row[0], row[1], row[2], row[3], row[4] is not None, row[5], grace_s)

    def _keep(self, look: Look, now_s: float) -> None:
        """The task is ours and runs: renew, pass on a cancel, end it when its time is up."""
        lease_s = self._station.config.lease_s
        if now_s - self._renewed_s >= lease_s * RENEW_AFTER:
            lifecycle.renew_lease(self._database, self._task_id, look.attempt, self._station.worker, lease_s)
            self._renewed_s = now_s
        if look.cancel_requested and self._cancel_told_s is None:
            self._cancel_told_s = now_s
            self._signal(signal.SIGUSR1)
        if self._cancel_told_s is not None and now_s - self._cancel_told_s > self._station.config.cancel_grace_s:
            self._end("cancelled")
        elif look.timeout_s is not None and now_s - self._started_s > look.timeout_s + look.timeout_grace_s:
            self._end("timeout")
        elif self.draining_since_s is not None and now_s - self.draining_since_s > DRAIN_S:
            self._end("handed_over")

    def _outlived(self, look: Look, now_s: float) -> None:
        """The attempt is over or another worker has the task: the child may finish cleaning up, then it must go."""
        self._ended_s = self._ended_s or now_s
        taken = look.state == State.RUNNING or look.attempt != self._attempt
        if taken or now_s - self._ended_s > FINISHING_S:
            self._end("outlived")

    def _beat(self, attempt: int) -> None:
        try:
            if self._log.beat(self._task_id, attempt, BEAT_AFTER_MS).outcome == "absent":
                self._announcer.rebuild(self._task_id)
        except RedisError as error:
            log.debug("no heartbeat for task %s: %s", self._task_id, type(error).__name__)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, number)

    def _end(self, verdict: str) -> None:
        if self._verdict is None:
            log.warning("task %s: its process is ended (%s)", self._task_id, verdict)
        self._verdict = self._verdict or verdict
        self._kill_group()

    def _kill_group(self) -> None:
        """End the child and whatever it started, also what left its process group and is still related to it."""
        strays: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            strays = psutil.Process(self._child).children(recursive=True)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child, signal.SIGKILL)
        for stray in strays:
            with contextlib.suppress(psutil.Error):
                stray.kill()

    def _end_orphans(self) -> None:
        """End what the child has left running: its orphans are this process's children (see worker.py)."""
        deadline_s = time.monotonic() + ORPHANS_S
        while (left := psutil.Process().children(recursive=True)) and time.monotonic() < deadline_s:
            for each in left:
                with contextlib.suppress(psutil.Error):
                    each.kill()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            time.sleep(0.005)

    def _settle(self, status: int) -> None:
        """Store the outcome of a child that ended without storing one."""
        while True:
            try:
                look = self._read()
                if look is None or look.state != State.RUNNING or look.worker != self._station.worker:
                    return
                self._store(look, status)
                self._announcer.announce(self._task_id)
                return
            except (SQLAlchemyError, DatabaseBusy) as error:
                log.warning("the end of task %s waits for the database (%s)", self._task_id, type(error).__name__)
                time.sleep(1.0)

    def _store(self, look: Look, status: int) -> None:
        duration_ms = int((time.monotonic() - self._started_s) * 1000)
        held, progress = self._claim(look)
        if self._verdict == "cancelled" or (look.cancel_requested and self._verdict is None):
            lifecycle.confirm_cancel(self._database, held, progress, duration_ms, forced=True)
        elif self._verdict == "timeout":
            words = f"The job was ended after {look.timeout_s:g} s, the longest that it may run."
            lifecycle.fail(self._database, held, Failure(words, "timeout", True), progress, duration_ms)
        elif self._verdict == "handed_over":
            lifecycle.hand_over(self._database, self._task_id, look.attempt, self._station.worker)
        else:
            delay_s = find_job(held.kind).retry.delay_s(look.attempt)
            words = f"The job's process ended in the middle of the work ({_ending(status)})."
            lifecycle.lose_worker(
                self._database, self._task_id, look.attempt, look.lease, delay_s, words=words, progress=progress or None
            )  # fmt: skip

    def _claim(self, look: Look) -> tuple[Claim, dict[str, Any]]:
        with self._database.read() as session:
            task = session.get_one(Task, self._task_id)
        held = lifecycle.claim_of(task)
        newest = self._announcer.newest_progress(self._task_id, look.attempt)
        return held, {**task.progress, **(newest or {})}


def _ending(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"signal {number}, {signal.Signals(number).name.removeprefix('SIG')}"
    return f"exit {os.waitstatus_to_exitcode(status)}"
