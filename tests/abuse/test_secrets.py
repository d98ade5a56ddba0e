"""Passwords in the addresses of Redis and the database: in no log, no answer, no page, whatever goes wrong."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.fixtures.machine import wait_until
from tests.fixtures.product import Server

pytestmark = [pytest.mark.slow, pytest.mark.req("D13", "D10")]

PATHS = (
    "/health",
    "/health/ready",
    "/metrics",
    "/login",
    "/api/v1/tasks",
    "/api/v1/tasks/none",
    "/api/v1/openapi.json",
)


def everything_said(server: Server, token: str) -> str:
    """All answers that anybody could get, and the log."""
    texts = [server.api("GET", path, token=token, headers={"Accept": accept}).text
             for path in PATHS for accept in ("text/html", "application/json")]  # fmt: skip
    texts.append(server.api("POST", "/api/v1/tasks", token=token, json={"kind": "count", "params": {"to": 1}}).text)
    doctor = server.cli("doctor")
    return "\n".join([*texts, doctor.stdout, doctor.stderr, server.logs()])


def test_row_42_the_passwords_of_redis_and_of_the_mail_server_are_told_to_nobody(
    make_redis_server: Callable[..., Any], make_server: Callable[..., Server]
) -> None:
    password, mail_password = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
    mail = {"SMTP_URL": f"smtp://u:{mail_password}@127.0.0.1:1", "MAIL_FROM": "a@b.c", "PUBLIC_URL": "http://t.example"}
    redis = make_redis_server(password=password)
    assert password in redis.url
    server = make_server({"REDIS_URL": redis.url, "WORKERS": "1", "JOB_MODULES": "tests.sample_jobs", **mail})
    token = server.person("ada").token
    said = everything_said(server, token)
    assert "127.0.0.1:1: The mail server could not be reached" in said
    redis.stop()
    wait_until(lambda: server.api("GET", "/health/ready").status_code == 503, 15, "Redis is missed")
    said += everything_said(server, token)
    assert password not in said
    assert mail_password not in said


def test_row_42_the_password_of_the_database_is_told_to_nobody(
    postgres_url: str, make_server: Callable[..., Server]
) -> None:
    """Also where the database is gone, or its address has a mistake."""
    password = urlsplit(postgres_url).password
    assert password
    assert len(password) > 8
    server = make_server({"DATABASE_URL": postgres_url, "WORKERS": "1", "JOB_MODULES": "tests.sample_jobs"})
    token = server.person("ada").token
    assert password not in everything_said(server, token)
    wrong = (
        f"postgresql://u:{password}@127.0.0.1:1/none",
        f"postgresql://u:{password}@[::1:5432/x",
        f"my://u:{password}@h",
    )
    redis_url = f"redis://:{password}@127.0.0.1:1/0"
    for database_url in wrong:
        done = server.cli("db", "upgrade", DATABASE_URL=database_url, REDIS_URL=redis_url)
        assert done.returncode != 0
        assert password not in done.stdout + done.stderr, database_url
    done = server.cli("doctor", DATABASE_URL=wrong[0], REDIS_URL=redis_url)
    assert password not in done.stdout + done.stderr
