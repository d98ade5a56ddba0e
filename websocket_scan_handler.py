"""The namespace `/ws`: scans for clients of older scanners, read-only, over the same rooms as everything else.

Its sockets are members of task rooms; `delivery.scan_events` says each event in their words. They know no positions:
a subscription begins with the present, so that one is enough, and lasts until `unsubscribe` or the end of the
connection, also beyond the end of the scan. Subscribing again changes nothing. So each subscription tells the end once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import Field

from delivery.namespaces import MAX_TASK_ID, ROOMS_PER_SOCKET, Namespace, Payload
from delivery.scan_events import NAMESPACE
from delivery.sockets import Connected
from tasks.errors import NotFound
from tasks.scans import is_scan


class ScanPayload(Payload):
    """`subscribe` and `unsubscribe`."""

    scanId: str = Field(min_length=1, max_length=MAX_TASK_ID)  # noqa: N815


@dataclass(slots=True)
class Subscriber(Connected):
    """A socket of this namespace."""

    namespace: ClassVar[str] = NAMESPACE
    scans: set[str] = field(default_factory=set)
    """what it has subscribed to"""


class WebSocketScanHandler(Namespace):
    """Connections of the namespace, and who has subscribed to which scan."""

    socket = Subscriber

    def register(self) -> None:
        """Take the namespace's connections and its two requests."""
        super().register()
        self._on("subscribe", self.subscribe, ScanPayload)
        self._on("unsubscribe", self.unsubscribe, ScanPayload)

    def subscribe(self, subscriber: Subscriber, payload: ScanPayload) -> dict[str, Any]:
        """Follow a scan: first where it is, or how it ended, then every later event."""
        scan_id, sid = payload.scanId, subscriber.sid
        if not is_scan(self._visible(subscriber, scan_id).kind):
            raise NotFound("There is no such scan, or you may not see it.")
        if scan_id not in subscriber.scans:
            self._check_watched(sid)
            self._make_place(subscriber)
            subscriber.scans.add(scan_id)
            try:
                self._rooms.join(sid, scan_id, None, None)
            except Exception:
                subscriber.scans.discard(scan_id)
                raise
            if sid not in self._sockets.by_sid:
                self._rooms.drop(sid)
        return {"scanId": scan_id}

    def unsubscribe(self, subscriber: Subscriber, payload: ScanPayload) -> dict[str, Any]:
        """Stop following; also right for a scan that was never subscribed to."""
        subscriber.scans.discard(payload.scanId)
        self._rooms.leave(subscriber.sid, payload.scanId)
        return {"scanId": payload.scanId}

    def _make_place(self, subscriber: Subscriber) -> None:
        """Forget the subscriptions to scans that have ended, once there are many."""
        if len(subscriber.scans) >= ROOMS_PER_SOCKET:
            subscriber.scans.intersection_update(self._rooms.joined_by(subscriber.sid))
