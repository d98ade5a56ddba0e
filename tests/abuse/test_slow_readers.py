"""Clients that stop reading: they cost a bound, delay nobody, catch up by themselves, or are closed after a while."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from delivery.outbox import MAX_WAITING_BYTES
from tests.abuse.raw import WebSocket
from tests.fixtures.machine import wait_until
from tests.fixtures.product import Person, Server

pytestmark = [pytest.mark.slow, pytest.mark.req("A17")]

OpenSocket = Callable[..., WebSocket]
LINES, SIZE = 1500, 2000


def start(server: Server, person: Person, gate: Path) -> str:
    """A task that says 3 MB, then waits for its gate."""
    params = {"lines": LINES, "size": SIZE, "gate": str(gate)}
    answer = server.api("POST", "/api/v1/tasks", token=person.token, json={"kind": "chatter", "params": params})
    assert answer.status_code == 202, answer.text
    task_id: str = answer.json()["task_id"]
    return task_id


def line_numbers(socket: WebSocket) -> list[int]:
    return [line["n"] for event in socket.events("task_log") for line in event["lines"]]


def told_of(socket: WebSocket) -> int:
    """The newest line it knows of: heard, or counted by a snapshot, as also a healthy one gets on a crowded machine."""
    counted = [event.get("log_total") or 0 for event in socket.events("progress_update")]
    return max(line_numbers(socket) + counted, default=0)


def read_rest(socket: WebSocket, task_id: str, have: set[int], upto: int) -> set[int]:
    """Fetch, as a client does that sees a snapshot's `log_total`, the lines it lacks."""
    lacking, ack = sorted(set(range(1, upto + 1)) - have), 100
    while lacking:
        ack += 1
        got = socket.call("get_task_log", {"task_id": task_id, "from_line": lacking[0], "limit": 100}, ack=ack)
        have |= {line["n"] for line in got["lines"]}
        lacking = sorted(set(lacking) - have)
    return have


def open_connections(web: psutil.Process) -> int:
    return sum(1 for one in web.net_connections("tcp") if one.status == psutil.CONN_ESTABLISHED)


@pytest.mark.parametrize("ends_meanwhile", [False, True], ids=["running", "ended"])
def test_row_16_who_stops_reading_gets_a_snapshot_when_it_reads_again_and_loses_no_line(
    abused: Server, open_socket: OpenSocket, tmp_path: Path, ends_meanwhile: bool
) -> None:
    person, gate = abused.person("ada"), tmp_path / "gate"
    task_id = start(abused, person, gate)
    slow, healthy = open_socket(token=person.token), open_socket(token=person.token)
    for socket in (slow, healthy):
        assert socket.call("join_task", {"task_id": task_id})["ok"]
    slow.reads.clear()
    wait_until(lambda: told_of(healthy) == LINES, 60, "the healthy one knows of all lines")
    if ends_meanwhile:
        gate.touch()
        wait_until(lambda: healthy.events("task_completed"), 20, "the healthy one has heard the end")
    slow.reads.set()
    name = "task_completed" if ends_meanwhile else "progress_update"

    def present() -> list[dict[str, Any]]:
        told = slow.events(name)
        return told if ends_meanwhile else [one for one in told[1:] if one.get("snapshot")]

    wait_until(present, 10, f"it is told by {name}")
    heard = line_numbers(slow)
    assert len(heard) < LINES, "it has been given up on for a while, or this test shows nothing"
    assert len(heard) == len(set(heard))
    everything = read_rest(slow, task_id, set(heard), present()[-1]["log_total"])
    assert everything == set(range(1, LINES + 1))
    gate.touch()
    for socket in (slow, healthy):
        wait_until(lambda socket=socket: socket.events("task_completed"), 20, "the end")
        kinds = ("progress_update", "task_log", "task_completed")
        seqs = [event["seq"] for kind in kinds for event in socket.events(kind)]
        assert len(seqs) == len(set(seqs))
        assert [end["results"] for end in socket.events("task_completed")] == [{"said": LINES}]
    assert read_rest(healthy, task_id, set(line_numbers(healthy)), LINES) == set(range(1, LINES + 1))


@pytest.mark.timeout(120)
def test_row_16_clients_that_never_read_cost_the_bound_and_are_closed(
    abused: Server, open_socket: OpenSocket, tmp_path: Path
) -> None:
    person, gate, count = abused.person("ada"), tmp_path / "gate", 40
    task_id = start(abused, person, gate)
    healthy = open_socket(token=person.token)
    healthy.call("join_task", {"task_id": task_id})
    (web,) = abused.processes("web")
    before, connected = web.memory_info().rss, open_connections(web)
    stuck = [open_socket(token=person.token) for _ in range(count)]
    for socket in stuck:
        assert socket.call("join_task", {"task_id": task_id})["ok"]
        socket.reads.clear()
    wait_until(lambda: told_of(healthy) == LINES, 60, "the healthy one knows of all lines")
    grown = web.memory_info().rss - before
    assert grown < count * MAX_WAITING_BYTES + 20 * 2**20, f"{grown / count / 1024:.0f} KB for each"
    wait_until(lambda: open_connections(web) <= connected, 60, "those who do not read were closed")
    gate.touch()
    wait_until(lambda: healthy.events("task_completed"), 20, "the end")
    assert read_rest(healthy, task_id, set(line_numbers(healthy)), LINES) == set(range(1, LINES + 1))
    for socket in stuck:
        socket.reads.set()
