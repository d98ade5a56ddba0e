"""How often one user and one address may change things: token buckets, shared by all web processes through Redis.

While Redis does not answer, each process counts for itself: a limit is then as many times larger as there are
processes, which is better than no limit and better than refusing everybody.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis

from delivery.quick_redis import QuickRedis
from tasks.errors import RateLimited

MAX_LOCAL_BUCKETS = 10_000

_TAKE = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local burst, per_ms = tonumber(ARGV[1]), tonumber(ARGV[2]) / 1000
local kept = redis.call('HMGET', KEYS[1], 'left', 'at')
local left = math.min(burst, (tonumber(kept[1]) or burst) + math.max(0, now - (tonumber(kept[2]) or now)) * per_ms)
if left < 1 then return math.ceil((1 - left) / per_ms) end
redis.call('HSET', KEYS[1], 'left', tostring(left - 1), 'at', now)
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / per_ms))
return 0
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """`burst` calls at once, then `per_s` calls a second."""

    burst: int
    per_s: float


PER_USER = Limit(burst=200, per_s=20)
PER_ADDRESS = Limit(burst=600, per_s=60)


class RateLimits:
    """The buckets of one installation."""

    def __init__(
        self,
        quick: QuickRedis,
        per_user: Limit = PER_USER,
        per_address: Limit = PER_ADDRESS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._quick = quick
        self._per_user, self._per_address = per_user, per_address
        self._local = LocalBuckets(clock)
        self._take: Callable[..., object] | None = None

    def count_address(self, address: str) -> None:
        """Count a changing call from this address. Raises RateLimited."""
        self._count(f"address:{network(address)}", self._per_address)

    def count_user(self, user_id: int) -> None:
        """Count a changing call of this user. Raises RateLimited."""
        self._count(f"user:{user_id}", self._per_user)

    def _count(self, name: str, limit: Limit) -> None:
        key = f"{self._quick.prefix}rate:{name}"
        shared = self._quick.ask(lambda client: self._shared_wait_s(client, key, limit))
        wait_s = self._local.wait_s(name, limit) if shared is None else shared
        if wait_s > 0:
            seconds = max(1, math.ceil(wait_s))
            unit = "second" if seconds == 1 else "seconds"
            raise RateLimited(f"Too many requests. Go on in {seconds} {unit}.", retry_after_s=seconds)

    def _shared_wait_s(self, client: redis.Redis, key: str, limit: Limit) -> float:
        if self._take is None:
            self._take = client.register_script(_TAKE)
        return float(str(self._take(keys=[key], args=[limit.burst, limit.per_s]))) / 1000


class LocalBuckets:
    """Buckets in this process alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, float]] = {}

    def wait_s(self, name: str, limit: Limit) -> float:
        """Take one and return 0, or return the seconds until there is one to take."""
        now = self._clock()
        left, at = self._kept.get(name, (float(limit.burst), now))
        left = min(limit.burst, left + (now - at) * limit.per_s)
        if left < 1:
            return (1 - left) / limit.per_s
        if name not in self._kept and len(self._kept) >= MAX_LOCAL_BUCKETS:
            self._kept.clear()
        self._kept[name] = (left - 1, now)
        return 0.0


def network(address: str) -> str:
    """The part of an address that one client holds: all of IPv4, the /64 of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
