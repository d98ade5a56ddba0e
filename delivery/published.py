"""What comes over Redis is believed only as far as it agrees with itself, and an end only if SQL says so too.

Whoever can publish on our channels could otherwise break every client of a room with one bad packet, or have a page say
"completed". Ends are rare, so asking SQL for each costs nothing that counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import orjson
from sqlalchemy import select

from database import Database
from delivery.orders import is_about_sockets
from delivery.outbox import Outgoing
from delivery.refusals import Reason, Refusals
from delivery.server_status import CHANGED
from tasks import events
from tasks.lifecycle import final_event
from tasks.models import Task
from tasks.notices import Notification
from tasks.states import State, is_final

P = ParamSpec("P")
R = TypeVar("R")
MAX_SEQ = 2**53
USER_FEED = frozenset({events.TASK_UPDATE, events.DELIVERY_UPDATE, events.NOTIFICATION, events.INBOX_UPDATE})
ADMIN_FEED = frozenset({events.JOB_UPDATE, "system_metrics_update", "admin_alert", "audit_update"})
STATE_OF_STATUS = {status: state for state, status in events.FEED_STATUS.items()}


@dataclass(frozen=True, slots=True)
class Event:
    """One published event as it arrives: its place, and the packet in which it goes out to everybody."""

    epoch: str
    seq: int
    name: str
    item: Outgoing


class Forged(Exception):
    """A message that nothing of ours publishes."""


class Published:
    """Checks messages before they are passed on; what is refused is counted and told in one line.

    The database's errors pass through: then nobody knows whether an end is true.
    """

    def __init__(self, database: Database, refusals: Refusals) -> None:
        self._database = database
        self._refusals = refusals

    def task_events(self, task_id: str, payloads: Iterable[bytes]) -> list[Event]:
        """Those of the payloads that are events of this task and, if they tell of an end, of a true one."""
        return [event for payload in payloads if (event := self._try(self._task_event, task_id, payload))]

    def is_feed(self, payload: bytes, names: frozenset[str], user_id: int | None = None) -> bool:
        """Whether this is an entry of a feed with one of these names; of an end, a true one; of `user_id`'s, theirs."""
        return bool(self._try(self._check_feed, payload, names, user_id))

    def is_order(self, payload: bytes) -> bool:
        """Whether this is an order to this process: about sockets, or to look at the server's status again."""
        return bool(self._try(self._check_order, payload))

    def _try(self, check: Callable[P, R], *arguments: P.args, **options: P.kwargs) -> R | None:
        try:
            return check(*arguments, **options)
        except (Forged, ValueError, KeyError, TypeError) as error:
            self._refusals.count(Reason.FORGED, "redis", f"{type(error).__name__}: {error}")
            return None

    def _task_event(self, task_id: str, payload: bytes) -> Event:
        header, _, packet = payload.partition(b"\n")
        epoch, seq_text, name = header.decode().split(" ")
        seq = int(seq_text)
        if name not in events.TASK_EVENTS or not 0 < seq <= MAX_SEQ or not epoch:
            raise Forged(f"an event {header[:60]!r}")
        data = _content(packet, frozenset({name}))[1]
        if (data["epoch"], data["seq"], data["task_id"]) != (epoch, seq, task_id):
            raise Forged(f"an event that is not what its header says: {header[:60]!r}")
        if name in events.FINAL_EVENTS and not self._has_ended_as(task_id, name):
            raise Forged(f"{name} of task {task_id}, which has not ended so")
        return Event(epoch, seq, name, outgoing(packet, task_id, name))

    def _check_feed(self, payload: bytes, names: frozenset[str], user_id: int | None) -> bool:
        name, data = _content(payload, names)
        if name == events.TASK_UPDATE:
            state = STATE_OF_STATUS[data["data"]["status"]]
            self._check_end(data["data"]["task_id"], state)
        elif name == events.JOB_UPDATE and data["job"].get("status") is not None:
            self._check_end(data["job"]["task_id"], State(data["job"]["status"]))
        elif name == events.NOTIFICATION:
            self._check_stored(data, user_id)
        return True

    def _check_stored(self, data: dict[str, Any], user_id: int | None) -> None:
        with self._database.read() as session:
            row = session.get(Notification, int(data["id"]))
        if row is None or (row.user_id, row.type, row.title) != (user_id, data["type"], data["title"]):
            raise Forged(f"a notification {data['id']} that nobody stored for user {user_id}")

    def _check_end(self, task_id: Any, state: State) -> None:
        if is_final(state) and not self._has_ended_as(str(task_id), final_event(state)):
            raise Forged(f"an entry that task {str(task_id)[:40]} is {state}, which it is not")

    def _has_ended_as(self, task_id: str, name: str) -> bool:
        with self._database.read() as session:
            state = session.scalar(select(Task.state).where(Task.id == task_id))
        return state is not None and is_final(state) and final_event(state) == name

    @staticmethod
    def _check_order(payload: bytes) -> bool:
        order = orjson.loads(payload)
        if order == CHANGED or is_about_sockets(order):
            return True
        numbers = (order["user_id"], order.get("session_id") or 0, order.get("token_id") or 0)
        if not all(isinstance(number, int) for number in numbers):
            raise Forged("an order to close what has no number")
        return True


def _content(packet: bytes, names: frozenset[str]) -> tuple[str, dict[str, Any]]:
    """Name and data of an EVENT packet of the namespace `/` with one of these names."""
    if packet[:2] != b"2[":
        raise Forged(f"a packet {packet[:40]!r}")
    name, data = orjson.loads(memoryview(packet)[1:])
    if name not in names or not isinstance(data, dict):
        raise Forged(f"an event named {str(name)[:40]!r}")
    return name, data


def outgoing(packet: bytes | str, task_id: str, name: str, is_snapshot: bool = False) -> Outgoing:
    """An event of a task's room on its way out.

    Ends belong to no room then, so that they are never given up; and what a joiner begins with is never overtaken.
    """
    encoded = b"4" + (packet if isinstance(packet, bytes) else packet.encode())
    is_progress = name == events.PROGRESS_UPDATE and not is_snapshot
    return Outgoing(encoded, None if name in events.FINAL_EVENTS else task_id, is_progress)
