"""Somebody who can publish on our Redis: what nothing of ours would say is dropped, and no page says "completed"."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from delivery.refusals import LINES_PER_S
from tests.abuse.conftest import refused
from tests.abuse.raw import WebSocket
from tests.fixtures.machine import wait_until
from tests.fixtures.product import Server

pytestmark = [pytest.mark.slow, pytest.mark.req("A9", "A11", "D13")]

OpenSocket = Callable[..., WebSocket]


def start(server: Server, gate: Path, token: str, **params: Any) -> str:
    """A task that runs until the gate's file exists."""
    params = {"to": 3, "log_every": 1, "gate": str(gate), **params}
    answer = server.api("POST", "/api/v1/tasks", token=token, json={"kind": "count", "params": params})
    assert answer.status_code == 202, answer.text
    task_id: str = answer.json()["task_id"]
    return task_id


def final(epoch: str, seq: int, task_id: str, name: str = "task_completed") -> bytes:
    """An end as the event log would publish it."""
    data = {"epoch": epoch, "seq": seq, "timestamp": "2026-11-21T00:00:00.000Z", "task_id": task_id, "results": {}}
    return f"{epoch} {seq} {name}\n2".encode() + orjson.dumps([name, data])


@pytest.mark.parametrize("name", ["task_completed", "task_error", "task_cancelled"])
def test_row_20_a_forged_end_reaches_nobody_and_the_true_one_does(
    abused: Server, open_socket: OpenSocket, tmp_path: Path, name: str
) -> None:
    person, gate = abused.person("ada"), tmp_path / "gate"
    task_id = start(abused, gate, person.token)
    watcher = open_socket(token=person.token)
    where = watcher.call("join_task", {"task_id": task_id})
    wait_until(lambda: [log for log in watcher.events("task_log") if log["lines"][-1]["n"] >= 3], 20, "three lines")
    before = refused(abused, "forged")
    with abused.redis() as client:
        for ahead in range(1, 30):
            client.publish(f"taskroom:task:{task_id}", final(where["epoch"], where["seq"] + ahead, task_id, name))
    wait_until(lambda: refused(abused, "forged") >= before + 29, 5, "29 refused")
    assert watcher.call("get_task_status", {"task_id": task_id}, ack=5)["task"]["status"] == "running"
    late = open_socket(token=person.token)
    late.call("join_task", {"task_id": task_id})
    assert late.events("progress_update")[0]["snapshot"]
    gate.touch()
    for socket in (watcher, late):
        wait_until(lambda socket=socket: socket.events("task_completed"), 20, "the true end")
        assert [end["results"] for end in socket.events("task_completed")] == [{"counted": 3}]
        assert socket.events("task_error") == socket.events("task_cancelled") == []
    said = [line for line in abused.logs().splitlines() if "forged" in line]
    assert said
    assert all(len(line.encode()) <= 300 for line in said)


def test_row_20_a_forged_end_in_the_kept_state_is_replaced_from_sql(
    abused: Server, open_socket: OpenSocket, tmp_path: Path
) -> None:
    person, gate = abused.person("ada"), tmp_path / "gate"
    task_id = start(abused, gate, person.token)
    first = open_socket(token=person.token)
    first.call("join_task", {"task_id": task_id})
    wait_until(lambda: [log for log in first.events("task_log") if log["lines"][-1]["n"] >= 3], 20, "three lines")
    with abused.redis() as client:
        body = orjson.dumps({"task_id": task_id, "results": {"forged": True}}).decode()[1:-1]
        client.hset(f"taskroom:task:{task_id}:state", mapping={"name": "task_completed", "body": body, "final": "true"})
    late = open_socket(token=person.token)
    assert late.call("join_task", {"task_id": task_id})["ok"]
    assert late.call("get_task_status", {"task_id": task_id}, ack=5)["task"]["status"] == "running"
    assert late.events("task_completed") == []
    gate.touch()
    wait_until(lambda: late.events("task_completed"), 20, "the true end")
    assert [end["results"] for end in late.events("task_completed")] == [{"counted": 3}]


