"""What a task's past says: its live tail, never older than what SQL has committed.

A tail that lacks something is told, or begun again, before anybody reads from it. Without Redis there is SQL alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from redis.exceptions import RedisError
from sqlalchemy import bindparam, func, select

from database import Database
from delivery.announcer import TailAnnouncer
from delivery.event_log import EventLog, Tail, TailEvent
from tasks import events, store
from tasks.errors import Conflict
from tasks.lifecycle import event_data, final_event
from tasks.models import Task, TaskEvent
from tasks.states import State, is_final

ANNOUNCE_TRIES = 3

_NEWEST = select(
    Task.state,
    select(func.max(TaskEvent.id)).where(TaskEvent.task_id == bindparam("task_id")).scalar_subquery(),
).where(Task.id == bindparam("task_id"))


class History:
    """Reads tails. Methods raise redis.RedisError while Redis is away, and the database's errors."""

    def __init__(self, database: Database, event_log: EventLog, announcer: TailAnnouncer) -> None:
        self._database = database
        self._log = event_log
        self._announcer = announcer
        self.channel = event_log.channel

    def read(self, task_id: str, after: int | None) -> Tail:
        """The task's tail, at least as new as what SQL has committed."""
        for _ in range(ANNOUNCE_TRIES):
            tail = self._log.read(task_id, after)
            if tail is None:
                self._announcer.rebuild(task_id)
            elif self._is_behind(tail, task_id):
                self._announcer.announce(task_id)
            else:
                return tail
        tail = self._log.read(task_id, after)
        if tail is not None and self._is_behind(tail, task_id):
            self._announcer.rebuild(task_id, replacing=tail.epoch)
            tail = self._log.read(task_id, after)
        if tail is None:
            raise RedisError("the tail of this task cannot be kept in Redis")
        return tail

    def _is_behind(self, tail: Tail, task_id: str) -> bool:
        """Whether SQL has state changes that the tail does not tell of, or the tail tells an end that SQL does not."""
        row = self._database.first(_NEWEST, task_id=task_id)
        state, newest = (row[0], row[1] or 0) if row is not None else (State.QUEUED, 0)
        true_end = final_event(state) if is_final(state) else None
        told_ends = {tail.snapshot_name, *(event.name for event in tail.events)} & events.FINAL_EVENTS
        return tail.durable < newest or not told_ends <= {true_end} or (tail.is_final and true_end is None)

    def status_event(self, snapshot: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The event that tells this state of a task: the tail's newest where it is as new, else what SQL has."""
        name, stored = stored_event(snapshot)
        try:
            tail = self.read(snapshot["task_id"], None)
        except RedisError:
            return name, stored
        return (name, orjson.loads(tail.snapshot_packet()[1:])[1]) if tail.snapshot_name == name else (name, stored)

    def tell_progress(self, task_id: str, fields: Mapping[str, Any]) -> None:
        """Tell the watchers of a running task, in all processes, its newest progress. Raises RedisError, Conflict."""
        tail = self.read(task_id, None)
        newest = orjson.loads("{" + tail.snapshot_body + "}")
        known = {name: fields[name] for name in events.PROGRESS_FIELDS if name in fields}
        told = self._log.tick(task_id, newest["attempt"], events.encode_fields({**newest, **known}))
        if told.outcome != "ok":
            raise Conflict("This task does not run now, so there is no progress to tell.")

    def stored(self, task_id: str) -> tuple[str, dict[str, Any]] | None:
        """The event that tells what SQL knows of this task, without Redis."""
        with self._database.read() as session:
            row = store.load_task(session, task_id)
        return None if row is None else stored_event(store.snapshot(*row))


def stored_event(snapshot: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The event that tells what SQL knows of a task; its epoch and seq are unknown."""
    name = final_event(snapshot["status"]) if is_final(snapshot["status"]) else events.PROGRESS_UPDATE
    envelope = {
        "epoch": None,
        "seq": None,
        "timestamp": snapshot["timestamp"],
        "cancel_requested": snapshot["cancel_requested"],
        "snapshot": True,
    }
    return name, {**envelope, **event_data(name, snapshot)}


def collapsed(missed: Iterable[TailEvent]) -> list[TailEvent]:
    """The events without progress that a directly following progress has overtaken."""
    kept: list[TailEvent] = []
    for event in missed:
        if kept and event.name == kept[-1].name == events.PROGRESS_UPDATE:
            kept[-1] = event
        else:
            kept.append(event)
    return kept
