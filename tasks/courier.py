"""Carries calls to Redis one after the other, so that whoever sends waits only once for a Redis that hangs."""

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
    """Makes calls to Redis: itself while all is well, which wakes no thread, and in a thread after a failure.

    The first call to a Redis that hangs takes its time-out. Those after it take PATIENCE_S, or no time while an earlier
    one is still under way, until one has come through.
    """

    def __init__(self) -> None:
        self._errands: SimpleQueue[_Errand | None] = SimpleQueue()
        self._last: _Errand | None = None
        self._is_well = True
        self._thread: threading.Thread | None = None

    def carry(self, call: Callable[[], None]) -> bool:
        """Make the call; whether it has come through, as far as is known. Raises what it raises, except RedisError."""
        if self._last is not None and not self._last.is_over.is_set():
            return False
        errand = self._last = _Errand(call)
        if self._is_well:
            errand.run()
        else:
            self._hand_over(errand)
        if not errand.is_over.wait(PATIENCE_S):
            log.debug("not told in time")
            return False
        self._is_well = not isinstance(errand.error, RedisError)
        if errand.error is not None and self._is_well:
            raise errand.error
        return self._is_well

    def stop(self) -> None:
        """Take no more calls; the one under way goes on."""
        self._errands.put(None)

    def _hand_over(self, errand: _Errand) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
            self._thread.start()
        self._errands.put(errand)

    def _run(self) -> None:
        while (errand := self._errands.get()) is not None:
            errand.run()
