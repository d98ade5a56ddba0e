"""A web process that ends on purpose: nobody is left in the dark, and all come back, each at a moment of its own."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.abuse.conftest import JOBS, crowding
from tests.abuse.raw import WebSocket, ask, frame, frames, request
from tests.fixtures.machine import wait_until
from tests.fixtures.product import Server

pytestmark = [pytest.mark.slow]

CLIENTS = 500
BACK_WITHIN_S = 10.0
FINAL = ("task_completed", "task_error", "task_cancelled")


def submit(server: Server, token: str, **params: Any) -> str:
    """A counting task; its id."""
    answer = server.api("POST", "/api/v1/tasks", token=token, json={"kind": "count", "params": params})
    assert answer.status_code == 202, answer.text
    task_id: str = answer.json()["task_id"]
    return task_id


@pytest.mark.req("E7")
def test_row_23_a_server_that_is_told_to_end_drains(make_server: Callable[..., Server], tmp_path: Path) -> None:
    server = make_server(JOBS)
    token = server.person("ada").token
    gate = tmp_path / "gate"
    task_id = submit(server, token, to=5, gate=str(gate))
    sockets = [WebSocket(server.port).connect(token) for _ in range(30)]
    for socket in sockets:
        assert socket.call("join_task", {"task_id": task_id})["ok"]
    wait_until(lambda: sockets[0].events("progress_update")[-1]["status"] == "running", 30, "the task runs")
    web = server.processes("web")[0]
    started = time.monotonic()
    web.send_signal(signal.SIGTERM)
    wait_until(lambda: status(server, "GET", "/health/ready") == 503, 2 * crowding(), "not ready any more")
    assert status(server, "GET", "/health") == 200
    assert status(server, "POST", "/api/v1/tasks", f"Authorization: Bearer {token}") == 503
    assert status(server, "GET", "/socket.io/?EIO=4&transport=polling") == 503
    for socket in sockets:
        socket.wait_closed(5)
    waits = [socket.events("error")[-1]["retry_after_s"] for socket in sockets]
    assert all(0.5 <= wait <= 4.5 for wait in waits)
    assert len(set(waits)) > 20, "they must not come back at the same moment"
    assert not any(socket.events(name) for socket in sockets for name in FINAL)
    assert web.wait(30) == 0 or web.wait(0) is None  # None: not our child, and gone
    assert time.monotonic() - started < 10 * crowding()
    wait_until(lambda: status(server, "GET", "/health") == 200, 60, "started again")
    gate.touch()
    wait_until(lambda: state(server, token, task_id) == "completed", 60, "the task ended")
    for socket in sockets:
        socket.close()
    assert server.stop() == 0


@pytest.mark.req("E7", "C2")
def test_row_23_no_task_stays_running_that_nobody_runs(make_server: Callable[..., Server]) -> None:
    server = make_server(JOBS)
    token = server.person("ada").token
    task_id = submit(server, token, to=30, pause_s=0.1)
    wait_until(lambda: state(server, token, task_id) == "running", 30, "it runs")
    started = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - started < 30
    server.start()
    wait_until(lambda: state(server, token, task_id) == "completed", 60, "run to its end after the restart")


def status(server: Server, method: str, path: str, *headers: str) -> int:
    """The status of one request, 0 while nobody listens."""
    with contextlib.suppress(OSError):
        return ask(server.port, method, path, "Connection: close", *headers)[0]
    return 0


def state(server: Server, token: str, task_id: str) -> str:
    """What the API says of the task."""
    answer = server.api("GET", f"/api/v1/tasks/{task_id}", token=token)
    return str(answer.json().get("status"))


@dataclass
class Watcher:
    """A client as small as possible that follows one task over restarts, coming back when it is told to."""

    port: int
    token: str
    task_id: str
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    joined_at: list[float] = field(default_factory=list)
    retries: int = 0
    is_done: bool = False

    async def follow(self) -> None:
        """Until the task has ended."""
        while not self.is_done:
            wait_s = random.uniform(0.3, 1.5)
            with contextlib.suppress(OSError, EOFError, asyncio.IncompleteReadError):
                wait_s = await self._connection() or wait_s
            self.retries += 1
            if not self.is_done:
                await asyncio.sleep(wait_s)

    async def _connection(self) -> float | None:
        """One connection, from its handshake to its end; the time after which to come back, if the server said one."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            key = base64.b64encode(os.urandom(16)).decode()
            upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
            path = "/socket.io/?EIO=4&transport=websocket"
            writer.write(request("GET", path, *upgrade, f"Sec-WebSocket-Key: {key}"))
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 101 " not in head:
                return None
            writer.write(frame(b"40" + json.dumps({"token": self.token}).encode()))
            return await self._read(reader, writer)
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float | None:
        wire, wait_s = b"", None
        while not self.is_done:
            more = await reader.read(65536)
            if not more:
                break
            wire += more
            end = 0
            for text, end in frames(wire, 0):  # noqa: B007  # where the last whole frame ended
                if text == "2":
                    writer.write(frame(b"3"))
                elif text.startswith("40"):
                    writer.write(frame(b"421" + json.dumps(["join_task", self._position()]).encode()))
                elif text.startswith("431"):
                    assert json.loads(text[3:])[0]["ok"], text
                    self.joined_at.append(time.monotonic())
                elif text.startswith("42"):
                    wait_s = self._take(*json.loads(text[2:])) or wait_s
            wire = wire[end:]
        return wait_s

    def _take(self, name: str, data: dict[str, Any]) -> float | None:
        if name == "error":
            return float(data.get("retry_after_s") or 1)
        if data.get("task_id") == self.task_id and data.get("seq") is not None:  # None: SQL's state, no event
            self.events.append((name, data))
            self.is_done = name in FINAL
        return None

    def _position(self) -> dict[str, Any]:
        if not self.events:
            return {"task_id": self.task_id}
        last = self.events[-1][1]
        return {"task_id": self.task_id, "last_seq": last["seq"], "epoch": last["epoch"]}


