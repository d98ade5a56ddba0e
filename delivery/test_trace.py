"""Test notifications on their way through this web process: when each came from Redis, and how long a browser answered.

Any other message passes at the price of one search in its bytes.
"""

from __future__ import annotations

import socket
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import orjson

from tasks import events

MARK = b'"type":"test"'
KEPT = 100


@dataclass(slots=True)
class Passing:
    """One test notification: when it came (this host's clock), when it went on, and how long the way back took."""

    received_ms: float
    sent_s: float
    round_trip_ms: float | None = None


class TestTrace:
    """The newest test notifications that came through here, by their task."""

    __test__ = False  # not a test of pytest's, whatever its name

    def __init__(self) -> None:
        self._host = socket.gethostname()
        self._passing: OrderedDict[str, Passing] = OrderedDict()

    def stamp(self, payload: bytes, came_at_s: float) -> str:
        """The packet as it goes on to the browsers; a test notification says in `trace` when it came, and where."""
        if MARK not in payload:
            return payload.decode()
        name, data = orjson.loads(memoryview(payload)[1:])
        if name != events.NOTIFICATION or data.get("type") != "test" or not isinstance(data.get("task_id"), str):
            return payload.decode()
        passing = Passing(round(came_at_s * 1000, 1), time.monotonic())
        self._passing[data["task_id"]] = passing
        while len(self._passing) > KEPT:
            self._passing.popitem(last=False)
        trace = {"received_ms": passing.received_ms, "host": self._host}
        return events.packet(events.NOTIFICATION, {**data, "trace": trace})

    def answered(self, task_id: str) -> Passing | None:
        """A browser says that it has it: the way there and back is measured with its first word."""
        passing = self._passing.get(task_id)
        if passing is not None and passing.round_trip_ms is None:
            passing.round_trip_ms = round((time.monotonic() - passing.sent_s) * 1000, 1)
        return passing

    def about(self, task_id: str) -> tuple[dict[str, Any] | None, float | None]:
        """`{received_ms, host}` and the round trip, as far as they are known in this process."""
        passing = self._passing.get(task_id)
        if passing is None:
            return None, None
        return {"received_ms": passing.received_ms, "host": self._host}, passing.round_trip_ms
