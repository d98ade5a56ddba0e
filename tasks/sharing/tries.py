"""How often one address may come with a token that is none: each process counts for itself.

Nobody guesses 256 bits; this keeps those who try from being a burden. Right tokens are not counted, so that an office
behind one address may watch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from accounts.throttle import network
from tasks.errors import RateLimited

BURST = 30
PER_S = 0.2
MOST_ADDRESSES = 10_000


class Tries:
    """What each address has left of its wrong tokens."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}

    def check(self, address: str) -> None:
        """Raises RateLimited for an address that has used up its tries."""
        left = self._left_of(network(address))
        if left < 1:
            wait_s = math.ceil((1 - left) / PER_S)
            words = f"Too many wrong links came from your address. Go on in {wait_s} s."
            raise RateLimited(words, retry_after_s=wait_s)

    def count(self, address: str) -> None:
        """One more wrong token."""
        key = network(address)
        left = self._left_of(key) - 1
        if key not in self._left and len(self._left) >= MOST_ADDRESSES:
            self._left.clear()
        self._left[key] = (left, self._clock())

    def _left_of(self, key: str) -> float:
        left, at_s = self._left.get(key, (float(BURST), self._clock()))
        return min(float(BURST), left + (self._clock() - at_s) * PER_S)
