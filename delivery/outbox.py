"""What waits to go to one client: in order, bounded, and written at once while nothing waits.

Its rule for a client that reads too slowly: progress that newer progress of the same task follows directly is dropped,
as in a replay. When what waits would pass the bound all the same, the events of task rooms are given up, and once the
client has read the rest its rooms bring it to the present with a snapshot. Replies and goodbyes are never dropped; a
client that lets even those pile up has to go.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from delivery.frames import frame

MAX_WAITING_BYTES = 256 * 1024
MAX_WRITE_BYTES = 64 * 1024


class Outgoing:
    """One Engine.IO packet on its way out: `frame` is its WebSocket frame. Shared by all who get it.

    `task_id` is set for the events of a task's room, `is_progress` for those that newer progress overtakes.
    """

    __slots__ = ("_head", "for_scans", "for_visitors", "frame", "is_progress", "task_id")
    for_scans: Outgoing | None
    """what it is for the namespace `/ws`; unset until somebody there gets it"""
    for_visitors: Outgoing
    """what it is for whoever came by a share link; unset until one of them gets it"""

    def __init__(self, packet: bytes, task_id: str | None = None, is_progress: bool = False) -> None:
        self.frame = frame(packet)
        self._head = len(self.frame) - len(packet)
        self.task_id = task_id
        self.is_progress = is_progress

    @property
    def packet(self) -> str:
        """The packet as polling clients get it."""
        return self.frame[self._head :].decode()


@dataclass(frozen=True, slots=True)
class Batch:
    """Packets that go out together, and their frames in one piece."""

    items: tuple[Outgoing, ...]
    joined: bytes

    @classmethod
    def of(cls, items: Sequence[Outgoing]) -> Batch:
        """These packets in this order."""
        return cls(tuple(items), items[0].frame if len(items) == 1 else b"".join([item.frame for item in items]))


class Client(Protocol):
    """Whose outbox it is."""

    def packets_wait(self) -> None:
        """Something waits now: to be polled for, or for the socket to take more."""

    def rooms_given_up(self, lost: frozenset[str]) -> None:
        """Events of these tasks that waited are gone, and none of any task are taken until `caught_up`."""

    def caught_up(self) -> None:
        """What was left after events had been given up has been read."""

    def has_to_go(self) -> None:
        """Even replies pile up."""

    def is_broken(self) -> None:
        """The socket takes nothing any more."""

    def all_said(self) -> None:
        """Everything has gone out, and nothing more will follow."""


class _Nobody:
    """The client of an outbox whose connection is gone."""

    def rooms_given_up(self, lost: frozenset[str]) -> None:
        """Nobody is told."""

    def packets_wait(self) -> None:
        """Nobody is told."""

    caught_up = has_to_go = is_broken = all_said = packets_wait


NOBODY = _Nobody()


class Outbox:
    """The packets of one client. Nothing here waits, and it is not for several native threads."""

    __slots__ = (
        "_client", "_cut", "_idle_send", "_is_ending", "_newest", "_send", "_waiting", "is_overrun", "moved_s", "size",
    )  # fmt: skip

    def __init__(self, client: Client) -> None:
        self._client = client
        self._send: Callable[[bytes], int] | None = None
        self._idle_send: Callable[[bytes], int] | None = None
        """`_send` while nothing waits"""
        self._waiting: list[Outgoing] = []
        self._cut = 0
        """bytes of the first packet that are sent"""
        self._newest: dict[str, Outgoing] = {}
        """the newest packet that waits, by task"""
        self._is_ending = False
        self.size = 0
        self.is_overrun = False
        self.moved_s = 0.0
        """when something last went out, or began to wait"""

    def connect(self, send: Callable[[bytes], int]) -> None:
        """From here on packets go to a non-blocking socket, beginning with those that wait."""
        self._send = send
        self.flush()

    def close(self) -> None:
        """Take and send nothing more."""
        self._send = self._idle_send = None
        self._is_ending = True
        self._drop_all()

    def forget_client(self) -> None:
        """It is gone: nothing will be told any more."""
        self._client = NOBODY

    def end(self) -> None:
        """Take nothing more; `all_said` follows when what waits has gone out."""
        self._is_ending = True
        if self._idle_send is not None:
            self._idle_send = None
            self._client.all_said()

    def write(self, batch: Batch) -> None:
        """Send these packets, at once if nothing waits."""
        send = self._idle_send
        if send is None:
            for item in batch.items:
                self._append(item)
            return
        joined = batch.joined
        try:
            sent = send(joined)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._break()
            return
        if sent != len(joined):
            self._keep_rest(batch, sent)

    def flush(self) -> None:
        """Send what the socket takes. To be called whenever it may take more."""
        while self._send is not None and self._waiting:
            frames, size = [], -self._cut
            for item in self._waiting:
                frames.append(item.frame)
                size += len(item.frame)
                if size >= MAX_WRITE_BYTES:
                    break
            data = b"".join(frames)[self._cut :]
            try:
                sent = self._send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._break()
                return
            self._forget(sent)
            if sent != len(data):
                self._client.packets_wait()
                return
        self._settle()

    def poll(self, most: int) -> list[Outgoing]:
        """Take up to `most` packets out, for a client that polls."""
        taken = self._waiting[:most]
        self._forget(sum(len(item.frame) for item in taken))
        if taken and not self._waiting:
            self._settle()
        return taken

    def _settle(self) -> None:
        """Nothing waits any more."""
        if self._is_ending:
            if self._send is not None:
                self._client.all_said()
            return
        self._idle_send = self._send
        if self.is_overrun:
            self.is_overrun = False
            self._client.caught_up()

    def _keep_rest(self, batch: Batch, sent: int) -> None:
        self._idle_send = None
        self.moved_s = time.monotonic()
        for item in batch.items:
            if sent >= len(item.frame):
                sent -= len(item.frame)
            elif sent:
                self._keep(item)  # begun: however long it is, its rest has to follow
                self._cut, sent = sent, 0
                self.size -= self._cut
            else:
                self._append(item)
        self._client.packets_wait()

    def _append(self, item: Outgoing) -> None:
        if self._is_ending or (self.is_overrun and item.task_id):
            return
        if item.is_progress:
            self._overtake(item)
        if self._unbegun() + len(item.frame) > MAX_WAITING_BYTES and not self._make_room(item):
            if self._send is None and not self._waiting:
                self._settle()  # a poll has nothing to read first
            return
        if not self._waiting:
            self.moved_s = time.monotonic()
        self._keep(item)
        if self._send is None:
            self._client.packets_wait()

    def _keep(self, item: Outgoing) -> None:
        if item.task_id:
            self._newest[item.task_id] = item
        self._waiting.append(item)
        self.size += len(item.frame)

    def _unbegun(self) -> int:
        """The bytes that wait, without the rest of a packet that has been begun."""
        return self.size + self._cut - len(self._waiting[0].frame) if self._cut else self.size

    def _overtake(self, item: Outgoing) -> None:
        """Drop the progress that this one follows, if that waits untouched."""
        before = self._newest.get(item.task_id or "")
        if before is not None and before.is_progress and not (self._cut and self._waiting[0] is before):
            self._waiting.remove(before)
            self.size -= len(before.frame)

    def _make_room(self, item: Outgoing) -> bool:
        """Give up the events of rooms; whether this packet is to be kept."""
        begun = bool(self._cut)
        kept = [one for place, one in enumerate(self._waiting) if not one.task_id or place < begun]
        if len(kept) < len(self._waiting) or item.task_id:
            lost = frozenset(one.task_id for one in [*self._waiting[begun:], item] if one.task_id)
            self._waiting, self._newest = kept, {}
            self.size = sum(len(one.frame) for one in kept) - self._cut
            self.is_overrun = True
            self._client.rooms_given_up(lost)
            if item.task_id:
                return False
        if self._unbegun() <= MAX_WAITING_BYTES:  # one reply may be longer than the bound
            return True
        self._client.has_to_go()
        return False

    def _forget(self, sent: int) -> None:
        """So many bytes of what waits have gone out."""
        if not sent:
            return
        self.moved_s = time.monotonic()
        self.size -= sent
        sent += self._cut
        gone = 0
        for item in self._waiting:
            if sent < len(item.frame):
                break
            sent -= len(item.frame)
            gone += 1
            if item.task_id and self._newest.get(item.task_id) is item:
                del self._newest[item.task_id]
        del self._waiting[:gone]
        self._cut = sent

    def _drop_all(self) -> None:
        self._waiting, self._newest, self._cut, self.size = [], {}, 0, 0

    def _break(self) -> None:
        self.close()
        self._client.is_broken()
