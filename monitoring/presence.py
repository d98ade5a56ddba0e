"""Which processes of this installation live now, and what each tells of itself, kept in Redis for a few seconds.

A process that stops beating is gone from here after `GONE_AFTER_S`; nothing has to notice its death.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any

import orjson
import redis

from database import rfc3339, utc_now

GONE_AFTER_S = 20


class Presence:
    """One process among all of this installation. `role` is `web`, `worker` or `scheduler`."""

    def __init__(self, client: redis.Redis, prefix: str, role: str) -> None:
        self._client = client
        self._prefix = prefix
        self._started_at = rfc3339(utc_now())
        self.role = role
        self.host = socket.gethostname()
        self.name = f"{role}@{self.host}:{os.getpid()}"

    def beat(self, figures: Mapping[str, Any]) -> None:
        """Say that this process lives, and what it measures. Raises RedisError."""
        about = {
            "name": self.name,
            "role": self.role,
            "host": self.host,
            "pid": os.getpid(),
            "started_at": self._started_at,
            "seen_at": rfc3339(utc_now()),
            "figures": dict(figures),
        }
        with self._client.pipeline() as both:
            both.set(_process(self._prefix, self.name), orjson.dumps(about), ex=GONE_AFTER_S)
            both.sadd(_role(self._prefix, self.role), self.name)
            both.execute()

    def leave(self) -> None:
        """Be gone at once, at an orderly end. Raises RedisError."""
        self._client.delete(_process(self._prefix, self.name))


def present(client: redis.Redis, prefix: str, role: str) -> list[dict[str, Any]]:
    """All living processes of a role by name, each `{name, role, host, pid, started_at, seen_at, figures}`.

    Raises RedisError.
    """
    names = sorted(bytes(name).decode() for name in client.smembers(_role(prefix, role)))  # type: ignore[arg-type]
    found = dict(zip(names, client.mget([_process(prefix, name) for name in names]) if names else (), strict=True))
    gone = [name for name, about in found.items() if about is None]
    if gone:
        client.srem(_role(prefix, role), *gone)
    return [orjson.loads(about) for about in found.values() if about is not None]


def _process(prefix: str, name: str) -> str:
    return f"{prefix}process:{name}"


def _role(prefix: str, role: str) -> str:
    return f"{prefix}processes:{role}"
