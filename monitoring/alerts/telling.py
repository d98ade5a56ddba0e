"""Telling admins' open pages of alerts: after the commit, to all web processes; when Redis is away, later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis.exceptions import RedisError

from database import rfc3339, utc_now
from delivery.event_log import EventLog
from monitoring.alerts.models import Alert
from monitoring.alerts.store import told
from tasks import events

MAX_UNTOLD = 200


def packet(alert: Mapping[str, Any]) -> str:
    """`admin_alert` as a whole Socket.IO packet; `alert` has the shape of store.told."""
    content = {"type": "alert", "alert": dict(alert), "timestamp": rfc3339(utc_now())}
    return events.packet("admin_alert", content)


class Teller:
    """Publishes alerts, the newest state of each; keeps what could not be told."""

    def __init__(self, event_log: EventLog) -> None:
        self._log = event_log
        self._untold: dict[object, Mapping[str, Any]] = {}

    def add(self, key: object, alert: Mapping[str, Any]) -> None:
        """Have `alert` (the shape of store.told) told at the next `tell`, instead of an older state of it."""
        self._untold.pop(key, None)
        self._untold[key] = alert
        while len(self._untold) > MAX_UNTOLD:
            del self._untold[next(iter(self._untold))]

    def tell_of(self, alert: Alert) -> None:
        """Tell of one alert now, if Redis is there."""
        self.add(alert.id, told(alert))
        self.tell()

    def tell(self) -> bool:
        """Publish what waits; whether all of it went."""
        try:
            for key, alert in list(self._untold.items()):
                self._log.publish(self._log.admin_channel, packet(alert))
                del self._untold[key]
        except RedisError:
            return False
        return True
