"""One process at a time measures, and keeps what it measures."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import redis
from sqlalchemy import func, select

from config import Config
from database import Database, utc_now
from monitoring import samples
from monitoring.lease import LEASE_S, Lease
from monitoring.presence import present
from monitoring.samples import MetricSample
from monitoring.sampling import Sampling


class Clock:
    s = 0.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_sampling(config: Config, database: Database, clock: Clock) -> Callable[[str], Sampling]:
    config.data_dir.mkdir(exist_ok=True)
    return lambda name: Sampling(config, Lease(database, "sampling", name, clock))


def _count(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(MetricSample)) or 0


@pytest.mark.req("H7")
def test_of_two_schedulers_one_measures_and_the_other_takes_over_when_it_dies(
    make_sampling: Callable[[str], Sampling], database: Database, clock: Clock
) -> None:
    one, other = make_sampling("one"), make_sampling("other")
    assert [(one.turn(), other.turn()) for _ in range(3)] == [(True, False)] * 3
    assert _count(database) == 3
    assert not other.turn()
    clock.s += LEASE_S  # the first is killed: nothing renews the lease
    assert other.turn()
    assert not one.turn(), "it was only stopped, and leaves it to the other now"
    assert _count(database) == 4
    other.end()
    assert one.turn(), "after an orderly end the next one begins at once"
    one.end()


@pytest.mark.req("H2", "H7")
def test_the_newest_sample_is_what_was_measured_and_survives_the_process(
    make_sampling: Callable[[str], Sampling], database: Database, redis_client: redis.Redis, config: Config
) -> None:
    one = make_sampling("one")
    assert one.turn()
    (scheduler,) = present(redis_client, config.redis_prefix, "scheduler")
    assert scheduler["figures"]["memory_bytes"] > 0
    one.end()
    assert present(redis_client, config.redis_prefix, "scheduler") == []
    kept = samples.newest(database)
    assert kept is not None and kept["active_jobs"] == 0 and kept["redis"] == "ok"
    assert kept["sampled_at"][:16] <= utc_now().isoformat()[:16]


@pytest.mark.req("H7", "E2")
def test_with_redis_away_samples_go_on(config: Config, database: Database, make_config: Callable[..., Config]) -> None:
    config.data_dir.mkdir(exist_ok=True)
    one = Sampling(make_config(DATABASE_URL=config.database_url, REDIS_URL="redis://127.0.0.1:1"))
    assert one.turn() and one.turn()
    one.end()
    kept = samples.newest(database)
    assert kept is not None and (kept["redis"], kept["connections"]) == ("unavailable", None)
    assert _count(database) == 2


@pytest.mark.req("H7")
def test_whatever_goes_wrong_in_one_turn_the_next_one_comes(
    make_sampling: Callable[[str], Sampling], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, stop, turns = make_sampling("one"), threading.Event(), []

    def turn() -> bool:
        turns.append(1)
        if len(turns) == 3:
            stop.set()
        raise ValueError("nobody expected this")

    monkeypatch.setattr("monitoring.sampling.INTERVAL_S", 0.0)
    monkeypatch.setattr(one, "turn", turn)
    one.run(stop)
    assert len(turns) == 3
