"""Runs one attempt of one task, in the forked process that RQ made for it."""

from __future__ import annotations

import logging
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from config import Config
from database import Database, DatabaseBusy
from delivery.announcer import TailAnnouncer
from delivery.event_log import EventLog, connect
from tasks import lifecycle
from tasks.context import CancelWish, JobContext
from tasks.errors import Cancelled, InvalidParams, JobFailed, LeaseLost, Retryable
from tasks.estimates.history import Timing, history_of, likeness_of
from tasks.events import clean, printable
from tasks.lease_watch import watch_lease
from tasks.lifecycle import MAX_RESULTS_BYTES, Claim, Failure, Limits
from tasks.models import Task
from tasks.progress import Progress
from tasks.registry import Job, find_job
from tasks.reporter import Reporter
from tasks.states import State
from tasks.store import load_task

log = logging.getLogger("taskroom.runner")

STORE_FOR_S = 120.0
REDIS_RETURN_S = 300.0
MAX_WORDS = 4000


@dataclass(frozen=True, slots=True)
class Station:
    """What a worker process works with; made before the fork, used after it."""

    config: Config
    database: Database
    worker: str


_station: Station | None = None


def take_station(station: Station) -> None:
    """Say where the tasks of this process run. Called once, before RQ forks."""
    global _station
    _station = station


class TailReports:
    """The reporter's live tail on a real event log."""

    def __init__(self, event_log: EventLog, announcer: TailAnnouncer) -> None:
        self._log = event_log
        self._announcer = announcer

    def tick(self, task_id: str, attempt: int, body: str) -> bool | None:
        """See LiveTail. A tail that is gone is begun again first."""
        told = self._log.tick(task_id, attempt, body)
        if told.outcome == "absent":
            self._announcer.rebuild(task_id)
            told = self._log.tick(task_id, attempt, body)
        return None if told.outcome == "refused" else told.receivers > 0

    def lines(self, task_id: str, lines: Sequence[dict[str, Any]]) -> None:
        """See LiveTail."""
        self._announcer.announce_lines(task_id, lines)

    def missing_lines(self, task_id: str) -> None:
        """See LiveTail."""
        self._announcer.announce_missing_lines(task_id)

    def admin(self, job: str) -> bool:
        """See LiveTail."""
        return self._log.publish(self._log.admin_channel, job) > 0


def run_task(task_id: str) -> None:
    """Claim the task if it still waits, run its job, and store how it ended. The function that RQ calls."""
    station = _station
    if station is None:
        raise RuntimeError("this process is no Taskroom worker; start one with `./taskroom worker`")
    config, database = station.config, station.database
    database.after_fork()
    client = connect(config.requires_redis_url)
    event_log = EventLog(client, config.redis_prefix)
    announcer = TailAnnouncer(database, event_log)
    wish = CancelWish()
    wish.listen()
    claim = _claim(station, task_id)
    if claim is None:
        return
    log.info("task %s, attempt %d: %s begins on %s", task_id, claim.attempt, claim.kind, station.worker)
    watch_lease(database, claim, config.lease_s)
    job = find_job(claim.kind)
    announcer.announce(task_id)
    started_s = time.monotonic()
    with database.read() as session:
        task = session.get_one(Task, task_id)
        likeness = likeness_of(job, task.resource, claim.params)
        history = history_of(session, claim.kind, likeness)
    progress = Progress(job.phases, lifecycle.initial_phases(job), started_s, history.runs)
    reporter = Reporter(
        database, TailReports(event_log, announcer), claim, progress, config.progress_max_hz, gaps=history.gaps
    )
    reporter.start(task.log_total, task.log_warnings, task.log_errors)
    work_dir = Path(tempfile.mkdtemp(prefix=f"{task_id[:8]}-", dir=_scratch(config)))
    try:
        ending = _work(job, JobContext(config, database, claim, reporter, work_dir, wish), claim)
        _store(database, claim, job, reporter, ending, started_s, likeness)
        took_s = time.monotonic() - started_s
        log.info("task %s, attempt %d: ended %s after %.1f s", task_id, claim.attempt, ending.state, took_s)
    except LeaseLost as error:
        log.warning("task %s, attempt %d: %s", task_id, claim.attempt, error.message)
    finally:
        shutil.rmtree(work_dir, ignore_errors=True)
    announcer.announce(task_id)
    _wait_for_redis(client)


def _claim(station: Station, task_id: str) -> Claim | None:
    config = station.config
    with station.database.read() as session:
        row = load_task(session, task_id)
    if row is None:
        return None
    limits = Limits(config.max_concurrent_tasks, config.max_user_tasks)
    return lifecycle.claim(station.database, task_id, station.worker, config.lease_s, limits, find_job(row[0].kind))


