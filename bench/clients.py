"""Opens clients: TCP, WebSocket, Engine.IO, Socket.IO CONNECT with a token, `join_task`, a bounded number at once."""

from __future__ import annotations

import contextlib
import errno
import json
import select
import socket
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.wire import CLOSE, COMPRESSED, PONG, Frames, request, text_frame

PATH = "/socket.io/?EIO=4&transport=websocket"
JOIN_ID = 7
STALL_S = 20.0


class Refused(Exception):
    """The server did not let a client in, and what it said."""


class Client:
    """One client on its way in: each step answers what the server has just said."""

    __slots__ = ("_step", "ack", "frames", "inflater", "rest", "room", "sock", "token")

    def __init__(self, sock: socket.socket, room: str, token: str) -> None:
        self.sock, self.room, self.token = sock, room, token
        self.frames = Frames()
        self.rest = b""
        self.ack: dict[str, Any] | None = None
        self.inflater: Any = None
        self._step = self._upgraded

    def take(self, data: bytes) -> bool:
        """Go on with what has arrived; True once the room is joined. Raises Refused."""
        return self._step(data)

    def _upgraded(self, data: bytes) -> bool:
        self.rest += data
        head, end, rest = self.rest.partition(b"\r\n\r\n")
        if not end:
            return False
        if b" 101 " not in head[:16]:
            raise Refused(self.rest[:300].decode(errors="replace"))
        if b"permessage-deflate" in head.lower():
            self.inflater = zlib.decompressobj(-15)
        self.rest = b""
        self._step = self._talk
        return self._talk(rest)

    def _talk(self, data: bytes) -> bool:
        for first, payload in self.frames.feed(data):
            if first & 15 == CLOSE:
                raise Refused(f"closed: {payload[2:]!r}")
            if first & COMPRESSED and self.inflater is not None:
                payload = self.inflater.decompress(payload + b"\0\0\xff\xff")
            if self._answer(payload):
                break
        if self.ack is None:
            return False
        self.rest = self.frames.rest
        return True

    def _answer(self, payload: bytes) -> bool:
        if payload[:1] == b"0":
            self.sock.send(text_frame("40" + json.dumps({"token": self.token})))
        elif payload[:2] == b"40":
            self.sock.send(text_frame(f"42{JOIN_ID}" + json.dumps(["join_task", {"task_id": self.room}])))
        elif payload == b"2":
            self.sock.send(PONG)
        elif payload[:2] == b"44":
            raise Refused(payload.decode(errors="replace"))
        elif payload[:2] == b"43":
            self.ack = json.loads(payload[payload.index(b"[") :])[0]
            if not self.ack["ok"]:
                raise Refused(payload.decode(errors="replace"))
            return True
        return False


@dataclass
class Opening:
    """How many clients to open, where, for whom; and what came of it.

    Client i takes the i-th room, token and address, counted round.
    """

    port: int
    count: int
    rooms: list[str]
    tokens: list[str]
    addresses: list[str]
    at_once: int = 64
    deflate: bool = False
    receive_buffer: int = 0
    max_segment: int = 0
    """as over a network; on loopback a server's kernel would take in megabytes for a client that never reads"""
    joined: list[Client] = field(default_factory=list)
    acks: dict[str, Any] = field(default_factory=dict)
    failed: int = 0
    reason: str = ""


def open_clients(opening: Opening, meanwhile: Callable[[float], None]) -> float:
    """Open them all and return the seconds it took. `meanwhile(s)` lets those that are open receive.

    A client that is refused is counted in `failed`; nobody is tried twice.
    """
    poll = select.epoll()
    on_their_way: dict[int, Client] = {}
    hello = request(PATH, f"127.0.0.1:{opening.port}", opening.deflate)
    start = moved = received = time.monotonic()
    begun = 0
    while begun < opening.count or on_their_way:
        while begun < opening.count and len(on_their_way) < opening.at_once:
            client = _begin(opening, begun)
            on_their_way[client.sock.fileno()] = client
            poll.register(client.sock.fileno(), select.EPOLLOUT)
            begun += 1
        for descriptor, event in poll.poll(0.05):
            client = on_their_way[descriptor]
            if event & select.EPOLLOUT and not event & (select.EPOLLERR | select.EPOLLHUP):
                client.sock.send(hello)
                poll.modify(descriptor, select.EPOLLIN)
            elif _is_settled(client, opening):
                poll.unregister(descriptor)
                del on_their_way[descriptor]
                moved = time.monotonic()
                if client.ack is None:
                    client.sock.close()
        now = time.monotonic()
        if now - moved > STALL_S:
            opening.failed += len(on_their_way)
            opening.reason = opening.reason or f"{len(on_their_way)} clients got no answer"
            for client in on_their_way.values():
                client.sock.close()
            break
        if now - received > 0.2:
            meanwhile(0.0005)
            received = time.monotonic()
    poll.close()
    return time.monotonic() - start


def _begin(opening: Opening, number: int) -> Client:
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if opening.receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, opening.receive_buffer)
    if opening.max_segment:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, opening.max_segment)
    address = opening.addresses[number % len(opening.addresses)]
    if address != "127.0.0.1":
        sock.bind((address, 0))
    with contextlib.suppress(BlockingIOError):
        sock.connect(("127.0.0.1", opening.port))
    rooms, tokens = opening.rooms, opening.tokens
    return Client(sock, rooms[number % len(rooms)], tokens[number % len(tokens)])


def _is_settled(client: Client, opening: Opening) -> bool:
    """Take what has arrived; True once the client has joined or was refused."""
    try:
        data = client.sock.recv(1 << 16)
        if not data:
            raise Refused(_why(client.sock))
        if not client.take(data):
            return False
    except BlockingIOError:
        return False
    except (OSError, Refused) as error:
        opening.failed += 1
        opening.reason = opening.reason or f"{type(error).__name__}: {error}"
        return True
    opening.joined.append(client)
    opening.acks[client.room] = client.ack
    return True


def _why(sock: socket.socket) -> str:
    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return errno.errorcode.get(number, "the server closed the connection")
