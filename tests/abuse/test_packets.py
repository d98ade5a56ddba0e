"""Packets that no client of ours sends: the connection ends, nothing of ours is on the wire, the log gets a line."""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Callable

import pytest

from tests.abuse.conftest import FORBIDDEN, crowding, refused
from tests.abuse.raw import WebSocket, ask, frame, new_session
from tests.fixtures.clients import RecordingClient
from tests.fixtures.machine import wait_until
from tests.fixtures.product import Server

pytestmark = [pytest.mark.slow]

OpenSocket = Callable[..., WebSocket]
POLLING = "/socket.io/?EIO=4&transport=polling"
DEEP = "[" * 30_000
MALFORMED = {
    "one letter": "x",
    "empty": "",
    "unknown type": "9",
    "open": "0{}",
    "ping of a client": "2",
    "noop": "6",
    "upgrade with words": "5please",
    "a message without type": "4",
    "JSON instead of a packet": '4{"a": 1}',
    "deep JSON instead of a packet": "4" + DEEP,
    "unknown message type": "47",
    "a superscript digit": "4\u00b2",
    "connect with a list": "40[]",
    "connect with half of an object": '40{"token":',
    "an event that is no list": '42{"a":1}',
    "an event without a name": "42[]",
    "an event with a number for a name": "42[1]",
    "an event with an empty name": '42[""]',
    "an event with a very long name": "42" + json.dumps(["e" * 500]),
    "deep JSON": '42["join_task",' + DEEP,
    "a number of 5000 digits": '42["join_task",' + "9" * 5000 + "x]",
    "NaN": '42["join_task",{"task_id":NaN}]',
    "half a surrogate": '42["join_task",{"task_id":"\\ud800"}]',
    "an id of a thousand digits": "42" + "1" * 1000 + '["join_task"]',
    "an acknowledgement of nothing": '431["x"]',
    "a connect error": '44{"message":"no"}',
    "a namespace without end": "42/" + "n" * 3000 + ',["x"]',
    "lines": '42\n\n\x1b[31m["join_task"]',
}
BINARY = {
    "a binary event": '451-["upload",{"_placeholder":true,"num":0}]',
    "a binary event with many parts": '459999999999-["upload"]',
    "a binary acknowledgement": "461-1[]",
    "base 64": "bAAAA",
}


def ends(server: Server, socket: WebSocket, reason: str, before: int, lines: int) -> None:
    """The connection is closed, counted and told in one short line, and nothing of ours was on the wire."""
    socket.wait_closed(5)
    assert not [word for word in FORBIDDEN if word in socket.wire]
    wait_until(lambda: refused(server, reason) > before, 3, f"counted as {reason}")
    said = server.logs()[lines:]
    assert "Traceback" not in said
    assert all(len(line.encode()) <= 300 for line in said.splitlines()), said


@pytest.mark.req("D5", "D10")
@pytest.mark.parametrize("packet", MALFORMED.values(), ids=MALFORMED)
def test_rows_2_and_12_a_malformed_packet_ends_the_connection(
    abused: Server, open_socket: OpenSocket, packet: str
) -> None:
    socket = open_socket(token=abused.person("ada").token)
    before, lines = refused(abused, "malformed"), len(abused.logs())
    socket.send(packet)
    ends(abused, socket, "malformed", before, lines)


@pytest.mark.req("D1", "D5")
@pytest.mark.parametrize("packet", ["x", "", "9", "4" + DEEP, '40{"token":5}', '42["join_task"]'])
def test_row_2_a_stranger_who_sends_it_learns_nothing(abused: Server, open_socket: OpenSocket, packet: str) -> None:
    socket = open_socket()
    socket.send(packet)
    socket.wait_closed(12)
    assert not [word for word in FORBIDDEN if word in socket.wire]


@pytest.mark.req("D5")
@pytest.mark.parametrize("packet", BINARY.values(), ids=BINARY)
def test_row_21_a_binary_event_ends_the_connection_at_once(
    abused: Server, open_socket: OpenSocket, packet: str
) -> None:
    socket = open_socket(token=abused.person("ada").token)
    before, lines = refused(abused, "binary"), len(abused.logs())
    socket.send(packet)
    ends(abused, socket, "binary", before, lines)


@pytest.mark.req("D5")
def test_row_21_a_binary_frame_ends_the_connection_at_once(abused: Server, open_socket: OpenSocket) -> None:
    socket = open_socket(token=abused.person("ada").token)
    before, lines = refused(abused, "binary"), len(abused.logs())
    socket.send(b"\x00" * 1000)
    ends(abused, socket, "binary", before, lines)


