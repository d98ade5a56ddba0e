"""Who is connected, over all web processes: each is asked over the control channel and answers into a list in Redis.

Nothing is kept: it costs something only when an admin looks. A process that does not answer in time is named, so that
its sockets are missing for everybody to see.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import redis
from redis.exceptions import RedisError

from database import rfc3339
from delivery import orders
from delivery.event_log import EventLog
from delivery.rooms import Rooms
from delivery.sockets import Connected, Sockets
from tasks.errors import Forbidden

ANSWER_WITHIN_S = 1.0
KEPT_S = 10
TOP = 50
ENDED = Forbidden("An admin has ended this connection.")


@dataclass(frozen=True, slots=True)
class Roll:
    """Who is connected. `rows` are the newest that match, `matching` counts all that do, `missing` who did not answer.

    Each row is `{sid, process, user_id, username, role, address, since, namespace, tasks, is_slow}`; `users` and
    `addresses` are `(name, sockets)` of those with most, counted over all sockets and not only those that match.
    """

    connections: int = 0
    matching: int = 0
    rows: Sequence[dict[str, Any]] = ()
    users: Sequence[tuple[str, int]] = ()
    addresses: Sequence[tuple[str, int]] = ()
    missing: Sequence[str] = field(default=())


class RollCall:
    """Asks all processes, and answers for this one."""

    def __init__(
        self, client: redis.Redis, prefix: str, event_log: EventLog, name: str, sockets: Sockets, rooms: Rooms
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._log = event_log
        self._name = name
        self._sockets = sockets
        self._rooms = rooms

    def ask(self, text: str, rows: int, others: Iterable[str]) -> Roll:
        """Who is connected here and to the `others`, by the names of their presence."""
        text, rows = text[: orders.MAX_TEXT], min(rows, orders.MAX_ROWS)
        waited = {name for name in others if name != self._name}
        answers = [self._look(text, rows)]
        if waited:
            reply = secrets.token_urlsafe(16)
            with contextlib.suppress(RedisError):
                self._tell(orders.roll_call(reply, text, rows))
                answers += self._collect(reply, waited)
        return _merged(answers, rows, sorted(waited - {each["process"] for each in answers}))

    def end(self, sid: str) -> None:
        """End this socket, wherever it is. Raises RedisError if it is not here and nobody else can be told."""
        if sid in self._sockets.by_sid:
            self._sockets.close([sid], ENDED)
        else:
            self._tell(orders.end_socket(sid))

    def obey(self, order: dict[str, Any]) -> None:
        """Do what another process asks for (`orders`)."""
        if "end_socket" in order:
            self._sockets.close([order["end_socket"]["sid"]], ENDED)
            return
        asked = order["roll_call"]
        key = self._key(asked["reply"])
        with contextlib.suppress(RedisError), self._client.pipeline() as both:
            both.rpush(key, orjson.dumps(self._look(asked["text"], asked["rows"])))
            both.expire(key, KEPT_S)
            both.execute()

    def _tell(self, order: dict[str, Any]) -> None:
        self._log.publish(self._log.control_channel, orjson.dumps(order).decode())

    def _collect(self, reply: str, waited: set[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        deadline_s = time.monotonic() + ANSWER_WITHIN_S
        while {each["process"] for each in found} < waited and (left_s := deadline_s - time.monotonic()) > 0:
            popped: Any = self._client.blpop([self._key(reply)], timeout=max(0.05, left_s))
            if popped is None:
                break
            answer = orjson.loads(popped[1])
            if answer["process"] in waited:
                found.append(answer)
        return found

    def _key(self, reply: str) -> str:
        return f"{self._prefix}roll_call:{reply}"

    def _look(self, text: str, rows: int) -> dict[str, Any]:
        """What this process answers."""
        everybody = list(self._sockets.by_sid.values())
        wanted = text.strip().lower()
        matching = [each for each in everybody if _matches(each, wanted)] if wanted else everybody
        newest = sorted(matching, key=lambda each: each.since, reverse=True)[:rows]
        return {
            "process": self._name,
            "connections": len(everybody),
            "matching": len(matching),
            "rows": [self._row(each) for each in newest],
            "users": Counter(_name(each) for each in everybody).most_common(TOP),
            "addresses": Counter(each.address for each in everybody).most_common(TOP),
        }

    def _row(self, connected: Connected) -> dict[str, Any]:
        return {
            "sid": connected.sid,
            "process": self._name,
            "user_id": connected.identity.user_id if connected.link is None else None,
            "username": _name(connected),
            "role": connected.identity.role if connected.link is None else "visitor",
            "address": connected.address,
            "since": rfc3339(datetime.fromtimestamp(connected.since, UTC)),
            "namespace": connected.namespace,
            "tasks": sorted(self._rooms.joined_by(connected.sid)),
            "is_slow": connected.sid in self._rooms.slow,
        }


def _name(connected: Connected) -> str:
    return connected.identity.username if connected.link is None else "by a share link"


def _matches(connected: Connected, wanted: str) -> bool:
    return wanted in _name(connected).lower() or wanted in connected.address or connected.sid.lower() == wanted


def _merged(answers: Sequence[dict[str, Any]], rows: int, missing: Sequence[str]) -> Roll:
    users: Counter[str] = Counter()
    addresses: Counter[str] = Counter()
    for each in answers:
        users.update(dict(each["users"]))
        addresses.update(dict(each["addresses"]))
    all_rows = [row for each in answers for row in each["rows"]]
    return Roll(
        sum(each["connections"] for each in answers),
        sum(each["matching"] for each in answers),
        sorted(all_rows, key=lambda row: str(row["since"]), reverse=True)[:rows],
        users.most_common(TOP),
        addresses.most_common(TOP),
        missing,
    )
