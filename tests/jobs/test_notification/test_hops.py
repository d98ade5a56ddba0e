"""What is said of a test notification's way: measured by one clock or unknown, and which hop is broken."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from config import Config
from delivery.test_trace import KEPT, TestTrace
from jobs.test_notification.hops import BROKEN, HOPS, known
from jobs.test_notification.job import SendParams, send_test
from tasks import events
from tasks.notices import Notification
from tests.fixtures.core import LiveCore
from tests.jobs.code_scan.scanning import Recorder

pytestmark = pytest.mark.req("I4")

NOW = datetime(2026, 11, 21, 14, 0, tzinfo=UTC)
QUEUED_MS = NOW.timestamp() * 1000
TOLD = {"host": "atlas", "began_ms": QUEUED_MS + 12.5, "stored_ms": QUEUED_MS + 20, "published_ms": QUEUED_MS + 21.5}
ARRIVED = {"host": "atlas", "received_ms": QUEUED_MS + 22}


def task(status: str = "completed", results: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"status": status, "results": results, "queued_at": NOW.isoformat(), "started_at": None, **fields}


def test_each_hop_is_the_time_since_the_one_before() -> None:
    found = known(task(results=TOLD), ARRIVED, 7.5, NOW)
    assert found.ms == {
        "began": 12.5, "stored": 7.5, "published": 1.5, "web": 0.5, "browser": 7.5, "acknowledged": None,
    }  # fmt: skip
    assert (found.missing, found.trouble) == (None, None)


def test_a_clock_that_was_set_meanwhile_gives_no_time() -> None:
    found = known(task(results=TOLD | {"stored_ms": QUEUED_MS}), ARRIVED, 7.5, NOW)
    assert (found.ms["stored"], found.ms["published"], found.missing) == (None, 21.5, None)


def test_clocks_of_two_hosts_are_not_compared() -> None:
    found = known(task(results=TOLD), ARRIVED | {"host": "borea"}, 7.5, NOW)
    assert found.ms["web"] is None
    assert found.missing is None


@pytest.mark.parametrize(
    ("shown", "arrived", "round_trip", "missing"),
    [(task("queued"), None, None, "began"),
     (task("running", started_at=NOW.isoformat()), None, None, "stored"),
     (task("running", {k: v for k, v in TOLD.items() if k != "published_ms"}), None, None, "published"),
     (task(results=TOLD), None, None, "web"), (task(results=TOLD), ARRIVED, None, "browser")],
)  # fmt: skip
def test_the_broken_hop_is_named_after_some_seconds(
    shown: dict[str, Any], arrived: dict[str, Any] | None, round_trip: float | None, missing: str
) -> None:
    assert (known(shown, arrived, round_trip, NOW).missing, known(shown, arrived, round_trip, NOW).trouble) == (
        missing, None,
    )  # fmt: skip
    late = known(shown, arrived, round_trip, NOW + timedelta(seconds=9))
    assert late.trouble == BROKEN[missing]
    assert all(late.ms[name] is None for name in HOPS[HOPS.index(missing) :])


def test_a_failed_task_says_why() -> None:
    found = known(task("failed", error="Nobody wants to be told."), None, None, NOW)
    assert (found.missing, found.trouble) == ("began", "Nobody wants to be told.")


def test_the_worker_stores_pushes_and_tells_when(live_core: LiveCore, config: Config) -> None:
    channel = live_core.client.pubsub()
    channel.subscribe(live_core.log.user_channel(live_core.me.user_id))
    channel.get_message(timeout=2)
    held = live_core.running("count")
    results = send_test(Recorder(config, live_core.database, held.task_id), SendParams())
    assert results["began_ms"] <= results["stored_ms"] <= results["published_ms"]
    message = channel.get_message(timeout=2)
    channel.close()
    assert message is not None
    name, data = orjson.loads(message["data"][1:])
    assert (name, data["type"], data["task_id"]) == ("notification", "test", held.task_id)
    with live_core.database.read() as session:
        told = session.get_one(Notification, results["notification_id"])
    assert told.user_id == live_core.me.user_id
    assert told.announced_at is not None


def test_without_redis_it_is_stored_and_the_broken_hop_is_the_next(live_core: LiveCore, config: Config) -> None:
    held = live_core.running("count")
    away = replace(config, redis_url="redis://127.0.0.1:1/0")
    results = send_test(Recorder(away, live_core.database, held.task_id), SendParams())
    assert results["published_ms"] is None
    late = known(task(results=results), None, None, datetime.now(UTC) + timedelta(seconds=9))
    assert (late.missing, late.trouble) == ("published", BROKEN["published"])
    assert live_core.announcer.notices.push() == 1


def test_the_web_process_stamps_test_notifications_and_nothing_else() -> None:
    trace = TestTrace()
    test = events.packet(events.NOTIFICATION, {"id": 1, "type": "test", "task_id": "t1"})
    _, data = orjson.loads(trace.stamp(test.encode(), 1000.25)[1:])
    assert data["trace"]["received_ms"] == 1_000_250.0
    for other in (
        events.packet(events.NOTIFICATION, {"id": 1, "type": "failed", "title": '"type":"test"', "task_id": "t2"}),
        events.packet(events.TASK_UPDATE, {"type": "test", "task_id": "t3"}),
        events.packet(events.NOTIFICATION, {"id": 1, "type": "test", "task_id": None}),
    ):
        assert trace.stamp(other.encode(), 1.0) == other
    assert trace.about("t2") == trace.about("t3") == (None, None)
    first = trace.answered("t1")
    assert first is not None
    assert first.round_trip_ms is not None
    assert trace.about("t1")[1] == first.round_trip_ms
    assert trace.answered("unknown") is None
    for number in range(KEPT):
        trace.stamp(events.packet(events.NOTIFICATION, {"type": "test", "task_id": f"n{number}"}).encode(), 1.0)
    assert trace.about("t1") == (None, None), "memory is bounded"
