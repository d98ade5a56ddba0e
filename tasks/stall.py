"""Tells progress that has stopped from progress that is slow."""

from __future__ import annotations

STALLED_GAPS = 20.0


class Stall:
    """Tells progress that has stopped from progress that is slow: by what this run's gaps usually are."""

    def __init__(self, after_s: float, now_s: float) -> None:
        self._after_s = after_s
        self._moved_s = now_s
        self._usual_s = 0.0
        self._moves = 0
        self.is_stalled = False

    def move(self, now_s: float) -> bool:
        """Progress has come; True if it had stalled."""
        gap_s = now_s - self._moved_s
        self._moved_s = now_s
        self._moves += 1
        self._usual_s += (gap_s - self._usual_s) / min(self._moves, 50)
        was_stalled, self.is_stalled = self.is_stalled, False
        return was_stalled

    def check(self, now_s: float) -> float | None:
        """The seconds of silence, once, when they have become far more than usual; else None."""
        silent_s = now_s - self._moved_s
        if self.is_stalled or silent_s < max(self._after_s, STALLED_GAPS * self._usual_s):
            return None
        self.is_stalled = True
        return silent_s
