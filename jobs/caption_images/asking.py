"""One question to a model server over HTTP, that ends when its time is over or when the task is cancelled.

The answer is waited for in a thread, so that a server which accepts and then says nothing holds up nobody: the thread's
connection is cut. Redirects are not followed, and an answer has a largest size.
"""

from __future__ import annotations

import contextlib
import http.client
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import orjson

MAX_ANSWER_BYTES = 2**20
CONNECT_WITHIN_S = 10.0
TICK_S = 0.1
SHOWN_CHARS = 200


class ServerAway(Exception):
    """The server cannot be reached, is overloaded or does not answer in time: it may be better later.

    `wait_s` is how long it asked to be left alone.
    """

    def __init__(self, message: str, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class AnswerRefused(Exception):
    """The server answered, but not with a description. Asking again may help, waiting does not."""


class RequestRefused(Exception):
    """The server refuses the question as it is (no such model, a wrong key): asking again is of no use."""


class Question:
    """A connection to one server. `check` is called ten times a second while it is waited for, and may raise."""

    def __init__(self, url: str, headers: dict[str, str], within_s: float, check: Callable[[], None]) -> None:
        self._parts = urlsplit(url)
        self._headers = {"Content-Type": "application/json", "Accept": "application/json", **headers}
        self._within_s = within_s
        self._check = check

    @property
    def place(self) -> str:
        """The server, as messages name it."""
        return self._parts.netloc

    def ask(self, body: dict[str, Any]) -> Any:
        """The JSON of the answer. Raises ServerAway, AnswerRefused, RequestRefused, and whatever `check` raises."""
        connection = self._connection()
        answers: queue.SimpleQueue[tuple[int, str | None, bytes] | Exception] = queue.SimpleQueue()
        worker = threading.Thread(target=_exchange, args=(connection, *self._request(body), answers), daemon=True)
        worker.start()
        deadline_s = time.monotonic() + self._within_s
        try:
            while True:
                with contextlib.suppress(queue.Empty):
                    return self._read(answers.get(timeout=TICK_S))
                self._check()
                if time.monotonic() > deadline_s:
                    raise ServerAway(f"{self.place} did not answer within {self._within_s:g} s.")
        finally:
            _cut(connection)

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=CONNECT_WITHIN_S, context=context)
        return http.client.HTTPConnection(host, port, timeout=CONNECT_WITHIN_S)

    def _request(self, body: dict[str, Any]) -> tuple[str, bytes, dict[str, str], float]:
        return self._parts.path or "/", orjson.dumps(body), self._headers, self._within_s

    def _read(self, answer: tuple[int, str | None, bytes] | Exception) -> Any:
        if isinstance(answer, ssl.SSLCertVerificationError):
            raise RequestRefused(f"The certificate of {self.place} cannot be trusted.")
        if isinstance(answer, Exception):
            raise ServerAway(f"{self.place} cannot be reached ({_reason(answer)}).")
        status, retry_after, body = answer
        if len(body) > MAX_ANSWER_BYTES:
            raise AnswerRefused(f"{self.place} answered with more than a description.")
        if status in (408, 425, 429) or status >= 500:
            raise ServerAway(f"{self.place} answered {status}{self._said(body)}.", _seconds(retry_after))
        if status in (401, 403):  # what such an answer says often repeats a part of the key
            raise RequestRefused(f"{self.place} answered {status}: it does not take the key. Ask an admin to look.")
        if status != 200:
            raise RequestRefused(f"{self.place} answered {status}{self._said(body)}.")
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise AnswerRefused(f"{self.place} answered with something that is not JSON.") from error

    def _said(self, body: bytes) -> str:
        """What the server says about its refusal, cut short and without our key; nothing where it is not JSON."""
        try:
            error = orjson.loads(body).get("error")
        except (orjson.JSONDecodeError, AttributeError):
            return ""
        text = str((error.get("message") if isinstance(error, dict) else error) or "")
        if secret := self._headers.get("Authorization", "").removeprefix("Bearer "):
            text = text.replace(secret, "…")
        words = " ".join("".join(each if each.isprintable() else " " for each in text).split())[:SHOWN_CHARS]
        return f": {words.rstrip('.')}" if words else ""


def _exchange(
    connection: http.client.HTTPConnection,
    path: str,
    body: bytes,
    headers: dict[str, str],
    within_s: float,
    answers: queue.SimpleQueue[tuple[int, str | None, bytes] | Exception],
) -> None:
    try:
        connection.connect()
        connection.sock.settimeout(within_s)
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        answers.put((response.status, response.getheader("Retry-After"), response.read(MAX_ANSWER_BYTES + 1)))
    except Exception as error:  # whatever it is, it belongs to the thread that asked
        answers.put(error)


def _cut(connection: http.client.HTTPConnection) -> None:
    sock = connection.sock
    with contextlib.suppress(OSError):
        if isinstance(sock, socket.socket):
            sock.shutdown(socket.SHUT_RDWR)
    connection.close()


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "it broke the connection off"


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 5 else 0.0
