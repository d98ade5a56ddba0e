"""The load generator's receiving loop: takes what the servers send, answers pings, counts events and their latencies.

Its rule: each event of the running step is counted once, and must be the next one of its socket; anything else of the
protocol is read by its own length and passed over. `drain.c` does the same without Python's cost for each read; without
a C compiler `PythonDrain` does it all, and is the limit sooner.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import select
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bench.message import MARK_END, MARK_LENGTH
from bench.stats import BUCKETS, bucket
from bench.wire import CLOSE, COMPRESSED, PONG, TEXT, Frames

FOLDER = Path(__file__).resolve().parent
READ_BYTES = 1 << 18
FIGURES = ("received", "disorder", "pings", "closed", "bytes", "longest_ns", "stray")


@dataclass
class Figures:
    """What was seen since the last reset; `closed` since the beginning. `stray` events belong to an earlier step."""

    received: int = 0
    disorder: int = 0
    pings: int = 0
    closed: int = 0
    bytes: int = 0
    longest_ns: int = 0
    stray: int = 0


class Drain(Protocol):
    """Receives for many sockets. `half` is the event's number from which on the second histogram counts."""

    def add(self, sock: socket.socket, rest: bytes, inflater: Any = None) -> None: ...
    def remove(self, sock: socket.socket) -> None: ...
    def reset(self, step: int, half: int) -> None: ...
    def run(self, seconds: float) -> None: ...
    def figures(self) -> Figures: ...
    def latencies(self) -> tuple[list[int], list[int]]: ...


class _Client:
    __slots__ = ("frames", "inflater", "next", "sock")

    def __init__(self, sock: socket.socket, inflater: Any) -> None:
        self.sock = sock
        self.frames = Frames()
        self.inflater = inflater
        self.next = 0


class PythonDrain:
    """Slow, and able to read compressed frames."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._clients: dict[int, _Client] = {}
        self._figures = Figures()
        self._step = self._half = 0
        self._latencies = ([0] * BUCKETS, [0] * BUCKETS)

    def add(self, sock: socket.socket, rest: bytes, inflater: Any = None) -> None:
        """Receive from this socket, of which `rest` has been read already; `inflater` where the server compresses."""
        client = self._clients[sock.fileno()] = _Client(sock, inflater)
        self._poll.register(sock.fileno(), select.EPOLLIN)
        self._take(client, rest)

    def remove(self, sock: socket.socket) -> None:
        """Forget a socket before it is closed by us."""
        if self._clients.pop(sock.fileno(), None) is not None:
            self._poll.unregister(sock.fileno())

    def reset(self, step: int, half: int) -> None:
        """Begin to count anew, the events of this step."""
        self._figures = Figures(closed=self._figures.closed)
        self._step, self._half = step, half
        self._latencies = ([0] * BUCKETS, [0] * BUCKETS)
        for client in self._clients.values():
            client.next = 0

    def run(self, seconds: float) -> None:
        """Receive for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            ready = self._poll.poll(left, 1024)
            began = time.monotonic_ns()
            for descriptor, _ in ready:
                client = self._clients.get(descriptor)
                if client is not None:
                    self._read(client)
            self._figures.longest_ns = max(self._figures.longest_ns, time.monotonic_ns() - began)

    def figures(self) -> Figures:
        """What was seen since the last reset."""
        return self._figures

    def latencies(self) -> tuple[list[int], list[int]]:
        """The histograms of the step's first and second half."""
        return self._latencies

    def _read(self, client: _Client) -> None:
        try:
            data = client.sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose(client)
            return
        self._figures.bytes += len(data)
        self._take(client, data)

    def _lose(self, client: _Client) -> None:
        self._figures.closed += 1
        self.remove(client.sock)

    def _take(self, client: _Client, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        for first, payload in client.frames.feed(data):
            if first & COMPRESSED and client.inflater is not None:
                payload = client.inflater.decompress(payload + b"\0\0\xff\xff")
            if first & 15 == TEXT and payload == b"2":
                self._figures.pings += 1
                with contextlib.suppress(OSError):
                    client.sock.send(PONG)
            elif first & 15 == CLOSE:
                self._lose(client)
                return
            elif first & 15 == TEXT and len(payload) > MARK_LENGTH + MARK_END:
                place = len(payload) - MARK_END - MARK_LENGTH
                if payload[place - 1 : place + 2] == b'"TB':
                    self._take_event(client, payload[place : place + MARK_LENGTH], now_ns)

    def _take_event(self, client: _Client, mark: bytes, now_ns: int) -> None:
        if int(mark[2:6]) != self._step:
            self._figures.stray += 1
            return
        number = int(mark[6:14])
        if number != client.next:
            self._figures.disorder += 1
        client.next = number + 1
        self._figures.received += 1
        self._latencies[number >= self._half][bucket((now_ns - int(mark[14:])) // 1000)] += 1


class CDrain:
    """The compiled loop."""

    def __init__(self, library: Path) -> None:
        self._c = ctypes.CDLL(str(library))
        self._c.drain_new.restype = ctypes.c_void_p
        self._c.drain_latencies.restype = ctypes.POINTER(ctypes.c_uint32)
        self._c.drain_run.argtypes = [ctypes.c_void_p, ctypes.c_double]
        self._state = ctypes.c_void_p(self._c.drain_new())

    def add(self, sock: socket.socket, rest: bytes, inflater: Any = None) -> None:
        """See PythonDrain; compressed frames are beyond it."""
        if inflater is not None:
            raise ValueError("the compiled loop reads no compressed frames")
        if self._c.drain_add(self._state, sock.fileno(), rest, len(rest)) != 0:
            raise OSError("a socket could not be added to the receiving loop")

    def remove(self, sock: socket.socket) -> None:
        """See PythonDrain."""
        self._c.drain_remove(self._state, sock.fileno())

    def reset(self, step: int, half: int) -> None:
        """See PythonDrain."""
        self._c.drain_reset(self._state, step, ctypes.c_uint32(half))

    def run(self, seconds: float) -> None:
        """See PythonDrain."""
        self._c.drain_run(self._state, seconds)

    def figures(self) -> Figures:
        """See PythonDrain."""
        values = (ctypes.c_int64 * len(FIGURES))()
        self._c.drain_figures(self._state, values)
        return Figures(**dict(zip(FIGURES, values, strict=True)))

    def latencies(self) -> tuple[list[int], list[int]]:
        """See PythonDrain."""
        cells = self._c.drain_latencies(self._state)
        return cells[0:BUCKETS], cells[BUCKETS : 2 * BUCKETS]


def compiled() -> Path | None:
    """The compiled loop as a library, built when its source is new; None without a C compiler."""
    source = FOLDER / "drain.c"
    library = FOLDER / ".build" / f"drain-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}.so"
    compiler = shutil.which("cc")
    if not library.exists() and compiler is not None:
        library.parent.mkdir(exist_ok=True)
        unfinished = library.with_suffix(f".{os.getpid()}")  # several may build at once
        command = [compiler, "-O2", "-shared", "-fPIC", str(source), "-o", str(unfinished)]
        if subprocess.run(command, check=False).returncode != 0:
            return None
        unfinished.replace(library)
    return library if library.exists() else None
