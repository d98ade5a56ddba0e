"""Who is connected to the web process: how many connections an address may hold, and for how long a silent one stays.

Its rule: what a stranger sends slowly, or not at all, keeps nobody else waiting. It knows no async library: `web_app`
gives it the listening socket.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

from delivery.refusals import Reason, Refusals

PER_ADDRESS = 256
HEAD_WITHIN_S = 10.0
BODY_WITHIN_S = 20.0
IDLE_FOR_S = 75.0
SLOW_AFTER_S = 2.0
RESERVED_FILES = 256  # descriptors for the database, Redis, logs and files that are sent


class Connection:
    """One accepted connection. `phase` is `head` (nothing asked yet), `body`, `answer`, or `socket` for a WebSocket."""

    __slots__ = ("_all", "address", "is_detached", "is_last", "phase", "protocol", "served", "since_s", "sock")

    def __init__(self, sock: Any, all_of_them: Connections | None = None) -> None:
        self._all = all_of_them
        self.sock = sock
        self.is_detached = False
        self.address: str | None = None
        self.phase = "head"
        self.since_s = time.monotonic()
        self.served = 0
        self.is_last = False
        self.protocol: Any = None

    def enter(self, phase: str) -> None:
        """Begin a phase, and its clock."""
        self.phase, self.since_s = phase, time.monotonic()

    def is_late(self, now_s: float) -> bool:
        """Whether a request has been on its way for too long."""
        limit_s = {"head": IDLE_FOR_S if self.served else HEAD_WITHIN_S, "body": BODY_WITHIN_S}.get(self.phase)
        return limit_s is not None and now_s - self.since_s > limit_s

    def end_after_answer(self) -> None:
        """Answer, then close: what the client still sends is not a next request."""
        self.is_last = True
        if self.protocol is not None:
            self.protocol.close_connection = 1

    def detach(self) -> Any:
        """Take the connection away from the WSGI server, which forgets it; returns the raw, non-blocking socket.

        Whoever takes it closes it, and calls `leave` then.
        """
        green, self.is_detached = self.sock, True
        green.close = _Nothing().close  # it closes itself when it is forgotten
        if self.protocol is not None:
            self.protocol.conn_state[1] = _Nothing()
            self.protocol = None
        if self._all is not None:
            self._all.swap(self, green.fd)
        return green.fd

    def leave(self) -> None:
        """A detached connection is closed."""
        if self._all is not None:
            self._all.remove(self)

    def cut(self) -> None:
        """End it now; whoever waits for its bytes finds it at its end."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)


class _Nothing:
    """What the WSGI server closes instead of a connection that it has lost."""

    def shutdown(self, _how: int) -> None:
        """Nothing is open here."""

    def close(self) -> None:
        """Nothing is open here."""


class Connections:
    """All connections of this process, and how many each address holds.

    WebSockets do not count: they belong to sessions, which `delivery.guard` counts by address and the socket edge by
    user. Behind trusted proxies a connection belongs to nobody until its request names the client's address.
    """

    def __init__(self, refusals: Refusals, is_behind_proxy: bool, most: int) -> None:
        self.is_behind_proxy = is_behind_proxy
        self._refusals = refusals
        self.most = most
        self._all: dict[Any, Connection] = {}
        self._of_address: dict[str, set[Connection]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def admit(self, sock: Any, address: str) -> bool:
        """Take a new connection in, if there is room for it."""
        if len(self._all) >= self.most and not self._give_up_slowest(self._all.values()):
            self._refusals.count(Reason.SERVER_FULL, address, f"{len(self._all)} connections are open")
            return False
        connection = Connection(sock, self)
        if not self.is_behind_proxy and not self.name(connection, address):
            return False
        self._all[sock] = connection
        return True

    def of(self, sock: Any) -> Connection:
        """The record of an admitted connection."""
        return self._all.get(sock) or Connection(sock)

    def name(self, connection: Connection, address: str) -> bool:
        """Count the connection for this address; False if that has enough and none of them is slow."""
        held = self._of_address.setdefault(address, set())
        if len(held) >= PER_ADDRESS and not self._give_up_slowest(held):
            self._refusals.count(Reason.ADDRESS_LIMIT, address, f"{len(held)} connections are open")
            return False
        connection.address = address
        held.add(connection)
        return True

    def release(self, connection: Connection) -> None:
        """The connection no longer counts for its address."""
        held = self._of_address.get(connection.address or "", set())
        held.discard(connection)
        if not held:
            self._of_address.pop(connection.address or "", None)

    def remove(self, connection: Connection) -> None:
        """The connection is closed."""
        self.release(connection)
        self._all.pop(connection.sock, None)

    def swap(self, connection: Connection, sock: Any) -> None:
        """The connection goes on with another object for the same socket."""
        if self._all.pop(connection.sock, None) is not None:
            self._all[sock] = connection
        connection.sock = sock

    def become_socket(self, connection: Connection) -> None:
        """From here on a WebSocket: long-lived, counted elsewhere, and never a plain connection again."""
        self.release(connection)
        connection.enter("socket")
        connection.end_after_answer()

    def sweep(self) -> None:
        """Cut the connections whose request takes too long to arrive. To be called every second or so."""
        now_s = time.monotonic()
        for connection in [each for each in self._all.values() if each.is_late(now_s)]:
            if connection.phase == "body" or not connection.served:
                self._refusals.count(Reason.SLOW_REQUEST, connection.address or "", f"its {connection.phase} is late")
            connection.cut()

    def _give_up_slowest(self, among: Iterable[Connection]) -> bool:
        """Make room by ending the connection that has been silent longest, if any is slow: no browser minds that."""
        now_s = time.monotonic()
        slow = [each for each in among if each.phase in ("head", "body") and now_s - each.since_s > SLOW_AFTER_S]
        if not slow:
            return False
        slowest = min(slow, key=lambda each: each.since_s)
        self._refusals.count(Reason.SLOW_REQUEST, slowest.address or "", "made room for another")
        slowest.cut()
        self.remove(slowest)
        return True


TOO_MANY_WORDS = "Too many connections from this address. Try again in a few seconds."
TOO_MANY = (
    b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(TOO_MANY_WORDS), TOO_MANY_WORDS.encode())
)


class Listener:
    """A listening socket that refuses whom `Connections` does not admit, and outlives a lack of descriptors."""

    def __init__(self, listening: Any, connections: Connections, sleep: Callable[[float], None]) -> None:
        self._listening = listening
        self._connections = connections
        self._sleep = sleep

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listening, name)

    def accept(self) -> tuple[Any, Any]:
        """The next connection that is let in, without Nagle's delay."""
        while True:
            try:
                sock, address = self._listening.accept()
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED):
                    raise
                self._sleep(0.1)
                continue
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._connections.admit(sock, address[0]):
                return sock, address
            self._turn_away(sock)

    @staticmethod
    def _turn_away(sock: Any) -> None:
        with contextlib.suppress(OSError):
            raw = sock.fd  # the blocking socket below the green one, which must not wait here
            raw.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                raw.recv(65536)  # unread bytes would turn the close into a reset, and the answer would be lost
            raw.send(TOO_MANY)
        sock.close()


def most_connections(wanted: int) -> int:
    """Raise this process's limit of open files as far as allowed; return how many connections that carries."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    goal = wanted + RESERVED_FILES if hard == resource.RLIM_INFINITY else min(hard, wanted + RESERVED_FILES)
    if soft != resource.RLIM_INFINITY and soft < goal:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (goal, hard))
            soft = goal
    carried = wanted if soft == resource.RLIM_INFINITY else soft - RESERVED_FILES
    return max(64, min(wanted, carried))
