"""How long events take: measured sparsely, in buckets that add."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from database import rfc3339
from delivery.latency import BOUNDS_MS, EVERY, Latency, at_most, bucket_of, percentile

NOW_S = datetime(2026, 11, 21, 14, 2, 10, 402000, tzinfo=UTC).timestamp()


class Clock:
    def __init__(self) -> None:
        self.wall_s, self.s = NOW_S, 0.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def latency(clock: Clock) -> Latency:
    return Latency(lambda: clock.wall_s, lambda: clock.s)


def _frame(age_ms: float, text: str = "") -> bytes:
    sent = rfc3339(datetime.fromtimestamp(NOW_S - age_ms / 1000, UTC))
    data = f'{{"epoch":"e","seq":7,"timestamp":"{sent}","title":"{text}"}}'
    return f'\x81\x7e\x00\x9942["progress_update",{data}]'.encode()


@pytest.mark.req("H6")
def test_an_event_is_measured_by_the_timestamp_in_its_envelope_and_by_nothing_in_its_text(
    latency: Latency, clock: Clock
) -> None:
    clock.s = 1.0
    latency.look(_frame(7, '"timestamp":"1999-01-01T00:00:00.000Z"'))
    assert latency.counts[BOUNDS_MS.index(8)] == sum(latency.counts) == 1
    clock.s = 2.0
    latency.look(b'\x81\x0542["task_log",{"text":"no time at all"}]')
    latency.look(b"")
    assert sum(latency.counts) == 1
    clock.s, clock.wall_s = 3.0, NOW_S - 3600
    latency.look(_frame(0))
    assert latency.counts[0] == 1, "a clock that runs behind the worker's counts as at once"


@pytest.mark.req("H6")
def test_of_a_dense_stream_every_few_are_measured_and_of_a_thin_one_all(latency: Latency, clock: Clock) -> None:
    for _ in range(EVERY * 100):
        clock.s += 0.0001
        latency.look(_frame(2))
    assert 100 <= sum(latency.counts) <= 104
    before = sum(latency.counts)
    for _ in range(10):
        clock.s += 1.0
        latency.look(_frame(2))
    assert sum(latency.counts) == before + 10


@pytest.mark.req("H6")
def test_percentiles_come_from_added_histograms_and_unknown_is_none() -> None:
    one, other = [0] * (len(BOUNDS_MS) + 1), [0] * (len(BOUNDS_MS) + 1)
    assert (percentile(one, 0.5), at_most(one)) == (None, None)
    one[bucket_of(2.5)] = 50
    other[bucket_of(2.5)], other[bucket_of(25)] = 49, 1
    both = [a + b for a, b in zip(one, other, strict=True)]
    assert 2 < (percentile(both, 0.5) or 0) <= 3
    assert (percentile(both, 0.995) or 0) > 20
    assert at_most(both) == 30
    other[-1] = 1
    assert at_most(other) is None, "something took longer than anybody counts"
    assert [bucket_of(ms) for ms in (-5, 0.4, 1, 1.1, 20_000)] == [0, 0, 0, 1, len(BOUNDS_MS)]
