"""Engine.IO sockets without green threads of their own: bytes are written straight to the connection, or wait in order.

A stock socket over WebSocket keeps three green threads (one reads, one writes, one sleeps until the next ping) and
hands every packet over between them. Here the loop calls back when bytes come or may go, so an idle watcher is a few
small objects, and an event reaches a thousand of them in one pass. It knows no async library: `delivery.fanout` gives
it the loop, and names what it takes from Engine.IO.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import engineio.socket
from engineio.exceptions import QueueEmpty, SocketIsClosedError, UnknownPacketError
from engineio.packet import NOOP, PING, Packet

from delivery import frames
from delivery.frames import FrameReader
from delivery.outbox import Batch, Outbox, Outgoing
from delivery.packets import Malformed
from delivery.refusals import Reason
from delivery.websockets import Gate

log = logging.getLogger("taskroom.direct")

PACKETS_PER_POLL = 16
"""Clients written in Python give up on an answer with more (engineio.payload.Payload.max_decode_packets)."""
READ_BYTES = 16 * 1024
MAX_UNTAKEN = 8
"""pieces that were read and not yet understood; then reading pauses"""
GOODBYE_WITHIN_S = 2.0
STUCK_AFTER_S = 10.0
UNSENT_BYTES = 64 * 1024


class Loop(Protocol):
    """What is needed of an event loop. Callbacks must not wait."""

    def on_readable(self, fileno: int, call: Callable[[int], None]) -> Any: ...
    def on_writable(self, fileno: int, call: Callable[[int], None]) -> Any: ...
    def forget(self, listener: Any) -> None: ...
    def spawn(self, function: Callable[..., object], *arguments: Any) -> None: ...
    def later(self, seconds: float, function: Callable[..., object], *arguments: Any) -> None: ...


@dataclass
class Edge:
    """What all sockets of one server share."""

    loop: Loop
    gate: Gate
    rooms_given_up: Callable[[str, frozenset[str]], None]
    """called with a session's id and the tasks of which events that waited for it were given up"""
    caught_up: Callable[[str], None]
    pings: deque[tuple[float, DirectSocket]] = field(default_factory=deque)
    """who is to be pinged when; the interval is the same for all, so the first is due first"""

    def ping_those_due(self) -> None:
        """To be called every second or so, in a green thread of its own."""
        now_s = time.monotonic()
        while self.pings and self.pings[0][0] <= now_s:
            with contextlib.suppress(SocketIsClosedError):
                self.pings.popleft()[1].ping(now_s)


class DirectQueue:
    """What Engine.IO takes for a session's queue: its outbox."""

    __slots__ = ("_socket",)

    def serve(self, socket: DirectSocket | None) -> None:
        """Pass packets on to this session's outbox; for None, to nobody's."""
        self._socket = socket

    def put(self, packet: Packet | None) -> None:
        """Send a packet; None ends the connection once everything has gone out."""
        if self._socket is None:
            return
        if packet is None:
            self._socket.end()
            return
        encoded = packet.encode()
        self._socket.outbox.write(Batch.of([Outgoing(encoded if isinstance(encoded, bytes) else encoded.encode())]))

    def join(self) -> None:
        """Nobody waits for the end of a connection here."""


@dataclass(slots=True)
class _Ready:
    """A packet that is encoded already."""

    packet: str

    def encode(self, **_options: bool) -> str:
        return self.packet