@pytest.mark.req("A10", "E7", "F4")
@pytest.mark.timeout(300)
def test_row_39_five_hundred_clients_are_back_soon_after_a_restart_without_doubles(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = make_server(JOBS)
    people = [server.person(name, role="admin") for name in ("ada", "bea", "cid")]
    gate = tmp_path / "gate"
    task_id = submit(server, people[0].token, to=40, pause_s=0.3, log_every=5, gate=str(gate))
    watchers = [Watcher(server.port, people[n % 3].token, task_id) for n in range(CLIENTS)]
    with ThreadPoolExecutor(1) as pool:  # a browser test of the same run may have left a loop in this thread
        restarted_at = pool.submit(asyncio.run, live_through_a_restart(server, watchers, gate)).result()
    late = sorted(watcher.joined_at[-1] - restarted_at for watcher in watchers)
    print(f"back after p50 {late[CLIENTS // 2]:.1f} s, last {late[-1]:.1f} s")
    assert late[-1] < BACK_WITHIN_S * crowding()
    for watcher in watchers:
        seqs = [(data["epoch"], data["seq"]) for _, data in watcher.events]
        assert len(seqs) == len(set(seqs)), "an event came twice"
        assert [seq for _, seq in seqs] == sorted(seq for _, seq in seqs)
        assert [name for name, _ in watcher.events if name in FINAL] == ["task_completed"]
        lines = [line["n"] for name, data in watcher.events if name == "task_log" for line in data["lines"]]
        assert lines == sorted(set(lines))
    assert server.stop() == 0


async def live_through_a_restart(server: Server, watchers: list[Watcher], gate: Path) -> float:
    """All join, the web process is replaced, all join again, the task ends; when the new process answered."""
    following = [asyncio.create_task(watcher.follow()) for watcher in watchers]
    await until(lambda: all(watcher.joined_at for watcher in watchers), 60)
    old = server.processes("web")[0]
    old.send_signal(signal.SIGTERM)
    await until(lambda: not old.is_running() and status(server, "GET", "/health") == 200, 60)
    restarted_at = time.monotonic()
    await until(lambda: all(len(watcher.joined_at) >= 2 for watcher in watchers), 60)
    gate.touch()
    await asyncio.wait_for(asyncio.gather(*following), 120)
    return restarted_at


async def until(condition: Callable[[], bool], timeout_s: float) -> None:
    """Like wait_until, while the clients go on."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        await asyncio.sleep(0.05)
