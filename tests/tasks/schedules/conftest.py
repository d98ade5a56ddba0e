"""Schedules over real databases and a real Redis, with the time passed in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from accounts import Actor, Identity
from config import Config
from database import Database
from tasks.lifecycle import Limits
from tasks.models import Task
from tasks.queue import TaskQueue
from tasks.schedules.firing import Firing
from tasks.schedules.models import Schedule
from tasks.schedules.recipes import Schedules
from tasks.service import Tasks
from tests.fixtures.core import Core, LiveCore

ADA = Actor("ada")


class Book:
    """Schedules of one installation, and its schedulers."""

    def __init__(self, core: LiveCore, config: Config) -> None:
        self.core = core
        self.config = config
        queue = TaskQueue(core.database, core.client, "taskroom:", Limits(4, 4))
        self.tasks = Tasks(config, core.database, core.announcer, queue)
        self.schedules = Schedules(core.database, self.tasks)
        self.firing = Firing(core.database, self.tasks)

    def make(self, identity: Identity, cron: str = "0 * * * *", **wished: Any) -> str:
        """A schedule; its id."""
        wish = {"name": "Nightly", "kind": "count", "cron": cron, **wished}
        made: str = self.schedules.create(identity, wish, ADA)["id"]
        return made

    def due(self, schedule_id: str, moment: datetime) -> None:
        """Let it wait for this moment."""
        self.set(schedule_id, next_run_at=moment)

    def set(self, schedule_id: str, **values: Any) -> None:
        """Change it behind everybody's back."""
        with self.core.database.write() as session:
            for name, value in values.items():
                setattr(session.get_one(Schedule, schedule_id), name, value)

    def get(self, schedule_id: str) -> Schedule:
        """The row."""
        with self.core.database.read() as session:
            return session.get_one(Schedule, schedule_id)

    def runs(self, schedule_id: str) -> list[Task]:
        """Its tasks, oldest first."""
        with self.core.database.read() as session:
            found = session.query(Task).filter(Task.schedule_id == schedule_id).order_by(Task.created_at, Task.id)
            return list(found)

    def end(self, task_id: str) -> None:
        """Let a task run and complete."""
        held = self.core.claim(task_id)
        assert held is not None
        self.core.complete(held)


@pytest.fixture
def book(
    any_database: Database,
    redis_url: str,
    make_live_core: Callable[[Database, str], LiveCore],
    make_config: Callable[..., Config],
) -> Book:
    """Schedules on SQLite and on PostgreSQL."""
    return Book(make_live_core(any_database, redis_url), make_config(REDIS_URL=redis_url))


@pytest.fixture
def ada(book: Book) -> Identity:
    """A person with schedules."""
    core: Core = book.core
    return core.person("grace")
