"""Medians, percentiles and the histogram of latencies that the load generator keeps. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from statistics import median

BUCKETS = 10240
EXACT = 1024
"""Up to here a bucket is one microsecond; above, buckets grow by powers of two and stay within 0.2 percent."""

__all__ = ["BUCKETS", "bucket", "median", "percentile", "value_of"]


def bucket(us: int) -> int:
    """The histogram's bucket of a latency in microseconds."""
    us = max(0, us)
    if us < EXACT:
        return us
    exponent = us.bit_length() - 10
    return min(BUCKETS - 1, 512 * exponent + (us >> exponent))


def value_of(index: int) -> float:
    """The middle of a bucket, in microseconds."""
    if index < EXACT:
        return float(index)
    exponent = index // 512 - 1
    return ((index - 512 * exponent) + 0.5) * (1 << exponent)


def percentile(histogram: Sequence[int], share: float) -> float | None:
    """The latency in milliseconds below which `share` (0 to 1) of the events lie; None where there are none.

    The nearest-rank rule: the smallest value that at least that share of all events does not exceed.
    """
    total = sum(histogram)
    if not total:
        return None
    rank = max(1, -(-total * share // 1))
    index = next(place for place, seen in enumerate(accumulate(histogram)) if seen >= rank)
    return value_of(index) / 1000
