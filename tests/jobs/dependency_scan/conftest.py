"""Recorders on SQLite, and a repository with one lock file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from config import Config
from database import Database
from tests.jobs.code_scan.scanning import Recorder, write
from tests.jobs.dependency_scan.scanning import PINS

MakeRecorder = Callable[..., Recorder]


@pytest.fixture
def recorder(make_config: Callable[..., Config], database: Database, sqlite_url: str) -> MakeRecorder:
    """Contexts of tasks on a fresh SQLite; `recorder(ADVISORY_MAX_AGE_DAYS="9")` with further settings."""
    return lambda task_id=None, **settings: Recorder(
        make_config(DATABASE_URL=sqlite_url, **settings), database, task_id
    )


@pytest.fixture
def any_recorder(make_config: Callable[..., Config], any_database: Database, any_database_url: str) -> MakeRecorder:
    """The same on SQLite and on PostgreSQL."""
    config = make_config(DATABASE_URL=any_database_url)
    return lambda task_id=None: Recorder(config, any_database, task_id)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder with three pinned packages."""
    return write(tmp_path / "portal", {"requirements.txt": PINS, "app.py": "import flask\n"})
