"""A worker process: RQ's worker, one forked child a task, each under our own watch (tasks/watch.py)."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import secrets
import signal
import socket
import sys
import time
from typing import Any

import psutil
import redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.exceptions import StopRequested
from rq.job import Job as RqJob
from rq.worker import WorkerStatus

from config import Config
from database import Database, is_sqlite
from delivery.announcer import TailAnnouncer
from delivery.event_log import EventLog, connect
from monitoring.workers import BEAT_S, WorkerPresence
from tasks.queue import queue_name, task_id_of
from tasks.registry import load_jobs, prepare_jobs
from tasks.runner import Station, take_station
from tasks.states import Priority
from tasks.watch import DRAIN_S, Watch

log = logging.getLogger("taskroom.worker")

RESTART_PAUSE_S = 1.0
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


class TaskWorker(Worker):
    """RQ's worker, whose children are watched by a Watch."""

    station: Station
    announcer: TailAnnouncer
    event_log: EventLog
    hasty: redis.Redis
    presence: WorkerPresence
    _watch: Watch | None = None
    _is_draining = False

    def fork_work_horse(self, job: RqJob, queue: Queue) -> None:
        """Fork the child that runs the task, in a process group of its own, bound to this process's life."""
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            os.setpgrp()
            _die_with(parent)
            self.main_work_horse(job, queue)
            os._exit(0)
        with contextlib.suppress(OSError):
            os.setpgid(child, child)
        self._horse_pid = child

    def dequeue_job_and_maintain_ttl(
        self,
        timeout: int | None,
        max_idle_time: int | None = None,  # noqa: ARG002  # RQ's signature
    ) -> tuple[RqJob, Queue] | None:
        """The next job. While there is none, this worker tells that it lives, and hears whether it is to drain."""
        while True:
            self._beat(None)
            if self._is_draining:
                raise StopRequested
            found = super().dequeue_job_and_maintain_ttl(timeout and int(BEAT_S), int(BEAT_S))
            if found is not None:
                return found

    def _beat(self, task_id: str | None) -> None:
        """Never raises: without Redis nobody is told, and the work goes on."""
        with contextlib.suppress(RedisError, psutil.Error):
            if self.presence.beat(task_id, is_draining=self._is_draining) and not self._is_draining:
                log.info("worker %s was asked to drain: it takes no more tasks and ends", self.name)
                self._is_draining = self._stop_requested = True

    def monitor_work_horse(self, job: RqJob, queue: Queue) -> None:
        """Watch over the child until its task is in a true state."""
        self._watch = Watch(
            self.station, self.announcer, self.event_log, task_id_of(job), self._horse_pid,
            lambda: self.maintain_heartbeats(job), has_orphans=True, beat=lambda: self._beat(task_id_of(job)),
        )  # fmt: skip
        if self._shutdown_requested_date is not None:
            self._watch.draining_since_s = time.monotonic()
        status = self._watch.run()
        self._watch = None
        self._horse_pid = 0
        if status != 0:
            with contextlib.suppress(RedisError):
                self.handle_job_failure(
                    job, queue=queue, exc_string=f"the process of the task ended with wait status {status}"
                )

    def handle_warm_shutdown_request(self) -> None:
        """SIGTERM: take no more tasks; the running one gets DRAIN_S to end, then another worker starts it again."""
        log.info("worker %s drains", self.name)
        self._is_draining = True
        if self._watch is not None:
            self._watch.draining_since_s = time.monotonic()

    def request_force_stop(self, _signum: int, _frame: Any) -> None:
        """A second SIGTERM or Ctrl-C: hand the running task over at once."""
        if self._watch is not None:
            self._watch.draining_since_s = time.monotonic() - DRAIN_S - 1
        else:
            raise SystemExit

    def maintain_heartbeats(self, job: RqJob) -> None:
        """Keep RQ's own records of this worker alive; leases in SQL are what counts.

        Not on RQ's own connection, which waits for almost a minute: meanwhile nobody would renew the lease.
        """
        patient, self.connection = self.connection, self.hasty
        try:
            with contextlib.suppress(RedisError):
                super().maintain_heartbeats(job)
        finally:
            self.connection = patient

    def _shutdown(self) -> None:
        """Stop after the running task, or at once when there is none; unlike RQ's, without asking Redis."""
        if self._watch is None and self.get_state() != WorkerStatus.BUSY:
            raise StopRequested
        self._stop_requested = True


def _die_with(parent: int) -> None:
    """Have this process killed when its parent dies (Linux); elsewhere the lost lease ends its work."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _adopt_orphans() -> None:
    """Have what a task's process leaves behind, however it detached itself, become a child of this one (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1)


def run_worker(config: Config, number: int = 1) -> None:
    """Take and run tasks until SIGTERM. One task at a time; the name tells people which process on which host."""
    load_jobs(config.job_modules)
    prepare_jobs(config)
    _adopt_orphans()
    database = Database(config.database_url, pooled=not is_sqlite(config.database_url))
    client = connect(config.requires_redis_url, timeout_s=None)
    name = f"worker-{number}@{socket.gethostname().split('.')[0]}:{os.getpid()}"
    station = Station(config, database, name)
    take_station(station)
    hasty = connect(config.requires_redis_url)
    event_log = EventLog(hasty, config.redis_prefix)
    queues = [Queue(queue_name(config.redis_prefix, priority), connection=client) for priority in Priority]
    worker = TaskWorker(
        queues, connection=client, name=f"{name}-{secrets.token_hex(3)}", job_monitoring_interval=5, worker_ttl=60
    )
    worker.station = station
    worker.event_log = event_log
    worker.hasty = hasty
    worker.announcer = TailAnnouncer(database, event_log)
    worker.presence = WorkerPresence(hasty, config.redis_prefix, name)
    worker.log.setLevel(logging.WARNING)
    log.info("worker %s takes tasks", name)
    worker.work(logging_level="WARNING", with_scheduler=False)
    with contextlib.suppress(RedisError):
        worker.presence.leave()


def run_workers(config: Config, count: int) -> None:
    """Run several workers as child processes until SIGTERM; one that dies is started again."""
    children: dict[int, int] = {}
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop)
    waiting = list(range(1, count + 1))
    while not stopping or children:
        while waiting and not stopping:
            number = waiting.pop()
            children[_fork_worker(config, number)] = number
        with contextlib.suppress(InterruptedError, ChildProcessError):
            pid, _status = os.wait()
            waiting.append(children.pop(pid))
            time.sleep(0 if stopping else RESTART_PAUSE_S)


def _fork_worker(config: Config, number: int) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            run_worker(config, number)
        finally:
            os._exit(0)
    return pid
