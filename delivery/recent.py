"""Answers of the database that hold for a moment: a thousand who come at once ask it once."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MOST = 10_000


class Recent(Generic[K, V]):
    """The answers of the last `for_s` seconds, by question. That there is none is asked again each time."""

    def __init__(self, for_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._for_s = for_s
        self._clock = clock
        self._kept: dict[K, tuple[float, V]] = {}

    def get(self, question: K, ask: Callable[[], V | None]) -> V | None:
        """The recent answer, or `ask`'s."""
        now_s = self._clock()
        asked_s, answer = self._kept.get(question, (-self._for_s, None))
        if answer is not None and now_s - asked_s < self._for_s:
            return answer
        fresh = ask()
        if len(self._kept) >= MOST:
            self._kept.clear()
        if fresh is None:
            self._kept.pop(question, None)
        else:
            self._kept[question] = (now_s, fresh)
        return fresh

    def clear(self) -> None:
        """Ask everything again."""
        self._kept.clear()
