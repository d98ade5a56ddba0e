"""An app with only logins, accounts and the guards around requests, and a few views to guard, on a real database."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from types import SimpleNamespace
from typing import Any

import redis
from flask import Flask, jsonify, request
from flask.testing import FlaskClient
from flask_login import current_user, login_required
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

import accounts
from accounts import COMMAND_LINE, User
from config import Config
from database import Database
from pages import frame, security, session
from tests.fixtures.machine import ROOT

PASSWORD = "correct-staple-9"


def make_app(config: Config, database: Database) -> Flask:
    """The app as `web_app` would build it, without tasks and sockets."""
    app = Flask("web_app", root_path=str(ROOT))
    app.extensions["taskroom"] = SimpleNamespace(
        config=config, database=database, redis=redis.Redis.from_url(config.redis_url or "", socket_timeout=2)
    )
    security.protect(app, config)
    frame.prepare(app)
    app.register_blueprint(frame.blueprint)
    session.register(app)
    _add_probes(app)
    security.trust_proxies(app, config.trusted_proxies)
    return app


def _add_probes(app: Flask) -> None:
    @app.get("/")
    @app.get("/tasks/<task_id>")
    @login_required
    def page(task_id: str = "") -> str:
        return f"<p>{current_user.identity.username}</p>"

    @app.route("/api/v1/probe", methods=["GET", "POST"])
    @login_required
    def probe() -> Any:
        return jsonify(user=current_user.identity.username, json=request.get_json(silent=True))

    @app.get("/secure")
    @app.get("/api/v1/secure")
    def secure() -> Any:
        return jsonify(secure=request.is_secure, address=request.remote_addr, host=request.host)

    @app.get("/boom")
    @app.get("/api/v1/boom")
    def boom() -> str:
        raise RuntimeError("a detail in /srv/taskroom/hidden.py")

    @app.get("/database-gone")
    def database_gone() -> str:
        raise OperationalError("SELECT secret", {}, Exception("postgresql://ada:hunter2@db/x"))


@dataclass
class Visitor:
    """A browser: keeps cookies and sends the forms that the pages hold."""

    client: FlaskClient
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, headers=self.headers | options.pop("headers", {}), **options)

    def csrf(self, path: str = "/login") -> str:
        """The CSRF token of a page."""
        found = re.search(r'name="csrf-token" content="([^"]+)"', self.get(path).text)
        assert found, f"{path} has no CSRF token"
        return unescape(found.group(1))

    def post(self, path: str, data: dict[str, str] | None = None, form: str = "/login", **options: Any) -> TestResponse:
        """Send a form as its page would, with the page's CSRF token."""
        fields = {"csrf_token": self.csrf(form)} | (data or {})
        return self.client.post(path, data=fields, headers=self.headers | options.pop("headers", {}), **options)

    def sign_in(self, username: str = "ada", password: str = PASSWORD, **data: str) -> TestResponse:
        return self.post("/login", {"username": username, "password": password} | data)

    def is_signed_in(self) -> bool:
        return self.get("/api/v1/probe").status_code == 200

    def cookie(self) -> str | None:
        """The value of the session cookie."""
        found = self.client.get_cookie("taskroom_session")
        return found.value if found else None


def add_user(database: Database, username: str = "ada", role: str = "user") -> User:
    return accounts.create_user(database, username, PASSWORD, COMMAND_LINE, role=role)
