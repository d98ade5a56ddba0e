"""Redis for answers that must not wait: short time-outs, and a pause after a failure during which it is not asked.

A stopped Redis keeps its connections open and says nothing; without the pause each request would wait for it anew.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

import redis
from redis.exceptions import RedisError

from delivery.event_log import EventLog, connect

log = logging.getLogger("taskroom.redis")

TIMEOUT_S = 0.25
PAUSE_S = 2.0
T = TypeVar("T")


class QuickRedis:
    """One Redis address. `client` has the short time-outs; `events` reads the tails of tasks through it."""

    def __init__(self, url: str | None, prefix: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.prefix = prefix
        self._client = connect(url, TIMEOUT_S) if url else None
        self._events = EventLog(self._client, prefix) if self._client else None
        self._clock = clock
        self._asked_again_at = 0.0

    def ask(self, question: Callable[[redis.Redis], T]) -> T | None:
        """The answer, or None while Redis does not give one."""
        return self._try(question, self._client)

    def ask_tail(self, question: Callable[[EventLog], T]) -> T | None:
        """The same for the live tails of tasks."""
        return self._try(question, self._events)

    def _try(self, question: Callable[..., T], of: object | None) -> T | None:
        if of is None or self._clock() < self._asked_again_at:
            return None
        try:
            return question(of)
        except RedisError as error:
            self._asked_again_at = self._clock() + PAUSE_S
            log.warning("Redis is not asked for %g s: %s", PAUSE_S, type(error).__name__)
            return None
