"""One server for the tests that must not hurt it, and what they look at: its health, its counters, its log."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.abuse.raw import WebSocket, ask
from tests.fixtures.product import Server

JOBS = {"WORKERS": "1", "JOB_MODULES": "tests.sample_jobs"}
FORBIDDEN = (b"Traceback", b'File "', b"HTTP/1.", b"site-packages", b".py")


@pytest.fixture(scope="session")
def abused() -> Iterator[Server]:
    """A running product that is attacked by many tests, and must go on serving each next one."""
    one = Server(JOBS)
    one.start()
    yield one
    print(f"--- the attacked server's log ends with\n{one.logs()[-4000:]}")
    one.remove()


@pytest.fixture
def open_socket(abused: Server) -> Iterator[Callable[..., WebSocket]]:
    """WebSockets to the attacked server, closed after the test."""
    opened: list[WebSocket] = []

    def make(*headers: str, token: str | None = None, port: int | None = None, source: str = "127.0.0.1") -> WebSocket:
        one = WebSocket(port or abused.port, *headers, source=source)
        opened.append(one)
        return one.connect(token) if token else one

    yield make
    for one in opened:
        one.close()


@contextmanager
def watched_health(server: Server, most_s: float, source: str = "127.0.0.1") -> Iterator[list[float]]:
    """Ask /health all the while; afterwards it must have answered 200 each time, within `most_s`.

    Where more processes want to run than there are cores, everything takes as many times longer.
    """
    took: list[float] = []
    failures: list[object] = []
    stop = threading.Event()

    def ask_on() -> None:
        while not stop.is_set():
            started = time.monotonic()
            try:
                status, _ = ask(server.port, "GET", "/health", "Connection: close", source=source)
            except OSError as error:
                status = 0
                failures.append(error)
            took.append(time.monotonic() - started)
            if status != 200:
                failures.append(status)
            stop.wait(0.01)

    thread = threading.Thread(target=ask_on)
    thread.start()
    try:
        yield took
    finally:
        stop.set()
        thread.join()
    assert not failures, failures[:5]
    assert took
    assert max(took) < most_s * crowding(), f"/health took {max(took):.2f} s"


def crowding() -> float:
    """How many processes share a core with us, 1 on an idle machine."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def refused(server: Server, reason: str) -> int:
    """How often the web process has refused somebody for this reason."""
    _, body = ask(server.port, "GET", "/metrics", "Connection: close")
    found = re.search(rf'^taskroom_refused_total{{reason="{reason}"}} (\d+)$', body.decode(), re.MULTILINE)
    return int(found.group(1)) if found else 0
