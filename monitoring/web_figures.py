"""What one web process tells of itself every few seconds: who is connected, what it sends, whom it refused.

`figures()` is the `figures` of its presence, and the one description of them. Names that end in `_total` count since
the process began; the sampler makes rates of them, so that a lost beat loses nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import psutil

from delivery.refusals import Reason, Refusals
from delivery.rooms import Rooms
from delivery.sockets import Sockets

BEAT_S = 5.0
MOST_USERS = 5000
MOST_ROOMS = 50


class WebFigures:
    """The figures of this process. `loop` tells how late its loop is, `admins` who looks at the dashboard."""

    def __init__(
        self,
        sockets: Sockets,
        rooms: Rooms,
        refusals: Refusals,
        most_connections: int,
        loop: Callable[[], Mapping[str, float | None]],
        admins: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sockets, self._rooms, self._refusals = sockets, rooms, refusals
        self._most = most_connections
        self._loop, self._admins = loop, admins
        self._clock = clock
        self._process = psutil.Process(os.getpid())
        self._process.cpu_percent()
        self._at_s = clock()
        self._sent = 0
        self._events: dict[str, int] = {}
        self._rates: dict[str, float] = {}
        self._per_s: float | None = None

    def figures(self) -> dict[str, Any]:
        """Everything, for JSON.

        `user_ids` is None for more than MOST_USERS people, `top_rooms` holds `[task id, members, events per second]` of
        the fullest MOST_ROOMS rooms, `latency` the counts of `delivery.latency`. Rates are those since the last time.
        """
        sockets, rooms, refused = self._sockets, self._rooms, self._refusals.by_reason
        users, activity = sockets.users(), rooms.activity()
        self._measure(activity)
        fullest = sorted(activity, key=lambda room: -room[1])[:MOST_ROOMS]
        return {
            "connections": len(sockets.by_sid),
            "connection_limit": self._most,
            "users": len(users),
            "user_ids": users if len(users) <= MOST_USERS else None,
            "rooms": len(activity),
            "top_rooms": [[task_id, members, self._rates.get(task_id, 0.0)] for task_id, members, _ in fullest],
            "admins": self._admins(),
            "events_per_s": self._per_s,
            "sent_total": rooms.delivered + sockets.told,
            "slow_readers": len(rooms.slow),
            "slow_readers_total": refused[Reason.SLOW_READER],
            "replays_total": rooms.replays,
            "snapshots_total": rooms.snapshots,
            "refused": dict(refused),
            "latency": list(rooms.latency.counts),
            "is_live": rooms.subscriber.is_live,
            "cpu_percent": self._process.cpu_percent(),
            "memory_bytes": self._process.memory_info().rss,
            **self._loop(),
        }

    def _measure(self, activity: list[tuple[str, int, int]]) -> None:
        """Events per second since the last time, of everything and of each room."""
        now_s, sent = self._clock(), self._rooms.delivered + self._sockets.told
        passed_s = now_s - self._at_s
        if passed_s < BEAT_S / 5:
            return  # somebody else has just asked
        self._per_s = round((sent - self._sent) / passed_s, 1)
        before, self._events = self._events, {task_id: events for task_id, _, events in activity}
        self._rates = {
            task_id: round(max(0, events - before.get(task_id, 0)) / passed_s, 1)
            for task_id, events in self._events.items()
        }
        self._at_s, self._sent = now_s, sent
