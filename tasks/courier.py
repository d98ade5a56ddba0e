"""Carries calls to Redis one after the other, so that whoever sends waits for a Redis that hangs only for a moment."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

from redis.exceptions import RedisError

log = logging.getLogger("taskroom.reporter")

PATIENCE_S = 0.5


class _Errand:
    """One call and what became of it."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self.is_over = threading.Event()
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self._call()
        except Exception as error:  # raised again, or logged, by the thread that gave the errand
            self.error = error
        self.is_over.set()


class Courier:
    """A thread that carries one call at a time. It ends with its process, or after `stop` and the call under way."""

    def __init__(self) -> None:
        self._errands: SimpleQueue[_Errand | None] = SimpleQueue()
        self._last: _Errand | None = None

    def start(self) -> None:
        """Begin to carry."""
        threading.Thread(target=self._run, name="courier", daemon=True).start()

    def carry(self, call: Callable[[], None]) -> bool:
        """Make the call; whether it has come through, as far as is known after PATIENCE_S.

        False at once while an earlier call is still under way. Raises what the call raises, except RedisError.
        """
        if self._last is not None and not self._last.is_over.is_set():
            return False
        errand = self._last = _Errand(call)
        self._errands.put(errand)
        if not errand.is_over.wait(PATIENCE_S):
            log.debug("not told in time")
            return False
        if errand.error is None:
            return True
        if not isinstance(errand.error, RedisError):
            raise errand.error
        log.debug("not told: %s", type(errand.error).__name__)
        return False

    def stop(self) -> None:
        """Take no more calls."""
        self._errands.put(None)

    def _run(self) -> None:
        while (errand := self._errands.get()) is not None:
            errand.run()
