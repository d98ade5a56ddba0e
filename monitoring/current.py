"""The newest metrics as a web process shows them: what the scheduler stored, and its own measuring where that stops."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from database import Database, DatabaseBusy, utc_now
from monitoring import samples
from monitoring.metrics import Sampler

FRESH = timedelta(seconds=3 * samples.RAW_S)
"""after so long nobody measures any more"""


class CurrentMetrics:
    """One small read while a scheduler measures; without one this process measures itself, as often."""

    def __init__(self, database: Database, sampler: Sampler, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._sampler = sampler
        self._clock = clock
        self._own: dict[str, Any] | None = None
        self._own_s = 0.0

    def now(self) -> dict[str, Any]:
        """The metrics of `system_metrics_update`; `sampled_at` says how old they are."""
        try:
            stored = samples.newest(self._database)
        except (SQLAlchemyError, DatabaseBusy):
            stored = None
        if stored is not None and abs(utc_now() - datetime.fromisoformat(stored["sampled_at"])) <= FRESH:
            return stored
        if self._own is None or self._clock() - self._own_s >= samples.RAW_S:
            self._own, self._own_s = self._sampler.sample(), self._clock()
        return self._own
