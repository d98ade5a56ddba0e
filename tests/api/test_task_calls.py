"""Starting, listing, watching, cancelling and retrying over HTTP."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.task_shapes import JobPage, Snapshot, TaskPage
from database import rfc3339
from tasks import events, lifecycle, store
from tasks.models import Task
from tests.api.room import Caller, Room


@pytest.mark.req("J1")
def test_lists_the_jobs_that_the_asker_may_start_with_their_parameters(ada: Caller, admin: Caller) -> None:
    page = JobPage.model_validate(ada.get("/jobs").json, strict=True)
    kinds = {each.kind for each in page.items}
    assert "test_count" in kinds
    assert "test_admin_only" not in kinds
    assert "test_admin_only" in {each["kind"] for each in admin.get("/jobs").json["items"]}
    shape = next(each for each in page.items if each.kind == "test_count")
    assert shape.params["properties"]["number"] == {
        "default": 3,
        "maximum": 1000,
        "minimum": 1,
        "title": "Number",
        "type": "integer",
    }
    assert [each.name for each in shape.phases] == ["count", "tell"]


@pytest.mark.req("B14")
def test_a_start_is_accepted_with_the_address_and_the_snapshot(any_room: Room) -> None:
    ada = any_room.person("ada")
    answer = ada.post("/tasks", {"kind": "test_count", "params": {"number": 5}, "title": "Five", "priority": "high"})
    assert answer.status_code == 202
    shown = Snapshot.model_validate(answer.json, strict=True)
    assert (shown.title, shown.priority, shown.status) == ("Five", "high", "queued")
    assert shown.params == {"number": 5, "name": "", "shelf": None}
    assert answer.headers["Location"] == f"/api/v1/tasks/{shown.task_id}"
    again = ada.get(answer.headers["Location"])
    assert again.status_code == 200
    assert again.json["task_id"] == shown.task_id
    assert again.json["queue_position"] == 1
    assert again.json["may"] == {"cancel": True, "retry": False, "share": True}


def test_defaults_come_from_the_job_and_the_installation(make_room, sqlite_url: str, redis_url: str) -> None:
    room = make_room(sqlite_url, redis_url, DEFAULT_VISIBILITY="everyone")
    shown = room.person("ada").post("/tasks", {"kind": "test_count"}).json
    assert (shown["title"], shown["visibility"], shown["priority"]) == ("Count", "everyone", "normal")
    assert shown["params"]["number"] == 3


@pytest.mark.req("C10")
def test_a_repeated_key_answers_with_the_first_task_whatever_else_is_sent(any_room: Room) -> None:
    ada, bob = any_room.person("ada"), any_room.person("bob")
    key = {"Idempotency-Key": "night-run 7"}
    first = ada.post("/tasks", {"kind": "test_count"}, headers=key)
    second = ada.post("/tasks", {"kind": "test_count", "params": {"number": 9}}, headers=key)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json["task_id"] == second.json["task_id"]
    assert first.headers["Location"] == second.headers["Location"]
    assert bob.post("/tasks", {"kind": "test_count"}, headers=key).json["task_id"] != first.json["task_id"]
    assert len(ada.get("/tasks?mine=true").json["items"]) == 1


@pytest.mark.req("C10")
def test_one_key_sent_many_times_at_once_starts_one_task(any_room: Room) -> None:
    ada = any_room.person("ada")

    def send(_: int) -> tuple[int, str]:
        caller = Caller(any_room.app.test_client(), "ada", ada.identity, ada.headers)
        answer = caller.post("/tasks", {"kind": "test_count"}, headers={"Idempotency-Key": "one"})
        return answer.status_code, answer.json["task_id"]

    with ThreadPoolExecutor(8) as threads:
        answers = set(threads.map(send, range(16)))
    assert len(answers) == 1
    assert answers.pop()[0] == 202


@pytest.mark.req("B7")
def test_one_folder_asked_for_many_times_at_once_is_taken_once(any_room: Room) -> None:
    ada = any_room.person("ada")

    def send(_: int) -> int:
        caller = Caller(any_room.app.test_client(), "ada", ada.identity, ada.headers)
        return caller.post("/tasks", {"kind": "test_count", "params": {"shelf": "A"}}).status_code

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(send, range(12)))
    assert sorted(answers) == [202] + [409] * 11


@pytest.mark.req("B7")
def test_two_active_tasks_never_share_a_resource(any_room: Room) -> None:
    ada, bob = any_room.person("ada"), any_room.person("bob")
    first = ada.start(params={"shelf": "A"})
    refused = bob.post("/tasks", {"kind": "test_count", "params": {"shelf": "A"}})
    assert refused.status_code == 409
    assert refused.json["error"]["code"] == "conflict"
    any_room.complete(first)
    bob.start(params={"shelf": "A"})


@pytest.mark.req("C9", "D2")
def test_a_retry_makes_a_new_task_linked_both_ways(any_room: Room) -> None:
    ada = any_room.person("ada")
    first = ada.start(params={"number": 8}, title="Eight")
    assert ada.post(f"/tasks/{first}/retry").json["error"]["code"] == "conflict"
    any_room.fail(first)
    answer = ada.post(f"/tasks/{first}/retry", {})
    assert answer.status_code == 202
    second = answer.json
    assert answer.headers["Location"].endswith(second["task_id"])
    assert (second["retry_of"], second["params"]["number"], second["title"]) == (first, 8, "Eight")
    assert ada.get(f"/tasks/{first}").json["retried_by"] == second["task_id"]


@pytest.mark.req("C3", "C4")
def test_a_queued_task_is_cancelled_at_once_and_only_once(any_room: Room) -> None:
    ada = any_room.person("ada")
    task_id = ada.start()
    answer = ada.post(f"/tasks/{task_id}/cancel", {"reason": "Not  needed"})
    assert answer.status_code == 202
    assert (answer.json["status"], answer.json["reason"], answer.json["cancelled_by"]) == (
        "cancelled",
        "Not needed",
        "ada",
    )
    again = ada.post(f"/tasks/{task_id}/cancel")
    assert again.status_code == 409
    assert again.json["error"]["details"] == {"state": "cancelled"}


def test_a_running_task_is_only_asked_to_stop(room: Room, ada: Caller) -> None:
    task_id = ada.start()
    room.claim(task_id)
    shown = ada.post(f"/tasks/{task_id}/cancel").json
    assert (shown["status"], shown["cancel_requested"]) == ("running", True)
    assert shown["cancel_requested_at"]
    assert shown["may"]["cancel"] is False


@pytest.mark.req("A2", "A14")
def test_a_running_task_shows_the_progress_and_place_of_its_live_tail(room: Room, ada: Caller) -> None:
    task_id = ada.start()
    held = room.claim(task_id)
    with room.database.read() as session:
        body = events.progress_body(store.snapshot(*store.load_task(session, task_id)))
    body |= {"progress_percent": 41.5, "done": 83, "total": 200, "phase": "count", "current_step": "shelf 9"}
    told = room.log.tick(task_id, held.attempt, events.encode_fields(body))
    shown = ada.get(f"/tasks/{task_id}").json
    assert (shown["progress_percent"], shown["done"], shown["current_step"]) == (41.5, 83, "shelf 9")
    assert (shown["epoch"], shown["seq"]) == (told.epoch, told.seq)
    Snapshot.model_validate(shown, strict=True)


def test_what_was_committed_counts_while_the_tail_lags(room: Room, ada: Caller) -> None:
    task_id = ada.start()
    held = room.claim(task_id)
    assert ada.get(f"/tasks/{task_id}").json["seq"] is not None
    lifecycle.complete(room.database, held, {"counted": 3}, {}, 1)  # and nobody announces it
    shown = ada.get(f"/tasks/{task_id}").json
    assert (shown["status"], shown["epoch"], shown["seq"]) == ("completed", None, None)
    room.announcer.announce(task_id)
    assert ada.get(f"/tasks/{task_id}").json["seq"] is not None


@pytest.mark.req("E2")
def test_without_redis_everything_but_the_tail_is_there(make_room, sqlite_url: str, redis_server) -> None:
    room = make_room(sqlite_url, redis_server.url)
    ada = room.person("ada")
    task_id = ada.start()
    redis_server.kill()
    shown = ada.get(f"/tasks/{task_id}")
    assert shown.status_code == 200
    assert (shown.json["status"], shown.json["epoch"], shown.json["seq"]) == ("queued", None, None)
    assert ada.post("/tasks", {"kind": "test_count"}).status_code == 202
    assert ada.post(f"/tasks/{task_id}/cancel").json["status"] == "cancelled"


def test_a_silent_worker_dates_the_snapshot(room: Room, ada: Caller) -> None:
    task_id = ada.start()
    room.claim(task_id)
    with room.database.write() as session:
        task = session.get_one(Task, task_id)
        task.lease_expires_at = task.created_at
    assert ada.get(f"/tasks/{task_id}").json["timestamp"] < rfc3339(task.created_at)


def test_the_list_is_narrowed_by_each_filter(any_room: Room) -> None:
    ada, bob = any_room.person("ada"), any_room.person("bob")
    first = ada.start(title="Count 100%_of shelves")
    second = ada.start(title="Other")
    shared = bob.start(title="For all", visibility="everyone")
    any_room.complete(second)

    def found(query: str) -> list[str]:
        page = TaskPage.model_validate(ada.get(f"/tasks?{query}").json, strict=True)
        return [each.task_id for each in page.items]

    assert set(found("")) == {first, second, shared}
    assert set(found("mine=true")) == {first, second}
    assert found("state=completed") == [second]
    assert set(found("state=completed&state=queued")) == {first, second, shared}
    assert found("q=100%25_OF") == [first]
    assert found(f"q={second[:8]}") == [second]
    assert found("kind=nothing") == []
    assert set(found("kind=test_count&q=&cursor=")) == {first, second, shared}


def test_the_list_and_the_task_agree_on_the_place_in_line(any_room: Room) -> None:
    ada = any_room.person("ada")
    for priority in ("low", "urgent", "normal", "urgent", "high"):
        ada.start(priority=priority)
    any_room.complete(ada.start())
    listed = {each["task_id"]: each["queue_position"] for each in ada.get("/tasks").json["items"]}
    assert sorted(place for place in listed.values() if place) == [1, 2, 3, 4, 5]
    for task_id, place in listed.items():
        assert ada.get(f"/tasks/{task_id}").json["queue_position"] == place


def test_pages_follow_each_other_without_gap_or_double(any_room: Room) -> None:
    ada = any_room.person("ada")
    ids = [ada.start() for _ in range(7)]
    seen, cursor = [], ""
    while cursor is not None:
        page = ada.get(f"/tasks?limit=3&cursor={cursor.replace('+', '%2B')}").json
        seen += [each["task_id"] for each in page["items"]]
        cursor = page["next_cursor"]
    assert sorted(seen) == sorted(ids)
    assert len(seen) == 7


@pytest.mark.req("G5")
def test_activity_is_one_answer(any_room: Room) -> None:
    ada = any_room.person("ada")
    ended = [ada.start() for _ in range(12)]
    for task_id in reversed(ended):
        any_room.complete(task_id)
    running = ada.start()
    any_room.claim(running)
    ada.start()
    shown = ada.get("/activity").json
    assert [each["task_id"] for each in shown["running"]] == [running]
    assert [each["task_id"] for each in shown["recent"]] == ended[:10]
    assert shown["counters"] == {"running": 1, "queued": 1, "completed_today": 12, "failed_today": 0}


def test_me_says_who_asks_and_how(room: Room, ada: Caller, admin: Caller) -> None:
    shown = ada.get("/me").json
    assert (shown["username"], shown["role"], shown["scopes"], shown["login"]) == (
        "ada",
        "user",
        ["read", "write"],
        "token",
    )
    assert admin.get("/me").json["scopes"] == ["read", "write", "admin"]
    client, _ = room.browser("ada")
    assert client.get("/api/v1/me").json["login"] == "session"


def test_an_id_may_be_written_in_capitals(ada: Caller) -> None:
    task_id = ada.start()
    assert ada.get(f"/tasks/{task_id.upper()}").json["task_id"] == task_id


def test_a_job_that_only_admins_may_start_is_forbidden(ada: Caller, admin: Caller) -> None:
    assert ada.post("/tasks", {"kind": "test_admin_only"}).status_code == 403
    assert admin.post("/tasks", {"kind": "test_admin_only"}).status_code == 202
    unknown = ada.post("/tasks", {"kind": f"no-{uuid.uuid4()}"})
    assert unknown.status_code == 404
    assert "test_count" in unknown.json["error"]["message"]


@pytest.mark.req("G6")
def test_the_list_is_narrowed_by_owner_schedule_and_time_and_sorted(any_room: Room) -> None:
    ada, admin = any_room.person("ada"), any_room.person("root", role="admin")
    first, second = ada.start(params={"number": 7, "name": "größe"}), admin.start()
    schedule = str(uuid.uuid4())
    with any_room.database.write() as session:
        session.get_one(Task, first).schedule_id = schedule
    made = ada.get(f"/tasks/{first}").json["created_at"]

    def found(**query: str) -> list[str]:
        answer = admin.get("/tasks", query_string=query)
        assert answer.status_code == 200, answer.text
        return [item["task_id"] for item in answer.json["items"]]

    assert found(owner="ADA") == found(schedule_id=schedule) == found(q="größe") == [first]
    assert found(owner="nobody") == found(to=made) == []
    assert found(**{"from": made, "sort": "oldest"}) == [first, second]
    assert found(sort="longest") == []
    any_room.complete(first)
    assert found(sort="ended") == found(sort="longest") == [first]
    assert [item["task_id"] for item in ada.get("/tasks?owner=root").json["items"]] == []


@pytest.mark.req("D5")
def test_a_filter_that_is_none_is_named(ada: Caller) -> None:
    wrong = ("from=yesterday", "from=2026-11-21T14:02:10", "to=9999-12-31T23:59:59-14:00", "sort=x", "owner=%00")
    for query in wrong:
        answer = ada.get(f"/tasks?{query}")
        assert answer.status_code == 422
        assert query.partition("=")[0] in answer.json["error"]["details"]["fields"]


@pytest.mark.req("D5", "G6")
def test_a_cursor_of_another_sorting_is_refused_or_goes_on_but_never_fails(ada: Caller) -> None:
    for _ in range(3):
        ada.start()
    cursor = ada.get("/tasks?limit=1").json["next_cursor"]
    for sort, status in (("oldest", 200), ("ended", 200), ("longest", 400)):
        assert ada.get(f"/tasks?limit=1&sort={sort}&cursor={cursor}").status_code == status
    for wrong in ("x", "1_", "_x", "9" * 40 + "_x", "0001-01-01T00:00:00+23:00_x"):
        assert ada.get("/tasks", query_string={"cursor": wrong}).status_code == 400
