"""Connections as operators see them: by room, person and address, refused and caught up; and ending one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import redis
from redis.exceptions import RedisError

from accounts import Actor, audit
from config import Config
from database import Database
from delivery.roll_call import Roll, RollCall
from monitoring.current import CurrentMetrics
from monitoring.presence import present
from tasks.errors import NotFound, Unavailable

FIGURES = (
    "connections",
    "connections_peak_today",
    "connection_limit",
    "users",
    "rooms",
    "admins",
    "events_per_s",
    "slow_readers",
    "refused_by_reason",
    "web_processes",
    "sampled_at",
)
MOST_ROWS = 200


class Parts(Protocol):
    """What of the web process is asked."""

    config: Config
    database: Database
    redis: redis.Redis
    metrics: CurrentMetrics
    roll_call: RollCall


def call_roll(parts: Parts, text: str = "", rows: int = MOST_ROWS) -> tuple[Roll, bool]:
    """Who is connected and matches `text`; and whether all web processes are known, which takes Redis."""
    try:
        others = [each["name"] for each in present(parts.redis, parts.config.redis_prefix, "web")]
    except RedisError:
        return parts.roll_call.ask(text, rows, ()), False
    return parts.roll_call.ask(text, rows, others), True


def shown(metrics: Mapping[str, Any], roll: Roll, *, is_whole: bool) -> dict[str, Any]:
    """What the API answers and the page shows.

    `connections` and the other figures are those of the newest sample; `sockets`, `by_user` and `by_address` are asked
    of the processes now. `missing` names the processes that did not answer, None while nobody knows which there are.
    """
    return {
        **{name: metrics.get(name) for name in FIGURES},
        "by_room": metrics.get("top_rooms") or [],
        "by_user": [{"username": name, "sockets": number} for name, number in roll.users],
        "by_address": [{"address": name, "sockets": number} for name, number in roll.addresses],
        "sockets": list(roll.rows),
        "matching": roll.matching,
        "missing": list(roll.missing) if is_whole else None,
    }


def end_connection(parts: Parts, sid: str, actor: Actor, reason: str | None) -> dict[str, Any]:
    """End one socket, with an audit entry. The row of who it was. Raises NotFound, Unavailable without Redis.

    Its person may connect again: to keep somebody out, disable the account.
    """
    roll, _ = call_roll(parts, sid, 1)
    row = next((each for each in roll.rows if each["sid"] == sid), None)
    if row is None:
        raise NotFound("There is no such connection any more.")
    with parts.database.write() as session:
        about = {name: row[name] for name in ("sid", "username", "address", "since", "process")}
        audit.record(session, "connection.ended", f"user:{row['username']}", actor, reason=reason, before=about)
    try:
        parts.roll_call.end(sid)
    except RedisError:
        words = f"Redis is away, so {row['process']} cannot be told. The connection is still open."
        raise Unavailable(words) from None
    return row
