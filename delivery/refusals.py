"""What strangers and broken clients were refused: counted by reason, and told in one short line of the log each."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from enum import StrEnum

log = logging.getLogger("taskroom.refused")

MAX_LINE = 200  # characters of the message; with time, level and logger it stays below 300 bytes
LINES_AT_ONCE = 50
LINES_PER_S = 5.0


class Reason(StrEnum):
    """Why something was refused. The names are labels of the metrics."""

    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    BINARY = "binary"
    RESERVED_EVENT = "reserved_event"
    RATE_LIMITED = "rate_limited"
    NO_LOGIN = "no_login"
    ADDRESS_LIMIT = "address_limit"
    SERVER_FULL = "server_full"
    SLOW_REQUEST = "slow_request"
    FOREIGN_ORIGIN = "foreign_origin"
    FORGED = "forged"
    SLOW_READER = "slow_reader"


class Refusals:
    """The counters of one process. Every refusal counts; the log gets at most LINES_PER_S lines for long."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.by_reason: Counter[str] = Counter()
        self.untold = 0
        self._clock = clock
        self._lines = float(LINES_AT_ONCE)
        self._filled_s = clock()

    def count(self, reason: Reason, who: str = "", detail: str = "") -> None:
        """One more refusal. `who` and `detail` may come from the stranger: they are cut and made printable."""
        self.by_reason[reason.value] += 1
        now_s = self._clock()
        self._lines = min(LINES_AT_ONCE, self._lines + (now_s - self._filled_s) * LINES_PER_S)
        self._filled_s = now_s
        if self._lines < 1:
            self.untold += 1
            return
        self._lines -= 1
        log.warning("%s", ascii(f"{reason.value} from {who[:50] or 'unknown'}: {detail}"[:MAX_LINE])[1:-1][:MAX_LINE])
