"""What a job has reported and nobody has sent yet: the side of the reporter that the job's threads and children call.

Between job and sender there is one flag, `attention`. While it is down the sender will look at the numbers by itself,
so a call that has counted has nothing else to do. Before the sender goes to sleep it raises the flag, then looks once
more; the job counts, then looks at the flag. So either the sender sees what was counted, or the job sees the flag and
wakes the sender: no last update is lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from database import utc_now
from tasks.bell import Bell
from tasks.errors import Cancelled, LeaseLost
from tasks.forks import ChildReporter, Shelf
from tasks.journal import Line
from tasks.progress import Progress

MAX_PENDING_LINES = 50_000
CHUNKS_A_TURN = 64
"""16 MB: many children that report without pause must not keep the sender from sending"""
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Inbox:
    """Everything reported, safe to change from any thread. `bell` wakes the sender.

    `attention` is up when a reporting call has more to do than to count, see the module.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.attention = True
        self.is_cancelled = False
        self.lost: LeaseLost | None = None
        self.lock = threading.Lock()
        self.bell = Bell()
        self.is_dirty = self.is_urgent = False
        self.lines: list[Line] = []
        self.line_count = 0
        self.levels = {"warning": 0, "error": 0}
        self.shelf = Shelf()
        self.is_copy = False
        self._collecting = threading.Lock()

    def check(self) -> None:
        """Raise Cancelled if a cancel was asked for, LeaseLost if the attempt was taken away."""
        if self.is_cancelled:
            raise Cancelled
        if self.lost is not None:
            raise self.lost

    def attend(self, counted: float = 0) -> None:  # noqa: ARG002  # in a child of the job, nobody else counts it
        """What a call that has counted does when `attention` is up."""
        self.check()
        self.touch()

    def report(
        self,
        n: float = 0,
        done: float | None = None,
        total: float | None = None,
        unit: str | None = None,
        step: str | None = None,
        details: Mapping[str, Any] = NOTHING,
    ) -> None:
        """`n` more units are done; set what is not None or empty."""
        progress = self.progress
        if n:
            progress.counter.add(n)
        with self.lock:
            if done is not None:
                progress.done = done
            if total is not None:
                progress.total = total
            if unit:
                progress.unit = unit
            if step is not None:
                progress.step = step
            if details:
                progress.details.update(details)
        self.touch()

    def start_phase(self, name: str, total: float | None, unit: str | None) -> None:
        """End the phase before, with all that children have reported of it, and begin this one."""
        self.collect()
        self._start_phase(name, total, unit)

    def _start_phase(self, name: str, total: float | None, unit: str | None) -> None:
        with self.lock:
            self.progress.start_phase(name, total, unit, self.line_count + 1, time.monotonic(), utc_now())
        self.touch(urgent=True)

    def note(self, words: str) -> None:
        """What the running phase has to say in a few words."""
        with self.lock:
            self.progress.note(words)
        self.touch()

    def touch(self, urgent: bool = False) -> None:
        """Progress has changed; `urgent` (a new phase) is sent without waiting for its turn. Wakes the sender."""
        self.is_dirty = True
        if urgent:
            self.is_urgent = True
        elif not self.attention:
            return
        self.rest()
        self.bell.ring()

    def rest(self) -> None:
        """Let reports do no more than count, because the sender will look by itself."""
        self.attention = False
        if self.is_cancelled or self.lost is not None:  # in this order: `cancel` may have come in between
            self.attention = True

    def add_line(self, level: str, text: str) -> None:
        """Take a log line. Waits only while MAX_PENDING_LINES wait for the database, unless the attempt is to end."""
        while len(self.lines) >= MAX_PENDING_LINES and not self.is_cancelled and self.lost is None:
            time.sleep(0.05)
        self.take_line(Line(utc_now(), level, text))

    def take_line(self, line: Line) -> None:
        """Take a log line without waiting."""
        with self.lock:
            is_first = not self.lines
            self.lines.append(line)
            self.line_count += 1
            if line.level in self.levels:
                self.levels[line.level] += 1
        if is_first:
            self.bell.ring()

    def cancel(self) -> None:
        """Have every further report raise Cancelled. Safe in a signal handler."""
        self.is_cancelled = True
        self.attention = True
        self.shelf.say_stop()

    def before_fork(self, folder: Path) -> None:
        """Be ready for reports of a child; `folder` has room for them."""
        self.shelf.open(folder, stop=self.is_cancelled or self.lost is not None)

    def in_child(self) -> ChildReporter:
        """In a forked child: what takes its reports. This reporter is a copy then, which must not end the attempt."""
        self.is_copy = True
        self.attention = True
        self.lock = threading.Lock()
        return ChildReporter(self.shelf, self.progress)

    def collect(self) -> bool:
        """Take over what children have reported; whether there may be more."""
        if not self.shelf.is_open:
            return False
        takes: dict[str, Callable[..., None]] = {
            "report": self.report,
            "start_phase": self._start_phase,
            "note": self.note,
            "add_line": lambda level, text, at: self.take_line(Line(datetime.fromisoformat(at), level, text)),
        }
        with self._collecting:
            for _ in range(CHUNKS_A_TURN):
                if len(self.lines) >= MAX_PENDING_LINES:
                    break
                records = list(self.shelf.take())
                for name, *values in records:
                    takes[name](*values)
                if not records:
                    return False
        return True

    def end_phase(self, is_complete: bool) -> None:
        """Mark the running phase as done, or as the one in which the attempt ended early."""
        self.collect()
        with self.lock:
            (self.progress.end_phase if is_complete else self.progress.fail_phase)(time.monotonic())