class DirectSocket(engineio.socket.Socket):  # type: ignore[misc]
    """One Engine.IO session. Over polling it is polled as ever; a WebSocket is taken over from the WSGI server."""

    edge: ClassVar[Edge]

    def __init__(self, server: Any, sid: str) -> None:
        super().__init__(server, sid)
        self.connected: bool
        self.last_ping: float | None
        self.outbox = Outbox(self)
        self.queue: DirectQueue
        self.queue.serve(self)
        self._polled: Any = None
        self._take = DirectSocket._take_packet
        self._raw: Any = None
        self._connection: Any = None
        self._reader: FrameReader | None = None
        self._untaken: list[bytes] = []
        self._is_taking = False
        self._readable: Any = None
        self._writable: Any = None

    # Polling

    def poll(self) -> list[Any]:
        """The next packets, waiting for one if there is none; none at the end of the session."""
        taken = self.outbox.poll(PACKETS_PER_POLL)
        while not taken:
            if self.closed:
                return []
            self._polled = self.server.create_event()
            if not self._polled.wait(timeout=self.server.ping_interval + self.server.ping_timeout):
                raise QueueEmpty
            taken = self.outbox.poll(PACKETS_PER_POLL)
        return [_Ready(item.packet) for item in taken]

    # Pings

    def schedule_ping(self) -> None:
        """Ping again after the interval, unless a ping is on its way."""
        if self.last_ping:
            self.last_ping = None
            self.edge.pings.append((time.monotonic() + self.server.ping_interval, self))

    def ping(self, now_s: float) -> None:
        """Ask for a sign of life. Who reads slowly gives one by that; who has read nothing for long is sent away."""
        if self.closing or self.closed:
            return
        if self.upgraded and self.outbox.size:
            if now_s - self.outbox.moved_s > STUCK_AFTER_S:
                self.has_to_go()
            else:
                self.edge.pings.append((now_s + self.server.ping_interval, self))
            return
        self.last_ping = time.time()
        self.send(Packet(PING))

    # The WebSocket

    def take_over(self, ws: Any, connection: Any) -> list[bytes]:
        """Go on with this WebSocket, whose handshake is done, when the WSGI server has let go of it."""
        self._raw, ws.websocket_closed = connection.detach(), True
        self._connection = connection
        self._reader = FrameReader(self.edge.gate.max_bytes)
        # What a slow reader has not taken waits here, where it can be overtaken, and not in the kernel.
        self._raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        if self.connected:
            self.upgrading = True
            self._take = DirectSocket._take_probe
        else:
            self.connected = self.upgraded = True
            self.outbox.connect(self._raw.send)
        self._readable = self.edge.loop.on_readable(self._raw.fileno(), self._read)
        return []

    def _read(self, _fileno: int) -> None:
        """Bytes have come, or the end. Called by the loop, which may come a moment late.

        Nothing may escape: the loop would stop listening to whoever has this descriptor now.
        """
        if self._readable is None:
            return
        try:
            data = self._raw.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._untaken.append(data)
        if len(self._untaken) >= MAX_UNTAKEN or not data:
            self._stop_reading()
        if not self._is_taking:
            self._is_taking = True
            self.edge.loop.spawn(self._take_all)

    def _stop_reading(self) -> None:
        if self._readable is not None:
            self.edge.loop.forget(self._readable)
            self._readable = None

    def _take_all(self) -> None:
        """Understand what was read, in order. In a green thread: handlers may wait."""
        gate = self.edge.gate
        try:
            while self._untaken:
                data = self._untaken.pop(0)
                if not data or not self._take_piece(data):
                    self._finish()
                    return
                if self._readable is None:
                    gate.pause()
                if self._readable is None and self._raw is not None:
                    self._readable = self.edge.loop.on_readable(self._raw.fileno(), self._read)
        except (Malformed, ValueError) as error:
            reason = error.reason if isinstance(error, Malformed) else Reason.MALFORMED
            self._refuse(reason, str(error))
        except Exception as error:
            log.exception("a packet of session %s could not be taken", self.sid)
            self._refuse(Reason.MALFORMED, type(error).__name__)
        finally:
            self._is_taking = False

    def _refuse(self, reason: Reason, detail: str) -> None:
        gate = self.edge.gate
        gate.refusals.count(reason, gate.address_of(self.sid), detail)
        self._stop_reading()
        self._untaken.clear()
        gate.end(self.sid)
        self.edge.loop.later(GOODBYE_WITHIN_S, self._finish)

    def _take_piece(self, data: bytes) -> bool:
        """Take the messages that these bytes complete; False once the client has said goodbye."""
        assert self._reader is not None
        gate = self.edge.gate
        for count, message in enumerate(self._reader.feed(data)):
            if count:
                gate.pause()  # many at once must not keep the loop
            if self._raw is None:
                return False
            if message.opcode in (frames.TEXT, frames.BINARY):
                if gate.admit(self.sid, message.text if message.opcode == frames.TEXT else message.data):
                    self._take(self, message.text)
            elif message.opcode == frames.CLOSE:
                self._write_raw(frames.close_frame())
                return False
            else:
                gate.take(self.sid)
                if message.opcode == frames.PING:
                    self._write_raw(frames.frame(message.data, frames.PONG))
        return True

    def _write_raw(self, frame: bytes) -> None:
        """Send a control frame if nothing waits: between the pieces of another it would break the stream."""
        if not self.outbox.size and self._raw is not None:
            with contextlib.suppress(OSError):
                self._raw.send(frame)

    def _take_probe(self, text: str) -> None:
        if text != "2probe":
            raise Malformed("an upgrade without a probe")
        with contextlib.suppress(OSError):  # whatever waits is for the poll: nothing has been begun here
            self._raw.send(frames.frame(b"3probe"))
        self.queue.put(Packet(NOOP))  # ends the poll that waits
        self._take = DirectSocket._take_upgrade

    def _take_upgrade(self, text: str) -> None:
        if text != "5":
            raise Malformed("an upgrade that is not gone through with")
        self.upgraded, self.upgrading = True, False
        self._take = DirectSocket._take_packet
        self.outbox.connect(self._raw.send)

    def _take_packet(self, text: str) -> None:
        if text[0] == "4":  # the library would try whether it is JSON
            self.server._trigger_event("message", self.sid, text[1:], run_async=False)
            return
        with contextlib.suppress(UnknownPacketError, SocketIsClosedError):
            self.receive(Packet(encoded_packet=text))

    def end(self) -> None:
        """The session is closed: what waits still goes out, within GOODBYE_WITHIN_S."""
        self.outbox.end()
        self._wake_poll()
        if self._raw is not None:
            self.edge.loop.later(GOODBYE_WITHIN_S, self._finish)

    def _finish(self) -> None:
        """The connection is at its end; with it the session, unless that was only trying to leave polling."""
        raw, self._raw = self._raw, None
        if raw is None:
            return
        self._stop_reading()
        self._stop_writing()
        with contextlib.suppress(OSError):
            raw.shutdown(socket.SHUT_RDWR)
        raw.close()
        self._connection.leave()
        if self.upgrading and not self.closed:
            self.upgrading, self._take = False, DirectSocket._take_packet
            return
        self.outbox.close()
        self.close(wait=False, abort=True, reason=self.server.reason.TRANSPORT_CLOSE)
        self.server.sockets.pop(self.sid, None)
        self.outbox.forget_client()
        self.queue.serve(None)  # what refers to itself in a circle would wait for the garbage collector

    # What the outbox tells

    def packets_wait(self) -> None:
        """Something waits now."""
        if not self.upgraded:
            self._wake_poll()
        elif self._writable is None and self._raw is not None:
            self._writable = self.edge.loop.on_writable(self._raw.fileno(), self._write)

    def _wake_poll(self) -> None:
        if self._polled is not None:
            polled, self._polled = self._polled, None
            polled.set()

    def _write(self, _fileno: int) -> None:
        """The socket takes more. Called by the loop, which may come a moment late."""
        if self._writable is None:
            return
        self.outbox.flush()
        if not self.outbox.size:
            self._stop_writing()

    def _stop_writing(self) -> None:
        if self._writable is not None:
            self.edge.loop.forget(self._writable)
            self._writable = None

    def rooms_given_up(self, lost: frozenset[str]) -> None:
        """Events of these tasks that waited for this session are gone."""
        self.edge.rooms_given_up(self.sid, lost)

    def caught_up(self) -> None:
        """It has read the rest."""
        self.edge.loop.spawn(self.edge.caught_up, self.sid)

    def has_to_go(self) -> None:
        """It has read nothing for too long, or replies pile up."""
        self.edge.loop.spawn(self._refuse, Reason.SLOW_READER, f"{self.outbox.size} bytes wait for it")

    def is_broken(self) -> None:
        """The connection takes nothing any more."""
        self.edge.loop.spawn(self._finish)

    def all_said(self) -> None:
        """Everything has gone out: say goodbye, and let the other side close."""
        if self._raw is not None:
            with contextlib.suppress(OSError):
                self._raw.send(frames.close_frame())
                self._raw.shutdown(socket.SHUT_WR)
