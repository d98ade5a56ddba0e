"""What everybody is told of the house: the queue is paused, or some jobs are, or there is maintenance.

Each web process reads it from SQL, after an order on the control channel and every two seconds in case one got lost,
and tells its sockets when it has changed. Nothing that comes over Redis is believed: an order only says "read again".
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import orjson
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from database import Database, DatabaseBusy
from delivery.event_log import EventLog
from tasks import events, queue_control
from tasks.models import Task
from tasks.registry import all_jobs
from tasks.states import State

CHANGED = {"server_status": "changed"}
"""the order on the control channel"""
SWEEP_S = 2.0


def shown(session: Session) -> dict[str, Any]:
    """`{paused, paused_kinds, maintenance}` as `server_status` has it: kinds with their title, maintenance with the
    number of tasks that still run.
    """
    told = queue_control.read(session).shown()
    titles = {job.kind: job.title for job in all_jobs()}
    told["paused_kinds"] = {
        kind: {**hold, "title": titles.get(kind, kind)} for kind, hold in told["paused_kinds"].items()
    }
    if told["maintenance"]:
        running = session.scalar(select(func.count()).select_from(Task).where(Task.state == State.RUNNING)) or 0
        told["maintenance"] = {**told["maintenance"], "running": running}
    return told


class ServerStatus:
    """The status as this web process knows it; `to_all` sends a packet to every socket of the namespace `/`."""

    def __init__(self, database: Database, event_log: EventLog, to_all: Callable[[str], None]) -> None:
        self._database = database
        self._log = event_log
        self._to_all = to_all
        self._known: dict[str, Any] | None = None

    @property
    def known(self) -> dict[str, Any] | None:
        """As read last; read now if it never was. None while the database does not answer."""
        if self._known is None:
            with contextlib.suppress(SQLAlchemyError, DatabaseBusy):
                self._known = self._read()
        return self._known

    def look(self) -> None:
        """Read it, and tell everybody here if it is another now."""
        newest = self._read()
        if newest != self._known:
            self._known = newest
            self._to_all(events.packet(events.SERVER_STATUS, newest))

    def announce(self) -> None:
        """It was changed here: tell everybody, in all processes. Raises RedisError; then those look by themselves."""
        self.look()
        self._log.publish(self._log.control_channel, orjson.dumps(CHANGED).decode())

    def _read(self) -> dict[str, Any]:
        with self._database.read() as session:
            return shown(session)
