"""Who sees a task: each person × each operation on a task, from the route table itself, so that none is forgotten."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from api.operations import Operation, all_operations
from tests.api.room import Caller, Room

OF_ADMINS = [each for each in all_operations() if each.is_for_admins]
OF_TASKS = [
    each
    for each in all_operations()
    if ("{task_id}" in each.path or "{scan_id}" in each.path) and not each.is_for_admins
]
OF_WATCHERS = {"follow_task", "unfollow_task"}
OF_OWNERS = {"list_links"}
READS = [each for each in OF_TASKS if not each.is_change and each.name not in OF_OWNERS]
CHANGES = [each for each in OF_TASKS if (each.is_change or each.name in OF_OWNERS) and each.name not in OF_WATCHERS]
NO_RESULTS_YET = {"read_results"}
# What is sent where a body is a must: it is checked before anything else.
BODIES = {
    "start_ignore": {"finding_id": 1, "reason": "Not reachable here", "days": 30},
    "decide_caption": {"action": "reject"},
}


def named(each: Operation) -> str:
    return each.name


def ask(caller: Caller, each: Operation, task_id: str) -> Any:
    path = each.path.replace("{task_id}", task_id).replace("{scan_id}", task_id)
    path = path.replace("{name}", "notes.txt")
    for number in ("{node_id}", "{ignore_id}", "{image_id}", "{link_id}"):
        path = path.replace(number, "1")
    body = BODIES.get(each.name)
    return caller.call(each.method, path, **({"json": body} if body else {}))


def test_the_matrix_is_not_empty() -> None:
    assert {"show_task", "download_log", "read_results", "download_artifact", "show_scan"} <= {e.name for e in READS}
    assert {"cancel_task", "retry_task"} <= {each.name for each in CHANGES}


@pytest.mark.req("D2", "D3")
@pytest.mark.parametrize("each", OF_ADMINS, ids=named)
def test_what_is_for_admins_is_forbidden_to_everybody_else(room: Room, bob: Caller, each: Operation) -> None:
    for caller in (bob, room.caller("root", room.person("root", role="admin").identity.user_id, ("write",))):
        answer = ask(caller, each, str(uuid.uuid4()))
        assert (answer.status_code, answer.json["error"]["code"]) == (403, "forbidden")
    assert room.nobody().open(each.path, method=each.method).status_code == 401


@pytest.mark.req("D2", "A11")
@pytest.mark.parametrize("each", OF_TASKS, ids=named)
def test_a_task_of_somebody_else_looks_exactly_like_one_that_does_not_exist(
    room: Room, ada: Caller, bob: Caller, each: Operation
) -> None:
    kind = "code_scan" if "{scan_id}" in each.path else "test_count"
    params = {"repository_path": str(room.config.scan_roots[0])} if kind == "code_scan" else {}
    task_id = ada.start(kind, params=params, visibility="private")
    hidden, unknown = ask(bob, each, task_id), ask(bob, each, str(uuid.uuid4()))
    assert hidden.status_code == 404
    assert hidden.json["error"]["code"] == "not_found"
    assert hidden.data == unknown.data
    assert without_names(hidden) == without_names(unknown)
    assert ask(bob, each, "no-id-at-all").data == unknown.data


@pytest.mark.req("D2")
@pytest.mark.parametrize("each", CHANGES, ids=named)
def test_who_may_only_watch_is_forbidden_to_change(room: Room, ada: Caller, bob: Caller, each: Operation) -> None:
    task_id = ada.start(visibility="everyone")
    answer = ask(bob, each, task_id)
    assert answer.status_code == 403
    assert answer.json["error"]["code"] == "forbidden"
    assert ada.get(f"/tasks/{task_id}").json["status"] == "queued"


@pytest.mark.req("D2")
@pytest.mark.parametrize("visibility", ["private", "everyone"])
def test_each_person_reads_what_they_may(room: Room, ada: Caller, bob: Caller, admin: Caller, visibility: str) -> None:
    task_id = ada.start(visibility=visibility)
    held = room.claim(task_id)
    room.write_log(held, [("info", "begun")])
    room.add_artifact(held, "notes.txt", b"a note")
    room.complete(task_id, held=held)
    for each in (each for each in READS if "{task_id}" in each.path and each.tag != "Captions"):  # of another kind
        assert ask(ada, each, task_id).status_code == 200, each.name
        assert ask(admin, each, task_id).status_code == 200, each.name
        assert ask(bob, each, task_id).status_code == (200 if visibility == "everyone" else 404), each.name
    listed = [item["task_id"] for item in bob.get("/tasks").json["items"]]
    assert listed == ([task_id] if visibility == "everyone" else [])
    assert bob.get("/activity").json["counters"]["completed_today"] == (1 if visibility == "everyone" else 0)
    assert bob.get(f"/tasks?q={task_id}&state=completed").json["items"] == bob.get("/tasks").json["items"] or listed


@pytest.mark.req("D2")
def test_admins_act_on_every_task(room: Room, ada: Caller, admin: Caller) -> None:
    task_id = ada.start()
    assert admin.post(f"/tasks/{task_id}/cancel").json["cancelled_by"] == "root"
    again = admin.post(f"/tasks/{task_id}/retry")
    assert again.status_code == 202


def test_watching_says_what_one_may_not_do(ada: Caller, bob: Caller) -> None:
    task_id = ada.start(visibility="everyone")
    assert bob.get(f"/tasks/{task_id}").json["may"] == {"cancel": False, "retry": False, "share": False}


def without_names(answer: Any) -> dict[str, str]:
    """The headers, without the request's own reference."""
    return {name: value for name, value in answer.headers.items() if name != "X-Request-Id"}
