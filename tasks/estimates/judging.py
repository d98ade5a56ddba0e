"""How good an attempt's estimates were: what was told at a few moments, beside what came true."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import Any

from tasks.estimates.forecast import FINEST_S, Estimate

MOMENTS = (0.1, 0.25, 0.5, 0.75)
"""shares of the real duration"""
KEPT = 400
SHORTEST_S = 2.0
"""nobody waits for less"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """At how many of the moments something was told, at how many the truth lay within, the median error as a share of
    the truth, and what the next forecast learns from.
    """

    told: int
    within: int
    error: float | None
    misses: tuple[tuple[float, float], ...]
    moments: list[dict[str, Any]]


class Judge:
    """Remembers what was told; bounded, however long the attempt runs."""

    def __init__(self) -> None:
        self._told: list[tuple[float, Estimate | None]] = []
        self._apart_s = 0.0

    def note(self, elapsed_s: float, told: Estimate | None) -> None:
        """What is told now."""
        if self._told and elapsed_s - self._told[-1][0] < self._apart_s:
            return
        self._told.append((elapsed_s, told))
        if len(self._told) >= KEPT:
            self._told = self._told[::2]
            self._apart_s = 2 * self._told[-1][0] / KEPT

    def verdict(self, duration_s: float) -> Verdict:
        """The judgement once the true duration is known."""
        moments, misses = [], []
        for share in MOMENTS if duration_s >= SHORTEST_S else ():
            at_s, left_s = share * duration_s, (1 - share) * duration_s
            told = next((each for noted_s, each in reversed(self._told) if noted_s <= at_s), None)
            if told is None:
                continue
            moments.append(
                {
                    "at": share,
                    "low_s": round(told.low_s, 2),
                    "middle_s": round(told.middle_s, 2),
                    "high_s": round(told.high_s, 2),
                    "left_s": round(left_s, 2),
                }
            )
            off = abs(math.log((left_s + FINEST_S) / (told.middle_s + FINEST_S)))
            misses.append((share, round(off / max(told.deviation, 0.01), 3)))
        errors = [abs(each["middle_s"] - each["left_s"]) / each["left_s"] for each in moments]
        within = sum(each["low_s"] <= each["left_s"] <= each["high_s"] for each in moments)
        return Verdict(
            len(moments),
            within,
            round(median(errors), 4) if errors else None,
            tuple(misses),
            moments,
        )
