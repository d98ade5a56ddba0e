"""Where the direct way enters Engine.IO and eventlet: a version whose internals have moved is served the stock way."""

from __future__ import annotations

import logging

import engineio.socket
import pytest
import socketio
from eventlet.hubs.hub import BaseHub

from delivery.fanout import Fanout, ModestSocket, StockTarget, moved
from delivery.outbox import Batch, Outgoing

STOCK = engineio.socket.Socket


@pytest.fixture(autouse=True)
def stock_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Fanout puts its own class of sockets there."""
    monkeypatch.setattr(engineio.socket, "Socket", STOCK)


def make() -> socketio.Server:
    return socketio.Server(async_mode="threading", async_handlers=False)


def test_the_pinned_versions_are_as_the_direct_way_needs_them() -> None:
    assert moved() == []
    assert Fanout(make(), is_direct=True).is_direct


@pytest.mark.parametrize("name", ["poll", "schedule_ping", "_websocket_handler", "_upgrade_websocket", "close"])
def test_a_method_that_is_called_otherwise_is_told_and_the_stock_way_serves(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    monkeypatch.setattr(STOCK, name, lambda self, something_new: None)
    with caplog.at_level(logging.ERROR):
        fanout = Fanout(make(), is_direct=True)
    assert not fanout.is_direct
    assert f"engineio.socket.Socket.{name} is not as it was" in caplog.text
    assert engineio.socket.Socket is ModestSocket


def test_a_method_or_an_attribute_that_has_gone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(STOCK, "receive")
    assert moved() == ["engineio.socket.Socket.receive"]
    monkeypatch.undo()

    def without_last_ping(self: object, server: object, sid: str) -> None:
        self.__dict__.update(server=server, sid=sid, queue=None, closed=False, closing=False)
        self.__dict__.update(connected=False, upgraded=False, upgrading=False)

    monkeypatch.setattr(STOCK, "__init__", without_last_ping)
    assert moved() == ["engineio.socket.Socket().last_ping"]


def test_a_loop_that_takes_listeners_otherwise_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BaseHub, "add", lambda self, evtype, fileno, callback: None)
    assert moved() == ["eventlet.hubs.hub.BaseHub.add"]


def test_the_stock_way_can_be_asked_for_and_hands_packets_to_the_library() -> None:
    server = make()
    fanout = Fanout(server, is_direct=False)
    assert not fanout.is_direct
    session = engineio.socket.Socket(server.eio, "s")
    server.eio.sockets["s"] = session
    sid = server.manager.connect("s", "/")
    target = fanout.target(sid)
    assert isinstance(target, StockTarget)
    target.write(Batch.of([Outgoing(b'42["one",{}]'), Outgoing(b'42["two",{}]')]))
    assert [packet.encode() for packet in session.poll()] == ['42["one",{}]', '42["two",{}]']
    assert fanout.target("nobody") is None
