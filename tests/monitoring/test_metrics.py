"""Every number equals the database and the system; what nobody knows is unknown."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from sqlalchemy import text

from config import Config
from database import Database, utc_now
from delivery.latency import BOUNDS_MS, bucket_of
from monitoring.metrics import PROCESS_METRICS, TASK_METRICS, Sampler
from monitoring.presence import Presence
from monitoring.web_totals import totals
from monitoring.workers import WorkerPresence
from tasks.states import Priority
from tests.fixtures.core import Core

EMPTY = [0] * (len(BOUNDS_MS) + 1)


def _web(**figures: Any) -> dict[str, Any]:
    return {
        "connections": 0, "connection_limit": 1000, "users": 0, "user_ids": [], "rooms": 0, "top_rooms": [],
        "admins": 0, "events_per_s": 0.0, "slow_readers": 0, "slow_readers_total": 0, "replays_total": 0,
        "snapshots_total": 0, "refused": {}, "latency": EMPTY, "loop_delay_ms": 1.0, "loop_delay_max_ms": 2.0,
    } | figures  # fmt: skip


@pytest.fixture
def sampler(config: Config, database: Database, redis_client: redis.Redis) -> Sampler:
    config.data_dir.mkdir(exist_ok=True)
    return Sampler(config, database, redis_client)


@pytest.mark.req("H2")
def test_task_metrics_equal_the_database(config: Config, any_database: Database, redis_client: redis.Redis) -> None:
    config.data_dir.mkdir(exist_ok=True)
    database, sampler = any_database, Sampler(config, any_database, redis_client)
    core = Core(database)
    now = utc_now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for _ in range(3):
        core.running()
    waiting = [core.submit(priority=priority) for priority in (Priority.HIGH, Priority.HIGH, Priority.NORMAL)]
    core.set(waiting[0], queued_at=now - timedelta(seconds=90))
    for _ in range(4):
        core.complete(core.running())
    core.fail(core.running())
    long_ago, before_midnight = core.running(), core.running()
    core.complete(long_ago)
    core.complete(before_midnight)
    core.set(long_ago.task_id, finished_at=midnight - timedelta(hours=30))
    core.set(before_midnight.task_id, finished_at=midnight - timedelta(seconds=1))

    found = sampler.sample()
    with database.read() as session:
        direct = {
            "active_jobs": "state = 'running'",
            "queued_jobs": "state = 'queued'",
            "completed_today": f"state = 'completed' AND finished_at >= '{midnight:%Y-%m-%d}'",
            "failed_jobs": f"state = 'failed' AND finished_at >= '{midnight:%Y-%m-%d}'",
            "cancelled_today": f"state = 'cancelled' AND finished_at >= '{midnight:%Y-%m-%d}'",
        }
        for name, condition in direct.items():
            assert found[name] == session.scalar(text(f"SELECT count(*) FROM tasks WHERE {condition}")), name
        average = session.scalar(
            text(f"SELECT avg(duration_ms) FROM tasks WHERE {direct['completed_today']}")
        )
    assert found["avg_processing_time_ms"] == round(average)
    assert found["queued_by_priority"] == {"urgent": 0, "high": 2, "normal": 1, "low": 0}
    assert found["oldest_by_priority_s"]["urgent"] is None
    assert 90 <= found["oldest_queued_s"] == found["oldest_by_priority_s"]["high"] < 120
    assert (found["success_rate"], found["error_rate"]) == (80.0, 20.0)
    in_an_hour = 6 if now - midnight < timedelta(hours=1, seconds=-1) else 5
    assert (found["finished_last_hour"], found["failed_last_hour"]) == (in_an_hour, 1)


@pytest.mark.req("H2", "H7")
def test_what_ends_is_counted_once_from_sample_to_sample(
    sampler: Sampler, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    core, late = Core(database), timedelta(0)
    monkeypatch.setattr("monitoring.metrics.utc_now", lambda: utc_now() + late)
    first = sampler.sample()
    assert (first["finished"], first["failed"]) == (None, None), "since when nobody knows"
    counted = []
    for ends in (2, 0, 1):
        for _ in range(ends):
            held = core.running()
            core.complete(held)
            core.set(held.task_id, finished_at=utc_now() + late)
        late += timedelta(seconds=10)
        counted.append(sampler.sample()["finished"])
    assert counted == [2, 0, 1]
    other = Sampler(sampler._config, database, sampler._client)
    other.begin_with(7, utc_now() + late - timedelta(seconds=5))
    late += timedelta(seconds=10)
    after = other.sample()
    assert (after["finished"], after["connections_peak_today"]) == (0, 7), "another sampler goes on where it ended"


@pytest.mark.req("H2")
def test_the_machine_is_what_the_system_says(sampler: Sampler, config: Config) -> None:
    found = sampler.sample()
    meminfo = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    assert found["memory_total"] == int(meminfo["MemTotal"].split()[0]) * 1024
    disk = shutil.disk_usage(config.data_dir)
    assert found["disk_total"] == disk.total
    assert abs(found["disk_free"] - disk.free) < disk.total / 50
    assert abs(found["system_load"] - os.getloadavg()[0]) < 2
    assert abs(found["memory_percent"] - psutil.virtual_memory().percent) < 15
    assert 0 <= found["cpu_percent"] <= 100


@pytest.mark.req("H2")
def test_a_disk_that_is_not_here_is_unknown(config: Config, database: Database, redis_client: redis.Redis) -> None:
    config.data_dir.rmdir()
    found = Sampler(config, database, redis_client).sample()
    assert (found["disk_free"], found["disk_total"], found["disk_percent"]) == (None, None, None)


@pytest.mark.req("H2", "H6")
def test_web_processes_add_up_and_people_in_two_of_them_count_once(
    sampler: Sampler, redis_client: redis.Redis, config: Config
) -> None:
    one, other = (Presence(redis_client, config.redis_prefix, "web") for _ in range(2))
    one.name, other.name = "web@a:1", "web@b:2"
    slow, quick = list(EMPTY), list(EMPTY)
    one.beat(_web(latency=EMPTY))
    sampler.sample()
    slow[bucket_of(40)], quick[bucket_of(4)] = 1, 99
    one.beat(_web(connections=3, users=2, user_ids=[1, 2], rooms=1, top_rooms=[["t", 2, 4.0]], events_per_s=10.0,
                  refused={"rate_limited": 2, "forged": 1}, latency=slow, loop_delay_max_ms=80.0))  # fmt: skip
    other.beat(_web(connections=2, users=2, user_ids=[2, 3], rooms=2, top_rooms=[["t", 1, 4.0], ["u", 1, 0.0]],
                    events_per_s=5.5, latency=quick))  # fmt: skip
    found = sampler.sample()
    assert (found["web_processes"], found["connections"], found["users"], found["rooms"]) == (2, 5, 3, 2)
    assert found["connection_limit"] == 2000 and found["events_per_s"] == 15.5
    assert [(room["task_id"], room["members"], room["events_per_s"]) for room in found["top_rooms"]] == [
        ("t", 3, 4.0),
        ("u", 1, 0.0),
    ]
    assert (found["refused"], found["rate_limited"]) == (3, 2)
    assert found["loop_delay_max_ms"] == 80.0, "the worst of them"
    assert found["delivery_p50_ms"] < 5 and found["delivery_p99_ms"] <= 40
    assert sum(found["latency"]) == 100 and sum(sampler.sample()["latency"]) == 0, "each event once"


@pytest.mark.req("H2")
def test_a_process_that_does_not_tell_makes_a_sum_unknown_and_not_smaller() -> None:
    processes = {"a": _web(connections=3), "b": {**_web(), "connections": None}}
    found = totals(processes, {})
    assert found["connections"] is None and found["users"] == 0
    assert totals({}, None)["connections"] is None, "no process tells anything"
    many = {"a": _web(users=9000, user_ids=None), "b": _web(users=1, user_ids=[1])}
    assert totals(many, {})["users"] is None
    assert totals({"a": many["a"]}, {})["users"] == 9000
    del processes["b"]["refused"]
    assert totals(processes, processes)["refused"] is None
    restarted = totals({"a": _web(replays_total=2)}, {"a": _web(replays_total=50)})
    assert restarted["replays"] == 0, "the same name with less is another process: nothing is taken off"


@pytest.mark.req("H2")
def test_workers_are_those_that_live(sampler: Sampler, redis_client: redis.Redis, config: Config) -> None:
    one, other = (WorkerPresence(redis_client, config.redis_prefix, name) for name in ("w1@a:1", "w2@a:2"))
    other._presence.name = "worker@a:2"
    one.beat("some-task")
    other.beat(None)
    other.leave()
    found = sampler.sample()
    assert (found["workers"], found["workers_by_state"]) == (1, {"running": 1, "stopped": 1})


@pytest.mark.req("H2", "E2")
def test_with_redis_away_the_rest_is_still_measured(config: Config, database: Database) -> None:
    config.data_dir.mkdir(exist_ok=True)
    away = redis.Redis.from_url("redis://127.0.0.1:1", socket_timeout=0.2)
    found = Sampler(config, database, away).sample()
    away.close()
    assert found["redis"] == "unavailable" and found["database"] == "ok"
    assert {found[name] for name in PROCESS_METRICS} == {None}
    assert found["active_jobs"] == 0 and found["memory_total"] > 0
    assert found["connections_peak_today"] is None


@pytest.mark.req("H2")
def test_with_the_database_away_the_rest_is_still_measured(
    config: Config, redis_client: redis.Redis, tmp_path: Path
) -> None:
    config.data_dir.mkdir(exist_ok=True)
    gone = Database(f"sqlite:///{tmp_path}/no-such-folder/file.db")
    found = Sampler(config, gone, redis_client).sample()
    gone.close()
    assert found["database"] == "unavailable" and found["redis"] == "ok"
    assert {found[name] for name in TASK_METRICS} == {None}
