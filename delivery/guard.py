"""What stands between strangers and Engine.IO: every packet is looked at before the libraries see it.

Its rule: whoever sends what no client of ours sends is disconnected, counted, and told in one line of the log. Where it
holds on to the libraries is all in `Guard.install` and `delivery.websockets`; tests/abuse/test_seams.py fails when one
of those places has moved.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs

import socketio

from delivery.packets import (
    CONNECT,
    DISCONNECT,
    MAX_PACKETS,
    Malformed,
    Refused,
    check_frame,
    check_message,
    error_packets,
)
from delivery.refusals import Reason, Refusals
from delivery.websockets import checked_websocket

log = logging.getLogger("taskroom.guard")

CONNECT_WITHIN_S = 10.0
AFTER_REFUSAL_S = 1.0
FLUSH_WITHIN_S = 2.0
WAITING_PER_ADDRESS = 128
PACKETS_PER_S = 20.0
PACKET_BURST = 100.0
REFUSALS_BEFORE_CLOSE = 200
NO_BODY = io.BytesIO()


class Session:
    """One Engine.IO session: whose it is, how much it may still send (a token bucket), and when it has to go."""

    __slots__ = ("address", "connection", "filled_s", "leave_by_s", "refusals", "tokens")

    def __init__(self, address: str, now_s: float) -> None:
        self.address = address
        self.connection: Any = None
        self.tokens = PACKET_BURST
        self.filled_s = now_s
        self.refusals = 0
        self.leave_by_s: float | None = now_s + CONNECT_WITHIN_S

    def wait_s(self) -> float:
        """Take one packet and return 0, or return the seconds until one may be sent."""
        now_s = time.monotonic()
        self.tokens = min(PACKET_BURST, self.tokens + (now_s - self.filled_s) * PACKETS_PER_S)
        self.filled_s = now_s
        if self.tokens < 1:
            self.refusals += 1
            return (1 - self.tokens) / PACKETS_PER_S
        self.tokens -= 1
        return 0.0


class Guard:
    """The guard of one Socket.IO server. `refuse` answers an HTTP request outside the application."""

    def __init__(
        self,
        server: socketio.Server,
        refusals: Refusals,
        max_bytes: int,
        refuse: Callable[..., list[bytes]],
        become_socket: Callable[[Any], None],
    ) -> None:
        self.sessions: dict[str, Session] = {}
        self._waiting: Counter[str] = Counter()
        """sessions without a login, by address"""
        self.is_draining = False
        self._server = server
        self._eio = server.eio
        self.refusals = refusals
        self.max_bytes = max_bytes
        self._refuse = refuse
        self._become_socket = become_socket

    def install(self) -> None:
        """Put the guard into the server. Call it once, before the first request."""
        eio = self._eio
        self._handle_request, eio.handle_request = eio.handle_request, self.handle_request
        self._connected, self._received, self._gone = (
            eio.handlers[event] for event in ("connect", "message", "disconnect")
        )
        eio.on("connect", self._on_connect)
        eio.on("message", self._on_message)
        eio.on("disconnect", self._on_disconnect)
        eio._async = {**eio._async, "websocket": checked_websocket(eio._async["websocket"], self)}
        self._server.manager.emit = addressed(self._server.manager.emit)

    # HTTP: the polling transport, and where WebSockets begin

    def handle_request(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Refuse what Engine.IO would choke on; pass on the rest."""
        try:
            self._check_request(environ)
        except Refused as refused:
            self.refusals.count(refused.reason, environ.get("REMOTE_ADDR", ""), refused.detail)
            return self._refuse(start_response, refused.status, refused.code, refused.detail, refused.retry_after_s)
        answer: Iterable[bytes] = self._handle_request(environ, start_response)
        return answer

    def _check_request(self, environ: dict[str, Any]) -> None:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > self.max_bytes:
            raise Refused(Reason.TOO_LARGE, f"At most {self.max_bytes} bytes at once.", "413 Content Too Large")
        query = parse_qs(environ.get("QUERY_STRING", ""))
        if "j" in query:
            raise Refused(Reason.MALFORMED, "JSONP is not served.")
        sid = query.get("sid", [""])[0]
        if not sid:
            self._check_room(environ.get("REMOTE_ADDR", ""))
        elif environ["REQUEST_METHOD"] == "POST":
            self._check_payload(sid, environ)
        elif environ.get("HTTP_UPGRADE") and getattr(self._eio.sockets.get(sid), "upgrading", False):
            raise Refused(Reason.MALFORMED, "This session is being upgraded already.")

    def _check_room(self, address: str) -> None:
        if self.is_draining:
            words = "The server is restarting."
            raise Refused(Reason.RATE_LIMITED, words, "503 Service Unavailable", "unavailable", 2)
        if self._waiting[address] >= WAITING_PER_ADDRESS:
            words = "Too many connections from this address wait for a login."
            raise Refused(Reason.ADDRESS_LIMIT, words, "429 Too Many Requests", "rate_limited", 5)

    def _check_payload(self, sid: str, environ: dict[str, Any]) -> None:
        """Look at each packet of a polling POST; those over the limit are taken out."""
        body = environ["wsgi.input"].read(self.max_bytes)
        try:
            packets = body.decode().split("\x1e")
            if len(packets) > MAX_PACKETS:
                raise Malformed(f"{len(packets)} packets at once")
            kept = [packet for packet in packets if self.admit(sid, packet)]
        except (UnicodeDecodeError, Malformed) as error:
            self.end(sid)
            reason = error.reason if isinstance(error, Malformed) else Reason.MALFORMED
            raise Refused(reason, "This is not a valid payload.") from None
        kept_body = "\x1e".join(kept).encode()
        environ["CONTENT_LENGTH"] = str(len(kept_body))
        environ["wsgi.input"] = io.BytesIO(kept_body)

    # Packets

    def admit(self, sid: str, frame: Any) -> bool:
        """Whether to pass this Engine.IO packet on. False for one too many. Raises Malformed."""
        check_frame(frame)
        wait_s = self.take(sid)
        if wait_s == 0:
            return True
        session = self.sessions[sid]
        if session.refusals % 20 == 1:
            self.refusals.count(Reason.RATE_LIMITED, session.address, "too many packets")
        words, is_told = "Too many requests on this connection.", session.refusals % 20 == 1
        for packet in error_packets(frame, "rate_limited", words, is_told, max(0.05, round(wait_s, 2))):
            self._eio.send(sid, packet)
        return False

    def take(self, sid: str) -> float:
        """Count one packet; the seconds until one may be sent, 0 for now. Raises Malformed for one far too many."""
        session = self.sessions.get(sid)
        if session is None:
            raise Malformed("a packet without a session")
        wait_s = session.wait_s()
        if session.refusals > REFUSALS_BEFORE_CLOSE:
            raise Malformed("it went on sending after it was refused", Reason.RATE_LIMITED)
        return wait_s

    def _on_connect(self, sid: str, environ: dict[str, Any]) -> Any:
        session = self.sessions[sid] = Session(environ.get("REMOTE_ADDR", ""), time.monotonic())
        self._waiting[session.address] += 1
        return self._connected(sid, kept(environ))

    def _on_message(self, sid: str, data: Any) -> None:
        try:
            check_message(data)
        except Malformed as error:
            self.refusals.count(error.reason, self.address_of(sid), str(error))
            if error.reason is not Reason.RESERVED_EVENT:
                self.end(sid)
                return
            words = "This name of an event is reserved."
            for packet in error_packets("4" + data, "invalid_payload", words, True, event=error.event):
                self._eio.send(sid, packet)
            return
        try:
            self._received(sid, data)
        except Exception:
            log.exception("a packet of %s could not be handled", self.address_of(sid))
            self.end(sid)
        if data[0] in (CONNECT, DISCONNECT):
            self._settle(sid)

    def _on_disconnect(self, sid: str, reason: Any) -> None:
        session = self.sessions.pop(sid, None)
        if session is not None:
            self._let_stay(session)
        self._gone(sid, reason)

    def pause(self) -> None:
        """Let everybody else have a turn."""
        self._eio.sleep(0)

    def begin_socket(self, connection: Any) -> None:
        """This connection becomes a WebSocket."""
        self._become_socket(connection)

    def use_connection(self, sid: str, connection: Any) -> None:
        """This session's packets go over this connection now."""
        session = self.sessions.get(sid)
        if session is not None:
            session.connection = connection

    # Who has to go

    def _settle(self, sid: str) -> None:
        """A session with a login stays; one that was refused, or has left, is not kept."""
        session = self.sessions.get(sid)
        if session is None:
            return
        if any(self._is_connected(sid, namespace) for namespace in list(self._server.manager.get_namespaces())):
            self._let_stay(session)
        else:
            soon_s = time.monotonic() + AFTER_REFUSAL_S
            self._waiting[session.address] += session.leave_by_s is None
            session.leave_by_s = min(session.leave_by_s or soon_s, soon_s)

    def _let_stay(self, session: Session) -> None:
        """It is not, or no longer, one that waits for a login."""
        if session.leave_by_s is not None:
            session.leave_by_s = None
            self._waiting[session.address] -= 1
            if not self._waiting[session.address]:
                del self._waiting[session.address]

    def _is_connected(self, sid: str, namespace: str) -> bool:
        manager = self._server.manager
        connected: bool = manager.is_connected(manager.sid_from_eio_sid(sid, namespace), namespace)
        return connected

    def sweep(self) -> None:
        """Close the sessions that have no login in time. To be called every second or so."""
        now_s = time.monotonic()
        for sid, session in list(self.sessions.items()):
            if session.leave_by_s is not None and now_s > session.leave_by_s:
                self.refusals.count(Reason.NO_LOGIN, session.address, "the session has no valid login")
                self.end(sid)

    def end(self, sid: str) -> None:
        """Close this Engine.IO session: what is queued for it still goes out, within FLUSH_WITHIN_S."""
        session = self.sessions.get(sid)
        eio_socket = self._eio.sockets.get(sid)
        if eio_socket is not None:
            with contextlib.suppress(Exception):  # somebody else was faster
                eio_socket.close(wait=False)
        connection = session.connection if session is not None else None
        if connection is not None:
            self._server.start_background_task(self._cut_later, connection)

    def _cut_later(self, connection: Any) -> None:
        self._eio.sleep(FLUSH_WITHIN_S)
        connection.cut()

    def address_of(self, sid: str) -> str:
        """Where this session came from."""
        session = self.sessions.get(sid)
        return session.address if session is not None else ""