MALFORMED = {
    "nothing": b"",
    "no header": b'2["progress_update",{}]',
    "not UTF-8": b"\xff\xfe 1 progress_update\n2[]",
    "half of a packet": b'{epoch} 2 progress_update\n2["progress_update",{"task',
    "another name": b'{epoch} 2 progress_update\n2["task_completed",{}]',
    "an unknown name": b'{epoch} 2 alert\n2["alert",{}]',
    "a goodbye": b"{epoch} 2 progress_update\n1",
    "another task": b'{epoch} 2 progress_update\n2["progress_update",{"epoch":"{epoch}","seq":2,"task_id":"other"}]',
    "NaN": b'{epoch} 2 progress_update\n2["progress_update",{"epoch":"{epoch}","seq":2,"rate":NaN}]',
    "a seq in words": b"{epoch} two progress_update\n2[]",
}


@pytest.mark.parametrize("message", MALFORMED.values(), ids=MALFORMED)
def test_row_20_a_malformed_message_is_dropped_with_one_line(
    abused: Server, open_socket: OpenSocket, tmp_path: Path, message: bytes
) -> None:
    person, gate = abused.person("ada"), tmp_path / "gate"
    task_id = start(abused, gate, person.token, log_every=0)
    watcher = open_socket(token=person.token)
    where = watcher.call("join_task", {"task_id": task_id})
    time.sleep(2 / LINES_PER_S)  # the tests before this one may have used up the lines that the log takes at once
    before, lines = refused(abused, "forged"), len(abused.logs())
    with abused.redis() as client:
        client.publish(f"taskroom:task:{task_id}", message.replace(b"{epoch}", where["epoch"].encode()))
    wait_until(lambda: refused(abused, "forged") == before + 1, 5, "counted")
    gate.touch()
    wait_until(lambda: watcher.events("task_completed"), 20, "the end")
    seqs = [event["seq"] for name in ("progress_update", "task_completed") for event in watcher.events(name)]
    assert seqs == sorted(set(seqs))
    assert "Traceback" not in abused.logs()[lines:]
    assert len([line for line in abused.logs()[lines:].splitlines() if "forged" in line]) == 1


def test_row_20_forged_entries_of_feeds_and_orders_are_dropped(
    abused: Server, open_socket: OpenSocket, tmp_path: Path
) -> None:
    person, gate = abused.person("ada"), tmp_path / "gate"
    task_id = start(abused, gate, person.token)
    mine = open_socket(token=person.token)
    user_id = json.loads(mine.wait_for('42["connected"')[2:])[1]["user"]["id"]
    entry = {"type": "task_update", "data": {"task_id": task_id, "status": "success"}}
    before = refused(abused, "forged")
    with abused.redis() as client:
        client.publish(f"taskroom:user:{user_id}", b"2" + orjson.dumps(["task_update", entry]))
        client.publish(f"taskroom:user:{user_id}", b"1")
        client.publish(f"taskroom:user:{user_id}", b'2["connected",{"user":{"id":1}}]')
        client.publish("taskroom:control", b"close everything")
        client.publish("taskroom:control", b'{"user_id":"all"}')
        client.publish("taskroom:control", b"[]")
    wait_until(lambda: refused(abused, "forged") == before + 6, 5, "six refused")
    assert not [entry for entry in mine.events("task_update") if entry["data"]["status"] == "success"]
    gate.touch()
    wait_until(
        lambda: [entry for entry in mine.events("task_update") if entry["data"]["status"] == "success"],
        20,
        "the true end",
    )
    assert not mine.is_closed
    assert len(mine.events("connected")) == 1


@pytest.mark.req("A4", "D9")
def test_row_17_what_a_job_reports_that_cannot_be_sent_reaches_clients_as_plain_json(
    abused: Server, open_socket: OpenSocket
) -> None:
    person = abused.person("ada")
    answer = abused.api("POST", "/api/v1/tasks", token=person.token, json={"kind": "hostile", "params": {}})
    task_id = answer.json()["task_id"]
    watcher = open_socket(token=person.token)
    watcher.call("join_task", {"task_id": task_id})
    wait_until(lambda: watcher.events("task_completed") or watcher.events("task_error"), 30, "an end")
    assert watcher.events("task_completed"), watcher.events("task_error")
    for text in watcher.inbox:
        if text.startswith("42"):
            strict = orjson.loads(text[2:])  # refuses NaN, Infinity and half surrogates, as JavaScript does
            assert len(text) < 256 * 1024, strict[0]
    assert not watcher.is_closed
