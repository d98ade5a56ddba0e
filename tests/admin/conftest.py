"""The dashboard's pages over the API's room: the real app on a real database and Redis, workers played by the test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import admin
from tests.api.conftest import _jobs, make_room
from tests.api.room import Caller, Room
from tests.pages.html_checks import Page, faults

__all__ = ["_jobs", "make_room"]


@dataclass
class Desk:
    """An admin's browser."""

    room: Room
    client: FlaskClient
    token: str
    caller: Caller

    def get(self, path: str, status: int = 200) -> str:
        """A page without faults; its HTML."""
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text
        assert faults(answer.text) == []
        return answer.text

    def text(self, path: str) -> str:
        """What a page says."""
        return " ".join(" ".join(Page(self.get(path)).text).split())

    def post(self, path: str, **fields: str) -> TestResponse:
        """Send a form as its page would."""
        return self.client.post(path, data={"csrf_token": self.token, **fields})


@pytest.fixture
def office(make_room: Callable[..., Room], sqlite_url: str, redis_url: str) -> Room:
    """The app with the dashboard, on SQLite."""
    room = make_room(sqlite_url, redis_url)
    if "admin" not in room.app.blueprints:
        admin.register(room.app)
    return room


@pytest.fixture
def desk(office: Room) -> Desk:
    """An admin called root, signed in with a browser."""
    caller = office.person("root", role="admin")
    client, token = office.browser("root")
    return Desk(office, client, token, caller)
