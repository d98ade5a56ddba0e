"""The request with which a WebSocket begins, read in one piece.

A client that connects over WebSocket sends one small request and never another. Reading it the general way, line by
line and with a mail program's parser, was a third of what it costs to let a client in. So a request that is exactly
what clients send is taken here; for all others nothing has been read, and they go the general way.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterable
from typing import Any

MOST_BYTES = 8192
_REQUEST = re.compile(
    rb"GET (?P<path>/socket\.io/)\?(?P<query>[!-~]+) HTTP/1\.1\r\n"
    rb"(?P<headers>(?:[A-Za-z0-9-]{1,100}: ?[!-~](?:[ -~]*[!-~])?\r\n)+)\r\n"
)
_OF_A_BODY = frozenset({"HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_TRANSFER_ENCODING", "HTTP_EXPECT"})


def request_of(data: bytes) -> dict[str, str] | None:
    """What these bytes say, as a WSGI environment has it; None unless they are the one request of a WebSocket."""
    found = _REQUEST.fullmatch(data)
    if found is None:
        return None
    request = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "RAW_PATH_INFO": "/socket.io/",
        "PATH_INFO": "/socket.io/",
        "QUERY_STRING": found["query"].decode("ascii"),
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
    lines = found["headers"].decode("ascii").split("\r\n")[:-1]
    for line in lines:
        name, _, value = line.partition(":")
        key = "HTTP_" + name.replace("-", "_").upper()
        if key in request or key in _OF_A_BODY:
            return None
        request[key] = value.lstrip(" ")
    is_upgrade = "upgrade" in request.get("HTTP_CONNECTION", "").lower()
    if not is_upgrade or request.get("HTTP_UPGRADE", "").lower() != "websocket":
        return None
    return request


class Handshake:
    """The request of one WebSocket on its way through the WSGI application, as eventlet's server would bring it."""

    def __init__(self, sock: Any, application: Any, surroundings: dict[str, Any]) -> None:
        self._sock = sock
        self._application = application
        self._environ = {**surroundings, "wsgi.input": self, "eventlet.input": self}
        self._head = b""

    def get_socket(self) -> Any:
        """The connection, for the application to go on with: eventlet's WebSocket asks for it."""
        return self._sock

    def read(self, _size: int = -1) -> bytes:
        """The body: there is none."""
        return b""

    def run(self) -> None:
        """Let the application answer. What it refuses is answered here, and then nothing more is read."""
        answer = self._application(self._environ, self._start)
        if self._head:
            with contextlib.suppress(OSError):
                self._sock.sendall(self._head + b"".join(answer))
                self._sock.shutdown(socket.SHUT_RDWR)

    def _start(self, status: str, headers: Iterable[tuple[str, str]], _error: object = None) -> Any:
        if status.startswith("2"):
            return  # what Engine.IO says after it has served an upgrade: by then the connection speaks WebSocket
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers), "Connection: close"]
        self._head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def take(sock: Any) -> dict[str, str] | None:
    """Wait for the first bytes of a connection, and take them if they are the request of a WebSocket."""
    data = sock.recv(MOST_BYTES, socket.MSG_PEEK)
    request = request_of(data) if data.startswith(b"GET /socket.io/?") else None
    if request is not None:
        sock.recv(len(data))
    return request