def _scratch(config: Config) -> Path:
    folder = config.data_dir / "work"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@dataclass(frozen=True, slots=True)
class Ending:
    """How the job's function ended: completed with results, cancelled, or failed with a failure."""

    state: State
    results: dict[str, Any] | None = None
    failure: Failure | None = None


def _work(job: Job, context: JobContext, claim: Claim) -> Ending:
    """Run the job's function and say how it ended. Raises LeaseLost."""
    try:
        params = job.validated(claim.params, context.config)
        if len(job.phases) == 1:  # a job without phases need not begin its only one
            context.phase(job.phases[0].name)
        return Ending(State.COMPLETED, clean_results(job.function(context, params)))
    except Cancelled:
        return Ending(State.CANCELLED)
    except LeaseLost:
        raise
    except Retryable as error:
        return Ending(State.FAILED, failure=Failure(_words(error), "retryable", True))
    except JobFailed as error:
        return Ending(State.FAILED, failure=Failure(_words(error), "failed", False))
    except InvalidParams as error:
        return Ending(State.FAILED, failure=Failure(_words(error), "invalid_params", False))
    except Exception as error:
        if context.is_cancelled:
            log.info("task %s ended by %s after a cancel", claim.task_id, type(error).__name__)
            return Ending(State.CANCELLED)
        return Ending(State.FAILED, failure=_unexpected(claim, error))


def _words(error: Exception) -> str:
    """What the job says of its failure, as any database and client takes it."""
    return "\n".join(printable(line) for line in str(error).splitlines())[:MAX_WORDS] or type(error).__name__


def _unexpected(claim: Claim, error: Exception) -> Failure:
    """A failure that nobody foresaw: people get a reference, the log gets the trace."""
    reference = f"tr-{secrets.token_hex(4)}"
    log.error("task %s, attempt %d failed, reference %s", claim.task_id, claim.attempt, reference, exc_info=error)
    kind = type(error).__name__
    words = f"The job stopped at an error that it did not expect ({kind}). The server's log has more under {reference}."
    return Failure(words, "error", True, reference)


def clean_results(results: Any) -> dict[str, Any]:
    """The job's results as JSON that is small enough to be announced, or JobFailed."""
    try:
        text = orjson.dumps(results or {})
    except TypeError:
        text = orjson.dumps(clean(results))
    if len(text) > MAX_RESULTS_BYTES:
        raise JobFailed(
            f"The results have {len(text):,} bytes; keep what is larger than {MAX_RESULTS_BYTES:,} as an artifact."
        )
    value = orjson.loads(text)
    return value if isinstance(value, dict) else {"result": value}


def _store(
    database: Database, claim: Claim, job: Job, reporter: Reporter, ending: Ending, started_s: float, likeness: str
) -> None:
    """Store the end of the attempt, after its last log line; a database that is away is waited for."""
    now_s = time.monotonic()
    reporter.end_phase(ending.state == State.COMPLETED)
    progress = reporter.close(STORE_FOR_S)
    duration_ms = int((now_s - started_s) * 1000)
    timing = reporter.timing(likeness, now_s - started_s)
    while True:
        try:
            return _end(database, claim, job, ending, progress, duration_ms, timing)
        except (SQLAlchemyError, DatabaseBusy) as error:
            if time.monotonic() > now_s + STORE_FOR_S:
                raise
            log.warning("the end of task %s waits for the database (%s)", claim.task_id, type(error).__name__)
            time.sleep(1.0)


def _end(
    database: Database,
    claim: Claim,
    job: Job,
    ending: Ending,
    progress: dict[str, Any],
    duration_ms: int,
    timing: Timing,
) -> None:
    if ending.state == State.COMPLETED:
        lifecycle.complete(database, claim, ending.results or {}, progress, duration_ms, timing)
    elif ending.failure is None:
        lifecycle.confirm_cancel(database, claim, progress, duration_ms, forced=False)
    elif ending.failure.retryable and claim.attempt < claim.max_attempts:
        lifecycle.retry_later(database, claim, ending.failure, job.retry.delay_s(claim.attempt), progress)
    else:
        lifecycle.fail(database, claim, ending.failure, progress, duration_ms)


def _wait_for_redis(client: redis.Redis) -> None:
    """Hold the return to RQ until Redis answers: RQ's worker does not survive a job that ends without it."""
    deadline = time.monotonic() + REDIS_RETURN_S
    while time.monotonic() < deadline:
        try:
            client.ping()
            return
        except RedisError:
            time.sleep(0.5)
    sys.exit(1)
