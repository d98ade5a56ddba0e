"""Samples of the metrics over time: raw for an hour, by the minute for a day, by ten minutes for a week.

Where nobody measured there is no row. The rows are bounded, whatever happens: 720 + 1,440 + 1,008.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import JSON, Integer, Row, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from database import Base, Database, UtcDateTime

RAW_S, MINUTE_S, TEN_MINUTES_S = 5, 60, 600
KEPT = {RAW_S: timedelta(hours=1), MINUTE_S: timedelta(days=1), TEN_MINUTES_S: timedelta(days=7)}
COARSER = ((RAW_S, MINUTE_S), (MINUTE_S, TEN_MINUTES_S))
AHEAD = timedelta(minutes=1)

GAUGES = (
    "active_jobs",
    "queued_jobs",
    "oldest_queued_s",
    "failed_jobs",
    "success_rate",
    "error_rate",
    "avg_processing_time_ms",
    "system_load",
    "cpu_percent",
    "memory_percent",
    "disk_free",
    "disk_percent",
    "database_ms",
    "redis_ms",
    "redis_memory",
    "workers",
    "web_processes",
    "connections",
    "users",
    "rooms",
    "events_per_s",
    "slow_readers",
    "loop_delay_ms",
    "loop_delay_max_ms",
)
"""kept as `[lowest, mean, highest]` in coarser rows"""
COUNTS = ("finished", "failed", "refused", "rate_limited", "slow_readers_ended", "replays", "snapshots")
"""counted since the sample before, and added up"""
HISTOGRAM = "latency"


class MetricSample(Base):
    """One moment's metrics (RAW_S: all of `monitoring.metrics`), or what a minute or ten of them came to."""

    __tablename__ = "metric_samples"

    resolution_s: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    metrics: Mapped[dict[str, Any]] = mapped_column(JSON)


def store(session: Session, at: datetime, metrics: Mapping[str, Any]) -> None:
    """Keep a raw sample, in the caller's transaction."""
    session.add(MetricSample(resolution_s=RAW_S, at=at, metrics=dict(metrics)))


def newest(database: Database) -> dict[str, Any] | None:
    """The last raw sample, None where there is none. One small indexed read."""
    row = database.first(_NEWEST)
    return None if row is None else row[0]


_NEWEST = (
    select(MetricSample.metrics)
    .where(MetricSample.resolution_s == RAW_S)
    .order_by(MetricSample.at.desc())
    .limit(1)
)


def rows(session: Session, resolution_s: int, since: datetime) -> Sequence[Row[datetime, dict[str, Any]]]:
    """Samples of one resolution from `since` on, oldest first."""
    found = session.execute(
        select(MetricSample.at, MetricSample.metrics)
        .where(MetricSample.resolution_s == resolution_s, MetricSample.at >= since)
        .order_by(MetricSample.at)
    )
    return found.all()


def compact(session: Session, now: datetime) -> None:
    """Add up what is complete, and forget what is old, in the caller's transaction. Any number of times.

    Samples from the future, which a clock that was set back left behind, are forgotten too.
    """
    session.execute(delete(MetricSample).where(MetricSample.at > now + AHEAD))
    for fine_s, coarse_s in COARSER:
        known = session.scalar(select(func.max(MetricSample.at)).where(MetricSample.resolution_s == coarse_s))
        since = datetime.min.replace(tzinfo=UTC) if known is None else known + timedelta(seconds=coarse_s)
        end = floor(now, coarse_s)
        for at, group in groupby(rows(session, fine_s, since), lambda row: floor(row[0], coarse_s)):  # noqa: B023
            if at < end:
                merged = fold(metrics for _, metrics in group)
                session.add(MetricSample(resolution_s=coarse_s, at=at, metrics=merged))
        session.flush()
    for resolution_s, kept in KEPT.items():
        old = (MetricSample.resolution_s == resolution_s, MetricSample.at < now - kept)
        session.execute(delete(MetricSample).where(*old))


def fold(samples: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What these samples, raw or folded already, come to; unknown values count for nothing."""
    kept = list(samples)
    folded: dict[str, Any] = add_counts(kept)
    for name in GAUGES:
        known = [value for one in kept if (value := one.get(name)) is not None]
        if known:
            folded[name] = _span(known)
    histograms = [value for one in kept if (value := one.get(HISTOGRAM)) is not None]
    if histograms:
        folded[HISTOGRAM] = add(histograms)
    return folded


def add_counts(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What was counted in all of these samples, raw or folded already; what none of them knows is left out."""
    found = {}
    for name in COUNTS:
        known = [value for one in samples if (value := one.get(name)) is not None]
        if known:
            found[name] = sum(known)
    return found


def add(histograms: Iterable[Sequence[int]]) -> list[int]:
    """Histograms of the same buckets, added; of none, an empty list."""
    return [sum(counts) for counts in zip(*histograms, strict=True)]


def floor(moment: datetime, step_s: int) -> datetime:
    """The step of the clock that the moment lies in."""
    return datetime.fromtimestamp(moment.timestamp() // step_s * step_s, UTC)


def _span(known: Sequence[Any]) -> list[float]:
    """The lowest, the mean and the highest of numbers, or of such triples."""
    if any(isinstance(value, list) for value in known):
        triples = [value if isinstance(value, list) else (value, value, value) for value in known]
        lows, means, highs = zip(*triples, strict=True)
        return [min(lows), _short(sum(means) / len(means)), max(highs)]
    return [min(known), _short(sum(known) / len(known)), max(known)]


def _short(value: float) -> float:
    return round(value, 2) if value < 1000 else float(round(value))
