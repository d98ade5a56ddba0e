"""How packets reach the sockets: written straight to each connection, or, where that cannot be, the libraries' own way.

With `web_app`, the only module that knows eventlet. `moved` names the places at which the direct way enters Engine.IO,
Socket.IO and eventlet; where one of them is not as it was, the stock way serves, correct and slower.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
from collections.abc import Callable
from typing import Any

import engineio
import eventlet.hubs
import eventlet.tpool
from engineio import socket as engine_socket
from engineio.exceptions import SocketIsClosedError
from engineio.packet import MESSAGE, Packet
from eventlet.hubs.hub import BaseHub
from eventlet.websocket import RFC6455WebSocket
from socketio import Server

from delivery.direct import PACKETS_PER_POLL, DirectQueue, DirectSocket, Edge
from delivery.members import Target
from delivery.outbox import Batch, Outgoing
from delivery.scan_events import NAMESPACE, ScanTarget, tasks_of
from delivery.websockets import Gate
from extensions import use_threads_of

log = logging.getLogger("taskroom.fanout")

PING_TURN_S = 0.5


class ModestSocket(engine_socket.Socket):
    """A stock socket that hands out at most PACKETS_PER_POLL at once: a replay by polling takes several answers."""

    _rest: tuple[Packet, ...] = ()

    def poll(self) -> list[Packet]:
        """The next packets, waiting for one if there is none."""
        packets = self._rest or tuple(super().poll())
        self._rest = packets[PACKETS_PER_POLL:]
        return list(packets[:PACKETS_PER_POLL])


class StockTarget:
    """One client's packets, through Engine.IO's queue and writer, which take as many as come."""

    is_overrun = False

    def __init__(self, server: Server, eio_sid: str) -> None:
        self._send = server.eio.send_packet
        self._eio_sid = eio_sid

    def write(self, batch: Batch) -> None:
        """Queue these packets; a socket that is gone is passed over."""
        with contextlib.suppress(SocketIsClosedError):
            for item in batch.items:
                self._send(self._eio_sid, Packet(MESSAGE, data=item.packet[1:]))


class EventletLoop:
    """eventlet's loop, for callbacks."""

    def __init__(self) -> None:
        self._hub = eventlet.hubs.get_hub()

    def on_readable(self, fileno: int, call: Callable[[int], None]) -> Any:
        """Call whenever there is something to read, until it is forgotten."""
        return self._add(self._hub.READ, fileno, call)

    def on_writable(self, fileno: int, call: Callable[[int], None]) -> Any:
        """Call whenever there is room to write, until it is forgotten."""
        return self._add(self._hub.WRITE, fileno, call)

    def _add(self, kind: str, fileno: int, call: Callable[[int], None]) -> Any:
        listener = self._hub.add(kind, fileno, call, _ignore, None)
        listener.greenlet = self._hub.greenlet  # and not the one that happened to run, which would be kept
        return listener

    def forget(self, listener: Any) -> None:
        """Call no more."""
        self._hub.remove(listener)

    def spawn(self, function: Callable[..., object], *arguments: Any) -> None:
        """Run in a green thread."""
        eventlet.spawn_n(function, *arguments)

    def later(self, seconds: float, function: Callable[..., object], *arguments: Any) -> None:
        """Run in a green thread, some time from now."""
        eventlet.spawn_after(seconds, function, *arguments)


def _ignore(*_: object) -> None:
    """What the loop would throw into a green thread that waits; here none does."""


