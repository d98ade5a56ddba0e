"""The pages of tasks on a real database and Redis, tasks put into any state, and people who look at them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Literal

import redis
from flask import Flask
from flask.testing import FlaskClient
from pydantic import BaseModel, ConfigDict, Field
from werkzeug.test import TestResponse

import accounts
import pages
from accounts import COMMAND_LINE, User
from config import Config
from database import Database, utc_now
from delivery.announcer import TailAnnouncer
from delivery.event_log import EventLog
from pages import security, session
from tasks.errors import InvalidParams
from tasks.lifecycle import Limits, initial_phases
from tasks.models import LogLine, Task
from tasks.queue import TaskQueue
from tasks.registry import Phase, RetryPolicy, find_job, job
from tasks.service import Tasks
from tasks.sharing import Sharing
from tests.fixtures.machine import ROOT

KIND = "page_probe"
PASSWORD = "correct-staple-9"


class ProbeParams(BaseModel):
    """One field of each sort."""

    model_config = ConfigDict(extra="forbid")
    folder: str = Field("", title="Folder", description="Below a scan root", json_schema_extra={"widget": "repository"})
    branch: str | None = Field(None, title="Branch", max_length=40)
    file_types: list[str] = Field(default_factory=lambda: [".py", ".ts"], title="File types")
    look_for: list[Literal["reads", "writes", "ui_calls"]] = Field(["reads"], title="Look for")
    mode: Literal["fast", "exact"] = Field("fast", title="Mode")
    language: Literal["any", "c", "go", "java", "python", "rust"] = Field("any", title="Language")
    tries: int = Field(3, title="Tries", ge=1, le=9, json_schema_extra={"unit": "times", "advanced": True})
    again: bool = Field(False, title="Read all again", json_schema_extra={"advanced": True})
    secret: str = Field("", title="Secret", json_schema_extra={"writeOnly": True, "advanced": True})


def _check(params: ProbeParams, _config: Config) -> ProbeParams:
    if params.folder == "/forbidden":
        raise InvalidParams({"folder": "This folder is not below a scan root. Choose one of the list."})
    return params


@job(
    KIND,
    title="Probe a folder",
    description="Looks at files",
    icon="code",
    params=ProbeParams,
    phases=[Phase("find", "Find", 10), Phase("read", "Read", 70), Phase("save", "Save", 20)],
    retry=RetryPolicy(3, 5),
    verb="Start the probe",
    title_for=lambda params: f"Probe of {params.folder or 'nothing'}",
    resource_for=lambda params, _config: f"folder:{params.folder}" if params.folder else None,
    check=_check,
    timeout_s=1800,
)
def probe(_context: Any, _params: ProbeParams) -> dict[str, Any]:
    return {}


@dataclass
class House:
    """An app, its database and its people: ada (admin), ben and eve (users)."""

    app: Flask
    database: Database
    people: dict[str, User]
    tokens: dict[str, str]

    def client(self, username: str | None = "ben") -> FlaskClient:
        """A browser without JavaScript, signed in as that person by their API token."""
        client = self.app.test_client()
        if username:
            client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {self.tokens[username]}"
        return client

    def get(self, path: str, username: str | None = "ben") -> TestResponse:
        return self.client(username).get(path)

    def post(self, path: str, data: dict[str, Any], username: str = "ben") -> TestResponse:
        return self.client(username).post(path, data=data)

    def task(
        self, state: str = "running", owner: str = "ben", log: list[tuple[str, str]] | None = None, **fields: Any
    ) -> str:
        """A task in this state with these columns; `log` holds (level, text) lines. Returns its id."""
        task = new_task(state, self.people[owner].id, **fields)
        wanted = {name: getattr(task, name) for name in ("state", "finished_at", "duration_ms", "results", "error")}
        lines = log or []
        task.log_total = len(lines)
        task.log_warnings = sum(level == "warning" for level, _ in lines)
        task.log_errors = sum(level == "error" for level, _ in lines)
        task_id = task.id
        task.state = "queued"
        with self.database.write() as session:
            session.add(task)
            session.flush()
            for n, (level, text) in enumerate(lines, 1):
                session.add(LogLine(task_id=task_id, n=n, attempt=1, at=utc_now(), level=level, text=text))
        for step in ("running",) if state == "running" else () if state == "queued" else ("running", state):
            with self.database.write() as session:
                found = session.get_one(Task, task_id)
                found.state = step
                for name, value in wanted.items() if step == state else ():
                    setattr(found, name, value)
        return task_id


def new_task(state: str, owner_id: int, **fields: Any) -> Task:
    now = utc_now()
    ended = state in ("completed", "failed", "cancelled")
    values: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "kind": KIND,
        "title": "Probe of acme/warehouse",
        "params": {"folder": "/srv/acme/warehouse"},
        "owner_id": owner_id,
        "visibility": "private",
        "priority": "normal",
        "priority_rank": 2,
        "state": state,
        "attempt": 0 if state == "queued" else 1,
        "max_attempts": 3,
        "timeout_s": 1800.0,
        "created_at": now - timedelta(seconds=125),
        "queued_at": now - timedelta(seconds=125),
        "started_at": None if state == "queued" else now - timedelta(seconds=120),
        "finished_at": now - timedelta(seconds=1) if ended else None,
        "duration_ms": 119_000 if ended else None,
        "worker": None if state == "queued" else "worker-1@atlas",
        "lease_expires_at": now + timedelta(seconds=600) if state == "running" else None,
        "progress": {"phases": phases()} if state == "queued" else half_way(),
        "log_total": 0,
        "log_warnings": 0,
        "log_errors": 0,
    }
    return Task(**(values | fields))


def phases(current: str | None = None, state: str = "running", since: datetime | None = None) -> list[dict[str, Any]]:
    """The phases of the probe with `current` in this state and the ones before it done."""
    listed = initial_phases(find_job(KIND))
    for phase in listed:
        if phase["name"] == current:
            phase |= {"state": state, "done": 6124, "total": 8340, "unit": "files", "first_line": 2}
            phase["started_at"] = (since or utc_now() - timedelta(seconds=100)).isoformat()
            break
        if current:
            phase |= {"state": "done", "duration_ms": 1900, "note": "8,752 paths", "first_line": 1}
    return listed


def half_way(**changes: Any) -> dict[str, Any]:
    """The progress of a task in the middle of its second phase."""
    progress = {
        "phase": "read",
        "phases": phases("read"),
        "progress_percent": 61.44,
        "done": 6124,
        "total": 8340,
        "unit": "files",
        "rate": 51.8,
        "eta_s": 58,
        "eta_low_s": 48,
        "eta_high_s": 70,
        "current_step": "src/inbound/asn_matching.py",
        "details": {"nodes_found": 21764, "current_file": "x", "note": "all well"},
    }
    return progress | changes


def build(config: Config, database: Database) -> House:
    """A house with its people, on this database and the Redis of `config`."""
    client = redis.Redis.from_url(config.requires_redis_url, socket_timeout=2)
    announcer = TailAnnouncer(database, EventLog(client, config.redis_prefix))
    queue = TaskQueue(database, client, config.redis_prefix, Limits(8, 8))
    app = Flask("web_app", root_path=str(ROOT))
    app.extensions["taskroom"] = SimpleNamespace(
        config=config,
        database=database,
        analysis=database,
        redis=client,
        tasks=Tasks(config, database, announcer, queue),
        sharing=Sharing(database, config),
        announcer=announcer,
    )
    security.protect(app, config)
    session.register(app)
    pages.register(app)
    people = {name: accounts.create_user(database, name, PASSWORD, COMMAND_LINE, role=role) for name, role in PEOPLE}
    scopes = {"admin": ("read", "write", "admin"), "user": ("read", "write")}
    tokens = {
        name: accounts.create_token(database, people[name].id, "tests", COMMAND_LINE, scopes=scopes[role])[1]
        for name, role in PEOPLE
    }
    return House(app, database, people, tokens)


PEOPLE = (("ada", "admin"), ("ben", "user"), ("eve", "user"))
