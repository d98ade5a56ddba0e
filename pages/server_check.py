"""What the setup page says about the server: each part is asked now, and its answer is what is shown."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from flask import request
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

import extensions

LOCAL_ADDRESSES = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Check:
    """One part: its name, whether it is as it should be, and what was found."""

    title: str
    is_ok: bool
    found: str


def check_server() -> list[Check]:
    """Ask the database and Redis, and look at this request's connection. Holds no path and no address."""
    room = extensions.current()
    kind = "SQLite" if room.database.is_sqlite else "PostgreSQL"
    redis_kind = "on this machine" if (room.config.redis_url or "unix:").startswith("unix:") else "over the network"
    return [
        _timed("Database", kind, _ask_database, SQLAlchemyError),
        _timed("Redis", redis_kind, _ask_redis, RedisError),
        _connection(),
    ]


def _ask_database() -> None:
    with extensions.current().database.read() as session:
        session.execute(text("SELECT 1"))


def _ask_redis() -> None:
    extensions.current().redis.ping()


def _timed(title: str, kind: str, ask: Callable[[], None], failure: type[Exception]) -> Check:
    started = time.perf_counter()
    try:
        ask()
    except failure:
        return Check(title, False, f"{kind}, does not answer")
    return Check(title, True, f"{kind}, {(time.perf_counter() - started) * 1000:.1f} ms")


def _connection() -> Check:
    if request.is_secure:
        return Check("Secure connection", True, "https")
    if request.remote_addr in LOCAL_ADDRESSES:
        return Check("Secure connection", False, "http only, fine on this machine")
    return Check("Secure connection", False, "http only: the password can be read on the way")
