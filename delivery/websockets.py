"""Engine.IO's WebSockets, so that only checked frames come out of them and nothing of ours escapes into the stream."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from delivery.frames import MAX_FRAGMENTS, unmask
from delivery.packets import Malformed
from delivery.refusals import Reason, Refusals


class Gate(Protocol):
    """What decides over sessions and their packets: the guard."""

    refusals: Refusals
    max_bytes: int

    def admit(self, sid: str, frame: Any) -> bool: ...
    def take(self, sid: str) -> float: ...
    def end(self, sid: str) -> None: ...
    def pause(self) -> None: ...
    def address_of(self, sid: str) -> str: ...
    def begin_socket(self, connection: Any) -> None: ...
    def use_connection(self, sid: str, connection: Any) -> None: ...


def checked_websocket(stock: type[Any], gate: Gate) -> type[Any]:
    """Engine.IO's WSGI class for WebSockets, without compression, old drafts, and unchecked frames."""

    class CheckedWebSocket(stock):
        def __init__(self, handler: Callable[[Any], Any], server: Any) -> None:
            super().__init__(handler, server)
            self.support_legacy_versions = False

        def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            # A deflate window costs 140 KB per connection and lets a few bytes become many.
            environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
            connection = environ.get("taskroom.connection")
            if connection is not None:
                gate.begin_socket(connection)
            attribute = "handler" if hasattr(self, "handler") else "app"
            setattr(self, attribute, partial(_serve, gate, getattr(self, attribute), connection))
            return super().__call__(environ, start_response)

    return CheckedWebSocket


def _serve(gate: Gate, handler: Callable[[Any], Any], connection: Any, ws: Any) -> Any:
    """Run Engine.IO's handler on a checked WebSocket. Nothing may escape: it would be answered as HTTP."""
    eio_socket = handler.__self__  # type: ignore[attr-defined]
    sid = eio_socket.sid
    gate.use_connection(sid, connection)
    if hasattr(eio_socket, "take_over") and connection is not None:
        return eio_socket.take_over(ws, connection)
    ws.wait = _checked_wait(gate, ws.wait, sid)
    if hasattr(ws, "_recv_frame"):
        ws._recv_frame = _limited_frames(gate, ws._recv_frame, sid)
        ws._apply_mask = unmask
    try:
        return handler(ws)
    except Exception as error:
        gate.refusals.count(Reason.MALFORMED, gate.address_of(sid), f"{type(error).__name__} on a WebSocket")
        gate.end(sid)
        return []


def _checked_wait(gate: Gate, wait: Callable[[], Any], sid: str) -> Callable[[], Any]:
    """`wait` that answers checked frames only; after a bad one, that the connection is closed."""

    def checked_wait() -> Any:
        while True:
            gate.pause()  # a client whose bytes are always there would otherwise keep the loop
            try:
                frame = wait()
                if frame is None or gate.admit(sid, frame):
                    return frame
            except OSError:  # gone, or silent for longer than two pings
                return None
            except (Malformed, ValueError) as error:
                reason = error.reason if isinstance(error, Malformed) else Reason.MALFORMED
                gate.refusals.count(reason, gate.address_of(sid), str(error))
                gate.end(sid)
                return None

    return checked_wait


def _limited_frames(gate: Gate, receive: Callable[..., Any], sid: str) -> Callable[..., Any]:
    """Bound what arrives below whole messages: fragments that never end, and control frames."""
    fragments = 0

    def limited(message: Any = None) -> Any:
        nonlocal fragments
        try:
            got = receive(message=message)
        except Exception as error:
            if not isinstance(error, OSError) and type(error).__name__ != "ConnectionClosedError":
                gate.refusals.count(Reason.MALFORMED, gate.address_of(sid), f"a bad frame: {error.args[-1:]}")
            raise
        if got.opcode & 8:
            gate.take(sid)
            gate.pause()
        else:
            fragments = fragments + 1 if message is not None else 0
            if fragments > MAX_FRAGMENTS or sum(map(len, got.data)) > gate.max_bytes:
                raise Malformed("a message in too many pieces")
        return got

    return limited
