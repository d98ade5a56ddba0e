"""The members of a task's room: what each has seen, and who came together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from delivery.outbox import Batch
from delivery.published import Event


class Target(Protocol):
    """Where the packets of one socket go."""

    @property
    def is_overrun(self) -> bool:
        """Whether events of rooms are not taken now, because the client reads too slowly."""

    def write(self, batch: Batch) -> None:
        """Send these packets, in order, without waiting."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Where a joiner stands. `recovered`: it got all that it had missed; `replayed`: in so many events."""

    epoch: str | None
    seq: int | None
    recovered: bool
    replayed: int


class Member:
    """One socket in one room."""

    __slots__ = (
        "epoch", "has_final", "held", "is_chased", "is_gone", "is_live", "is_new", "is_slow", "read", "seen", "sid",
        "write",
    )  # fmt: skip

    def __init__(self, sid: str, epoch: str | None, seen: int, write: Callable[[Batch], None]) -> None:
        self.sid = sid
        self.write = write
        self.epoch = epoch
        self.seen = seen
        self.held: list[tuple[int, Event]] = []
        """what arrived while it catches up, each with its moment on the room's count of moments"""
        self.read = 0
        """the moment at which the reading of the tail began that it was last brought up to"""
        self.is_new = True
        self.is_live = False
        self.is_gone = False
        self.is_chased = False
        """somebody tries again and again to bring it to the present"""
        self.is_slow = False
        """it reads too slowly for events: when it has read what waits, it gets a snapshot"""
        self.has_final = False

    @property
    def is_behind(self) -> bool:
        """Whether it has to be brought to the present."""
        return not (self.is_gone or self.is_live or self.is_slow)


class Arrivals:
    """Members who came together, and are brought to the present by one reading of the tail."""

    def __init__(self, before: Arrivals | None) -> None:
        self.before = before
        self.members: list[Member] = []
        self.joined: dict[str, Joined] = {}
        self.error: Exception | None = None
        self.done = threading.Event()


class Room:
    """The watchers of one task in this process."""

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        self.members: dict[str, Member] = {}
        self.events = 0
        """that came since the first member is here"""
        self.arriving: Arrivals | None = None
        """who came since the last reading began"""
        self.reading: Arrivals | None = None


def ignore(_batch: Batch) -> None:
    """Where the packets of a socket go that is gone."""
