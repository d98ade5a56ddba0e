"""Answers of the database that hold for a moment: a thousand who come at once ask it once."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MOST = 10_000
LONGEST_S = 60.0


class Recent(Generic[K, V]):
    """The answers of the last `for_s` seconds, by question. That there is none is asked again each time.

    Whoever has checked them all together may renew them, for a minute in all.
    """

    def __init__(self, for_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._for_s = for_s
        self._clock = clock
        self._kept: dict[K, tuple[float, float, V]] = {}
        """when it was asked, when it was last checked, and the answer"""

    def get(self, question: K, ask: Callable[[], V | None]) -> V | None:
        """The recent answer, or `ask`'s."""
        now_s = self._clock()
        kept = self._kept.get(question)
        if kept is not None and now_s - kept[1] < self._for_s:
            return kept[2]
        fresh = ask()
        if len(self._kept) >= MOST:
            self._kept.clear()
        if fresh is None:
            self._kept.pop(question, None)
        else:
            self._kept[question] = (now_s, now_s, fresh)
        return fresh

    def answers(self) -> set[V]:
        """What is kept."""
        return {answer for _, _, answer in self._kept.values()}

    def renew(self, holds: Callable[[V], bool]) -> None:
        """Keep the answers that still hold, and forget the others."""
        now_s = self._clock()
        self._kept = {
            question: (asked_s, now_s, answer)
            for question, (asked_s, _, answer) in self._kept.items()
            if now_s - asked_s < LONGEST_S and holds(answer)
        }

    def clear(self) -> None:
        """Ask everything again."""
        self._kept.clear()
