"""A task whose worker is the test: claimed, reported and ended through the same code as any worker's, step by step.

So a test says when progress comes, when a line is logged, when the worker falls silent and how the task ends, while
database, Redis, web process and browser are the real ones.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import redis
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

import accounts
from config import Config
from database import DatabaseBusy
from delivery.announcer import TailAnnouncer
from delivery.event_log import EventLog
from tasks import lifecycle, store
from tasks.context import JobContext
from tasks.errors import Conflict, LeaseLost
from tasks.lifecycle import Failure, Limits, Submission
from tasks.models import Task
from tasks.progress import Progress
from tasks.registry import Job, Phase, RetryPolicy
from tasks.reporter import Reporter
from tasks.runner import TailReports
from tasks.states import Visibility
from tests.fixtures.machine import wait_until
from tests.fixtures.product import Person, Server

PHASES = (
    Phase("discovery", "Discover", 5),
    Phase("fetch", "Fetch", 5),
    Phase("parse", "Parse", 75),
    Phase("persist", "Save results", 15),
)
WORKER = "tests@here"
LEASE_S = 3600.0
BEAT_S = 1.0


class Nothing(BaseModel):
    """The job takes no parameters."""


def job(max_attempts: int = 3, kind: str = "by_hand") -> Job:
    """A job that only the test knows; its function is never called."""
    return Job(kind, "By hand", "", lambda context, params: {}, Nothing, PHASES, retry=RetryPolicy(max_attempts))


class TaskByHand:
    """One task on a running server. `work` is the context that its job would have."""

    def __init__(
        self,
        server: Server,
        person: Person,
        title: str = "Scan of acme/warehouse",
        visibility: str = "private",
        kind: str = "by_hand",
    ) -> None:
        self.title = title
        self._job = job(kind=kind)
        self._database = server.database()
        self._redis = server.redis()
        self._config = Config.from_env(
            {name: value for name, value in server.environment.items() if name != "REDIS_URL"}
        )
        self._log = EventLog(self._redis, self._config.redis_prefix)
        self._announcer = TailAnnouncer(self._database, self._log)
        self._stopped = threading.Event()
        self._is_silent = False
        self._reporter: Any = None
        identity = accounts.authenticate_token(self._database, person.token)
        assert identity is not None
        self._identity = identity
        submission = Submission(self._job, {}, title, visibility=Visibility(visibility))
        self.id, _ = lifecycle.submit(self._database, identity, submission)
        self._announcer.announce(self.id)
        self.path = f"/tasks/{self.id}"
        self.url = server.url + self.path

    def claim(self) -> TaskByHand:
        """Begin the next attempt."""
        held = lifecycle.claim(self._database, self.id, WORKER, LEASE_S, Limits(10_000, 10_000), self._job)
        assert held is not None, "somebody else runs this task"
        self._held, self._started_s = held, time.monotonic()
        self._announcer.announce(self.id)
        progress = Progress(PHASES, lifecycle.initial_phases(self._job), self._started_s)
        self._reporter = Reporter(self._database, TailReports(self._log, self._announcer), held, progress, 10.0)
        with self._database.read() as session:
            task = session.get_one(Task, self.id)
        self._reporter.start(task.log_total, task.log_warnings, task.log_errors)
        self.work = JobContext(self._config, self._database, held, self._reporter, Path(tempfile.gettempdir()))
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    @property
    def log_total(self) -> int:
        """How many lines its log has in the database."""
        with self._database.read() as session:
            row = store.load_task(session, self.id)
            return row[0].log_total if row else 0

    def wait_for_lines(self) -> None:
        """Return once every line so far is in the database."""
        wait_until(lambda: self.log_total >= self._reporter.line_count, 30, "stored all lines")

    def fall_silent(self) -> None:
        """No sign of life any more, as from a worker that hangs."""
        self._is_silent = True

    def to(self, percent: float, **details: Any) -> None:
        """In the middle of Parse, at this percentage of the whole."""
        if self._reporter.fields()["phase"] != "parse":
            self.work.phase("discovery")
            self.work.phase("fetch")
            self.work.phase("parse", total=7500, unit="files")
        self.work.update(done=(percent - 10) * 100, step=f"src/file_{percent}.py", **details)

    def complete(self, **results: Any) -> None:
        """The job has returned."""
        progress = self._close(failed=False)
        lifecycle.complete(self._database, self._held, results, progress, self._ran_ms)
        self._announcer.announce(self.id)

    def fail(self, words: str) -> None:
        """The job has failed for good."""
        progress = self._close(failed=True)
        lifecycle.fail(self._database, self._held, Failure(words, "failed", False, "tr-0000"), progress, self._ran_ms)
        self._announcer.announce(self.id)

    def retry_later(self, words: str, delay_s: float) -> None:
        """This attempt has failed; the next one is due in so many seconds."""
        progress = self._close(failed=True)
        lifecycle.retry_later(self._database, self._held, Failure(words, "retryable", True), delay_s, progress)
        self._announcer.announce(self.id)

    def confirm_cancel(self) -> None:
        """The job has seen the wish and cleaned up."""
        progress = self._close(failed=True)
        lifecycle.confirm_cancel(self._database, self._held, progress, self._ran_ms, forced=False)
        self._announcer.announce(self.id)

    def begin_new_epoch(self) -> None:
        """The tail is lost, as with a Redis that came back empty, and begun again from the database."""
        self._redis.delete(
            f"{self._config.redis_prefix}task:{self.id}:state", f"{self._config.redis_prefix}task:{self.id}:log"
        )
        self._announcer.rebuild(self.id)

    def close(self) -> None:
        """Give back what the test held, its place among the tasks that its person may run at once too."""
        self._stopped.set()
        with contextlib.suppress(LeaseLost, Conflict, DatabaseBusy, SQLAlchemyError):
            if self._reporter is None:
                lifecycle.request_cancel(self._database, self._identity, self.id, None)
            else:
                self._reporter.close(timeout_s=2)
                lifecycle.confirm_cancel(self._database, self._held, {}, self._ran_ms, forced=False)
        self._redis.close()
        self._database.close()

    @property
    def _ran_ms(self) -> int:
        return int((time.monotonic() - self._started_s) * 1000)

    def _close(self, failed: bool) -> dict[str, Any]:
        self._stopped.set()
        with self._reporter.lock:
            (self._reporter.progress.fail_phase if failed else self._reporter.progress.end_phase)(time.monotonic())
        self._reporter.touch()
        progress = self._reporter.close()
        self._reporter = None
        self._stopped = threading.Event()
        return progress

    def _beat(self) -> None:
        stopped, attempt = self._stopped, self._held.attempt
        while not stopped.wait(BEAT_S):
            if not self._is_silent:
                with contextlib.suppress(redis.RedisError):  # the test may have ended, and its Redis with it
                    self._log.beat(self.id, attempt, 900)
