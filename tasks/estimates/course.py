"""The course of one attempt: how long each phase took, how much it counted, and when which part of that was done.

A whole run is a few numbers a phase. Its rule: what is kept of an attempt is bounded, however long it runs.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MARKS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
"""closer together at the end, where jobs slow down and people wait"""
_KNOWN = (0.0, *MARKS, 1.0)
KEPT_POINTS = 256


def plain(number: Any) -> float:
    """The same as a float; what no float can hold is NaN, as unknown as that."""
    try:
        return float(number)
    except (OverflowError, TypeError, ValueError):
        return math.nan


@dataclass(frozen=True, slots=True)
class PhaseCourse:
    """One phase of an earlier run: its seconds, what it had counted at its end, and the shares of its time at which
    each of MARKS of that was counted (empty where nothing was counted).
    """

    seconds: float
    count: float | None = None
    unit: str | None = None
    shares: tuple[float, ...] = ()

    def share_at(self, fraction: float) -> float:
        """The share of the phase's time that had passed when this fraction of its count was done."""
        if len(self.shares) != len(MARKS):
            return fraction
        shares = (0.0, *self.shares, 1.0)
        after = bisect_left(_KNOWN, fraction, 1, len(_KNOWN) - 1)
        part = (fraction - _KNOWN[after - 1]) / (_KNOWN[after] - _KNOWN[after - 1])
        return shares[after - 1] + (shares[after] - shares[after - 1]) * part

    def as_json(self) -> dict[str, Any]:
        """For the database; `of_json` reads it."""
        return {
            "s": round(self.seconds, 3),
            "n": self.count,
            "unit": self.unit,
            "at": [round(each, 3) for each in self.shares],
        }

    @staticmethod
    def of_json(kept: Mapping[str, Any]) -> PhaseCourse:
        """What `as_json` made."""
        return PhaseCourse(float(kept["s"]), kept["n"], kept["unit"], tuple(kept["at"]))


class Points:
    """At which second how much was counted. When it gets full, every second point is dropped."""

    def __init__(self) -> None:
        self._kept: list[tuple[float, float]] = []
        self._apart_s = 0.0
        self._newest: tuple[float, float] | None = None

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, at_s: float, count: float) -> None:
        """The count at this second; what is no number is left out."""
        if not math.isfinite(count):
            return
        self._newest = (at_s, count)
        if self._kept and at_s - self._kept[-1][0] < self._apart_s:
            return
        self._kept.append((at_s, count))
        if len(self._kept) >= KEPT_POINTS:
            self._kept = self._kept[::2]
            self._apart_s = 2 * (self._kept[-1][0] - self._kept[0][0]) / KEPT_POINTS

    def all(self) -> list[tuple[float, float]]:
        """Every kept point and the newest one, oldest first."""
        if self._newest is None or (self._kept and self._kept[-1] == self._newest):
            return self._kept
        return [*self._kept, self._newest]

    def counts_at(self, seconds: Sequence[float]) -> list[float]:
        """What was counted at these seconds, read off the straight lines between the points."""
        points = [(0.0, 0.0), *self.all()]
        times = [each[0] for each in points]
        found = []
        for at_s in seconds:
            place = bisect_left(times, at_s)
            if place >= len(points):
                found.append(points[-1][1])
                continue
            (after_s, after), (before_s, before) = points[place], points[max(0, place - 1)]
            part = (at_s - before_s) / (after_s - before_s) if after_s > before_s else 1.0
            found.append(before + (after - before) * part)
        return found

    def shares(self, seconds: float) -> tuple[float, ...]:
        """When each of MARKS of the last count was reached, as shares of `seconds`; empty without a count."""
        points = [(0.0, 0.0), *self.all()]
        last = points[-1][1]
        if len(points) < 4 or last <= 0 or seconds <= 0:
            return ()
        found: list[float] = []
        place = 1
        for mark in MARKS:
            wanted = last * mark
            while place < len(points) - 1 and points[place][1] < wanted:
                place += 1
            (before_s, before), (after_s, after) = points[place - 1], points[place]
            part = (wanted - before) / (after - before) if after > before else 1.0
            at_s = before_s + (after_s - before_s) * min(max(part, 0.0), 1.0)
            found.append(min(max(at_s / seconds, found[-1] if found else 0.0), 1.0))
        return tuple(found)
