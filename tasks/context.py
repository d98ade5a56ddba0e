"""What a job's function is given: the one object through which it reports, logs, keeps files and learns of a cancel."""

from __future__ import annotations

import os
import signal
import weakref
from collections.abc import Callable, Iterable, Iterator, Sized
from pathlib import Path
from threading import get_ident
from typing import Any, TypeVar

from config import Config
from database import Database
from tasks import journal
from tasks.counter import plain
from tasks.events import MAX_ITEMS, clean, printable
from tasks.forks import ChildReporter
from tasks.inbox import Inbox
from tasks.journal import LEVELS, MAX_LINE_LENGTH
from tasks.lifecycle import Claim
from tasks.reporter import Reporter

T = TypeVar("T")

PLAIN = frozenset({str, int, float, bool, type(None)})


class CancelWish:
    """Whether the worker has passed on, by SIGUSR1, that a cancel was asked for."""

    def __init__(self) -> None:
        self.is_set = False
        self.on_set: Callable[[], None] = lambda: None

    def listen(self) -> None:
        """Take the signal from here on. Called before the claim: the worker may pass a cancel on right after it."""
        signal.signal(signal.SIGUSR1, self._set)

    def _set(self, _signal: int, _frame: object) -> None:
        self.is_set = True
        self.on_set()


class JobContext:
    """The running attempt, as its job sees it. Calls are cheap, safe in threads, and wait for no Redis.

    Processes that the job forks may report too: what they report counts as if the job itself had reported it.

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
        self._held = held
        self._reporter: Inbox | ChildReporter = reporter
        self._counter = reporter.progress.counter
        if wish is not None:
            wish.on_set = reporter.cancel
            if wish.is_set:
                reporter.cancel()
        _contexts.add(self)

    @property
    def is_cancelled(self) -> bool:
        """Whether a cancel was asked for. Look at it in loops that report nothing, or call `check_cancelled`."""
        return self._reporter.is_cancelled

    def check_cancelled(self) -> None:
        """Raise Cancelled if a cancel was asked for. Call it in loops that report nothing."""
        self._reporter.check()

    def phase(self, name: str, total: float | None = None, unit: str | None = None) -> None:
        """Begin a declared phase, ending the one before. `total` None means not known yet."""
        self.check_cancelled()
        self._reporter.start_phase(name, None if total is None else plain(total), unit)

    def phase_note(self, words: str) -> None:
        """A few words that stay beside the running phase, such as "8,752 paths"."""
        self.check_cancelled()
        self._reporter.note(str(clean(words)))

    def set_total(self, total: float, unit: str | None = None) -> None:
        """Say how much the running phase has to do, once that is known."""
        self.check_cancelled()
        self._reporter.report(total=plain(total), unit=unit)

    def advance(self, n: float = 1, step: str | None = None, **details: Any) -> None:
        """`n` more units of the running phase are done; `step` is what is being worked on."""
        counter = self._counter
        if get_ident() != counter.owner or step is not None or details:
            self._report(n, None, None, step, details)
            return
        counter.own.value += n
        if self._reporter.attention:
            self._reporter.attend()

    def update(
        self, done: float | None = None, total: float | None = None, step: str | None = None, **details: Any
    ) -> None:
        """Set the running phase's numbers; what is None stays as it is. `details` are the job's own counters."""
        counter = self._counter
        if done is None or total is not None or step is not None or details:
            self._report(0, done, total, step, details)
        elif get_ident() != counter.owner or not counter.is_plain:
            self._report(0, done, None, None, details)
        else:
            counter.own.value = done
            if self._reporter.attention:
                self._reporter.attend()

    def conclude(self, **details: Any) -> None:
        """The job's own counters for the last time, while it cleans up: told although a cancel was asked for."""
        self._reporter.report(details=clean(details))

    def _report(
        self, n: float, done: float | None, total: float | None, step: str | None, details: dict[str, Any]
    ) -> None:
        """What is not only a number from the counter's owner."""
        self._reporter.check()
        if total is not None:
            total = plain(total)
        if type(step) not in PLAIN:
            step = str(clean(step))
        if not PLAIN.issuperset(map(type, details.values())) or len(details) > MAX_ITEMS:
            details = clean(details)  # now, for the job may change it; what cannot change is cleaned when it is sent
        self._reporter.report(n, done, total, None, step, details)

    def track(self, iterable: Iterable[T], total: float | None = None, unit: str = "") -> Iterator[T]:
        """Iterate and count one unit for each item; the total is taken from `len` where there is one."""
        known = total if total is not None else (len(iterable) if isinstance(iterable, Sized) else None)
        if known is not None:
            self.set_total(known, unit or None)
        reporter = self._reporter
        counted, mine = 0, self._counter.begin_loop()
        try:
            for item in iterable:
                yield item
                counted += 1
                mine.value = counted
                if reporter.attention:
                    self._reporter.attend(1)
        finally:
            mine.is_over = True

    def log(self, text: str, level: str = "info") -> None:
        """Add to the task's log: debug, info, warning or error. Several lines become several entries."""
        if level not in LEVELS:
            raise ValueError(f"level: expected one of {', '.join(LEVELS)}, got {level!r}")
        for line in str(text).splitlines() or [""]:
            self._reporter.add_line(level, _printable(line))
        self.check_cancelled()

    def artifact(
        self, name: str, data: bytes, content_type: str = "application/octet-stream", *, at_the_end: bool = False
    ) -> None:
        """Keep a file (at most 64 MiB) that people can download from the task's page.

        `at_the_end` is for a job that cleans up: the file is kept although a cancel was asked for.
        """
        if not at_the_end:
            self.check_cancelled()
        journal.add_artifact(self.database, self._held, name, data, content_type)

    def __reduce__(self) -> tuple[Any, ...]:
        """To a forked child, as a pool sends its arguments, goes only the name of what it has already."""
        return _inherited, (self.task_id, self.attempt)

    def _before_fork(self) -> None:
        if isinstance(self._reporter, Inbox):
            self._reporter.before_fork(self.work_dir)

    def _after_fork_in_child(self) -> None:
        if isinstance(self._reporter, Inbox):
            self._reporter = self._reporter.in_child()
            self._counter.forget_threads()
            self.database.after_fork()


_contexts: weakref.WeakSet[JobContext] = weakref.WeakSet()


def _inherited(task_id: str, attempt: int) -> JobContext:
    for context in _contexts:
        if (context.task_id, context.attempt) == (task_id, attempt):
            return context
    raise RuntimeError('a JobContext works in processes that the job forked (multiprocessing\'s "fork"), not elsewhere')


def _before_fork() -> None:
    for context in list(_contexts):
        context._before_fork()


def _after_fork_in_child() -> None:
    for context in list(_contexts):
        context._after_fork_in_child()


os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)


def _printable(line: str) -> str:
    """The line without control characters or NULs, and cut at MAX_LINE_LENGTH."""
    text = printable(line.replace("\t", "    "))
    return text if len(text) <= MAX_LINE_LENGTH else text[: MAX_LINE_LENGTH - 1] + "…"
