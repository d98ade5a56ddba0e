"""The real app on a real database and a real Redis, asked by people with real tokens. Workers are played by the test:
it claims tasks and reports on them through the same calls that a worker uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from config import Config
from tasks import registry
from tasks.registry import load_jobs
from tests.api.room import Caller, Room, add_jobs


@pytest.fixture(autouse=True)
def _jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The product's jobs and the tests' own, for one test."""
    load_jobs(("jobs",))
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))
    add_jobs()


@pytest.fixture
def make_room(make_config: Callable[..., Config]) -> Iterator[Callable[..., Room]]:
    """The app on this database and Redis: make_room(database_url, redis_url, WORKERS="1")."""
    rooms: list[Room] = []

    def make(database_url: str, redis_url: str, **environment: str) -> Room:
        rooms.append(Room(make_config(DATABASE_URL=database_url, REDIS_URL=redis_url, **environment)))
        return rooms[-1]

    yield make
    for room in rooms:
        room.close()


@pytest.fixture
def room(make_room: Callable[..., Room], sqlite_url: str, redis_url: str) -> Room:
    """The app on SQLite."""
    return make_room(sqlite_url, redis_url)


@pytest.fixture
def any_room(make_room: Callable[..., Room], any_database_url: str, redis_url: str) -> Room:
    """The app once on SQLite and once on PostgreSQL."""
    return make_room(any_database_url, redis_url)


@pytest.fixture
def ada(room: Room) -> Caller:
    """A user."""
    return room.person("ada")


@pytest.fixture
def bob(room: Room) -> Caller:
    """Another user."""
    return room.person("bob")


@pytest.fixture
def admin(room: Room) -> Caller:
    """An admin."""
    return room.person("root", role="admin")
