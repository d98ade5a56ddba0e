"""Who is connected to this process: sockets, whose they are, and the feeds of their users."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from engineio.exceptions import SocketIsClosedError
from flask_socketio import SocketIO
from redis.exceptions import RedisError

from accounts import Identity
from delivery.event_log import EventLog
from delivery.recent import Recent
from delivery.rooms import Rooms
from tasks import events
from tasks.errors import TaskroomError, Unauthenticated
from tasks.sharing import OpenLink

log = logging.getLogger("taskroom.sockets")

RECENT_S = 1.0
"""twice the time between two sweeps, which renew what still holds"""
LOGIN_ENDED = Unauthenticated("Your login has ended. Sign in again.")


@dataclass(slots=True)
class Connected:
    """One open socket. `link` is set for a visitor's, whose `identity` may do nothing."""

    namespace: ClassVar[str] = "/"
    sid: str
    identity: Identity
    address: str
    since: float = field(default_factory=time.time)
    link: OpenLink | None = None


class Sockets:
    """Everybody who is connected to this process, and the feeds of their users."""

    def __init__(
        self,
        socketio: SocketIO,
        rooms: Rooms,
        event_log: EventLog,
        send: Callable[[str, str], None],
        end: Callable[[str], None],
    ) -> None:
        self._socketio = socketio
        self._rooms = rooms
        self._log = event_log
        self._end = end
        self.send = send
        self.by_sid: dict[str, Connected] = {}
        self.visitors: dict[str, Connected] = {}
        """those of them who came by a share link"""
        self.logins: Recent[str, Identity] = Recent(RECENT_S)
        """who came by API token a moment ago"""
        self.identities: Counter[Identity] = Counter()
        self._of_user: dict[int, set[str]] = {}
        self.refused: dict[str, int] = {}
        """requests over the sockets, by the code of the error that answered them"""
        self.told = 0
        """entries of feeds times the sockets that got them, since this process began"""
        self.is_draining = False
        """nobody is let in any more"""
        self.note_refused: Callable[[Connected, str], None] = lambda _connected, _subject: None
        """keeps in the audit log that somebody was refused something that they have no right to"""

    def add(self, connected: Connected) -> None:
        """Remember a socket and listen to its user's feed."""
        self.by_sid[connected.sid] = connected
        if connected.link is not None:
            self.visitors[connected.sid] = connected
            return
        user_id = connected.identity.user_id
        self.identities[connected.identity] += 1
        sids = self._of_user.setdefault(user_id, set())
        sids.add(connected.sid)
        if len(sids) == 1:
            self._listen(self._log.user_channel(user_id))

    def remove(self, sid: str) -> None:
        """Forget a socket that is closed."""
        connected = self.by_sid.pop(sid, None)
        if self.visitors.pop(sid, None) or connected is None:
            return
        self.identities[connected.identity] -= 1
        if not self.identities[connected.identity]:
            del self.identities[connected.identity]
        user_id = connected.identity.user_id
        sids = self._of_user.get(user_id, set())
        sids.discard(sid)
        if not sids:
            self._of_user.pop(user_id, None)
            self._rooms.subscriber.unsubscribe(self._log.user_channel(user_id))

    def count_of(self, user_id: int) -> int:
        """How many sockets this user has open here."""
        return len(self._of_user.get(user_id, ()))

    def users(self) -> list[int]:
        """The ids of those who have a socket open here."""
        return list(self._of_user)

    def to_user(self, user_id: int, packet: str) -> None:
        """Send a feed entry to each of the user's sockets of the namespace `/`."""
        self._to([self.by_sid[sid] for sid in self._of_user.get(user_id, ())], packet)

    def to_all(self, packet: str, with_visitors: bool = False) -> None:
        """Send to every socket of the namespace `/` of this process; to visitors only what names nobody."""
        self._to([each for each in self.by_sid.values() if with_visitors or each.link is None], packet)

    def _to(self, sockets: list[Connected], packet: str) -> None:
        for connected in sockets:
            if connected.namespace == "/":
                self.told += 1
                self.send(connected.sid, packet)

    def close(self, sids: list[str], error: TaskroomError, for_good: bool = True) -> None:
        """Say why, disconnect, and end the transports: whoever ignores the goodbye receives nothing more either.

        A Socket.IO client does not come back by itself after a DISCONNECT, but after the end of its transport. The
        pages do; so unless it is for good, the other namespaces are left without one.
        """
        server = self._socketio.server
        transports = []
        for connected in [self.by_sid[sid] for sid in sids if sid in self.by_sid]:
            transports.append(server.manager.eio_sid_from_sid(connected.sid, connected.namespace))
            with contextlib.suppress(SocketIsClosedError):
                self.tell(connected, "error", error_fields(error, None))
                if for_good or connected.namespace == "/":
                    server.disconnect(connected.sid, namespace=connected.namespace)
        for transport in transports:
            if transport is not None:
                self._end(transport)

    def tell(self, connected: Connected, name: str, data: dict[str, Any]) -> None:
        """Send one event to one socket, in its namespace."""
        self.send(connected.sid, events.packet(name, data, connected.namespace))

    def end_login(self, user_id: int, session_id: int | None = None, token_id: int | None = None) -> None:
        """Close the sockets of a user, or only those of one login session or API token of theirs."""
        self.logins.clear()
        self.close(self._of_login(user_id, session_id, token_id), LOGIN_ENDED)

    def forget_gone(self) -> None:
        """Forget sockets that vanished while they were being let in, of which no disconnect will ever tell."""
        server = self._socketio.server
        for sid, connected in list(self.by_sid.items()):
            if server.manager.eio_sid_from_sid(sid, connected.namespace) not in server.eio.sockets:
                self._rooms.drop(sid)
                self.remove(sid)
                server.manager.disconnect(sid, namespace=connected.namespace, ignore_queue=True)

    def _of_login(self, user_id: int, session_id: int | None, token_id: int | None) -> list[str]:
        return [
            sid
            for sid in self._of_user.get(user_id, ())
            if (session_id is None and token_id is None)
            or (session_id is not None and self.by_sid[sid].identity.session_id == session_id)
            or (token_id is not None and self.by_sid[sid].identity.token_id == token_id)
        ]

    def _listen(self, channel: str) -> None:
        try:
            self._rooms.subscriber.subscribe(channel)
        except RedisError:
            log.debug("%s is subscribed when Redis is back", channel)


def error_fields(error: TaskroomError, event: str | None) -> dict[str, Any]:
    """The content of an `error` event and of a refusing acknowledgement."""
    fields: dict[str, Any] = {"code": error.code, "message": error.message, "event": event}
    if error.retry_after_s is not None:
        fields["retry_after_s"] = error.retry_after_s
    return fields
