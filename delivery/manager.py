"""Socket.IO's book of who is connected, without searching all of it for each one that leaves."""

from __future__ import annotations

from typing import Any

import socketio


class Manager(socketio.Manager):  # type: ignore[misc]
    """A socket is in two of the library's rooms, everybody's and its own: task rooms are `delivery.rooms`'.

    The stock manager looks for a socket that leaves in every room there is, and each socket has one.
    """

    def basic_disconnect(self, sid: str, namespace: str, **options: Any) -> None:
        """Forget a socket."""
        for room in (None, sid):
            if sid in self.rooms.get(namespace, {}).get(room, ()):
                self.basic_leave_room(sid, namespace, room)
        others, self.rooms[namespace] = self.rooms.get(namespace), {}
        super().basic_disconnect(sid, namespace, **options)
        del self.rooms[namespace]
        if others:
            self.rooms[namespace] = others
