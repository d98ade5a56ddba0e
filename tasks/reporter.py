"""Progress and log lines on their way out of a job, without ever making the job wait.

The job's own thread only changes numbers; a background thread sends. Progress is coalesced (the newest wins, the first
goes at once, then PROGRESS_MAX_HZ, or once a second while nobody watches). Log lines are batched and stored in SQL
before they are told; they are never dropped. A Redis that is away or hangs holds up this thread, not the job.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Protocol

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from database import Database, DatabaseBusy, rfc3339, utc_now
from tasks import events, journal
from tasks.errors import LeaseLost
from tasks.journal import Line
from tasks.lifecycle import Claim
from tasks.progress import Progress

log = logging.getLogger("taskroom.reporter")

UNWATCHED_INTERVAL_S = 1.0
SAVE_INTERVAL_S = 5.0
UNTOLD_SAVE_INTERVAL_S = 1.0
"""while Redis is away, SQL alone knows how far the job is"""
ADMIN_INTERVAL_S = 1.0
LINE_BATCH = 500
MAX_PENDING_LINES = 50_000
RETRY_PAUSE_S = 0.5
STALLED_AFTER_S = 60.0
STALLED_GAPS = 20.0


class LiveTail(Protocol):
    """Where live events go. Every method raises redis.RedisError while Redis is away."""

    def tick(self, task_id: str, attempt: int, body: str) -> bool | None:
        """Tell progress; whether anybody watches, or None when this attempt is no longer the live one."""

    def lines(self, task_id: str, lines: Sequence[dict[str, Any]]) -> None:
        """Tell stored log lines."""

    def missing_lines(self, task_id: str) -> None:
        """Tell the stored log lines that could not be told before."""

    def admin(self, job: str) -> None:
        """Tell the admin dashboard."""


class Stall:
    """Tells progress that has stopped from progress that is slow: by what this run's gaps usually are."""

    def __init__(self, after_s: float, now_s: float) -> None:
        self._after_s = after_s
        self._moved_s = now_s
        self._usual_s = 0.0
        self._moves = 0
        self.is_stalled = False

    def move(self, now_s: float) -> bool:
        """Progress has come; True if it had stalled."""
        gap_s = now_s - self._moved_s
        self._moved_s = now_s
        self._moves += 1
        self._usual_s += (gap_s - self._usual_s) / min(self._moves, 50)
        was_stalled, self.is_stalled = self.is_stalled, False
        return was_stalled

    def check(self, now_s: float) -> float | None:
        """The seconds of silence, once, when they have become far more than usual; else None."""
        silent_s = now_s - self._moved_s
        if self.is_stalled or silent_s < max(self._after_s, STALLED_GAPS * self._usual_s):
            return None
        self.is_stalled = True
        return silent_s


