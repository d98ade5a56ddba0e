"""Backups are whole, restores destroy nothing, and both say in a sentence why they refuse."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text

import database_cli
from config import Config
from database import Database
from database_cli import DataError, backup_to, restore_from
from embedded_redis import EmbeddedRedis
from tests.fixtures.machine import missing, program


@pytest.fixture
def alone(any_database_url: str, make_config: Callable[..., Config]) -> Config:
    """Settings of a stopped installation, on SQLite and on PostgreSQL, with the embedded Redis."""
    if any_database_url.startswith("postgresql"):
        _ = program("pg_dump") or missing("pg_dump is not installed")
    return make_config(DATABASE_URL=any_database_url)


def note(config: Config, words: str) -> None:
    database = Database(config.database_url, pooled=False)
    with database.write() as session:
        session.execute(text("CREATE TABLE IF NOT EXISTS notes (words TEXT)"))
        session.execute(text("INSERT INTO notes VALUES (:words)"), {"words": words})
    database.close()


def notes(config: Config) -> list[str]:
    database = Database(config.database_url, pooled=False)
    with database.read() as session:
        found = [row[0] for row in session.execute(text("SELECT words FROM notes ORDER BY words"))]
    database.close()
    return found


@pytest.mark.slow
@pytest.mark.req("C2")
def test_a_restore_brings_back_the_moment_of_the_backup_and_keeps_what_it_replaces(
    alone: Config, tmp_path: Path
) -> None:
    file = tmp_path / "backups" / "monday"
    note(alone, "before")
    backup_to(alone, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    note(alone, "later")
    aside = restore_from(alone, file)
    assert notes(alone) == ["before"]
    restore_from(alone, aside)
    assert notes(alone) == ["before", "later"]


@pytest.mark.slow
def test_a_backup_is_taken_while_others_write(database: Database, config: Config, tmp_path: Path) -> None:
    with database.write() as session:
        session.execute(text("CREATE TABLE notes (words TEXT)"))
        session.execute(text("INSERT INTO notes VALUES ('committed')"))
    with database.write() as session:
        session.execute(text("INSERT INTO notes VALUES ('not committed yet')"))
        backup_to(config, tmp_path / "copy")
    with sqlite3.connect(tmp_path / "copy") as copy:
        assert copy.execute("SELECT words FROM notes").fetchall() == [("committed",)]


def test_a_backup_never_overwrites(config: Config, tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("precious")
    with pytest.raises(DataError, match="never overwrites"):
        backup_to(config, tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "precious"


@pytest.mark.slow
def test_a_restore_is_refused_while_somebody_uses_the_database(alone: Config, tmp_path: Path) -> None:
    backup_to(alone, tmp_path / "copy")
    user = Database(alone.database_url, pooled=True)
    with user.read() as session:
        session.execute(text("SELECT 1 FROM alembic_version")).all()
        with pytest.raises(DataError, match="use"):
            restore_from(alone, tmp_path / "copy")
    user.close()


@pytest.mark.slow
def test_a_restore_is_refused_while_the_embedded_redis_has_an_owner(config: Config, tmp_path: Path) -> None:
    backup_to(config, tmp_path / "copy")
    server = EmbeddedRedis(config.data_dir)
    server.start()
    try:
        with pytest.raises(DataError, match=f"process {os.getpid()}"):
            restore_from(replace(config, redis_url=None), tmp_path / "copy")
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no database at all, but long enough to be looked at as one" * 100, "cannot be read as a database"),
        (b"", "not a backup of Taskroom"),
        (None, "no such file"),
    ],
)
def test_a_file_that_is_no_backup_is_refused_and_nothing_changes(
    config: Config, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    file = tmp_path / "copy"
    if content is not None:
        file.write_bytes(content)
    note(config, "precious")
    with pytest.raises(DataError, match=reason):
        restore_from(config, file)
    assert notes(config) == ["precious"]
    assert not list(tmp_path.glob(".*"))


def test_a_backup_of_a_newer_version_is_refused(config: Config, tmp_path: Path) -> None:
    backup_to(config, tmp_path / "copy")
    with sqlite3.connect(tmp_path / "copy") as copy:
        copy.execute("UPDATE alembic_version SET version_num = '9999_future'")
    with pytest.raises(DataError, match="newer Taskroom"):
        restore_from(config, tmp_path / "copy")


@pytest.mark.slow
def test_the_commands_make_back_up_and_restore_a_new_installation(tmp_path: Path) -> None:
    run, data, file = CliRunner(), str(tmp_path / "data"), str(tmp_path / "copy")
    for arguments in (["upgrade"], ["backup", file], ["restore", file], ["upgrade"]):
        done = run.invoke(database_cli.db, [*arguments, "--data-dir", data], env={"DATABASE_URL": "", "REDIS_URL": ""})
        assert done.exit_code == 0, done.output
    again = run.invoke(database_cli.db, ["backup", file, "--data-dir", data], env={"DATABASE_URL": ""})
    assert again.exit_code == 1
    assert "never overwrites" in again.output
