"""Whoever has a share link follows one task over a socket, and nothing else, until the link ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import socketio.exceptions

from tasks.sharing import ShareLink
from tests.browser.by_hand import TaskByHand
from tests.fixtures.clients import RecordingClient
from tests.fixtures.machine import wait_until
from tests.fixtures.product import Person, Server

pytestmark = pytest.mark.slow

SEEN_BY_NOBODY = {"worker", "priority", "owner", "params", "reference", "category", "cancelled_by", "reason"}
WITHIN_S = 1.0
PATIENCE_S = 10.0


@pytest.fixture
def person(shared_server: Server) -> Person:
    return shared_server.person("sharer")


@pytest.fixture
def make_task(shared_server: Server, person: Person) -> Iterator[Callable[[], TaskByHand]]:
    tasks: list[TaskByHand] = []

    def make() -> TaskByHand:
        tasks.append(TaskByHand(shared_server, person).claim())
        return tasks[-1]

    yield make
    for task in tasks:
        task.close()


def share(server: Server, person: Person, task_id: str) -> dict[str, Any]:
    answer = server.api("POST", f"/api/v1/tasks/{task_id}/share", token=person.token, json={"expires_in_s": 3600})
    assert answer.status_code == 201
    made: dict[str, Any] = answer.json()
    return made


@pytest.mark.req("A11", "A8", "D2", "D3", "D7")
def test_a_visitor_follows_the_shared_task_and_nothing_else_until_its_link_ends(
    shared_server: Server,
    person: Person,
    make_task: Callable[[], TaskByHand],
    make_client: Callable[..., RecordingClient],
) -> None:
    task, other = make_task(), make_task()
    task.to(20, files_processed=3, current_file="secret.py")
    links = [share(shared_server, person, task.id) for _ in range(2)]

    def visit(link: dict[str, Any]) -> RecordingClient:
        return make_client(shared_server.url, connect=False).connect(auth={"share": link["token"]})

    visitor, guest = visit(links[0]), visit(links[1])
    greeting = visitor.wait_for("connected").data
    assert greeting["user"] is None
    assert greeting["share"]["task_id"] == task.id
    assert "server_status" not in greeting

    # It joins, catches up, receives and leaves as everybody does
    for one in (visitor, guest):
        assert one.join(task.id)["ok"]
    first = visitor.wait_for("progress_update").data
    assert first["snapshot"] is True
    assert first["details"] == {"files_processed": 3}
    task.work.log("one line")
    visitor.wait_for("task_log")
    task.to(60)
    visitor.wait_for("progress_update", where=lambda data: data["progress_percent"] == 60)
    status = visitor.call("get_task_status", {"task_id": task.id})
    assert status["task"]["status"] == "running"
    lines = visitor.call("get_task_log", {"task_id": task.id})["lines"]
    assert [line["text"] for line in lines] == ["one line"]
    seen = [event.data for event in visitor.of_task(task.id)] + [status["task"]]
    assert [data for data in seen if SEEN_BY_NOBODY & set(data)] == []
    seqs = [data["seq"] for data in seen[:-1] if "lines" in data or not data.get("snapshot")]
    assert seqs == sorted(set(seqs))
    assert visitor.call("leave_task", {"task_id": task.id})["ok"]
    told = len(visitor.of_task(task.id))
    task.to(70)
    guest.wait_for("progress_update", where=lambda data: data["progress_percent"] == 70)
    assert len(visitor.of_task(task.id)) == told

    # Nothing else
    for event in ("join_task", "get_task_status", "get_task_log"):
        assert visitor.call(event, {"task_id": other.id})["error"]["code"] == "not_found"
    for event, data in (
        ("cancel_task", {"task_id": task.id}),
        ("join_admin_dashboard", None),
        ("claim_notification", {"id": 1}),
        ("whatever", {}),
    ):
        assert visitor.call(event, data)["error"]["code"] == "forbidden", event
    assert visitor.named("task_update", "notification", "job_update") == []
    for token in ("x", links[0]["token"] + "x", {"$ne": 1}, None):
        refused = make_client(shared_server.url, connect=False)
        with pytest.raises(socketio.exceptions.ConnectionError):
            refused.connect(auth={"share": token})
        assert refused.wait_for("connect_error").data["data"]["code"] == "not_found"

    # Its end: revoked, and expired
    assert visitor.join(task.id)["ok"]
    path = f"/api/v1/tasks/{task.id}/share/{links[0]['id']}"
    assert shared_server.api("DELETE", path, token=person.token).status_code == 200
    assert visitor.wait_for("error", where=lambda data: data["event"] is None).data["code"] == "not_found"
    visitor.wait_for("disconnect")
    wait_until(lambda: not visitor.sio.connected, PATIENCE_S, "the visitor is disconnected")
    assert guest.sio.connected
    database = shared_server.database()
    with database.write() as session:
        link = session.get_one(ShareLink, links[1]["id"])
        link.expires_at = link.created_at
    database.close()
    guest.wait_for("disconnect")
    task.complete()
    assert guest.named("task_completed") == []
