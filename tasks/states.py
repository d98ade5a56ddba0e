"""The five states of a task and the only ways between them.

The database enforces the same table by a trigger (migrations/versions/0002_tasks.py): a transition that is not here
cannot be written, whoever tries.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a task is. A wish to cancel is not a state: it is `cancel_requested_at`."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})
ACTIVE = frozenset({State.QUEUED, State.RUNNING})

TRANSITIONS: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED}),
    State.RUNNING: frozenset({State.QUEUED, State.COMPLETED, State.FAILED, State.CANCELLED}),
    State.COMPLETED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}


class Priority(StrEnum):
    """Which queue a task waits in; first in, first out inside one."""

    URGENT = "urgent"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 goes first."""
        return list(Priority).index(self)


class Visibility(StrEnum):
    """Who may watch a task besides its owner and admins."""

    PRIVATE = "private"
    EVERYONE = "everyone"


def is_final(state: str) -> bool:
    """Whether nothing can happen to a task in this state any more."""
    return state in FINAL
