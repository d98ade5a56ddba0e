"""Schedules over HTTP: made, changed, run now and removed by who may; refused with a sentence for each wrong field."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.room import Caller, Room

pytestmark = pytest.mark.req("G1")

NIGHTLY = {"name": "Nightly count", "kind": "test_count", "cron": "30 3 * * 1-5", "timezone": "Europe/Berlin"}


def made(caller: Caller, **wished: Any) -> dict[str, Any]:
    answer = caller.post("/schedules", NIGHTLY | wished)
    assert answer.status_code == 201, answer.text
    schedule: dict[str, Any] = answer.json
    assert answer.headers["Location"] == f"/api/v1/schedules/{schedule['id']}"
    return schedule


def test_a_schedule_is_made_with_what_a_form_needs_to_show_it(ada: Caller) -> None:
    schedule = made(ada, params={"number": 7}, overlap="queue", priority="low")
    assert (schedule["name"], schedule["kind"], schedule["params"]["number"]) == ("Nightly count", "test_count", 7)
    assert schedule["reading"] == "At 03:30 on Monday through Friday"
    assert len(schedule["next_times"]) == 5
    assert schedule["next_run_at"] == schedule["next_times"][0]
    assert (schedule["active"], schedule["overlap"], schedule["catch_up"], schedule["priority"]) == (
        True,
        "queue",
        True,
        "low",
    )
    assert schedule["owner"]["username"] == "ada"
    assert schedule["last_status"] is schedule["last_run_at"] is schedule["last_error"] is None
    assert ada.get(f"/schedules/{schedule['id']}").json == schedule


def test_each_wrong_field_is_named(ada: Caller) -> None:
    wrong = {"name": " \n ", "cron": "* * *", "timezone": "Nowhere", "params": {"number": -1}}
    answer = ada.post("/schedules", NIGHTLY | wrong)
    assert answer.status_code == 422
    assert set(answer.json["error"]["details"]["fields"]) == {"name", "cron", "timezone", "params.number"}
    assert ada.post("/schedules", NIGHTLY | {"kind": "no_such_job"}).status_code == 404
    assert ada.post("/schedules", NIGHTLY | {"kind": "test_admin_only"}).status_code == 403
    assert ada.get("/schedules").json["items"] == []


def test_lists_are_filtered_searched_and_paged(ada: Caller) -> None:
    names = [f"count {number}" for number in range(5)]
    for name in names:
        made(ada, name=name, active=not name.endswith("0"))
    first = ada.get("/schedules?limit=3").json
    rest = ada.get(f"/schedules?limit=3&cursor={first['next_cursor']}").json
    assert [each["name"] for each in (*first["items"], *rest["items"])] == names[::-1]
    assert rest["next_cursor"] is None
    assert [each["name"] for each in ada.get("/schedules?active=false").json["items"]] == ["count 0"]
    assert [each["name"] for each in ada.get("/schedules?q=COUNT 3").json["items"]] == ["count 3"]
    assert ada.get("/schedules?kind=other").json["items"] == []
    assert ada.get("/schedules?cursor=nonsense").status_code == 400


def test_changes_keep_what_is_left_out_and_move_the_next_time_only_when_the_times_change(ada: Caller) -> None:
    before = made(ada, params={"number": 7})
    path = f"/schedules/{before['id']}"
    renamed = ada.call("PATCH", path, json={"name": "Another name"}).json
    assert (renamed["name"], renamed["params"], renamed["next_run_at"]) == (
        "Another name",
        before["params"],
        before["next_run_at"],
    )
    moved = ada.call("PATCH", path, json={"cron": "0 12 * * *", "timezone": "UTC"}).json
    assert moved["next_run_at"].endswith("T12:00:00.000Z")
    paused = ada.call("PATCH", path, json={"active": False}).json
    assert (paused["next_run_at"], paused["next_times"]) == (None, [])
    assert ada.call("PATCH", path, json={"params": {"number": "x"}}).status_code == 422
    assert ada.call("PATCH", path, json={"kind": "other"}).status_code == 422


@pytest.mark.req("G2")
def test_run_now_starts_one_task_that_the_schedule_lists(ada: Caller) -> None:
    schedule = made(ada, params={"number": 7})
    path = f"/schedules/{schedule['id']}"
    started = ada.post(f"{path}/run")
    assert started.status_code == 202
    task = started.json
    assert (task["schedule_id"], task["title"], task["params"]["number"]) == (schedule["id"], "Nightly count", 7)
    again = ada.post(f"{path}/run")
    assert (again.status_code, again.json["error"]["details"]) == (409, {"task_id": task["task_id"]})
    assert [each["task_id"] for each in ada.get(f"{path}/runs").json["items"]] == [task["task_id"]]
    shown = ada.get(path).json
    assert (shown["last_task_id"], shown["last_status"]) == (task["task_id"], "queued")


def test_a_removed_schedule_is_gone_and_its_tasks_stay(ada: Caller) -> None:
    schedule = made(ada)
    task = ada.post(f"/schedules/{schedule['id']}/run").json
    assert ada.call("DELETE", f"/schedules/{schedule['id']}").json["name"] == "Nightly count"
    assert ada.get(f"/schedules/{schedule['id']}").status_code == 404
    assert ada.get(f"/tasks/{task['task_id']}").json["schedule_id"] == schedule["id"]


@pytest.mark.req("D2")
def test_a_schedule_is_seen_like_its_tasks_and_changed_by_its_owner_and_admins(room: Room, ada: Caller) -> None:
    bob, root = room.person("bob"), room.person("root", role="admin")
    private, shared = made(ada), made(ada, visibility="everyone")
    path = f"/schedules/{private['id']}"
    calls = [("GET", path), ("DELETE", path), ("POST", f"{path}/run"), ("GET", f"{path}/runs")]
    assert [bob.call(method, address).status_code for method, address in calls] == [404] * 4
    assert bob.get("/schedules/not-an-id").status_code == 404
    path = f"/schedules/{shared['id']}"
    assert bob.get(path).status_code == 200
    assert bob.call("PATCH", path, json={"name": "mine"}).status_code == 403
    assert bob.call("DELETE", path).status_code == bob.post(f"{path}/run").status_code == 403
    assert [each["id"] for each in bob.get("/schedules").json["items"]] == [shared["id"]]
    assert root.call("PATCH", f"/schedules/{private['id']}", json={"active": False}).status_code == 200
    started = root.post(f"/schedules/{private['id']}/run").json
    assert started["owner"]["username"] == "ada", "it runs as its owner's, whoever asks for it"


def test_a_cron_expression_is_read_while_a_form_is_filled_in(ada: Caller) -> None:
    found = ada.get("/cron?cron=0 9 * * 1&timezone=Asia/Kolkata").json
    assert found["reading"] == "At 09:00 on Monday"
    assert all(each.endswith("T03:30:00.000Z") for each in found["next_times"])
    assert ada.get("/cron?cron=0 9 * *").status_code == 422
