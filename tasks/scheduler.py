"""The scheduler process: starts what is due, sends what waits or got lost, rescues, announces what was left behind.

Any number may run; every step is a conditional UPDATE or idempotent, so they do not get into each other's way.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from config import Config
from database import Database, DatabaseBusy, utc_now
from delivery.announcer import TailAnnouncer
from delivery.event_log import EventLog, connect
from monitoring.alerts import engine as alerts
from monitoring.sampling import start_sampling
from outbound.sending import Sender, to_feed
from tasks.errors import NotFound
from tasks.lifecycle import Limits
from tasks.queue import TaskQueue
from tasks.registry import RetryPolicy, find_job, load_jobs
from tasks.rescue import Rescuer
from tasks.schedules.firing import Firing
from tasks.schedules.standing import Standing
from tasks.service import Tasks

log = logging.getLogger("taskroom.scheduler")

TURN_S = 0.5
SLOW_TURNS = 10
SAMPLE_ENDS_S = 3.0


class Scheduler:
    """The steps of one scheduler process."""

    def __init__(self, config: Config) -> None:
        self._database = Database(config.database_url)
        client = connect(config.requires_redis_url)
        event_log = EventLog(client, config.redis_prefix)
        self._announcer = TailAnnouncer(self._database, event_log)
        limits = Limits(config.max_concurrent_tasks, config.max_user_tasks)
        self._queue = TaskQueue(self._database, client, config.redis_prefix, limits)
        self._rescuer = Rescuer(
            self._database, self._announcer, config.lease_s, retry_policy, self._announcer.newest_progress
        )
        tasks = Tasks(config, self._database, self._announcer, self._queue)
        self._firing = Firing(self._database, tasks)
        self._standing = Standing(self._database, tasks)
        self._sender = Sender(self._database, config, to_feed(event_log))
        self._failing: set[str] = set()

    def run(self, stop: threading.Event) -> None:
        """Take turns until `stop` is set."""
        turn = 0
        while not stop.is_set():
            self._step("schedules", lambda: self._firing.fire_due(utc_now()))
            self._step("dispatch", self._queue.dispatch)
            self._step("rescue", self._rescuer.rescue)
            self._step("announce", self._announcer.sweep)
            self._step("notifications", self._announcer.notices.push)
            self._step("deliveries", self._sender.turn)
            if turn % SLOW_TURNS == 0:
                self._step("resend", self._queue.resend_lost)
                self._step("standing schedules", self._standing.see_to)
                self._step("clock", lambda: self._firing.set_right(utc_now()))
                self._step("checkpoint", self._checkpoint)
            turn += 1
            stop.wait(TURN_S)
        self._sender.close()

    def _step(self, name: str, step: Callable[[], object]) -> None:
        """Take one step; trouble with Redis or the database is said once and the step is tried again next turn."""
        try:
            step()
        except (RedisError, SQLAlchemyError, DatabaseBusy) as error:
            if name not in self._failing:
                log.warning("%s waits: %s", name, error)
            self._failing.add(name)
        else:
            if name in self._failing:
                log.info("%s goes on", name)
            self._failing.discard(name)

    def _checkpoint(self) -> None:
        """Move SQLite's write-ahead log into the file here, so that no request has to."""
        if self._database.is_sqlite:
            with self._database.engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT").execute(
                    text("PRAGMA wal_checkpoint(PASSIVE)")
                )


def retry_policy(kind: str) -> RetryPolicy:
    """The retry policy of a job, also when its code is not installed here any more."""
    try:
        return find_job(kind).retry
    except NotFound:
        return RetryPolicy()


def run_scheduler(config: Config, stop: threading.Event) -> None:
    """Run a scheduler until `stop` is set."""
    load_jobs(config.job_modules)
    judging = alerts.start(config, stop)
    sampling = start_sampling(config, stop)
    Scheduler(config).run(stop)
    sampling.join(SAMPLE_ENDS_S)
    judging.join(SAMPLE_ENDS_S)
