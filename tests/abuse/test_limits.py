"""The guards' own parts, without a server: counters, the watch over the loop, the table of connections, the door."""

from __future__ import annotations

import io
import logging
import socket
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

import connections
from accounts import Identity
from connections import Connection, Connections, Listener, most_connections
from delivery.namespaces import ROOMS_PER_SOCKET
from delivery.refusals import LINES_AT_ONCE, Reason, Refusals
from delivery.rooms import Rooms
from delivery.sockets import Connected
from door import Door
from loop_watch import LoopWatch
from tasks.errors import RateLimited
from tests.fixtures.machine import wait_until
from websocket_progress_handler import JoinPayload, WebSocketProgressHandler


@pytest.mark.req("D10", "H6")
def test_refusals_are_all_counted_but_not_all_told(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    refusals = Refusals(lambda: now[0])
    with caplog.at_level(logging.WARNING):
        for _ in range(1000):
            refusals.count(Reason.MALFORMED, "10.0.0.1\nforged line", "\x1b[31m" + "é" * 5000)
    assert refusals.by_reason == {"malformed": 1000}
    assert len(caplog.records) == LINES_AT_ONCE
    assert refusals.untold == 1000 - LINES_AT_ONCE
    for record in caplog.records:
        line = record.getMessage()
        assert line.isprintable()
        assert line.isascii()
        assert len(line) <= 200
    now[0] = 1.0
    with caplog.at_level(logging.WARNING):
        for _ in range(100):
            refusals.count(Reason.MALFORMED)
    assert len(caplog.records) == LINES_AT_ONCE + 5


@pytest.mark.req("B13", "H4")
def test_the_watch_names_who_holds_the_loop_and_how_long(caplog: pytest.LogCaptureFixture) -> None:
    watch_box: list[LoopWatch] = []
    held, done = threading.Event(), threading.Event()

    def doze(seconds: float) -> None:
        if done.is_set():
            threading.Event().wait()  # for good: this thread has no end of its own
        time.sleep(seconds)

    def hold(seconds: float) -> None:
        doze(seconds)
        if not held.is_set():
            held.set()
            busy_until = time.monotonic() + 0.4
            while time.monotonic() < busy_until:
                pass

    def loop() -> None:
        watch_box.append(LoopWatch(threading.get_ident(), hold, doze))
        watch_box[0].measure()

    with caplog.at_level(logging.WARNING):
        threading.Thread(target=loop, daemon=True).start()
        wait_until(lambda: watch_box, 2)
        threading.Thread(target=watch_box[0].look, daemon=True).start()
        wait_until(lambda: "the loop was held" in caplog.text, 5, "told")
    done.set()
    assert "test_limits.py" in caplog.text
    longest_ms = watch_box[0].figures()["loop_delay_max_ms"]
    assert longest_ms is not None
    assert longest_ms >= 350


@pytest.mark.req("H2")
def test_what_was_never_measured_is_unknown() -> None:
    assert LoopWatch(0, time.sleep, time.sleep).figures() == {"loop_delay_ms": None, "loop_delay_max_ms": None}


@pytest.mark.req("D6")
def test_row_10_connections_are_counted_by_address_and_the_slowest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PER_ADDRESS", 3)
    refusals = Refusals()
    table = Connections(refusals, is_behind_proxy=False, most=100)
    pairs = [socket.socketpair() for _ in range(8)]
    try:
        assert [table.admit(pairs[n][0], "10.0.0.1") for n in range(4)] == [True, True, True, False]
        assert table.admit(pairs[4][0], "10.0.0.2")
        slow = table.of(pairs[1][0])
        slow.since_s -= 60
        assert table.admit(pairs[5][0], "10.0.0.1")
        assert pairs[1][1].recv(10) == b"", "the slow one was closed"
        for number in (0, 2, 5):
            table.of(pairs[number][0]).enter("answer")
        table.of(pairs[0][0]).since_s -= 60
        assert not table.admit(pairs[6][0], "10.0.0.1"), "whoever is being answered is not slow"
        table.become_socket(table.of(pairs[0][0]))
        assert table.admit(pairs[6][0], "10.0.0.1"), "a WebSocket is counted elsewhere"
        assert refusals.by_reason == {"address_limit": 2, "slow_request": 1}
        for connection in list(table._all.values()):
            table.remove(connection)
        assert len(table) == 0
        assert table._of_address == {}
    finally:
        for pair in pairs:
            for end in pair:
                end.close()


def test_accepted_connections_send_small_packets_at_once() -> None:
    table = Connections(Refusals(), is_behind_proxy=False, most=10)
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as client,
    ):
        accepted, address = Listener(listening, table, time.sleep).accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert address == client.getsockname()


