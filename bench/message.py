"""The events that are sent: one body for every server, in the form in which each expects it from Redis.

An event ends with its mark, by which the load generator knows it: `TB`, the step (4 digits), its number in its room
(8), and the moment of sending (19, nanoseconds of the monotonic clock, which is one for all processes of a machine).
It stands where no server touches it: 3 characters (`"}]`) before the end of the frame.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Protocol

MARK_LENGTH = 33
MARK_END = 3
"""characters between the mark and the end of the frame"""
HOLE = "M" * MARK_LENGTH
STAMP = "2026-01-01T00:00:00.000Z"


class Route(Protocol):
    """How events reach one room: the Redis command that tells the next one."""

    def command(self, mark: bytes) -> bytes: ...


def mark(step: int, number: int, now_ns: int) -> bytes:
    """The mark of one event."""
    return b"TB%04d%08d%019d" % (step, number, now_ns)


def body(task_id: str, padding: int = 0) -> dict[str, Any]:
    """The fields of a progress event of a scan, about 500 bytes as JSON; `padding` more bytes where asked for."""
    counters = {"files_processed": 4123, "total_files": 8752, "nodes_found": 73715}
    details = counters | {"current_file": "src/Core/Vault/Services.cs"}
    return {
        "task_id": task_id,
        "kind": "code_scan",
        "title": "Scan the repository",
        "status": "running",
        "phase": "parse",
        "progress_percent": 47.11,
        "done": 4123,
        "total": 8752,
        "unit": "files",
        "rate": 512.5,
        "eta_s": 9.1,
        "current_step": "src/Core/Vault/Services/CipherService.cs",
        "details": details | ({"padding": "x" * padding} if padding else {}),
        "attempt": 1,
        "mark": HOLE,
    }


def fields(task_id: str, padding: int = 0) -> dict[str, Any]:
    """A whole event as clients of the stock servers get it: Taskroom's envelope and the body."""
    envelope = {"epoch": "AbCdEfGhIjKl", "seq": 1000, "timestamp": STAMP, "cancel_requested": False}
    return envelope | body(task_id, padding)


class Fixed:
    """A command that is the same for each event but for the mark."""

    def __init__(self, *words: bytes) -> None:
        before, _, after = resp(*words).partition(HOLE.encode())
        self._before, self._after = before, after

    def command(self, mark: bytes) -> bytes:
        """The command of the next event."""
        return self._before + mark + self._after


class Published:
    """Taskroom's events as its script publishes them, with `seq` going on from where a join found it."""

    def __init__(self, channel: str, epoch: str, seq: int, data: dict[str, Any]) -> None:
        rest, _, end = compact(data)[1:].partition(HOLE)
        self._seq = seq
        self._start = f"{epoch} ".encode()
        self._middle = f' progress_update\n2["progress_update",{{"epoch":"{epoch}","seq":'.encode()
        self._rest = f',"timestamp":"{STAMP}","cancel_requested":false,{rest}'.encode()
        self._end = f"{end}]".encode()
        self._length = len(self._start) + len(self._middle) + len(self._rest) + MARK_LENGTH + len(self._end)
        self._head = b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n$" % (len(channel), channel.encode())

    def command(self, mark: bytes) -> bytes:
        """The command of the next event."""
        self._seq += 1
        seq = b"%d" % self._seq
        length = b"%d\r\n" % (self._length + 2 * len(seq))
        return b"".join((self._head, length, self._start, seq, self._middle, seq, self._rest, mark, self._end, b"\r\n"))


class Lines:
    """Every fourth event is a log line, the others progress: through Taskroom's own script, or published alike."""

    def __init__(self, progress: Route, line: Route | None = None) -> None:
        self._progress, self._line, self._count = progress, line, 0

    def command(self, mark: bytes) -> bytes:
        """The command of the next event."""
        self._count += 1
        return (self._line if self._line and self._count % 4 == 0 else self._progress).command(mark)


class ScriptLines:
    """`lines` of Taskroom's script: each event brings the next line of the log."""

    def __init__(self, sha: str, prefix: str, task_id: str, first: int, padding: int) -> None:
        self._call = script_call(sha, prefix, task_id, "lines")
        self._task_id, self._next, self._padding = task_id, first, padding

    def command(self, mark: bytes) -> bytes:
        """The command of the next event."""
        n, self._next = self._next, self._next + 1
        line = {"n": n, "at": STAMP, "level": "info", "text": "x" * self._padding}
        text = compact({"task_id": self._task_id, "lines": [line], "mark": mark.decode()})[1:-1]
        return resp(*self._call, b"%d" % n, b"%d" % n, text.encode())


def stock(task_id: str, padding: int = 0) -> Fixed:
    """What python-socketio's RedisManager publishes for an emit to a room (socketio/pubsub_manager.py)."""
    message = {
        "method": "emit",
        "event": "progress_update",
        "data": [fields(task_id, padding)],
        "binary": False,
        "namespace": "/",
        "room": task_id,
        "skip_sid": None,
        "callback": None,
        "host_id": "bench",
    }
    return Fixed(b"PUBLISH", b"flask-socketio", json.dumps(message).encode())


def node(task_id: str, padding: int = 0) -> Fixed:
    """What @socket.io/redis-adapter publishes for an emit to a room: its uid, the packet and where it goes."""
    packet = {"type": 2, "data": ["progress_update", fields(task_id, padding)], "nsp": "/"}
    message = ["bench-", packet, {"rooms": [task_id], "except": [], "flags": {}}]
    return Fixed(b"PUBLISH", f"socket.io#/#{task_id}#".encode(), msgpack(message))


def script(sha: str, prefix: str, task_id: str, padding: int = 0) -> Fixed:
    """Taskroom's way from the reporter: the tail's script, which gives out `seq`, stores and publishes."""
    return Fixed(*script_call(sha, prefix, task_id, "tick"), b"1", compact(body(task_id, padding))[1:-1].encode())


def script_call(sha: str, prefix: str, task_id: str, operation: str) -> tuple[bytes, ...]:
    """The words of a call of Taskroom's script up to the operation's own arguments (delivery/tail.lua)."""
    key = f"{prefix}task:{task_id}"
    words = ("EVALSHA", sha, "3", f"{key}:state", f"{key}:log", key, operation, STAMP, "1767225600000", "3600", "1000")
    return tuple(word.encode() for word in words)


def compact(value: Any) -> str:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":"))


def resp(*words: bytes) -> bytes:
    """A Redis command."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def msgpack(value: Any) -> bytes:
    """MessagePack of JSON values, as far as the events need it (https://github.com/msgpack/msgpack/blob/master/spec.md)."""
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, int):
        return struct.pack("B", value) if 0 <= value < 128 else b"\xd2" + struct.pack(">i", value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        data = value.encode()
        return b"\xda" + struct.pack(">H", len(data)) + data
    if isinstance(value, list):
        return b"\xdc" + struct.pack(">H", len(value)) + b"".join(msgpack(each) for each in value)
    pairs = b"".join(msgpack(key) + msgpack(each) for key, each in value.items())
    return b"\xde" + struct.pack(">H", len(value)) + pairs
