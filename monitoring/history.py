"""The metrics over one of three ranges, as the graphs take them: equal steps, and no step where nobody measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy.orm import Session

from delivery.latency import BOUNDS_MS, at_most, percentile
from monitoring.samples import COUNTS, HISTOGRAM, MINUTE_S, RAW_S, TEN_MINUTES_S, add, add_counts, floor, fold, rows

LOW, MEAN, HIGH = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Span:
    """One range: how long, from which samples, in which steps; counts are drawn in wider ones."""

    name: str
    length: timedelta
    resolution_s: int
    step_s: int
    count_step_s: int


SPANS = {
    span.name: span
    for span in (
        Span("1h", timedelta(hours=1), RAW_S, 15, 300),
        Span("24h", timedelta(days=1), MINUTE_S, 300, 7200),
        Span("7d", timedelta(days=7), TEN_MINUTES_S, 1800, 43200),
    )
}
SHOWN = {
    "active_jobs": HIGH,
    "queued_jobs": HIGH,
    "oldest_queued_s": HIGH,
    "failed_jobs": HIGH,
    "connections": HIGH,
    "users": HIGH,
    "rooms": HIGH,
    "events_per_s": MEAN,
    "slow_readers": HIGH,
    "loop_delay_max_ms": HIGH,
    "loop_delay_ms": HIGH,
    "cpu_percent": MEAN,
    "system_load": MEAN,
    "memory_percent": HIGH,
    "disk_free": LOW,
    "database_ms": HIGH,
    "redis_ms": HIGH,
    "redis_memory": HIGH,
    "workers": LOW,
    "web_processes": LOW,
    "avg_processing_time_ms": MEAN,
    "error_rate": MEAN,
}
"""which of the lowest, the mean and the highest value within a step stands for it"""
FINER = {TEN_MINUTES_S: MINUTE_S, MINUTE_S: RAW_S}
Column = list[float | None]


def history(session: Session, name: str, now: datetime) -> dict[str, Any]:
    """`{range, from, to, step_s, times, series, counts, peaks, latency, missing_s}`; moments in Unix seconds.

    `series` has a value or None for each of `times`, also `delivery_p50_ms` and `delivery_p99_ms`; `counts` is the same
    in steps of its own for what is counted; `peaks` the highest value of a metric and when it was; `latency` all that
    was delivered in the range. Raises KeyError for a range that there is not.
    """
    span = SPANS[name]
    begin = now - span.length
    kept = _rows(session, span.resolution_s, begin)
    steps = [(at, fold(each)) for at, each in _grouped(kept, span.step_s)]
    counted = [(at, add_counts(each)) for at, each in _grouped(steps, span.count_step_s)]
    whole = add(each[HISTOGRAM] for _, each in steps if HISTOGRAM in each)
    return {
        "range": span.name,
        "from": int(begin.timestamp()),
        "to": int(now.timestamp()),
        "step_s": span.step_s,
        "times": [int(at.timestamp()) for at, _ in steps],
        "series": {
            **{metric: _column(steps, metric, which) for metric, which in SHOWN.items()},
            "delivery_p50_ms": [percentile(each.get(HISTOGRAM, ()), 0.5) for _, each in steps],
            "delivery_p99_ms": [percentile(each.get(HISTOGRAM, ()), 0.99) for _, each in steps],
        },
        "counts": {
            "step_s": span.count_step_s,
            "times": [int(at.timestamp()) for at, _ in counted],
            "series": {metric: [each.get(metric) for _, each in counted] for metric in COUNTS},
        },
        "peaks": {metric: _peak(steps, metric) for metric, which in SHOWN.items() if which == HIGH},
        "latency": {
            "bounds_ms": list(BOUNDS_MS),
            "counts": whole,
            **{f"p{share}_ms": percentile(whole, share / 100) for share in (50, 95, 99)},
            "at_most_ms": at_most(whole),
        },
    }


def _rows(session: Session, resolution_s: int, begin: datetime) -> list[tuple[datetime, dict[str, Any]]]:
    """The samples of this resolution, and what is too new to have been added up into it."""
    kept: list[tuple[datetime, dict[str, Any]]] = list(rows(session, resolution_s, begin))
    finer = FINER.get(resolution_s)
    if finer is None:
        return kept
    since = kept[-1][0] + timedelta(seconds=resolution_s) if kept else begin
    return kept + _rows(session, finer, since)


def _grouped(
    kept: Sequence[tuple[datetime, dict[str, Any]]], step_s: int
) -> Iterable[tuple[datetime, list[dict[str, Any]]]]:
    for at, group in groupby(kept, lambda row: floor(row[0], step_s)):
        yield at, [metrics for _, metrics in group]


def _column(steps: Sequence[tuple[datetime, Mapping[str, Any]]], metric: str, which: int) -> Column:
    return [None if (span := each.get(metric)) is None else span[which] for _, each in steps]


def _peak(steps: Sequence[tuple[datetime, Mapping[str, Any]]], metric: str) -> dict[str, Any] | None:
    known = [(each[metric][HIGH], at) for at, each in steps if metric in each]
    if not known:
        return None
    value, at = max(known)
    return {"value": value, "at": int(at.timestamp())}