KEPT = (
    "REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL",
    "REMOTE_ADDR", "HTTP_HOST", "HTTP_COOKIE", "HTTP_AUTHORIZATION", "HTTP_ORIGIN", "HTTP_USER_AGENT", "wsgi.version",
    "wsgi.url_scheme", "wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once", "flask.app",
)  # fmt: skip


def kept(environ: Mapping[str, Any]) -> dict[str, Any]:
    """What a session's events need of the request with which it began; the whole would keep buffers alive."""
    slim = {name: environ[name] for name in KEPT if name in environ}
    slim = {name: sys.intern(value) if type(value) is str else value for name, value in slim.items()}
    return {**slim, "wsgi.input": NO_BODY, "wsgi.errors": sys.stderr}


def addressed(emit: Callable[..., Any]) -> Callable[..., Any]:
    """The manager's emit, refusing to send to everybody by accident. Raises ValueError for a blank or missing room."""

    def emit_to_somebody(
        event: str, data: Any, namespace: str, room: Any = None, to: Any = None, **options: Any
    ) -> Any:
        target = to if to is not None else room
        if not isinstance(target, str) or not target.strip():
            raise ValueError(f"{event} has no room to go to: {target!r}")
        return emit(event, data, namespace, room=target, **options)

    return emit_to_somebody


def origin_check(allowed: Iterable[str], refusals: Refusals) -> Callable[[str | None, dict[str, Any]], bool]:
    """Which `Origin` may connect: the configured ones, and the server's own address as the request itself names it.

    The libraries' own check also believes `X-Forwarded-Host`, which anybody can send. Behind trusted proxies the
    request has been corrected before it comes here.
    """
    known = frozenset(allowed)

    def is_allowed(origin: str | None, environ: dict[str, Any]) -> bool:
        if not origin:
            return False  # asked for the answer's CORS headers; a request without Origin is no browser's and is let in
        own = f"{environ.get('wsgi.url_scheme')}://{environ.get('HTTP_HOST')}"
        if origin in known or origin == own:
            return True
        refusals.count(Reason.FOREIGN_ORIGIN, environ.get("REMOTE_ADDR", ""), origin)
        return False

    return is_allowed
