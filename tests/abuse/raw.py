"""Clients without manners: bytes on TCP sockets, so that a test decides what is sent, how slowly, and what never."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

from tests.fixtures.machine import wait_until


def connect(port: int, source: str = "127.0.0.1", timeout_s: float = 10.0) -> socket.socket:
    """A TCP connection from this loopback address, with small buffers: who does not read is noticed soon."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    sock.settimeout(timeout_s)
    try:
        sock.bind((source, 0))
        sock.connect(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    return sock


def request(method: str, path: str, *headers: str, body: bytes = b"", length: int | None = None) -> bytes:
    """One HTTP request; `length` lies about the body."""
    size = len(body) if length is None else length
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
    if size or method == "POST":
        lines.append(f"Content-Length: {size}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def read_all(sock: socket.socket, timeout_s: float = 10.0) -> bytes:
    """What the server sends until it closes, or until `timeout_s` have passed."""
    deadline = time.monotonic() + timeout_s
    got = b""
    with contextlib.suppress(OSError):
        while (left := deadline - time.monotonic()) > 0:
            sock.settimeout(left)
            more = sock.recv(65536)
            if not more:
                break
            got += more
    return got


def read_answer(sock: socket.socket) -> tuple[int, bytes]:
    """Status and body of one HTTP answer with a Content-Length; (0, b"") when the server just closed."""
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while b"\r\n\r\n" not in got:
            more = sock.recv(65536)
            if not more:
                return 0, got
            got += more
        head, _, body = got.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
        )
        while len(body) < length:
            body += sock.recv(65536)
        return int(head.split(b" ")[1]), body
    return 0, got


def ask(port: int, method: str, path: str, *headers: str, source: str = "127.0.0.1", **body: Any) -> tuple[int, bytes]:
    """One request on a connection of its own, and its answer."""
    with connect(port, source) as sock:
        sock.sendall(request(method, path, *headers, **body))
        return read_answer(sock)


def new_session(port: int, *headers: str, source: str = "127.0.0.1") -> str:
    """The id of a new Engine.IO session on polling."""
    status, body = ask(port, "GET", "/socket.io/?EIO=4&transport=polling", *headers, source=source)
    assert status == 200, (status, body)
    sid: str = json.loads(body[1:])["sid"]
    return sid


class WebSocket:
    """A WebSocket to Socket.IO that sends any frame. `inbox` holds the text that came; a thread answers pings."""

    def __init__(
        self, port: int, *headers: str, source: str = "127.0.0.1", path: str = "/socket.io/?EIO=4&transport=websocket"
    ) -> None:
        self.sock = connect(port, source)
        key = base64.b64encode(os.urandom(16)).decode()
        upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
        self.sock.sendall(request("GET", path, *upgrade, f"Sec-WebSocket-Key: {key}", *headers))
        self.wire = b""
        self.inbox: list[str] = []
        self.arrived_at: list[float] = []
        self._ended = threading.Event()
        self.reads = threading.Event()
        """cleared: what the server sends is left in the kernel's buffers"""
        self.reads.set()
        self.head = self._read_head()
        self.status = int(self.head.split(b" ")[1]) if self.head else 0
        if self.status == 101:
            threading.Thread(target=self._read, daemon=True).start()

    @property
    def is_closed(self) -> bool:
        """Whether the server has closed the connection."""
        return self._ended.is_set()

    def connect(self, token: str) -> WebSocket:
        """Socket.IO CONNECT with an API token, and wait until it is accepted."""
        self.send("40" + json.dumps({"token": token}))
        self.wait_for("40")
        return self

    def send(self, text: str | bytes, opcode: int | None = None, first_byte: int | None = None) -> None:
        """One frame, masked as a client's must be."""
        data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        code = opcode if opcode is not None else (1 if isinstance(text, str) else 2)
        self.sock.sendall(frame(data, first_byte if first_byte is not None else 0x80 | code))

    def send_bytes(self, data: bytes) -> None:
        """Bytes as they are."""
        self.sock.sendall(data)

    def event(self, name: Any, data: Any = None, ack: int | None = None) -> None:
        """A Socket.IO event."""
        self.send(f"42{'' if ack is None else ack}" + json.dumps([name] if data is None else [name, data]))

    def call(self, name: str, data: Any = None, ack: int = 1, timeout_s: float = 10.0) -> Any:
        """A Socket.IO event and its acknowledgement."""
        self.event(name, data, ack)
        return json.loads(self.wait_for(f"43{ack}[", timeout_s)[len(f"43{ack}") :])[0]

    def wait_for(self, start: str, timeout_s: float = 10.0) -> str:
        """The first text that starts so."""

        def found() -> str | None:
            return next((text for text in list(self.inbox) if text.startswith(start)), None)

        answer = wait_until(found, timeout_s, lambda: f"received {start!r}; got {self.inbox[-10:]}")
        assert answer is not None
        return answer

    def events(self, name: str) -> list[Any]:
        """The data of the events of this name so far."""
        start = f'42["{name}",'
        return [json.loads(text[2:])[1] for text in list(self.inbox) if text.startswith(start)]

    def wait_closed(self, timeout_s: float = 10.0) -> None:
        """Until the server has closed the connection."""
        wait_until(lambda: self.is_closed, timeout_s, lambda: f"closed; got {self.inbox[-10:]}")

    def wait_a_moment(self, most_s: float) -> None:
        """Until the server has closed the connection, or this time has passed."""
        self._ended.wait(most_s)

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def _read_head(self) -> bytes:
        got = b""
        while b"\r\n\r\n" not in got:
            more = self.sock.recv(4096)
            if not more:
                return got
            got += more
        head, _, self.wire = got.partition(b"\r\n\r\n")
        return head

    def _read(self) -> None:
        parsed = 0
        with contextlib.suppress(OSError):
            self.sock.settimeout(None)
            while True:
                for text, end in frames(self.wire, parsed):
                    parsed = end
                    self.inbox.append(text)
                    self.arrived_at.append(time.monotonic())
                    if text == "2":
                        self.send("3")
                self.reads.wait()
                more = self.sock.recv(65536)
                if not more:
                    break
                self.wire += more
        self._ended.set()


def frame(data: bytes, first_byte: int = 0x81) -> bytes:
    """A masked frame."""
    mask = os.urandom(4)
    size = len(data)
    if size < 126:
        head = struct.pack("!BB", first_byte, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", first_byte, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first_byte, 0x80 | 127, size)
    key = (mask * (size // 4 + 1))[:size]
    masked = (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    return head + mask + masked


def frames(wire: bytes, start: int) -> Iterator[tuple[str, int]]:
    """Text of each whole frame after `start`, and where it ended; control frames as `<opcode>`."""
    while len(wire) - start >= 2:
        opcode, size = wire[start] & 15, wire[start + 1] & 127
        body = start + 2
        if size == 126:
            size, body = int.from_bytes(wire[body : body + 2], "big"), body + 2
        elif size == 127:
            size, body = int.from_bytes(wire[body : body + 8], "big"), body + 8
        if len(wire) < body + size:
            return
        start = body + size
        yield (wire[body:start].decode() if opcode == 1 else f"<{opcode}>"), start
