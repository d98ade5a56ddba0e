"""A history is asked for twice by each page that opens, and by every admin: one reading serves all for some seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from database import Database, utc_now
from monitoring.history import history
from monitoring.samples import RAW_S


class RecentHistory:
    """The history of each range as it was read last. `read` runs what asks the database where no loop waits for it."""

    def __init__(
        self,
        database: Database,
        read: Callable[[Callable[[], dict[str, Any]]], dict[str, Any]] = lambda question: question(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._read = read
        self._clock = clock
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}

    def of(self, name: str) -> dict[str, Any]:
        """What `history` answers for this range, at most a few seconds old. Not to be changed by who gets it."""
        known = self._kept.get(name)
        if known is not None and self._clock() - known[0] < RAW_S:
            return known[1]
        found = self._read(lambda: self._ask(name))
        self._kept[name] = (self._clock(), found)
        return found

    def _ask(self, name: str) -> dict[str, Any]:
        with self._database.read() as session:
            return history(session, name, utc_now())