FRAMES = {
    "text that is not UTF-8": frame(b"42\xff\xfe"),
    "not masked": b"\x81\x0242",
    "reserved bits": frame(b"42", 0xF1),
    "unknown opcode": frame(b"42", 0x83),
    "a continuation of nothing": frame(b"42", 0x80),
    "a frame over 64 KiB": frame(b"4" * 70_000),
    "a frame that says it is endless": b"\x81\xff\x7f" + b"\xff" * 7 + b"mask",
    "a ping of 126 bytes": frame(b"p" * 126, 0x89),
    "a message in a thousand pieces": frame(b"42[", 0x01) + frame(b" ", 0x00) * 1000,
    "a message of 32 pieces of 60 KiB": frame(b"42[" + b" " * 60_000, 0x01) + frame(b" " * 60_000, 0x00) * 31,
    "ten thousand pings": frame(b"", 0x89) * 10_000,
    "compressed without asking": frame(b"42", 0xC1),
}


@pytest.mark.req("D5", "D10")
@pytest.mark.parametrize("sent", FRAMES.values(), ids=FRAMES)
def test_row_12_a_frame_against_the_protocol_ends_the_connection(
    abused: Server, open_socket: OpenSocket, sent: bytes
) -> None:
    socket = open_socket(token=abused.person("ada").token)
    lines = len(abused.logs())
    with contextlib.suppress(OSError):  # it may hang up before it has read everything
        socket.send_bytes(sent)
    socket.wait_closed(5)
    assert not [word for word in FORBIDDEN if word in socket.wire]
    said = abused.logs()[lines:]
    assert "Traceback" not in said
    assert all(len(line.encode()) <= 300 for line in said.splitlines()), said


@pytest.mark.req("D5")
def test_row_12_a_thousand_random_packets_hurt_nobody(abused: Server, open_socket: OpenSocket) -> None:
    seed = time.time_ns()
    dice = random.Random(seed)
    print(f"seed {seed}")
    token = abused.person("ada").token
    parts = [
        "4",
        "2",
        "0",
        "[",
        "]",
        "{",
        "}",
        '"join_task"',
        '"task_id"',
        ":",
        ",",
        "1",
        "/",
        "-",
        "null",
        "\x1e",
        "é",
    ]
    other = open_socket(token=token)
    sent = 0
    while sent < 1000:
        socket = open_socket(token=token)
        with contextlib.suppress(OSError):
            for _ in range(10):
                if dice.random() < 0.3:
                    socket.send(dice.randbytes(dice.randrange(200)), opcode=dice.choice((0, 1, 2, 8, 9, 10)))
                else:
                    socket.send("42" * dice.randrange(2) + "".join(dice.choices(parts, k=dice.randrange(1, 20))))
        sent += 10
        socket.close()
    assert other.call("join_task", {"task_id": "none"})["error"]["code"] == "not_found"
    assert "Traceback" not in abused.logs()
    assert max(len(line.encode()) for line in abused.logs().splitlines()) <= 300


@pytest.mark.req("D5", "D1")
@pytest.mark.parametrize("name", ["connect", "disconnect", "connect_error", "disconnecting", "newListener", "*"])
def test_row_13_events_with_reserved_names_are_refused_and_change_nothing(
    abused: Server, open_socket: OpenSocket, name: str
) -> None:
    socket = open_socket(token=abused.person("ada").token)
    answer = socket.call(name, {"token": "x"}, ack=7)
    assert (answer["ok"], answer["error"]["code"]) == (False, "invalid_payload")
    wait_until(lambda: socket.events("error"), 3, "an error event")
    assert socket.events("error")[0]["event"] == name
    assert socket.call("join_task", {"task_id": "none"}, ack=8)["error"]["code"] == "not_found"
    assert len(socket.events("connected")) == 1