class Fanout:
    """Sends ready packets to sockets of one Socket.IO server, each of the namespace `/` or of `/ws`."""

    def __init__(self, server: Server, is_direct: bool) -> None:
        self._server = server
        changed = moved() if is_direct else []
        for what in changed:
            log.error("%s is not as it was: events go the libraries' own way, correct and slower", what)
        self.is_direct = is_direct and not changed
        engine_socket.Socket = ModestSocket  # the server looks its class up there for each new session

    def go_direct(
        self, gate: Gate, given_up: Callable[[str, frozenset[str]], None], caught_up: Callable[[str], None]
    ) -> None:
        """Take the direct way from the next session on. `given_up` and `caught_up` are told Socket.IO ids."""
        if not self.is_direct:
            return

        def sids_of(eio_sid: str) -> list[str]:
            found = [self._server.manager.sid_from_eio_sid(eio_sid, namespace) for namespace in ("/", NAMESPACE)]
            return [sid for sid in found if sid]

        def give_up(eio_sid: str, lost: frozenset[str]) -> None:
            for sid in sids_of(eio_sid):
                given_up(sid, tasks_of(lost))

        def catch_up(eio_sid: str) -> None:
            for sid in sids_of(eio_sid):
                caught_up(sid)

        edge = Edge(EventletLoop(), gate, give_up, catch_up)
        eio = self._server.eio
        eio._async = {**eio._async, "queue": DirectQueue}
        engine_socket.Socket = type("DirectSocket", (DirectSocket,), {"edge": edge})
        eventlet.spawn(_ping, edge)

    def target(self, sid: str) -> Target | None:
        """Where the events of rooms go for this client; None for one that is gone."""
        plain = self._way(sid, "/")
        if plain is not None:
            return plain
        scans = self._way(sid, NAMESPACE)
        return ScanTarget(scans) if scans is not None else None

    def _way(self, sid: str, namespace: str) -> Target | None:
        eio_sid = self._server.manager.eio_sid_from_sid(sid, namespace)
        found = self._server.eio.sockets.get(eio_sid)
        if found is None or not self.is_direct:
            return found and StockTarget(self._server, eio_sid)
        target: Target = found.outbox
        return target

    def send(self, sid: str, packet: str) -> None:
        """Send one Socket.IO packet of its namespace to this client; one that is gone is passed over."""
        target = self._way(sid, "/") or self._way(sid, NAMESPACE)
        if target is not None:
            target.write(Batch.of([Outgoing(b"4" + packet.encode())]))


def _ping(edge: Edge) -> None:
    while True:
        eventlet.sleep(PING_TURN_S)
        try:
            edge.ping_those_due()
        except Exception:
            log.exception("a ping failed")


def moved() -> list[str]:
    """The places at which the direct way enters the libraries that are not as they were, in words."""
    stock, changed = engine_socket.Socket, []
    expected = {
        "poll": ["self"],
        "send": ["self", "pkt"],
        "receive": ["self", "pkt"],
        "close": ["self", "wait", "abort", "reason"],
        "schedule_ping": ["self"],
        "_upgrade_websocket": ["self", "environ", "start_response"],
        "_websocket_handler": ["self", "ws"],
    }
    while stock.__module__ != "engineio.socket":  # another Fanout of this process has put its own there
        stock = stock.__mro__[1]
    for name, parameters in expected.items():
        method = getattr(stock, name, None)
        if method is None or list(inspect.signature(method).parameters) != parameters:
            changed.append(f"engineio.socket.Socket.{name}")
    sample = stock(engineio.Server(async_mode="threading"), "sample")
    names = ("queue", "closed", "closing", "connected", "upgraded", "upgrading", "last_ping")
    changed += [f"engineio.socket.Socket().{name}" for name in names if not hasattr(sample, name)]
    if list(inspect.signature(BaseHub.add).parameters) != ["self", "evtype", "fileno", "cb", "tb", "mark_as_closed"]:
        changed.append("eventlet.hubs.hub.BaseHub.add")
    if "websocket_closed" not in inspect.getsource(RFC6455WebSocket._send_closing_frame):
        changed.append("eventlet.websocket.RFC6455WebSocket.websocket_closed")
    return changed


def use_native_threads() -> None:
    """Run slow calls in eventlet's pool of native threads, beside the loop."""
    use_threads_of(eventlet.tpool.execute)
