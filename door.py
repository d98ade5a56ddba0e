"""The door that each request comes through: how long its body may take, how much it may bring, and who may begin.

Between the WSGI server and the application. `web_app` gives it the protocol class of its WSGI server.
"""

from __future__ import annotations

import contextlib
import io
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

import handshake
from connections import TOO_MANY_WORDS, Connection, Connections
from delivery.refusals import Reason, Refusals

LINGER_S = 1.0
LINGER_BYTES = 4 * 1024 * 1024
ENVIRON_KEY = "taskroom.connection"

StartResponse = Callable[..., Any]


def watched(
    protocol: type[Any], connections: Connections, refusals: Refusals, served_at: Mapping[str, str]
) -> type[Any]:
    """The WSGI server's protocol class, telling `connections` what each connection is doing.

    `served_at` is the address that the server listens at, as a WSGI environment has it.
    """

    class WatchedProtocol(protocol):
        def __init__(self, conn_state: list[Any], server: Any) -> None:
            self.watched = connections.of(conn_state[1])
            self.watched.protocol = self
            try:
                request = handshake.take(conn_state[1])
                if request is None:
                    super().__init__(conn_state, server)
                else:
                    self._shake_hands(request, conn_state, server)
            except OSError:
                pass  # gone, cut or timed out: nothing is left to answer to
            except Exception as error:
                refusals.count(Reason.MALFORMED, self.watched.address or "", f"{type(error).__name__} in a request")
            finally:
                watched = self.watched
                watched.protocol = None
                if not watched.is_detached:
                    connections.remove(watched)
                self.__dict__.clear()  # its buffers go now: in circles they would wait for a long garbage collection

        def _shake_hands(self, request: dict[str, str], conn_state: list[Any], server: Any) -> None:
            """Let a WebSocket in. Its connection is closed here unless the application has taken it over."""
            self.conn_state, sock = conn_state, conn_state[1]
            connection = self.watched
            if connections.is_behind_proxy:
                connections.release(connection)
            connection.served += 1
            connection.enter("answer")
            address = {"REMOTE_ADDR": conn_state[0][0], "REMOTE_PORT": str(conn_state[0][1])}
            surroundings = {**server.get_environ(), **served_at, **address, **request, ENVIRON_KEY: connection}
            server.outstanding_requests += 1
            try:
                handshake.Handshake(sock, server.app, surroundings).run()
            finally:
                server.outstanding_requests -= 1
                if not connection.is_detached:
                    sock.close()

        def handle_one_request(self) -> None:
            connection = self.watched
            if connections.is_behind_proxy:
                connections.release(connection)
            connection.enter("head")
            super().handle_one_request()

        def get_environ(self) -> dict[str, Any]:
            self.watched.served += 1
            self.watched.enter("answer")
            return {**super().get_environ(), ENVIRON_KEY: self.watched}

        def finish(self) -> None:
            if self.watched.is_detached:
                self.wfile.close()
                self.rfile.close()
                self.connection.__dict__.clear()
                return
            if self.watched.is_last and self.watched.phase != "socket":
                self._linger()
            super().finish()

        def _linger(self) -> None:
            """Let a refused client read its answer: closing over unread bytes would reset the connection."""
            deadline_s, left = time.monotonic() + LINGER_S, LINGER_BYTES
            with contextlib.suppress(OSError):
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_WR)
                while left > 0 and (wait_s := deadline_s - time.monotonic()) > 0:
                    self.connection.settimeout(wait_s)
                    got = self.connection.recv(65536)
                    if not got:
                        break
                    left -= len(got)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 (the base class's name)
            refusals.count(Reason.MALFORMED, self.watched.address or "", format % arguments)

    return WatchedProtocol


class StreamedBody:
    """A body that is read bit by bit; each bit has the time that a whole small body has."""

    def __init__(self, source: Any, connection: Connection) -> None:
        self._source = source
        self._connection = connection

    def read(self, size: int) -> bytes:
        """The next bytes, fewer than `size` at the end or when the client is gone, none after it."""
        self._connection.enter("body")
        try:
            data: bytes = self._source.read(size)
        except (OSError, ValueError):
            return b""
        finally:
            self._connection.enter("answer")
        return data


class Door:
    """WSGI: counts the client's address, reads the body within time and limits, and only then asks the application.

    A body over the limit is not read: the application gets none, and the connection ends after its answer. So no view
    and no library ever waits for bytes, but the one whose requests `streamed` names: it says how many bytes may come.
    """

    def __init__(
        self,
        application: Any,
        connections: Connections,
        refusals: Refusals,
        limit_of: Callable[[str], int],
        streamed: Callable[[Mapping[str, Any]], int] = lambda _environ: 0,
    ) -> None:
        self._application = application
        self._connections = connections
        self._refusals = refusals
        self._limit_of = limit_of
        self._streamed = streamed
        self.is_draining = False

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        connection: Connection = environ.get(ENVIRON_KEY) or Connection(None)
        address = environ.get("REMOTE_ADDR", "")
        if self._connections.is_behind_proxy and not self._connections.name(connection, address):
            connection.end_after_answer()
            return refuse(start_response, "429 Too Many Requests", "rate_limited", TOO_MANY_WORDS, retry_after_s=5)
        if self.is_draining and _begins_something(environ):
            connection.end_after_answer()
            words = "The server is restarting. Try again in a moment."
            return refuse(start_response, "503 Service Unavailable", "unavailable", words, retry_after_s=2)
        connection.enter("body")
        try:
            if not self._take_body(environ, connection):
                connection.end_after_answer()
                return refuse(start_response, "408 Request Timeout", "invalid_payload", "The body did not arrive.")
        finally:
            connection.enter("answer")
        answer: Iterable[bytes] = self._application(environ, start_response)
        return answer

    def _take_body(self, environ: dict[str, Any], connection: Connection) -> bool:
        """Put the whole body where the application reads it; False if it did not arrive."""
        limit = self._limit_of(environ.get("PATH_INFO", ""))
        is_chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        length = limit + 1 if is_chunked else int(environ.get("CONTENT_LENGTH") or 0)
        if length == 0:
            return True
        if not is_chunked and limit < length <= self._streamed(environ):
            environ["wsgi.input"] = StreamedBody(environ["wsgi.input"], connection)
            connection.end_after_answer()
            return True
        body = b""
        if is_chunked or length <= limit:
            try:
                body = environ["wsgi.input"].read(length)
            except (OSError, ValueError):
                return False
            if len(body) < length and not is_chunked:
                return False
        if len(body) > limit or (length > limit and not is_chunked):
            self._refusals.count(Reason.TOO_LARGE, environ.get("REMOTE_ADDR", ""), f"a body of {length} bytes")
            connection.end_after_answer()
            environ["CONTENT_LENGTH"] = str(length)
            body = b""
        elif is_chunked:
            environ["CONTENT_LENGTH"] = str(len(body))
            environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ["wsgi.input"] = io.BytesIO(body)
        return True


def _begins_something(environ: Mapping[str, Any]) -> bool:
    """Whether a server that is about to end should not take this request on, or should not seem ready for more."""
    path = environ.get("PATH_INFO", "")
    if path.startswith("/socket.io/"):
        return False
    return environ["REQUEST_METHOD"] not in ("GET", "HEAD", "OPTIONS") or path == "/health/ready"


def refuse(
    start_response: StartResponse, status: str, code: str, message: str, retry_after_s: int | None = None
) -> list[bytes]:
    """An answer outside the application, in the API's one shape for errors."""
    body = orjson.dumps({"error": {"code": code, "message": message}})
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if retry_after_s is not None:
        headers.append(("Retry-After", str(retry_after_s)))
    start_response(status, headers)
    return [body]