@pytest.mark.req("D6")
def test_row_15_a_flood_is_refused_then_closed_and_nobody_else_waits(abused: Server, open_socket: OpenSocket) -> None:
    token = abused.person("ada").token
    flood, other = open_socket(token=token), open_socket(token=abused.person("bob").token)
    event = frame(b'421["join_task",{"task_id":"none"}]')
    with contextlib.suppress(OSError):
        flood.send_bytes(event * 30_000)
    waits = []
    for number in range(90):  # within this client's own limit
        started = time.monotonic()
        other.call("get_task_status", {"task_id": "none"}, ack=100 + number)
        waits.append(time.monotonic() - started)
    print(f"others waited {[round(wait, 3) for wait in sorted(waits)]}")
    flood.wait_closed(15)
    answers = [json.loads(text[3:]) for text in flood.inbox if text.startswith("431[")]
    codes = [answer[0]["error"]["code"] for answer in answers]
    assert codes[:50] == ["not_found"] * 50
    assert codes.count("rate_limited") >= 100
    assert all(answer[0]["error"]["retry_after_s"] > 0 for answer in answers if "retry_after_s" in answer[0]["error"])
    assert any(error["code"] == "rate_limited" for error in flood.events("error"))
    p95_s = sorted(waits)[int(len(waits) * 0.95)]
    assert p95_s < 0.2 * crowding(), f"p95 {p95_s:.3f} s"
    assert other.call("get_task_status", {"task_id": "none"}, ack=999)["error"]["code"] == "not_found"


@pytest.mark.req("D6")
def test_row_15_a_flood_over_polling_is_refused_too(abused: Server) -> None:
    sid = new_session(abused.port)
    ask(abused.port, "POST", f"{POLLING}&sid={sid}", body=b'40{"token":"%s"}' % abused.person("ada").token.encode())
    event = "\x1e".join(['421["join_task",{"task_id":"none"}]'] * 16).encode()
    statuses = [ask(abused.port, "POST", f"{POLLING}&sid={sid}", body=event)[0] for _ in range(40)]
    assert statuses[:6] == [200] * 6
    assert statuses[-1] == 400


@pytest.mark.req("D5")
@pytest.mark.parametrize(
    "body",
    [
        b"\x1e".join([b'42["x"]'] * 17),
        b'42["\xff\xfe"]',
        b"",
        b"x",
        b"\x1e",
        b'40\x1e42["x"]\x1e9',
        b"d=42",
        b"451-[]",
        b"bAAAA",
        b"4" + DEEP.encode(),
    ],
    ids=[
        "17 packets",
        "bad UTF-8",
        "nothing",
        "x",
        "two empty",
        "one bad of three",
        "JSONP",
        "binary",
        "base 64",
        "deep",
    ],
)
def test_row_37_a_bad_payload_over_polling_is_400_and_ends_the_session(abused: Server, body: bytes) -> None:
    sid = new_session(abused.port)
    assert ask(abused.port, "POST", f"{POLLING}&sid={sid}", body=b"40")[0] == 200
    status, answer = ask(abused.port, "POST", f"{POLLING}&sid={sid}", body=body)
    assert status == 400 or body.startswith(b"45")  # Socket.IO's own part is looked at after Engine.IO's
    assert b"Traceback" not in answer
    assert ask(abused.port, "POST", f"{POLLING}&sid={sid}", body=b'42["x"]')[0] == 400


@pytest.mark.req("D5")
def test_row_37_odd_requests_to_engine_io_are_400(abused: Server) -> None:
    paths = ("&j=0", "&sid=unknown", "&transport=websocket&sid=unknown")
    for path in paths:
        assert ask(abused.port, "GET", f"{POLLING}{path}")[0] == 400
    assert ask(abused.port, "GET", "/socket.io/?EIO=3&transport=polling")[0] == 400
    assert ask(abused.port, "GET", "/socket.io/?EIO=4&transport=carrier-pigeon")[0] == 400
    assert ask(abused.port, "GET", "/socket.io/?EIO=4&transport=websocket")[0] == 400
    assert ask(abused.port, "PUT", POLLING)[0] == 405


@pytest.mark.req("A1", "A3", "D5")
def test_row_37_a_whole_session_on_polling_alone_works(
    abused: Server, make_client: Callable[..., RecordingClient]
) -> None:
    token = abused.person("ada").token
    client = make_client(abused.url, token, connect=False).connect(transports=("polling",))
    assert client.sio.transport() == "polling"
    task = abused.api(
        "POST", "/api/v1/tasks", token=token, json={"kind": "count", "params": {"to": 50, "pause_s": 0.02}}
    )
    task_id = task.json()["task_id"]
    assert client.join(task_id)["ok"]
    assert client.wait_for("task_completed", timeout_s=20).data["results"] == {"counted": 50}
    seqs = [event.data["seq"] for event in client.of_task(task_id)]
    assert seqs == sorted(set(seqs))
    assert len(client.named("task_completed")) == 1
    assert client.call("leave_task", {"task_id": task_id})["ok"]


@pytest.mark.req("A17")
def test_a_browser_that_offers_compression_is_served_without(abused: Server, open_socket: OpenSocket) -> None:
    socket = open_socket("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
    assert socket.status == 101
    assert b"extensions" not in socket.head.lower()
