"""Progress and log lines on their way out of a job, without ever making the job wait.

The job's own thread only changes numbers; a background thread sends. Progress is coalesced (the newest wins, the first
goes at once, then PROGRESS_MAX_HZ, or once a second while nobody watches). Log lines are batched and stored in SQL
before they are told; they are never dropped. Calls to Redis go through a courier: a Redis that is away or hangs holds
up neither the job nor, but for one time-out, the storing of its lines.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

from sqlalchemy.exc import SQLAlchemyError

from database import Database, DatabaseBusy, rfc3339, utc_now
from tasks import events, journal
from tasks.courier import Courier
from tasks.errors import LeaseLost
from tasks.estimates.history import Timing
from tasks.inbox import Inbox
from tasks.journal import Line
from tasks.lifecycle import Claim
from tasks.progress import Progress
from tasks.stall import Gaps, Stall

log = logging.getLogger("taskroom.reporter")

UNWATCHED_INTERVAL_S = 1.0
SAVE_INTERVAL_S = 5.0
UNTOLD_SAVE_INTERVAL_S = 1.0
"""while Redis is away, SQL alone knows how far the job is"""
UNTOLD_RETRY_S = 1.0
ADMIN_INTERVAL_S = 1.0
ADMIN_AWAY_INTERVAL_S = 5.0
"""while no admin looks at the dashboard"""
LINE_INTERVAL_S = 0.02
"""the first line goes at once; a job that logs without pause does not get a transaction for each"""
LINE_BATCH = 500
RETRY_PAUSE_S = 0.5
STALLED_AFTER_S = 60.0


class LiveTail(Protocol):
    """Where live events go. Every method raises redis.RedisError while Redis is away."""

    def tick(self, task_id: str, attempt: int, body: str) -> bool | None:
        """Tell progress; whether anybody watches, or None when this attempt is no longer the live one."""

    def lines(self, task_id: str, lines: Sequence[dict[str, Any]]) -> None:
        """Tell stored log lines."""

    def missing_lines(self, task_id: str) -> None:
        """Tell the stored log lines that could not be told before."""

    def admin(self, job: str) -> bool:
        """Tell the admin dashboard; whether anybody looks at it."""


class Reporter(Inbox):
    """Owns the progress of one attempt and the thread that tells of it."""

    def __init__(
        self,
        database: Database,
        tail: LiveTail,
        held: Claim,
        progress: Progress,
        max_hz: float,
        stalled_after_s: float = STALLED_AFTER_S,
        gaps: Gaps | None = None,
    ) -> None:
        super().__init__(progress)
        self._stall = Stall(stalled_after_s, time.monotonic(), gaps)
        self._database = database
        self._tail = tail
        self._held = held
        self._min_interval_s = self._interval_s = 1.0 / max_hz
        self._unwatched_interval_s = max(UNWATCHED_INTERVAL_S, self._min_interval_s)
        self._admin_interval_s = ADMIN_INTERVAL_S
        self._is_untold = False
        self._are_lines_untold = False
        self._closing = False
        self._will_look = False
        self._sent_done: float = 0
        self._sent_at = self._saved_at = self._admin_at = self._stored_at = 0.0
        self._courier = Courier()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)

    def start(self, line_count: int, warnings: int = 0, errors: int = 0) -> None:
        """Begin to send. The counts are those of the log lines that the task has already."""
        self.line_count = line_count
        self.levels = {"warning": warnings, "error": errors}
        self._thread.start()

    def close(self, timeout_s: float = 120.0) -> dict[str, Any]:
        """Store every line and the last progress, stop the thread, and return that progress.

        Raises LeaseLost when the attempt was taken away, DatabaseBusy when lines cannot be stored within `timeout_s`.
        """
        if self.is_copy:
            log.warning("task %s: a process that the job forked has left the job's function", self._held.task_id)
            os._exit(1)
        self._closing = True
        self.bell.ring()
        self._thread.join(timeout_s)
        self._courier.stop()
        self.shelf.close()
        if self.lost is not None:
            raise self.lost
        if self._thread.is_alive() or self.lines:
            raise DatabaseBusy(f"{len(self.lines)} log lines could not be stored in time")
        return self.fields()

    def fields(self) -> dict[str, Any]:
        """The progress now."""
        with self.lock:
            return self.progress.fields(time.monotonic(), utc_now())

    def timing(self, likeness: str, duration_s: float) -> Timing:
        """What later runs learn from this attempt, which has ended after so many seconds."""
        gaps = self._stall.gaps(time.monotonic())
        return Timing(likeness, self.progress.course(), gaps, self.progress.verdict(duration_s))

    def _run(self) -> None:
        while self.lost is None:
            if not self._closing:
                self.bell.wait(self._pause_s())
            closing = self._closing
            try:
                has_more = self.collect()
                self._flush_lines()
                if not closing:  # the final event, which follows, carries the last progress
                    self._flush_progress()
            except LeaseLost as error:
                self.lost = error
                self.attention = True
                self.shelf.say_stop()
            except (SQLAlchemyError, DatabaseBusy) as error:
                log.warning("log lines of task %s wait for the database: %s", self._held.task_id, type(error).__name__)
                time.sleep(RETRY_PAUSE_S)
                self.bell.ring()
                continue
            except Exception:
                log.exception("task %s: a report could not be sent", self._held.task_id)
                time.sleep(RETRY_PAUSE_S)
                has_more = False
            if closing and not self.lines and not has_more:
                return

    def _pause_s(self) -> float:
        """How long there is nothing to do unless the bell rings."""
        pause_s = UNTOLD_RETRY_S if self._are_lines_untold else SAVE_INTERVAL_S
        if self.shelf.is_open:
            pause_s = self._min_interval_s
        if self._will_look:
            pause_s = min(pause_s, self._sent_at + self._interval_s - time.monotonic())
        if self.lines:
            pause_s = min(pause_s, self._stored_at + LINE_INTERVAL_S - time.monotonic())
        return max(0.0, pause_s)

    def _flush_lines(self) -> None:
        is_soon = time.monotonic() < self._stored_at + LINE_INTERVAL_S
        if self.lines and is_soon and not (self.is_urgent or self._closing):
            return
        task_id = self._held.task_id
        while self.lines:
            batch = self.lines[:LINE_BATCH]
            stored = journal.append_lines(self._database, self._held, batch)
            with self.lock:
                del self.lines[: len(batch)]
            self._stored_at = time.monotonic()
            if not self._are_lines_untold:  # a Redis that is away is tried once, and the rest is told later
                self._are_lines_untold = not self._courier.carry(partial(self._tail.lines, task_id, stored))
        if self._are_lines_untold and not self._closing:
            self._are_lines_untold = not self._courier.carry(partial(self._tail.missing_lines, task_id))

    def _flush_progress(self) -> None:
        now_s = time.monotonic()
        if now_s < self._sent_at + self._interval_s and not self.is_urgent:
            return
        self.attention = True  # from here on a report wakes this thread; what was reported before is seen below
        self._will_look = self._has_news(now_s)
        if not self._will_look:
            return
        self.rest()
        durable = self.is_urgent
        self.is_dirty = self.is_urgent = False
        self._sent_done = self.progress.done
        fields = self.fields()
        self._sent_at = now_s
        self._is_untold = True  # also when telling raises
        self._is_untold = not self._courier.carry(partial(self._tell, fields))
        if self._is_untold:
            self._interval_s = self._unwatched_interval_s
        save_after_s = UNTOLD_SAVE_INTERVAL_S if self._is_untold else SAVE_INTERVAL_S
        if durable or now_s - self._saved_at >= save_after_s:
            journal.save_progress(self._database, self._held, fields)
            self._saved_at = now_s

    def _has_news(self, now_s: float) -> bool:
        """Whether there is progress to tell: new, untold because Redis was away, or stopped beyond its usual gap."""
        if self.is_dirty or not _is_same(self.progress.done, self._sent_done):
            if self._stall.move(now_s, self.progress.phase):
                self._say_stalled(None, "info", "Progress goes on.")
            return True
        silent_s = self._stall.check(now_s)
        if silent_s is None:
            is_dated = self.progress.tells_time_left and now_s - self._sent_at >= SAVE_INTERVAL_S
            return self._is_untold or is_dated  # less is left although nothing moves, or it takes longer
        usual = _span(self._stall.usual_s or 0.0)
        words = f"No progress for {_span(silent_s)}; this job usually reports every {usual}. The worker is alive."
        self._say_stalled(rfc3339(utc_now() - timedelta(seconds=silent_s)), "warning", words)
        return True

    def _say_stalled(self, since: str | None, level: str, words: str) -> None:
        """Tell and store at once that progress has stopped, or that it goes on."""
        self.progress.stalled_since = since
        self.progress.usual_gap_s = None if since is None else round(self._stall.usual_s or 0.0, 1)
        self.take_line(Line(utc_now(), level, words))
        self.is_urgent = True

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
            self._interval_s = self._min_interval_s if watched else self._unwatched_interval_s
        if self._sent_at - self._admin_at >= self._admin_interval_s:
            self._admin_at = self._sent_at
            is_seen = self._tail.admin(events.job_update(snapshot))
            self._admin_interval_s = ADMIN_INTERVAL_S if is_seen else ADMIN_AWAY_INTERVAL_S


def _span(seconds: float) -> str:
    """ "0.4 s", "40 s", "4 min"."""
    if seconds < 10:
        return f"{max(seconds, 0.1):.1f}".removesuffix(".0") + " s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _is_same(a: float, b: float) -> bool:
    return a == b or (a != a and b != b)  # NaN is not equal to itself
