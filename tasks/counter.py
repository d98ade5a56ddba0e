"""A number that a job counts up ten million times a second, exact however many threads count.

One rule: what is changed without a lock has exactly one writer. The owner (the thread that made the counter) writes
`own.value`, each loop of `JobContext.track` writes the `value` of its own part (a generator cannot run in two threads
at once), everybody else adds under the lock. `x += 1` reads, adds and writes in three steps, so with two writers counts
would get lost; no version of Python promises otherwise. The sum of the parts is the number.
"""

from __future__ import annotations

import math
from numbers import Integral
from threading import Lock, get_ident
from typing import Any


def plain(number: Any) -> int | float:
    """The same as Python's own kind of number (a library's, a decimal or a fraction is none). Raises as float does."""
    if isinstance(number, int | float):
        return number
    return int(number) if isinstance(number, Integral) else float(number)


class Part:
    """What one writer has counted."""

    __slots__ = ("is_over", "mark", "value")

    def __init__(self, value: float = 0) -> None:
        self.value = value
        self.mark: float = 0
        self.is_over = False


class Counter:
    """The sum of what all threads count. `own` may be changed by the thread `owner` alone, see the module.

    `is_plain` says that the owner has counted everything, so that it may set the number by setting `own.value`.
    """

    __slots__ = ("_lock", "_loops", "_others", "is_plain", "own", "owner")

    def __init__(self) -> None:
        self.forget_threads()
        self.owner = get_ident()
        self.own = Part()
        self.is_plain = True
        self._others: float = 0
        self._loops: list[Part] = []

    def add(self, n: float) -> None:
        """Count `n` more, from any thread."""
        if get_ident() == self.owner:
            self.own.value += n
            return
        with self._lock:
            self.is_plain = False
            self._others += n

    def set(self, value: float) -> None:
        """Make it this number, from any thread; what others count meanwhile comes before or after that."""
        with self._lock:
            self._fold()
            for loop in self._loops:
                loop.mark = loop.value
            self._others = 0
            self.own = Part(value)  # not written into the old part, whose writer is the owner
            self.is_plain = not self._loops

    def begin_loop(self) -> Part:
        """A part for one loop to count in; its end is told by `is_over`."""
        loop = Part()
        with self._lock:
            self.is_plain = False
            self._loops.append(loop)
        return loop

    @property
    def value(self) -> int | float:
        """The number now, or NaN when what was counted are no numbers."""
        with self._lock:
            try:
                self._fold()
                return plain(self.own.value + self._others + sum(loop.value - loop.mark for loop in self._loops))
            except (TypeError, ValueError):
                return math.nan

    def forget_threads(self) -> None:
        """In a forked child: no thread owns the counter, and none that held its lock is there any more."""
        self.owner = 0
        self._lock = Lock()

    def _fold(self) -> None:
        """Keep the sum of loops that are over, instead of the loops."""
        for loop in [each for each in self._loops if each.is_over]:
            self._loops.remove(loop)
            self._others += loop.value - loop.mark