class Reporter:
    """Owns the progress of one attempt and the thread that tells of it."""

    def __init__(
        self,
        database: Database,
        tail: LiveTail,
        held: Claim,
        progress: Progress,
        max_hz: float,
        stalled_after_s: float = STALLED_AFTER_S,
    ) -> None:
        self.progress = progress
        self._stall = Stall(stalled_after_s, time.monotonic())
        self.lock = threading.Lock()
        self._database = database
        self._tail = tail
        self._held = held
        self._min_interval_s = 1.0 / max_hz
        self._interval_s = self._min_interval_s
        self._lines: list[Line] = []
        self._dirty = False
        self._urgent = False
        self._lines_untold = False
        self._closing = False
        self._wake = threading.Event()
        self._sent_at = self._saved_at = self._admin_at = 0.0
        self.line_count = 0
        self.levels = {"warning": 0, "error": 0}
        self.lost: LeaseLost | None = None
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)

    def start(self, line_count: int, warnings: int = 0, errors: int = 0) -> None:
        """Begin to send. The counts are those of the log lines that the task has already."""
        self.line_count = line_count
        self.levels = {"warning": warnings, "error": errors}
        self._thread.start()

    def touch(self, urgent: bool = False) -> None:
        """Progress has changed; `urgent` (a new phase) is sent without waiting for its turn. Costs next to nothing."""
        if urgent:
            self._urgent = True
        elif self._dirty:
            return
        self._dirty = True
        self._wake.set()

    def add_line(self, level: str, text: str) -> None:
        """Take a log line. Waits only when tens of thousands could not be stored yet."""
        while len(self._lines) >= MAX_PENDING_LINES and self.lost is None:
            time.sleep(0.05)
        line = Line(utc_now(), level, text)
        with self.lock:
            self._lines.append(line)
            self.line_count += 1
            if level in self.levels:
                self.levels[level] += 1
        self._wake.set()

    def close(self, timeout_s: float = 120.0) -> dict[str, Any]:
        """Store every line and the last progress, stop the thread, and return that progress.

        Raises LeaseLost when the attempt was taken away, DatabaseBusy when lines cannot be stored within `timeout_s`.
        """
        self._closing = True
        self._wake.set()
        self._thread.join(timeout_s)
        if self.lost is not None:
            raise self.lost
        if self._thread.is_alive():
            raise DatabaseBusy(f"{len(self._lines)} log lines could not be stored in time")
        return self.fields()

    def fields(self) -> dict[str, Any]:
        """The progress now."""
        with self.lock:
            return self.progress.fields(time.monotonic(), utc_now())

    def _run(self) -> None:
        while self.lost is None:
            if not self._closing:
                self._wake.wait(timeout=1.0 if self._lines_untold else SAVE_INTERVAL_S)
            self._wake.clear()
            closing = self._closing
            self._watch_for_stall()
            try:
                self._flush_lines()
                if not closing:  # the final event, which follows, carries the last progress
                    self._flush_progress()
            except LeaseLost as error:
                self.lost = error
            except (SQLAlchemyError, DatabaseBusy) as error:
                log.warning("log lines of task %s wait for the database: %s", self._held.task_id, type(error).__name__)
                time.sleep(RETRY_PAUSE_S)
                self._wake.set()
                continue
            if closing and not self._lines:
                return

    def _watch_for_stall(self) -> None:
        """Say in the log when progress has stopped for many times its usual gap, and when it goes on."""
        now_s = time.monotonic()
        if self._dirty:
            if self._stall.move(now_s):
                self.progress.stalled_since = None
                self.add_line("info", "Progress goes on.")
            return
        silent_s = self._stall.check(now_s)
        if silent_s is not None:
            self.progress.stalled_since = rfc3339(utc_now() - timedelta(seconds=silent_s))
            self.add_line("warning", f"No progress for {silent_s:.0f} s, far longer than usual. The worker is alive.")
            self.touch(urgent=True)

    def _flush_lines(self) -> None:
        while self._lines:
            batch = self._lines[:LINE_BATCH]
            stored = journal.append_lines(self._database, self._held, batch)
            with self.lock:
                del self._lines[: len(batch)]
            if not self._lines_untold:  # a Redis that hangs costs seconds: one try, and the rest is told afterwards
                self._lines_untold = not self._try(lambda stored=stored: self._tail.lines(self._held.task_id, stored))  # type: ignore[misc]
        if self._lines_untold and not self._closing and self._try(lambda: self._tail.missing_lines(self._held.task_id)):
            self._lines_untold = False

    def _flush_progress(self) -> None:
        if not self._dirty:
            return
        wait_s = self._sent_at + self._interval_s - time.monotonic()
        while wait_s > 0 and not (self._urgent or self._closing):
            self._wake.wait(timeout=wait_s)
            self._wake.clear()
            self._flush_lines()
            wait_s = self._sent_at + self._interval_s - time.monotonic()
        if self._closing:
            return
        durable = self._urgent
        self._dirty = self._urgent = False
        fields = self.fields()
        self._sent_at = time.monotonic()
        told = self._try(lambda: self._tell(fields))
        save_after_s = SAVE_INTERVAL_S if told else UNTOLD_SAVE_INTERVAL_S
        if durable or self._sent_at - self._saved_at >= save_after_s:
            journal.save_progress(self._database, self._held, fields)
            self._saved_at = self._sent_at

    def _tell(self, fields: dict[str, Any]) -> None:
        held = self._held
        snapshot = {
            **fields,
            "task_id": held.task_id,
            "kind": held.kind,
            "title": held.title,
            "status": "running",
            "attempt": held.attempt,
            "max_attempts": held.max_attempts,
            "started_at": rfc3339(held.started_at),
            "retry_at": None,
            "worker": held.worker,
            "priority": held.priority,
            "log_total": self.line_count,
            "log_warnings": self.levels["warning"],
            "log_errors": self.levels["error"],
        }
        watched = self._tail.tick(held.task_id, held.attempt, events.encode_fields(events.progress_body(snapshot)))
        if watched is not None:
            self._interval_s = self._min_interval_s if watched else max(UNWATCHED_INTERVAL_S, self._min_interval_s)
        if self._sent_at - self._admin_at >= ADMIN_INTERVAL_S:
            self._admin_at = self._sent_at
            self._tail.admin(events.job_update(snapshot))

    def _try(self, tell: Callable[[], None]) -> bool:
        """Tell if Redis is there; what is durable is in SQL and is told later, progress is overtaken anyway."""
        try:
            tell()
        except RedisError as error:
            log.debug("not told: %s", type(error).__name__)
            return False
        return True
