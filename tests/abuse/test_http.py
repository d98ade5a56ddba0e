"""Requests that never end, bodies that never come, connections by the hundred: nobody else waits for them."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time

import pytest

from tests.abuse.conftest import refused, watched_health
from tests.abuse.raw import ask, connect, new_session, read_all, read_answer, request
from tests.fixtures.machine import wait_until
from tests.fixtures.product import Server

pytestmark = [pytest.mark.slow]

POLLING = "/socket.io/?EIO=4&transport=polling"


def flood(port: int, count: int, payload: bytes, source: str) -> list[socket.socket]:
    """So many connections at once, each of which has sent this."""
    made = []
    for number in range(count):
        with contextlib.suppress(OSError):
            one = connect(port, source.format(number % 200 + 2))
            one.sendall(payload)
            made.append(one)
    return made


@pytest.mark.req("D5", "D6")
def test_row_1_a_huge_post_is_refused_by_its_length_before_anything_is_read(abused: Server) -> None:
    sid = new_session(abused.port)
    for length in (64 * 1024 + 1, 2_000_000, 10**15):
        started = time.monotonic()
        status, body = ask(abused.port, "POST", f"{POLLING}&sid={sid}", length=length)
        assert (status, b"invalid_payload" in body) == (413, True)
        assert time.monotonic() - started < 1


@pytest.mark.req("D5", "D6")
def test_row_1_eleven_hundred_huge_posts_that_hang_up_hold_nothing(abused: Server) -> None:
    post = request("POST", f"{POLLING}&sid=x", length=2_000_000)
    with watched_health(abused, 1.0, source="127.0.1.1"):
        made = flood(abused.port, 1100, post, "127.0.2.{}")
        for one in made:
            one.close()
        status, _ = ask(abused.port, "GET", POLLING, source="127.0.1.1")
    assert len(made) == 1100
    assert status == 200


@pytest.mark.req("D5")
def test_a_person_who_posts_too_much_reads_why(abused: Server) -> None:
    token = abused.person("ada").token
    answer = abused.api(
        "POST", "/api/v1/tasks", token=token, data=b"x" * 3_000_000, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413
    assert set(answer.json()["error"]) >= {"code", "message"}


@pytest.mark.req("D5")
def test_row_10_the_head_of_a_request_has_to_arrive_in_time_however_it_drips(abused: Server) -> None:
    before = refused(abused, "slow_request")
    with connect(abused.port) as silent, connect(abused.port) as dripping:
        started = time.monotonic()
        dripping.sendall(b"GET / HTTP/1.1\r\nX-A: ")
        ended: dict[str, float] = {}
        dripping.settimeout(0.2)
        while "dripping" not in ended and time.monotonic() - started < 15:
            try:
                dripping.sendall(b"a")
                if dripping.recv(1024) == b"":
                    ended["dripping"] = time.monotonic() - started
            except TimeoutError:
                continue
            except OSError:
                ended["dripping"] = time.monotonic() - started
        assert read_all(silent, 5) == b""
    assert 9 < ended["dripping"] < 13
    assert refused(abused, "slow_request") >= before + 2


@pytest.mark.req("D5")
def test_row_10_the_body_of_a_request_has_to_arrive_in_time(abused: Server) -> None:
    """The pages' log-in form, the API and Engine.IO alike."""
    sid = new_session(abused.port)
    slow = [connect(abused.port) for _ in range(3)]
    paths = ("/login", "/api/v1/tasks", f"{POLLING}&sid={sid}")
    started = time.monotonic()
    for one, path in zip(slow, paths, strict=True):
        one.sendall(request("POST", path, "Content-Type: application/json", length=5000) + b"{")
    answers = [read_all(one, 26) for one in slow]
    for one in slow:
        one.close()
    assert 15 < time.monotonic() - started < 25
    assert all(b" 200 " not in answer for answer in answers)


