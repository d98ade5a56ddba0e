"""Where each message from Redis goes: task rooms, feeds, the dashboard, or an order to this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import orjson
from sqlalchemy.exc import SQLAlchemyError

from database import DatabaseBusy
from delivery.event_log import EventLog
from delivery.orders import is_about_sockets
from delivery.published import ADMIN_FEED, USER_FEED, Published
from delivery.rooms import Rooms
from delivery.server_status import CHANGED
from delivery.sockets import Sockets
from delivery.test_trace import TestTrace


class Dispatch:
    """Takes a channel's messages. What nothing of ours publishes is dropped."""

    _rooms: Rooms
    _sockets: Sockets
    _to_admins: Callable[[str], None]
    _look: Callable[[], None]
    obey: Callable[[dict[str, Any]], None]
    """does what other processes order about sockets (`roll_call`); to be set before the subscriber runs"""

    def __init__(self, prefix: str, event_log: EventLog, published: Published) -> None:
        self.trace = TestTrace()
        self._published = published
        self._task_prefix = f"{prefix}task:"
        self._user_prefix = f"{prefix}user:"
        self._log = event_log

    def serve(self, rooms: Rooms, sockets: Sockets, to_admins: Callable[[str], None], look: Callable[[], None]) -> None:
        """Name who gets the messages, and what looks at the server's status; before the subscriber runs."""
        self._rooms, self._sockets, self._to_admins, self._look = rooms, sockets, to_admins, look

    def __call__(self, channel: str, payloads: list[bytes]) -> None:
        if channel.startswith(self._task_prefix):
            self._to_room(channel.removeprefix(self._task_prefix), payloads)
            return
        for payload in payloads:
            self._take(channel, payload)

    def _take(self, channel: str, payload: bytes) -> None:
        if channel.startswith(self._user_prefix):
            user_id = int(channel.removeprefix(self._user_prefix))
            came_at_s = time.time()
            if self._published.is_feed(payload, USER_FEED, user_id):
                self._sockets.to_user(user_id, self.trace.stamp(payload, came_at_s))
        elif channel == self._log.admin_channel:
            if self._published.is_feed(payload, ADMIN_FEED):
                self._to_admins(payload.decode())
        elif channel == self._log.control_channel and self._published.is_order(payload):
            order = orjson.loads(payload)
            if order == CHANGED:
                self._look()
                return
            if is_about_sockets(order):
                self.obey(order)
                return
            self._sockets.end_login(order["user_id"], order.get("session_id"), order.get("token_id"))

    def _to_room(self, task_id: str, payloads: list[bytes]) -> None:
        try:
            published = self._published.task_events(task_id, payloads)
        except (SQLAlchemyError, DatabaseBusy):
            self._rooms.resync()  # nobody can say whether it has ended: the members read it when the database is back
        else:
            if published:
                self._rooms.receive(task_id, published)
