"""Bytes to sockets: a packet that was encoded once goes to each Engine.IO socket as it is.

With `web_app`, the only module that knows eventlet. Packets are put into the socket's own ordered queue, which its
writer empties; nothing here waits.
"""

from __future__ import annotations

import contextlib

import eventlet.tpool
from engineio import socket as engine_socket
from engineio.exceptions import SocketIsClosedError
from engineio.packet import MESSAGE, Packet
from socketio import Server

from extensions import use_threads_of

PACKETS_PER_POLL = 16
"""Clients written in Python give up on an answer with more (engineio.payload.Payload.max_decode_packets)."""


class ModestSocket(engine_socket.Socket):
    """Hands out at most PACKETS_PER_POLL at once; a replay to a polling client takes several answers."""

    _rest: tuple[Packet, ...] = ()

    def poll(self) -> list[Packet]:
        """The next packets, waiting for one if there is none."""
        packets = self._rest or tuple(super().poll())
        self._rest = packets[PACKETS_PER_POLL:]
        return list(packets[:PACKETS_PER_POLL])


class Fanout:
    """Sends ready packets of the namespace `/` to sockets of one Socket.IO server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        engine_socket.Socket = ModestSocket  # the server looks its class up there for each new session

    def send(self, sid: str, packet: str) -> None:
        """Queue one Socket.IO packet for this socket; one that is gone is passed over."""
        eio_sid = self._server.manager.eio_sid_from_sid(sid, "/")
        if eio_sid is not None:
            with contextlib.suppress(SocketIsClosedError):
                self._server.eio.send_packet(eio_sid, Packet(MESSAGE, data=packet))


def use_native_threads() -> None:
    """Run slow calls in eventlet's pool of native threads, beside the loop."""
    use_threads_of(eventlet.tpool.execute)