@pytest.mark.req("D6")
def test_row_10_over_a_thousand_half_open_connections_leave_room_for_others(abused: Server) -> None:
    """From one address: 256 are let in, the others told 429. From many: all are let in, and nobody waits."""
    with watched_health(abused, 1.0, source="127.0.1.1"):
        one_address = flood(abused.port, 1030, b"GET / HTTP/1.1\r\n", "127.0.3.1")
        answered = count_answers(one_address, b"429")
        many = flood(abused.port, 1030, b"POST /login HTTP/1.1\r\nContent-Length: 9\r\n\r\n", "127.0.4.{}")
    try:
        assert 1030 - 256 - 20 <= answered <= 1030 - 256
        assert refused(abused, "address_limit") >= 700
    finally:
        for one in (*one_address, *many):
            one.close()


def count_answers(connections: list[socket.socket], word: bytes) -> int:
    """How many have been sent something with this word, after waiting until that changes no more."""
    selector = selectors.DefaultSelector()
    got = dict.fromkeys(connections, b"")
    for one in connections:
        selector.register(one, selectors.EVENT_READ)
    while ready := selector.select(timeout=1.0):
        for key, _ in ready:
            one = key.fileobj
            assert isinstance(one, socket.socket)
            with contextlib.suppress(OSError):
                more = one.recv(4096)
                got[one] += more
                if more:
                    continue
            selector.unregister(one)
    return sum(word in answer for answer in got.values())


@pytest.mark.req("D6")
def test_row_10_an_address_that_is_full_of_slow_connections_still_gets_through(abused: Server) -> None:
    slow = flood(abused.port, 256, b"GET / HTTP/1.1\r\n", "127.0.5.1")
    try:
        wait_until(lambda: ask(abused.port, "GET", "/health", source="127.0.5.1")[0] == 200, 5, "let in again")
        for _ in range(20):
            assert ask(abused.port, "GET", "/health", source="127.0.5.1")[0] == 200
    finally:
        for one in slow:
            one.close()


@pytest.mark.req("D6")
@pytest.mark.serve_options({"TRUSTED_PROXIES": "1", "WORKERS": "0"})
def test_row_10_behind_a_trusted_proxy_the_address_that_it_names_is_limited(server: Server) -> None:
    """The proxy's own address holds what it likes; what else a client writes into the header is void."""
    waiting = []
    try:
        for number in range(256):
            one = connect(server.port)
            sid = new_session(server.port, f"X-Forwarded-For: 10.0.{number}.1")
            one.sendall(request("GET", f"{POLLING}&sid={sid}", f"X-Forwarded-For: 1.1.1.{number % 250}, 10.9.9.9"))
            waiting.append(one)
        wait_until(lambda: ask(server.port, "GET", "/health", "X-Forwarded-For: 10.9.9.9")[0] == 429, 5, "refused")
        assert ask(server.port, "GET", "/health", "X-Forwarded-For: 8.8.8.8")[0] == 200
        assert ask(server.port, "GET", "/health", "X-Forwarded-For: 8.8.8.8, 10.9.9.9")[0] == 429
    finally:
        for one in waiting:
            one.close()


@pytest.mark.req("D5", "D10")
@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: " + b"b" * 70_000 + b"\r\n\r\n",
        b"POST /login HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /login HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /login HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /login HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"GET /tasks/%00%ff%0d%0a HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"BREW / HTTP/1.1\r\nConnection: close\r\n\r\n",
    ],
)
def test_row_12_bytes_that_are_no_request_end_without_a_trace(abused: Server, sent: bytes) -> None:
    lines = abused.logs()
    with connect(abused.port) as one:
        one.sendall(sent)
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_WR)
        answer = read_all(one, 5)
    assert b"Traceback" not in answer
    assert b" 200 " not in answer.partition(b"\r\n")[0]
    assert ask(abused.port, "GET", "/health")[0] == 200
    said = abused.logs()[len(lines) :]
    assert "Traceback" not in said
    assert all(len(line.encode()) <= 300 for line in said.splitlines())


@pytest.mark.req("D6", "F8")
def test_a_connection_that_is_kept_open_serves_one_request_after_another(abused: Server) -> None:
    with connect(abused.port) as one:
        for _ in range(5):
            one.sendall(request("GET", "/health"))
            assert read_answer(one)[0] == 200
        one.sendall(request("POST", "/login", length=3) + b"a=b")
        assert read_answer(one)[0] == 400
        one.sendall(b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n")
        assert read_answer(one)[0] == 400
        one.sendall(request("GET", "/health"))
        assert read_answer(one)[0] == 200
