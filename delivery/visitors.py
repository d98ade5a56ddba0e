"""Visitors: sockets that came by a share link, and see one task through the veil.

A visitor is a member of the task's room like any other; only its target veils what is written to it. The veiled event
is made when the first visitor gets it, and kept with it for the others, so rooms without visitors pay nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
from sqlalchemy.orm import Session

from accounts import Identity
from database import Database, utc_now
from delivery.members import Target
from delivery.namespaces import JoinPayload, LogPayload, TaskPayload
from delivery.outbox import Batch, Outgoing
from delivery.rooms import Rooms
from delivery.sockets import Connected, Sockets
from tasks import events, store
from tasks.errors import NotFound, RateLimited
from tasks.models import Task
from tasks.sharing import Sharing, Veil

PER_ADDRESS = 100
PER_LINK = 1000
NOBODY = Identity(0, "share link", "user", None, None, frozenset())
LINK_ENDED = NotFound("This link has ended.")
NO_TASK = "This link does not show that task."


class VisitorTarget:
    """One visitor's socket: takes the events of its room, and passes on what a visitor may see of them."""

    __slots__ = ("_target", "_veil")

    def __init__(self, target: Target, veil: Veil) -> None:
        self._target = target
        self._veil = veil

    @property
    def is_overrun(self) -> bool:
        """Whether the connection reads too slowly for the events of rooms."""
        return self._target.is_overrun

    def write(self, batch: Batch) -> None:
        """Send these events, veiled."""
        self._target.write(Batch.of([self._veiled(item) for item in batch.items]))

    def _veiled(self, original: Outgoing) -> Outgoing:
        try:
            return original.for_visitors
        except AttributeError:
            name, data = orjson.loads(original.packet[2:])
            packet = b"4" + events.packet(name, self._veil.task(data)).encode()
            made = original.for_visitors = Outgoing(packet, original.task_id, original.is_progress)
            return made


class Visitors:
    """The visitors of this process: who is let in, what they may ask, and when they have to go."""

    def __init__(self, sockets: Sockets, rooms: Rooms, database: Database, sharing: Sharing) -> None:
        self._sockets = sockets
        self._rooms = rooms
        self._database = database
        self._sharing = sharing
        self._veil = sharing.veil

    def target(self, sid: str, found: Target | None) -> Target | None:
        """Where the events of rooms go for this socket."""
        return VisitorTarget(found, self._veil) if found is not None and sid in self._sockets.visitors else found

    def let_in(self, sid: str, address: str, token: object) -> Connected:
        """The socket of whoever has this token. Raises NotFound and RateLimited."""
        link = self._sharing.open(token, address)
        visitors = self._sockets.visitors.values()
        from_address = Counter(each.address for each in visitors)[address]
        by_link = Counter(each.link.link_id for each in visitors if each.link)[link.link_id]
        if from_address >= PER_ADDRESS or by_link >= PER_LINK:
            raise RateLimited("Too many people watch by this link. Try again in a while.", retry_after_s=30)
        return Connected(sid, NOBODY, address, link=link)

    def handler(self, event: str) -> Callable[..., dict[str, Any]] | None:
        """What answers this event of a visitor; None for all but four."""
        handlers: dict[str, Callable[..., dict[str, Any]]] = {
            "join_task": self.join_task,
            "leave_task": self.leave_task,
            "get_task_status": self.get_task_status,
            "get_task_log": self.get_task_log,
        }
        return handlers.get(event)

    def join_task(self, connected: Connected, payload: JoinPayload) -> dict[str, Any]:
        """Watch the task of the link, like everybody who watches it."""
        self._check(connected, payload)
        joined = self._rooms.join(connected.sid, payload.task_id, payload.last_seq, payload.epoch)
        if connected.sid not in self._sockets.by_sid:
            self._rooms.drop(connected.sid)
        place = {"epoch": joined.epoch, "seq": joined.seq}
        return {"task_id": payload.task_id, **place, "recovered": joined.recovered, "replayed": joined.replayed}

    def leave_task(self, connected: Connected, payload: TaskPayload) -> dict[str, Any]:
        """Stop watching."""
        self._rooms.leave(connected.sid, payload.task_id)
        return {"task_id": payload.task_id}

    def get_task_status(self, connected: Connected, payload: TaskPayload) -> dict[str, Any]:
        """The true state of the task of the link, as the acknowledgement and as the matching event."""
        self._check(connected, payload)
        with self._database.read() as session:
            snapshot = store.snapshot(*self._load(session, payload.task_id))
        name, data = self._rooms.history.status_event(snapshot)
        self._sockets.send(connected.sid, events.packet(name, self._veil.task(data)))
        return {"task": self._veil.task({**snapshot, **{key: data[key] for key in data if key in snapshot}})}

    def get_task_log(self, connected: Connected, payload: LogPayload) -> dict[str, Any]:
        """A range of the log of the task of the link."""
        self._check(connected, payload)
        with self._database.read() as session:
            task, _ = self._load(session, payload.task_id)
            found = store.log_lines(session, task, payload.from_line, payload.limit)
        return {"task_id": payload.task_id, **found, "lines": self._veil.lines(found["lines"])}

    def sweep(self) -> None:
        """Close the sockets whose link has ended. To be called twice a second."""
        now = utc_now()
        links = {sid: each.link for sid, each in self._sockets.visitors.items() if each.link is not None}
        if not links:
            return
        gone = {link.link_id for link in links.values() if link.expires_at <= now}
        gone |= self._sharing.ended({link.link_id for link in links.values()} - gone)
        if gone:
            self._sockets.close([sid for sid, link in links.items() if link.link_id in gone], LINK_ENDED)

    @staticmethod
    def _check(connected: Connected, payload: TaskPayload) -> None:
        if connected.link is None or connected.link.task_id != payload.task_id:
            raise NotFound(NO_TASK)

    @staticmethod
    def _load(session: Session, task_id: str) -> tuple[Task, str]:
        found = store.load_task(session, task_id)
        if found is None:
            raise NotFound(NO_TASK)
        return found
