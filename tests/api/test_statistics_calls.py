"""How a job has been doing, over HTTP: each number is what the tasks give, and only of tasks that one may see."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from database import utc_now
from tasks import lifecycle
from tasks.estimates.history import Timing
from tasks.estimates.judging import Verdict
from tasks.lifecycle import Failure
from tasks.models import Task
from tasks.stall import Gaps
from tests.api.room import Caller, Room

pytestmark = pytest.mark.req("H7")
ADDRESS = "/jobs/test_count/statistics"


def _ended(
    room: Room,
    caller: Caller,
    duration_ms: int = 1000,
    *,
    days_ago: float = 0,
    wait_s: float = 2,
    category: str = "",
    judged: tuple[int, int, float] | None = None,
) -> str:
    """A task that ended so long ago: completed, or failed with this category; `judged` is (told, held, error)."""
    task_id = caller.start()
    held = room.claim(task_id)
    if category:
        lifecycle.fail(room.database, held, Failure(f"It broke: {category}.", category, False), {}, duration_ms)
    else:
        told, right, error = judged or (0, 0, 0.0)
        timing = Timing("x", {}, Gaps(), Verdict(told, right, error if told else None, (), []))
        lifecycle.complete(room.database, held, {}, {}, duration_ms, timing)
    finished = utc_now() - timedelta(days=days_ago)
    with room.database.write() as session:
        task = session.get_one(Task, task_id)
        task.finished_at, task.started_at = finished, finished - timedelta(milliseconds=duration_ms)
        task.queued_at = task.started_at - timedelta(seconds=wait_s)
    return task_id


def _of(caller: Caller, days: str = "30d") -> dict[str, Any]:
    answer = caller.get(f"{ADDRESS}?range={days}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json or {}
    return found


def test_a_job_without_a_past_has_no_numbers_and_not_zero(ada: Caller) -> None:
    found = _of(ada)
    assert (found["kind"], found["title"], found["range"]) == ("test_count", "Count", "30d")
    assert found["success_rate"] is found["duration_ms"]["median"] is found["wait_ms"]["high"] is None
    assert found["estimates"] == {
        "runs": 0, "moments": 0, "held": 0, "held_percent": None, "median_error_percent": None,
    }  # fmt: skip
    assert len(found["days"]) == 30
    assert found["runs"] == found["causes"] == []


def test_durations_waits_rates_and_days_are_those_of_the_tasks(any_room: Room) -> None:
    room, ada = any_room, any_room.person("ada")
    ids = [_ended(room, ada, each * 1000, days_ago=2, wait_s=each) for each in range(1, 21)]
    _ended(room, ada, 99_000, category="timeout")
    found = _of(ada)
    assert (found["completed"], found["failed"], found["cancelled"]) == (20, 1, 0)
    assert found["success_rate"] == pytest.approx(95.24)
    assert found["completed_per_day"] == pytest.approx(20 / 30, abs=0.01)
    assert found["duration_ms"] == {"low": 1000, "median": 10_000, "high": 19_000}
    assert found["wait_ms"]["median"] == pytest.approx(10_000, abs=2)
    by_day = {each["day"]: each for each in found["days"]}
    assert by_day[str((utc_now() - timedelta(days=2)).date())]["completed"] == 20
    assert found["days"][-1]["failed"] == 1
    assert [run["duration_ms"] for run in found["runs"]][-1] == 99_000
    assert {run["task_id"] for run in found["runs"]} >= set(ids)
    assert found["runs"][-1]["status"] == "failed"


def test_the_range_begins_at_a_midnight(room: Room, ada: Caller) -> None:
    for days_ago in (0, 10, 40, 100):
        _ended(room, ada, days_ago=days_ago)
    assert [_of(ada, days)["completed"] for days in ("7d", "30d", "90d")] == [1, 2, 3]
    assert ada.get(f"{ADDRESS}?range=1y").status_code == 422


def test_causes_come_with_their_number_and_their_newest_task(any_room: Room) -> None:
    room, ada = any_room, any_room.person("ada")
    _ended(room, ada, category="timeout", days_ago=3)
    newest = _ended(room, ada, category="timeout", days_ago=1)
    _ended(room, ada, category="failed")
    first, second = _of(ada)["causes"]
    assert (first["category"], first["count"], first["newest_task_id"]) == ("timeout", 2, newest)
    assert first["newest_error"] == "It broke: timeout."
    assert second["count"] == 1


def test_the_quality_of_estimates_is_the_share_of_moments_and_the_median_error(any_room: Room) -> None:
    room, ada = any_room, any_room.person("ada")
    _ended(room, ada, judged=(4, 4, 0.1))
    _ended(room, ada, judged=(4, 2, 0.2))
    _ended(room, ada, judged=(2, 2, 0.6))
    _ended(room, ada)
    assert _of(ada)["estimates"] == {
        "runs": 3, "moments": 10, "held": 8, "held_percent": 80.0, "median_error_percent": 20.0,
    }  # fmt: skip


def test_people_see_the_numbers_of_their_own_tasks_and_admins_all(
    room: Room, ada: Caller, bob: Caller, admin: Caller
) -> None:
    _ended(room, ada, judged=(4, 4, 0.1))
    _ended(room, bob, 3000, category="failed")
    assert (_of(ada)["completed"], _of(ada)["failed"], _of(ada)["estimates"]["runs"]) == (1, 0, 1)
    assert (_of(bob)["completed"], _of(bob)["failed"], _of(bob)["estimates"]["runs"]) == (0, 1, 0)
    assert _of(bob)["runs"][0]["duration_ms"] == 3000
    assert (_of(admin)["completed"], _of(admin)["failed"], _of(admin)["estimates"]["runs"]) == (1, 1, 1)


def test_jobs_that_one_may_not_see_are_not_found(ada: Caller, admin: Caller, room: Room) -> None:
    for kind in ("no_such_job", "test_admin_only", "%00", "a" * 5000):
        assert ada.get(f"/jobs/{kind}/statistics").status_code in (404, 414)
    assert admin.get("/jobs/test_admin_only/statistics").status_code == 200
    assert room.nobody().get(f"/api/v1{ADDRESS}").status_code == 401