@pytest.mark.req("D6")
def test_a_socket_watches_five_hundred_tasks_and_no_more() -> None:
    rooms = SimpleNamespace(count_of=lambda _sid: ROOMS_PER_SOCKET)
    handler = WebSocketProgressHandler.__new__(WebSocketProgressHandler)
    handler._rooms = rooms  # type: ignore[assignment]
    connected = Connected("sid", Identity(1, "ada", "user", 1, None, frozenset()), "10.0.0.1")
    with pytest.raises(RateLimited) as refused:
        handler.join_task(connected, JoinPayload(task_id="one more"))
    assert ROOMS_PER_SOCKET == 500
    assert refused.value.retry_after_s


@pytest.mark.req("D6")
def test_row_10_a_full_server_makes_room_or_refuses_but_never_stops_accepting() -> None:
    table = Connections(Refusals(), is_behind_proxy=False, most=2)
    assert [table.admit(Connection(None), f"10.0.0.{n}") for n in range(3)] == [True, True, False]


def through_door(body: bytes, **environ: Any) -> tuple[bytes | None, Connection]:
    """What the application reads behind the door, or None when it was not asked."""
    read: list[bytes] = []

    def application(environ: dict[str, Any], _start: Any) -> list[bytes]:
        read.append(environ["wsgi.input"].read())
        return [b""]

    refusals = Refusals()
    door = Door(application, Connections(refusals, False, 10), refusals, lambda path: 10 if path == "/small" else 100)
    connection = Connection(None)
    sent = {"REQUEST_METHOD": "POST", "PATH_INFO": "/small", "wsgi.input": io.BytesIO(body), **environ}
    door({**sent, "taskroom.connection": connection}, lambda *_: None)
    return (read[0] if read else None), connection


@pytest.mark.req("D5")
def test_row_1_the_door_reads_bodies_within_their_limit_and_no_others() -> None:
    assert through_door(b"12345", CONTENT_LENGTH="5")[0] == b"12345"
    assert through_door(b"1234567890", CONTENT_LENGTH="10")[0] == b"1234567890"
    refused, connection = through_door(b"12345678901", CONTENT_LENGTH="11")
    assert (refused, connection.is_last) == (b"", True)
    assert through_door(b"1" * 50, CONTENT_LENGTH="50", PATH_INFO="/other")[0] == b"1" * 50
    assert through_door(b"123", CONTENT_LENGTH="5")[0] is None, "the rest never came"
    assert through_door(b"1234", HTTP_TRANSFER_ENCODING="chunked")[0] == b"1234"
    refused, connection = through_door(b"1" * 11, HTTP_TRANSFER_ENCODING="chunked")
    assert (refused, connection.is_last) == (b"", True)
    assert through_door(b"")[0] == b""


def test_the_limit_of_open_files_is_raised_and_respected() -> None:
    assert 64 <= most_connections(500) <= 500
    assert most_connections(10**9) < 10**9


@pytest.mark.req("A11")
@pytest.mark.parametrize(("sid", "task_id"), [("", "task"), (None, "task"), ("sid", ""), ("sid", None)])
def test_row_18_a_room_of_nobody_or_of_nothing_raises(sid: Any, task_id: Any) -> None:
    rooms = Rooms.__new__(Rooms)
    with pytest.raises(ValueError, match="no room"):
        rooms.join(sid, task_id, None, None)
