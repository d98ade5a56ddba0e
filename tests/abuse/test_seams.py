"""Where the guard holds on to Engine.IO, Socket.IO and eventlet: if one of these has moved, this says which."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys

import engineio
import flask_socketio
import pytest
import socketio
from engineio.payload import Payload

from delivery.frames import unmask
from delivery.guard import addressed
from delivery.packets import MAX_PACKETS, Malformed, check_frame, check_message, error_packets
from tests.fixtures.machine import ROOT

pytestmark = [pytest.mark.req("D5", "K2")]


def make() -> socketio.Server:
    return socketio.Server(async_mode="threading", async_handlers=False)


def test_socketio_hands_engine_io_three_handlers_that_can_be_wrapped() -> None:
    eio = make().eio
    assert set(eio.handlers) == {"connect", "message", "disconnect"}
    assert eio.event_names == ["connect", "disconnect", "message"]
    assert list(inspect.signature(eio.handlers["connect"]).parameters) == ["eio_sid", "environ"]
    assert list(inspect.signature(eio.handlers["message"]).parameters) == ["eio_sid", "data"]
    assert list(inspect.signature(eio.handlers["disconnect"]).parameters) == ["eio_sid", "reason"]


def test_every_request_to_socketio_goes_through_the_engine_s_handle_request() -> None:
    assert "self.eio.handle_request(environ, start_response)" in inspect.getsource(socketio.Server.handle_request)
    assert issubclass(flask_socketio._SocketIOMiddleware, socketio.WSGIApp)


def test_engine_io_makes_its_websockets_from_the_class_in_its_async_dictionary() -> None:
    source = inspect.getsource(engineio.socket.Socket._upgrade_websocket)
    assert "self.server._async['websocket'](\n            self._websocket_handler, self.server)" in source
    loop = inspect.getsource(engineio.socket.Socket._websocket_handler)
    assert "ws.wait()" in loop
    assert "if p is None" in loop, "None from ws.wait() no longer means closed"


def test_sessions_are_found_and_closed_by_these_names() -> None:
    eio = make().eio
    assert eio.sockets == {}
    session = engineio.socket.Socket(eio, "sid")
    assert (session.sid, session.closed, session.upgrading) == ("sid", False, False)
    assert list(inspect.signature(session.close).parameters) == ["wait", "abort", "reason"]


def test_the_manager_tells_who_is_connected() -> None:
    manager = make().manager
    assert manager.sid_from_eio_sid("none", "/") is None
    assert manager.eio_sid_from_sid("none", "/") is None
    assert manager.is_connected(None, "/") is False
    assert list(manager.get_namespaces()) == []
    assert list(inspect.signature(manager.emit).parameters)[:4] == ["event", "data", "namespace", "room"]


def test_engine_io_takes_as_many_packets_at_once_as_we_allow() -> None:
    assert Payload.max_decode_packets == MAX_PACKETS


EVENTLET = """
import inspect, warnings
warnings.simplefilter("ignore")
from engineio.async_drivers.eventlet import _async
from eventlet import websocket, wsgi
from delivery.frames import unmask
assert issubclass(_async["websocket"], websocket.WebSocketWSGI)
ws = websocket.RFC6455WebSocket(None, {}, 13)
assert list(inspect.signature(ws._recv_frame).parameters) == ["message"]
assert "self._recv_frame(message=" in inspect.getsource(websocket.RFC6455WebSocket._iter_frames)
assert "self._apply_mask(d, mask, length=dlen, offset=received)" in inspect.getsource(ws._recv_frame)
for size in (0, 1, 5, 127, 1000):
    for offset in range(4):
        data, mask = bytes(range(256)) * 4, (1, 2, 250, 77)
        assert unmask(data[:size], mask, size, offset) == ws._apply_mask(data[:size], mask, size, offset)
message = ws.Message(1, 10)
assert (message.opcode, message.data, message.finished) == (1, [], False)
protocol = inspect.getsource(wsgi.HttpProtocol)
for name in ("def handle_one_request(self)", "def get_environ(self)", "def finish(self)", "self.close_connection == 0"):
    assert name in protocol, name
assert "self.protocol(conn_state, self)" in inspect.getsource(wsgi.Server.process_request)
serve = inspect.getsource(wsgi.server)
assert "sock.accept()" in serve and "protocol=protocol" in serve
assert "HTTP_SEC_WEBSOCKET_EXTENSIONS" in inspect.getsource(websocket.WebSocketWSGI)
assert "support_legacy_versions" in inspect.getsource(websocket.WebSocketWSGI)
"""


def test_eventlet_reads_frames_and_serves_requests_through_the_names_that_we_replace() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", EVENTLET], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.req("A11")
@pytest.mark.parametrize("room", [None, "", "  ", [], ["a"], 5])
def test_row_18_an_emit_without_a_room_raises_and_nobody_receives(room: object) -> None:
    sent: list[object] = []
    emit = addressed(lambda *arguments, **options: sent.append((arguments, options)))
    with pytest.raises(ValueError, match="no room"):
        emit("progress_update", {}, "/", room=room)
    assert sent == []
    emit("progress_update", {}, "/", room="somebody")
    assert len(sent) == 1


@pytest.mark.parametrize("frame", ["3", "1", "5", "2probe", "40", "42[]", "41/ws"])
def test_what_clients_send_is_let_through(frame: str) -> None:
    check_frame(frame)


@pytest.mark.parametrize(
    "data",
    ["0", '0{"token":"x"}', "0/ws,", '0/ws,{"a":1}', "0/ws?x=1,", "1", "1/ws,", '2["join_task",{"task_id":"x"}]',
     '27["a"]', '2/ws,13["subscribe",{"scanId":"1"}]', '2["join_task",{"text":"é\\n"},null,1.5]'],
)  # fmt: skip
def test_messages_of_clients_are_let_through(data: str) -> None:
    check_message(data)


@pytest.mark.parametrize("data", [None, 5, {}, [], b"2", "", "3[]", "4{}", "51-[]", "61-[]", "1x", "05", "0[1]", "7"])
def test_other_messages_are_malformed(data: object) -> None:
    with pytest.raises(Malformed):
        check_message(data)


def test_a_refusal_is_addressed_as_the_request_was() -> None:
    said = list(error_packets('42/ws,12["subscribe",{}]', "rate_limited", "No.", True, 0.5))
    assert said[0].startswith('3/ws,12[{"ok":false')
    assert said[1].startswith('2/ws,["error",')
    assert list(error_packets("3", "rate_limited", "No.", True)) == []
    assert len(list(error_packets('42["x"]', "rate_limited", "No.", False))) == 0


def test_masks_are_undone_as_the_standard_says() -> None:
    assert unmask(bytes([0x7F, 0x9F, 0x4D, 0x51, 0x58]), (0x37, 0xFA, 0x21, 0x3D)) == b"Hello"
