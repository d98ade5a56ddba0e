"""One installation in this process for the tests of the API, and the people who call it."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from html import unescape
from types import SimpleNamespace
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from pydantic import BaseModel, ConfigDict, Field
from werkzeug.test import TestResponse

import accounts
import api
import pages
from accounts import COMMAND_LINE, Identity
from accounts.users import add_user
from config import Config
from database import Database, utc_now
from delivery.announcer import TailAnnouncer
from delivery.event_log import EventLog, connect
from delivery.roll_call import RollCall
from delivery.server_status import ServerStatus
from delivery.test_trace import TestTrace
from monitoring.current import CurrentMetrics
from monitoring.metrics import Sampler
from monitoring.queue_view import QueueView
from monitoring.recent_history import RecentHistory
from pages import security, session
from tasks import journal, lifecycle, registry, store
from tasks.journal import Line
from tasks.lifecycle import Claim, Failure, Limits
from tasks.queue import TaskQueue
from tasks.registry import Phase, RetryPolicy, find_job
from tasks.service import Tasks
from tasks.sharing import Sharing
from tests.fixtures.machine import ROOT

PASSWORD = "correct-staple-9"
LIMITS = Limits(64, 64)


class CountParams(BaseModel):
    """Parameters of the tests' own jobs."""

    model_config = ConfigDict(extra="forbid")

    number: int = Field(3, ge=1, le=1000)
    name: str = Field("", max_length=50)
    shelf: str | None = Field(None, max_length=50, description="Two tasks never work on one shelf.")


def add_jobs() -> None:
    """Register the tests' own jobs: one for everybody, one for admins."""
    described: dict[str, Any] = {
        "params": CountParams,
        "phases": [Phase("count", "Count", 3), Phase("tell", "Tell", 1)],
    }
    described |= {"retry": RetryPolicy(1), "resource_for": lambda params, _config: params.shelf}

    def count(_ctx: Any, params: CountParams) -> dict[str, object]:
        return {"counted": params.number}

    registry.job("test_count", title="Count", **described)(count)
    registry.job("test_admin_only", title="For admins", admin_only=True, **described)(count)


