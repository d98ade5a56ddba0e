"""How long events take from the worker that sends them to the sockets of this process, as a histogram.

The buckets are the same everywhere, so the histograms of several processes add. An event is measured when the last of
its room's members here has been written to; the worker's and this machine's clocks are taken to agree.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import datetime

BOUNDS_MS = (1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 300, 500, 800, 1200, 2000, 5000, 10000)
"""a bucket counts what took at most so long; one more counts the rest"""
EVERY = 16
QUIET_S = 0.05
MARK = b'"timestamp":"'
LENGTH = len("2026-11-21T14:02:10.402Z")


class Latency:
    """The histogram of one process, counted since its start.

    Of a dense stream every EVERY-th event is measured, of a thin one each that comes QUIET_S after the last: 2 µs each,
    and nothing for each member.
    """

    def __init__(self, wall: Callable[[], float] = time.time, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts = [0] * (len(BOUNDS_MS) + 1)
        self._wall = wall
        self._clock = clock
        self._passed = 0
        self._measured_s = 0.0

    def look(self, frame: bytes) -> None:
        """An event has just been written to its room; its timestamp stands in its envelope, before any other text."""
        self._passed += 1
        now_s = self._clock()
        if self._passed < EVERY and now_s - self._measured_s < QUIET_S:
            return
        self._passed, self._measured_s = 0, now_s
        start = frame.find(MARK, 0, 400) + len(MARK)
        try:
            sent_s = datetime.fromisoformat(frame[start : start + LENGTH].decode()).timestamp()
        except ValueError:
            return
        self.counts[bucket_of((self._wall() - sent_s) * 1000)] += 1


def bucket_of(took_ms: float) -> int:
    """The number of the bucket for this time."""
    return bisect_left(BOUNDS_MS, took_ms)


def percentile(counts: Sequence[int], share: float) -> float | None:
    """The time in ms that `share` (0 to 1) of what is counted stayed below, evenly spread in its bucket.

    None where nothing was counted; what is beyond the last bound counts as that bound.
    """
    total = sum(counts)
    if not total:
        return None
    wanted, below = share * total, 0
    for place, count in enumerate(counts[: len(BOUNDS_MS)]):
        if count and below + count >= wanted:
            low = BOUNDS_MS[place - 1] if place else 0
            return round(low + (BOUNDS_MS[place] - low) * max(0.0, wanted - below) / count, 1)
        below += count
    return float(BOUNDS_MS[-1])


def at_most(counts: Sequence[int]) -> int | None:
    """The bound in ms that nothing counted has passed; None where nothing was counted or something passed the last."""
    places = [place for place, count in enumerate(counts) if count]
    return BOUNDS_MS[places[-1]] if places and places[-1] < len(BOUNDS_MS) else None
