"""What a packet from a client may look like, in Engine.IO 4 and Socket.IO 5. Pure: no socket, no state.

https://github.com/socketio/engine.io-protocol and https://github.com/socketio/socket.io-protocol describe both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from delivery.refusals import Reason

MAX_PACKETS = 16
MAX_EVENT_NAME = 128
RESERVED = frozenset({"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener", "*"})
_MESSAGE = re.compile(
    r"(?P<type>[0-6])(?P<namespace>/[\w/.-]{0,64}(?:\?[^,]{0,200})?(?:,|$))?(?P<id>[0-9]{0,15})", re.ASCII
)
CONNECT, DISCONNECT, EVENT, BINARY = "0", "1", "2", ("5", "6")


class Malformed(Exception):
    """A packet that no client of ours sends."""

    def __init__(self, detail: str, reason: Reason = Reason.MALFORMED, event: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.event = event


class Refused(Exception):
    """An HTTP request that is not passed on, and its answer."""

    def __init__(
        self,
        reason: Reason,
        detail: str,
        status: str = "400 Bad Request",
        code: str = "invalid_payload",
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.reason, self.detail, self.status, self.code, self.retry_after_s = (
            reason,
            detail,
            status,
            code,
            retry_after_s,
        )


def check_frame(frame: Any) -> None:
    """Raises Malformed unless this is an Engine.IO packet that a client may send: text, of a known type."""
    if not isinstance(frame, str) or frame[:1] == "b":
        raise Malformed("a binary packet", Reason.BINARY)
    # A message without its type would be read as JSON by Engine.IO, at any depth.
    if not (frame in ("3", "1", "5", "2probe") or (frame[:1] == "4" and frame[1:2] in tuple("0123456"))):
        raise Malformed(f"an unknown packet {frame[:40]!r}")


def check_message(data: Any) -> None:
    """Raises Malformed unless this is a Socket.IO packet of a client: CONNECT, DISCONNECT or a named EVENT."""
    if not isinstance(data, str):
        raise Malformed("a packet that is not text", Reason.BINARY)
    found = _MESSAGE.match(data)
    if found is None:
        raise Malformed(f"an unknown message {data[:40]!r}")
    kind, rest = found["type"], data[found.end() :]
    if kind in BINARY:
        raise Malformed("a binary event", Reason.BINARY)
    if kind == EVENT:
        _check_event(rest)
        return
    is_fine = not found["id"] and (
        (kind == DISCONNECT and not rest) or (kind == CONNECT and (not rest or isinstance(_json(rest), dict)))
    )
    if not is_fine:
        raise Malformed(f"an unexpected message {data[:40]!r}")


def _check_event(text: str) -> None:
    content = _json(text)
    if not isinstance(content, list) or not content or not isinstance(content[0], str):
        raise Malformed(f"an event without a name {text[:40]!r}")
    name: str = content[0]
    if name in RESERVED:
        raise Malformed(f"an event named {name}", Reason.RESERVED_EVENT, name)
    if not name or len(name) > MAX_EVENT_NAME:
        raise Malformed(f"an event with a name of {len(name)} characters")


def _json(text: str) -> Any:
    """Strict JSON: no NaN, no lone surrogates, no more than 1024 levels."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Malformed(f"not JSON {text[:40]!r}") from None


def error_packets(
    frame: str, code: str, message: str, is_told: bool, retry_after_s: float | None = None, event: str | None = None
) -> Iterator[str]:
    """The Socket.IO packets that refuse a request: its acknowledgement if it wants one, and `error` if `is_told`."""
    found = _MESSAGE.match(frame, 1) if frame[:1] == "4" else None
    if found is None or found["type"] != EVENT:
        return
    content: dict[str, Any] = {"code": code, "message": message}
    if retry_after_s is not None:
        content["retry_after_s"] = retry_after_s
    namespace = (found["namespace"] or "").partition("?")[0].rstrip(",")
    prefix = f"{namespace}," if namespace not in ("", "/") else ""
    if found["id"]:
        yield f"3{prefix}{found['id']}" + orjson.dumps([{"ok": False, "error": content}]).decode()
    if is_told:
        yield f"2{prefix}" + orjson.dumps(["error", {**content, "event": event}]).decode()