@dataclass
class Caller:
    """Somebody with a token. Every call goes over HTTP, as far as Flask's client goes."""

    client: FlaskClient
    username: str
    identity: Identity
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.call("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        return self.call("POST", path, **({"json": json} if json is not None else {}), **options)

    def call(self, method: str, path: str, **options: Any) -> TestResponse:
        address = path if path.startswith(("/api", "/health", "/metrics")) else f"/api/v1{path}"
        headers = self.headers | options.pop("headers", {})
        return self.client.open(address, method=method, headers=headers, **options)

    def start(self, kind: str = "test_count", **asked: Any) -> str:
        """Start a task that must be accepted; its id."""
        answer = self.post("/tasks", {"kind": kind} | asked)
        assert answer.status_code == 202, answer.text
        task_id: str = answer.json["task_id"]  # type: ignore[index]
        return task_id


class Room:
    """The app, its database, and the part of a worker."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.database = Database(config.database_url)
        self.analysis = Database(config.database_url, pooled=not self.database.is_sqlite)
        self.redis = connect(config.requires_redis_url)
        self.log = EventLog(self.redis, config.redis_prefix)
        self.announcer = TailAnnouncer(self.database, self.log)
        self.tasks = Tasks(
            config, self.database, self.announcer, TaskQueue(self.database, self.redis, config.redis_prefix, LIMITS)
        )
        self.sockets: Any = SimpleNamespace(by_sid={}, close=lambda sids, _error: self.sockets.by_sid.pop(sids[0]))
        self.rooms: Any = SimpleNamespace(joined_by=lambda _sid: frozenset(), slow=set())
        self.app = self._make_app()

    def _make_app(self) -> Flask:
        app = Flask("web_app", root_path=str(ROOT))
        security.protect(app, self.config)
        app.extensions["taskroom"] = SimpleNamespace(
            config=self.config,
            database=self.database,
            analysis=self.analysis,
            redis=self.redis,
            tasks=self.tasks,
            announcer=self.announcer,
            metrics=CurrentMetrics(self.database, Sampler(self.config, self.analysis, self.redis)),
            history=RecentHistory(self.analysis),
            roll_call=RollCall(self.redis, self.config.redis_prefix, self.log, "web@here:1", self.sockets, self.rooms),
            status=ServerStatus(self.database, self.log, lambda _packet: None),
            queue_view=QueueView(self.config, self.database, self.redis),
            test_trace=TestTrace(),
            sharing=Sharing(self.database, self.config),
        )
        session.register(app)
        pages.register(app)
        api.register(app)
        security.trust_proxies(app, self.config.trusted_proxies)
        return app

    def close(self) -> None:
        """Close what is open."""
        self.redis.close()
        self.analysis.close()
        self.database.close()

    # People

    def person(self, username: str, role: str = "user", scopes: tuple[str, ...] = ()) -> Caller:
        """A new user with a token that may do what the role may."""
        with self.database.write() as session_:
            user = add_user(session_, username, hashed_password(), COMMAND_LINE, role=role)
        wanted = scopes or (("admin",) if role == "admin" else ("write",))
        return self.caller(username, user.id, wanted)

    def caller(self, username: str, user_id: int, scopes: tuple[str, ...]) -> Caller:
        """A user with another token."""
        _, token = accounts.create_token(self.database, user_id, "tests", COMMAND_LINE, scopes=scopes)
        identity = accounts.authenticate_token(self.database, token)
        assert identity is not None
        return Caller(self.app.test_client(), username, identity, {"Authorization": f"Bearer {token}"})

    def nobody(self) -> FlaskClient:
        """A client without a login."""
        return self.app.test_client()

    def browser(self, username: str) -> tuple[FlaskClient, str]:
        """A client that is signed in with a cookie, and its CSRF token."""
        client = self.app.test_client()
        form = {"username": username, "password": PASSWORD, "csrf_token": csrf_token(client.get("/login").text)}
        assert client.post("/login", data=form).status_code == 303
        return client, csrf_token(client.get("/account").text)

    # A worker's part

    def claim(self, task_id: str, worker: str = "worker-1@test:1") -> Claim:
        """Begin the task's next attempt."""
        with self.database.read() as session_:
            kind = store.load_task(session_, task_id)[0].kind  # type: ignore[index]
        held = lifecycle.claim(self.database, task_id, worker, 15.0, LIMITS, find_job(kind))
        assert held is not None
        self.announcer.announce(task_id)
        return held

    def complete(self, task_id: str, results: dict[str, Any] | None = None, held: Claim | None = None) -> None:
        """Run the task to its good end."""
        held = held or self.claim(task_id)
        lifecycle.complete(self.database, held, {"counted": 3} if results is None else results, {}, 1200)
        self.announcer.announce(task_id)

    def fail(self, task_id: str) -> None:
        """Run the task to its bad end."""
        held = self.claim(task_id)
        failure = Failure("The shelf is empty. Fill it first.", "job", False)
        lifecycle.fail(self.database, held, failure, {"progress_percent": 41.5}, 900)
        self.announcer.announce(task_id)

    def write_log(self, held: Claim, lines: list[tuple[str, str]]) -> None:
        """Log (level, text) lines as the running attempt."""
        journal.append_lines(self.database, held, [Line(utc_now(), level, text) for level, text in lines])

    def add_artifact(self, held: Claim, name: str, content: bytes, content_type: str = "text/plain") -> None:
        """Keep a file as the running attempt."""
        journal.add_artifact(self.database, held, name, content, content_type)


@functools.cache
def hashed_password() -> str:
    """Everybody's password, hashed once: that is slow on purpose."""
    return accounts.hash_password(PASSWORD)


def csrf_token(page: str) -> str:
    """The token in a page's head."""
    found = re.search(r'name="csrf-token" content="([^"]+)"', page)
    assert found
    return unescape(found.group(1))
