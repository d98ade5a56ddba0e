"""What a job's function is given: the one object through which it reports, logs, keeps files and learns of a cancel."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import Any, TypeVar

from config import Config
from database import Database, utc_now
from tasks import journal
from tasks.errors import Cancelled
from tasks.events import clean, printable
from tasks.journal import LEVELS, MAX_LINE_LENGTH
from tasks.lifecycle import Claim
from tasks.reporter import Reporter

T = TypeVar("T")


class CancelWish:
    """Whether the worker has passed on, by SIGUSR1, that a cancel was asked for."""

    def __init__(self) -> None:
        self.is_set = False

    def listen(self) -> None:
        """Take the signal from here on. Called before the claim: the worker may pass a cancel on right after it."""
        signal.signal(signal.SIGUSR1, self._set)

    def _set(self, _signal: int, _frame: object) -> None:
        self.is_set = True


class JobContext:
    """The running attempt, as its job sees it. Calls are cheap and thread-safe.

    Every reporting call raises Cancelled once a cancel was asked for, and LeaseLost when the attempt was given to
    another worker: let both pass, after cleaning up what you started.
    """

    def __init__(
        self,
        config: Config,
        database: Database,
        held: Claim,
        reporter: Reporter,
        work_dir: Path,
        wish: CancelWish | None = None,
    ) -> None:
        self.config = config
        self.database = database
        self.task_id = held.task_id
        self.attempt = held.attempt
        self.work_dir = work_dir
        self._wish = wish or CancelWish()
        self._held = held
        self._reporter = reporter
        self._progress = reporter.progress

    @property
    def is_cancelled(self) -> bool:
        """Whether a cancel was asked for. Look at it in loops that report nothing, or call `check_cancelled`."""
        return self._wish.is_set

    def check_cancelled(self) -> None:
        """Raise Cancelled if a cancel was asked for. Call it in loops that report nothing."""
        if self.is_cancelled:
            raise Cancelled
        if self._reporter.lost is not None:
            raise self._reporter.lost

    def phase(self, name: str, total: float | None = None, unit: str | None = None) -> None:
        """Begin a declared phase, ending the one before. `total` None means not known yet."""
        self.check_cancelled()
        reporter = self._reporter
        with reporter.lock:
            self._progress.start_phase(name, total, unit, reporter.line_count + 1, time.monotonic(), utc_now())
        reporter.touch(urgent=True)

    def phase_note(self, words: str) -> None:
        """A few words that stay beside the running phase, such as "8,752 paths"."""
        self.check_cancelled()
        self._progress.note(str(clean(words)))
        self._reporter.touch()

    def set_total(self, total: float, unit: str | None = None) -> None:
        """Say how much the running phase has to do, once that is known."""
        self.check_cancelled()
        self._progress.total = total
        self._progress.unit = unit or self._progress.unit
        self._reporter.touch()

    def advance(self, n: float = 1, step: str | None = None, **details: Any) -> None:
        """`n` more units of the running phase are done; `step` is what is being worked on."""
        if self.is_cancelled or self._reporter.lost is not None:
            self.check_cancelled()
        with self._reporter.lock:
            self._progress.done += n
        self._set(step, details)

    def update(
        self, done: float | None = None, total: float | None = None, step: str | None = None, **details: Any
    ) -> None:
        """Set the running phase's numbers; what is None stays as it is. `details` are the job's own counters."""
        if self.is_cancelled or self._reporter.lost is not None:
            self.check_cancelled()
        if done is not None:
            self._progress.done = done
        if total is not None:
            self._progress.total = total
        self._set(step, details)

    def _set(self, step: str | None, details: dict[str, Any]) -> None:
        if step is not None:
            self._progress.step = str(clean(step))
        if details:
            with self._reporter.lock:
                self._progress.details.update(clean(details))
        self._reporter.touch()

    def track(self, iterable: Iterable[T], total: float | None = None, unit: str = "") -> Iterator[T]:
        """Iterate and count one unit for each item; the total is taken from `len` where there is one."""
        known = total if total is not None else (len(iterable) if isinstance(iterable, Sized) else None)
        if known is not None:
            self.set_total(known, unit or None)
        for item in iterable:
            yield item
            self.advance()

    def log(self, text: str, level: str = "info") -> None:
        """Add to the task's log: debug, info, warning or error. Several lines become several entries."""
        if level not in LEVELS:
            raise ValueError(f"level: expected one of {', '.join(LEVELS)}, got {level!r}")
        for line in str(text).splitlines() or [""]:
            self._reporter.add_line(level, _printable(line))
        self.check_cancelled()

    def artifact(self, name: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        """Keep a file (at most 64 MiB) that people can download from the task's page."""
        self.check_cancelled()
        journal.add_artifact(self.database, self._held, name, data, content_type)


def _printable(line: str) -> str:
    """The line without control characters or NULs, and cut at MAX_LINE_LENGTH."""
    text = printable(line.replace("\t", "    "))
    return text if len(text) <= MAX_LINE_LENGTH else text[: MAX_LINE_LENGTH - 1] + "…"
