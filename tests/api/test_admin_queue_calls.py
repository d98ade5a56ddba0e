"""Everybody's tasks over the API: listed, acted on in bulk, held back; and the workers."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from sqlalchemy import select

from accounts.models import AuditEntry
from monitoring.workers import WorkerPresence
from tests.api.room import Caller, Room

pytestmark = pytest.mark.req("H5")


def act(admin: Caller, action: str, **asked: Any) -> dict[str, Any]:
    answer = admin.post("/admin/tasks/bulk", {"action": action} | asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


def outcomes(answer: dict[str, Any]) -> dict[str, str]:
    return {each["task_id"]: each["outcome"] for each in answer["results"]}


def entries(room: Room, action: str) -> list[AuditEntry]:
    with room.database.read() as session:
        query = select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id)
        return list(session.scalars(query))


def listed(admin: Caller, **query: Any) -> list[str]:
    answer = admin.get("/admin/tasks", query_string=query)
    assert answer.status_code == 200, answer.text
    return [each["task_id"] for each in answer.json["items"]]


@pytest.mark.req("H3")
def test_the_list_is_filtered_sorted_and_paged_without_a_gap(any_room: Room):
    room, admin, ada, bob = any_room, any_room.person("root", "admin"), any_room.person("ada"), any_room.person("bob")
    mine = [ada.start(params={"name": f"crate {n}"}, priority=("low", "high")[n % 2]) for n in range(5)]
    his = bob.start(params={"name": "100% full"})
    held = room.claim(mine[0], "worker-7@test:1")
    assert sorted(listed(admin)) == sorted([*mine, his])
    assert listed(admin, owner="BOB") == listed(admin, q="100%") == [his]
    assert listed(admin, worker="worker-7", state="running") == listed(admin, q="worker-7@") == [mine[0]]
    assert sorted(listed(admin, priority="high")) == sorted(mine[1::2])
    assert sorted(listed(admin, age="15m")) == sorted([*mine, his])
    assert listed(admin, q=his[:13]) == [his]
    room.complete(mine[0], held=held)
    for sort in ("newest", "oldest", "started", "longest", "line"):
        whole, seen, cursor = listed(admin, sort=sort), [], ""
        while cursor is not None:
            page = admin.get("/admin/tasks", query_string={"sort": sort, "limit": 2, "cursor": cursor}).json
            seen += [each["task_id"] for each in page["items"]]
            assert page["total"] == 6
            cursor = page["next_cursor"]
        assert seen == whole, sort
    assert listed(admin, sort="line", state="queued")[:2] == [mine[1], mine[3]], "as they go"


@pytest.mark.req("H3", "D5")
@pytest.mark.parametrize(
    "values",
    [
        [], ["newest"], ["newest", 1, 2], ["oldest", "2026-11-21T00:00:00Z", "a"], ["newest", "2026-11-21", "a"],
        ["newest", "9999-12-31T23:59:59-23:59", "a"], ["longest", 2**63, "2026-11-21T00:00:00Z", "a"],
        ["longest", True, "2026-11-21T00:00:00Z", "a"], ["line", -1, "2026-11-21T00:00:00Z", "a"], {"newest": 1}, None,
    ],
)  # fmt: skip
def test_a_made_up_cursor_is_refused(admin: Caller, values: Any):
    made = base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")
    sort = values[0] if isinstance(values, list) and values[:1] in (["longest"], ["line"]) else "newest"
    for cursor in (made, "x", "🦉", "A" * 4000):
        answer = admin.get("/admin/tasks", query_string={"cursor": cursor, "sort": sort})
        assert answer.status_code == 400, answer.text


@pytest.mark.req("D3", "H3")
def test_nobody_else_gets_anything_of_it(room: Room, ada: Caller, admin: Caller):
    task_id = ada.start()
    reader = room.caller("root", admin.identity.user_id, ("write",))
    for caller in (ada, reader):
        for path in ("/admin/tasks", "/admin/queue", "/admin/workers", f"/admin/tasks/{task_id}/notes"):
            assert caller.get(path).status_code == 403, path
        changes: dict[str, dict[str, Any]] = {
            "/admin/tasks/bulk": {"action": "cancel", "ids": [task_id]},
            "/admin/queue/pause": {}, "/admin/queue/resume": {}, "/admin/workers/a/drain": {},
            "/admin/maintenance": {"on": True},
        }  # fmt: skip
        for path, body in changes.items():
            assert caller.post(path, body).status_code == 403, path
    assert ada.get(f"/tasks/{task_id}").json["status"] == "queued"


def test_a_cancel_is_previewed_then_carried_out_with_a_result_and_an_entry_per_task(
    room: Room, admin: Caller, ada: Caller, bob: Caller
):
    waits, runs, ended = ada.start(), bob.start(), bob.start()
    room.claim(runs)
    room.complete(ended)
    wanted = {waits: "cancelled", runs: "asked", ended: "ended"}
    asked = {"ids": [waits, runs, ended], "reason": "the disk\nis full"}
    preview = act(admin, "cancel", dry_run=True, **asked)
    assert outcomes(preview) == wanted
    assert preview["summary"] == (
        "1 running will be told to stop, 1 waiting will be cancelled, 1 has ended and is left alone."
    )
    assert bob.get(f"/tasks/{runs}").json["cancel_requested"] is False
    assert entries(room, "task.cancelled") == []
    done = act(admin, "cancel", **asked)
    assert (outcomes(done), done["summary"]) == (wanted, "1 told to stop, 1 cancelled, 1 had finished.")
    shown = bob.get(f"/tasks/{runs}").json
    assert (shown["cancel_requested"], shown["cancelled_by"], shown["reason"]) == (True, "root", "the disk is full")
    assert ada.get(f"/tasks/{waits}").json["status"] == "cancelled"
    audited = entries(room, "task.cancelled")
    assert [each.subject for each in audited] == [f"task:{waits}", f"task:{runs}"]
    assert {(each.actor_name, each.reason, each.address) for each in audited} == {
        ("root", "the disk is full", "127.0.0.1")
    }
    assert [(each.before, each.after) for each in audited] == [
        ({"state": "queued"}, {"cancel_requested": True}),
        ({"state": "running"}, {"cancel_requested": True}),
    ]
    assert outcomes(act(admin, "cancel", ids=[runs])) == {runs: "asked_before"}
    assert len(entries(room, "task.cancelled")) == 2


def test_a_filter_leaves_alone_what_came_after_the_preview(admin: Caller, ada: Caller, bob: Caller):
    mine, his = [ada.start() for _ in range(3)], bob.start()
    preview = act(admin, "cancel", filter={"owner": "ada", "state": ["queued"]}, dry_run=True)
    assert (preview["matched"], set(outcomes(preview))) == (3, set(mine))
    late = ada.start()
    done = act(admin, "cancel", filter={"owner": "ada", "state": ["queued"], "as_of": preview["as_of"]})
    assert outcomes(done) == dict.fromkeys(mine, "cancelled")
    assert {bob.get(f"/tasks/{his}").json["status"], ada.get(f"/tasks/{late}").json["status"]} == {"queued"}


@pytest.mark.req("C6")
def test_another_priority_reaches_the_other_line_before_the_workers(room: Room, admin: Caller, ada: Caller):
    first, second = ada.start(), ada.start()
    queues = room.tasks._queue.queues

    def line(priority: str) -> list[str]:
        return [job_id[:36] for job_id in queues[priority].get_job_ids()]  # type: ignore[index]

    assert line("normal") == [first, second]
    done = act(admin, "priority", ids=[second], priority="urgent", reason="the release")
    assert done["summary"] == "1 changed."
    assert (line("urgent"), line("normal")) == ([second], [first])
    assert listed(admin, sort="line") == [second, first]
    [entry] = entries(room, "task.priority_changed")
    assert (entry.before, entry.after) == ({"priority": "normal"}, {"priority": "urgent"})
    room.claim(first)
    assert set(outcomes(act(admin, "priority", ids=[first, second], priority="urgent")).values()) == {"runs", "same"}


@pytest.mark.req("B1")
def test_what_is_run_again_belongs_to_its_owner(room: Room, admin: Caller, ada: Caller):
    ended, runs = ada.start(params={"number": 7}), ada.start()
    room.fail(ended)
    room.claim(runs)
    done = act(admin, "retry", ids=[ended, runs])
    assert outcomes(done) == {ended: "retried", runs: "active"}
    new_id = next(each["new_task_id"] for each in done["results"] if each["task_id"] == ended)
    shown = ada.get(f"/tasks/{new_id}").json
    assert (shown["owner"]["username"], shown["params"]["number"], shown["retry_of"]) == ("ada", 7, ended)
    assert outcomes(act(admin, "retry", ids=[ended])) == {ended: "retried_before"}
    assert entries(room, "task.retried")[0].after == {"retried_by": new_id}


def test_notes_are_for_admins_and_say_who_and_when(room: Room, admin: Caller, ada: Caller):
    task_id = ada.start()
    act(admin, "note", ids=[task_id], note=" asked ada, she is <b>away</b> ")
    act(admin, "note", ids=[task_id], note="done")
    notes = admin.get(f"/admin/tasks/{task_id}/notes").json["items"]
    assert [(each["by"], each["text"]) for each in notes] == [
        ("root", "done"),
        ("root", "asked ada, she is <b>away</b>"),
    ]
    assert "asked ada" not in ada.get(f"/tasks/{task_id}").text
    assert len(entries(room, "task.noted")) == 2


def test_unknown_and_unfinished_orders_are_refused(admin: Caller, ada: Caller):
    gone = "00000000-0000-0000-0000-000000000000"
    assert outcomes(act(admin, "cancel", ids=[gone])) == {gone: "gone"}
    assert outcomes(act(admin, "cancel", ids=[gone], dry_run=True)) == {gone: "gone"}
    task_id = ada.start()
    for body in (
        {"action": "cancel"},
        {"action": "cancel", "ids": [task_id], "filter": {}},
        {"action": "priority", "ids": [task_id]},
        {"action": "note", "ids": [task_id], "note": "  "},
        {"action": "cancel", "filter": {"as_of": "yesterday"}},
        {"action": "cancel", "filter": {"as_of": "9999-12-31T23:59:59-23:59"}},
        {"action": "cancel", "filter": {"colour": "red"}},
        {"action": "remove", "ids": [task_id]},
        {"action": "cancel", "ids": [task_id] * 1001},
    ):
        assert admin.post("/admin/tasks/bulk", body).status_code == 422, body


def test_a_paused_queue_begins_nothing_and_says_who_and_why(room: Room, admin: Caller, ada: Caller):
    task_id = ada.start()
    told = admin.post("/admin/queue/pause", {"reason": "moving repositories"}).json
    assert (told["paused"]["by"], told["paused"]["reason"]) == ("root", "moving repositories")
    with pytest.raises(AssertionError):
        room.claim(task_id)
    queue = admin.get("/admin/queue").json
    assert (queue["waits_for"]["queue"], queue["oldest"][0]["waits_for"]) == (1, "queue")
    page, _ = room.browser("ada")
    html = page.get(f"/tasks/{task_id}").text
    assert "The queue is paused." in html and "moving repositories" in html and "Resume the queue" not in html
    assert "This task waits until it is resumed." in html
    assert admin.post("/admin/queue/resume").json["paused"] is None
    room.claim(task_id)
    assert [each.after for each in entries(room, "setting.changed")][-1] == {"value": None}


@pytest.mark.req("H8")
def test_during_maintenance_new_tasks_are_refused_and_running_ones_counted(room: Room, admin: Caller, ada: Caller):
    runs, waits = ada.start(), ada.start()
    held = room.claim(runs)
    told = admin.post("/admin/maintenance", {"on": True, "reason": "new kernel"}).json
    assert told["maintenance"]["running"] == 1
    refused = ada.post("/tasks", {"kind": "test_count"})
    assert (refused.status_code, refused.json["error"]["code"]) == (503, "unavailable")
    assert "Maintenance since" in refused.json["error"]["message"]
    assert admin.get("/admin/queue").json["waits_for"]["maintenance"] == 1
    room.complete(runs, held=held)
    page, _ = room.browser("ada")
    assert "Nothing runs any more: ready for the restart." in page.get("/").text
    assert admin.post("/admin/maintenance", {"on": False}).json["maintenance"] is None
    room.claim(waits)
    ada.start()


def test_a_kind_that_is_paused_waits_alone_and_an_unknown_one_is_refused(room: Room, admin: Caller, ada: Caller):
    assert admin.post("/admin/queue/pause", {"kinds": ["no_such_job"]}).status_code == 422
    told = admin.post("/admin/queue/pause", {"kinds": ["test_count"]}).json
    assert told["paused_kinds"]["test_count"]["title"] == "Count"
    held, free = ada.start(), admin.start(kind="test_admin_only")
    assert admin.get("/admin/queue").json["waits_for"]["kind"] == 1
    room.claim(free)
    with pytest.raises(AssertionError):
        room.claim(held)
    assert admin.post("/admin/queue/resume", {"kinds": ["test_count"]}).json["paused_kinds"] == {}
    room.claim(held)


@pytest.mark.req("H3")
def test_workers_are_listed_with_what_they_do_and_one_is_told_to_drain(room: Room, admin: Caller, ada: Caller):
    here = WorkerPresence(room.redis, room.config.redis_prefix, "worker-1@test:1")
    task_id = ada.start(title="Count the crates")
    room.claim(task_id, "worker-1@test:1")
    assert here.beat(task_id) is False
    room.claim(ada.start(), "worker-9@else:7")
    first, second = admin.get("/admin/workers").json["items"]
    assert (first["state"], first["task"]["title"], first["wants_drain"]) == ("running", "Count the crates", False)
    assert first["memory_bytes"] > 1_000_000
    assert (second["name"], second["state"], second["memory_bytes"]) == ("worker-9@else:7", "silent", None)
    assert admin.post("/admin/workers/worker-1@test:1/drain").json["wants_drain"] is True
    assert here.beat(task_id) is True
    assert entries(room, "worker.drained")[0].subject == "worker:worker-1@test:1"
    here.leave()
    assert admin.post("/admin/workers/worker-1@test:1/drain").status_code == 409
    assert admin.post("/admin/workers/nobody/drain").status_code == 404
    assert admin.get("/admin/workers").json["items"][0]["state"] == "stopped"


@pytest.mark.req("H3", "C7")
def test_the_queue_says_what_waits_for_which_limit(any_room: Room):
    room, admin, ada = any_room, any_room.person("root", "admin"), any_room.person("ada")
    for priority in ("low", "urgent", "urgent"):
        ada.start(priority=priority)
    queue = admin.get("/admin/queue").json
    assert {name: line["waiting"] for name, line in queue["by_priority"].items()} == {
        "urgent": 2, "high": 0, "normal": 0, "low": 1,
    }  # fmt: skip
    assert (queue["waiting"], queue["waits_for"]["no_worker"]) == (3, 3)
    WorkerPresence(room.redis, room.config.redis_prefix, "worker-1@test:1").beat(None)
    assert admin.get("/admin/queue").json["waits_for"]["worker"] == 3
