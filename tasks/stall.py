"""Tells progress that has stopped from progress that is slow: by this run's gaps and by those of earlier runs.

What never reports cannot stall: nothing is said of a run until it, or runs before it, have moved often enough.
"""

from __future__ import annotations

from dataclasses import dataclass

STALLED_GAPS = 20.0
LONGEST_GAPS = 3.0
"""longer than ever before by this factor"""
FEWEST_MOVES = 5
HISTORY_MOVES = 20
"""earlier runs count like so many moves of this one"""


@dataclass(frozen=True, slots=True)
class Gaps:
    """Seconds between two moves of progress: usual and longest; None where they are not known."""

    usual_s: float | None = None
    longest_s: float | None = None


class Stall:
    """Watches one attempt. `after_s` is the shortest silence that can be a stall. Times are monotonic seconds."""

    def __init__(self, after_s: float, now_s: float, before: Gaps | None = None) -> None:
        self._after_s = after_s
        self._before = before or Gaps()
        self._moved_s = now_s
        self._mean_s = 0.0
        self._longest_s = 0.0
        self._moves = 0
        self._phase: object = None
        self._phase_moves = 0
        self.is_stalled = False

    def move(self, now_s: float, phase: object = None) -> bool:
        """Progress has come, in this phase; True if it had stalled."""
        gap_s = now_s - self._moved_s
        self._moved_s = now_s
        self._moves += 1
        self._phase_moves = self._phase_moves + 1 if phase == self._phase else 1
        self._phase = phase
        self._mean_s += (gap_s - self._mean_s) / min(self._moves, 50)
        was_stalled, self.is_stalled = self.is_stalled, False
        if not was_stalled:  # what was said to be no usual gap does not become one
            self._longest_s = max(self._longest_s, gap_s)
        return was_stalled

    def check(self, now_s: float) -> float | None:
        """The seconds of silence, once, when they have become far more than usual; else None."""
        silent_s, usual_s = now_s - self._moved_s, self.usual_s
        if self.is_stalled or usual_s is None or (self._before.usual_s is None and self._phase_moves < FEWEST_MOVES):
            return None
        longest_s = max(self._longest_s, self._before.longest_s or 0.0)
        if silent_s < max(self._after_s, STALLED_GAPS * usual_s, LONGEST_GAPS * longest_s):
            return None
        self.is_stalled = True
        return silent_s

    @property
    def usual_s(self) -> float | None:
        """The usual gap, by this run and those before it; None while neither has moved often enough."""
        before_s = self._before.usual_s
        if before_s is None:
            return self._mean_s if self._moves >= FEWEST_MOVES else None
        weight = self._moves / (self._moves + HISTORY_MOVES)
        return weight * self._mean_s + (1 - weight) * before_s

    def gaps(self, now_s: float) -> Gaps:
        """What later runs should know of this one, at its end; the silence before the end is a gap too."""
        if self._moves < FEWEST_MOVES:
            return Gaps()
        return Gaps(round(self._mean_s, 3), round(max(self._longest_s, now_s - self._moved_s), 3))
