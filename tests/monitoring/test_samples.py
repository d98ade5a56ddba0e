"""The history: compacted, bounded, the same after a restart, and with gaps where nobody measured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from database import Database
from delivery.latency import BOUNDS_MS
from monitoring import samples
from monitoring.history import history
from monitoring.samples import MINUTE_S, RAW_S, TEN_MINUTES_S, MetricSample

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
EMPTY = [0] * (len(BOUNDS_MS) + 1)


def _fill(database: Database, begin: datetime, end: datetime, step_s: int = 30, **metrics: object) -> None:
    with database.write() as session:
        at = begin
        while at < end:
            samples.store(session, at, {"finished": 1, "failed": 0, **metrics})
            at += timedelta(seconds=step_s)


def _compact(database: Database, now: datetime) -> dict[int, int]:
    with database.write() as session:
        samples.compact(session, now)
    with database.read() as session:
        counted = select(MetricSample.resolution_s, func.count()).group_by(MetricSample.resolution_s)
        return dict(session.execute(counted).all())


@pytest.mark.req("H7")
def test_rows_stay_bounded_while_counts_and_extremes_survive(any_database: Database) -> None:
    begin = NOON - timedelta(hours=3)
    _fill(any_database, begin, NOON, active_jobs=2)
    with any_database.write() as session:
        samples.store(session, begin + timedelta(seconds=7), {"active_jobs": 40, "latency": [1, *EMPTY[1:]]})
    first = _compact(any_database, NOON)
    assert first == {RAW_S: 120, MINUTE_S: 180, TEN_MINUTES_S: 18}
    assert _compact(any_database, NOON) == first, "compacting again changes nothing"
    with any_database.read() as session:
        shown = history(session, "24h", NOON)
    assert sum(shown["counts"]["series"]["finished"]) == 360
    assert shown["peaks"]["active_jobs"] == {"value": 40, "at": int(begin.timestamp())}
    assert sum(shown["latency"]["counts"]) == 1 and shown["latency"]["at_most_ms"] == 1

    later = NOON + timedelta(days=8)
    assert _compact(any_database, later) == {}


@pytest.mark.req("H7")
@pytest.mark.parametrize(("name", "steps"), [("1h", 240), ("24h", 288), ("7d", 336)])
def test_each_range_has_equal_steps_and_none_where_nobody_measured(database: Database, name: str, steps: int) -> None:
    days = 7 if name == "7d" else 1
    gap = (NOON - timedelta(minutes=40), NOON - timedelta(minutes=20))
    if name == "1h":
        _fill(database, NOON - timedelta(hours=1), gap[0], 5, queued_jobs=3)
        _fill(database, gap[1], NOON, 5, queued_jobs=None)
    else:
        _fill(database, NOON - timedelta(days=days), NOON, 300, queued_jobs=3)
    _compact(database, NOON)
    with database.read() as session:
        shown = history(session, name, NOON)
    times, column = shown["times"], shown["series"]["queued_jobs"]
    assert all(at % shown["step_s"] == 0 for at in times) and times == sorted(set(times))
    assert len(times) == len(column) <= steps + 1
    missing = [at for at in times if gap[0].timestamp() <= at < gap[1].timestamp()]
    if name == "1h":
        assert missing == [] and len(times) == 160
        assert column.count(None) == 80, "what a sample does not know is unknown, not nothing"
        assert sum(value for value in shown["counts"]["series"]["finished"] if value) == 480
    else:
        assert len(times) >= steps - 1
        assert set(column) == {3}


@pytest.mark.req("H7")
def test_the_newest_samples_show_before_they_are_compacted(database: Database) -> None:
    _fill(database, NOON - timedelta(hours=1), NOON - timedelta(minutes=12), 30, connections=5)
    _compact(database, NOON - timedelta(minutes=12))
    _fill(database, NOON - timedelta(minutes=12), NOON, 30, connections=9)
    with database.read() as session:
        assert history(session, "7d", NOON)["peaks"]["connections"]["value"] == 9
        assert history(session, "24h", NOON)["times"][-1] >= (NOON - timedelta(minutes=5)).timestamp()
        with pytest.raises(KeyError):
            history(session, "1 year", NOON)


@pytest.mark.req("H7")
def test_samples_of_a_clock_that_ran_ahead_are_forgotten_and_do_not_stop_the_history(database: Database) -> None:
    _fill(database, NOON + timedelta(days=300), NOON + timedelta(days=300, minutes=5), connections=1)
    _compact(database, NOON + timedelta(days=300, minutes=5))
    _fill(database, NOON - timedelta(minutes=5), NOON, connections=2)
    kept = _compact(database, NOON)
    assert kept == {RAW_S: 10, MINUTE_S: 5, TEN_MINUTES_S: 1}
    with database.read() as session:
        assert set(history(session, "1h", NOON)["series"]["connections"]) == {2}


def test_nothing_at_all_is_no_history(database: Database) -> None:
    assert samples.newest(database) is None
    with database.read() as session:
        shown = history(session, "7d", NOON)
    assert shown["times"] == [] and shown["latency"]["p50_ms"] is None
    assert shown["peaks"]["active_jobs"] is None
