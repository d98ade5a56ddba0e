"""Copies of the whole database while everything runs. A backup is one file that is whole or not there at all."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import URL, make_url

from config import Config


class DataError(Exception):
    """The data cannot be copied or put back. The message says why and what to do."""


def backup_to(config: Config, file: Path) -> None:
    """Copy the whole database into `file` (mode 0600) while others use it; all of one moment.

    Raises DataError when `file` exists, when the copy is not sound, or when PostgreSQL's tools are missing.
    """
    if file.exists():
        raise DataError(f"{file} exists already; a backup never overwrites. Choose another name.")
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        if is_sqlite(config):
            copy_sqlite(sqlite_file(config), unfinished)
        else:
            run_postgres("pg_dump", postgres(config), "--format=custom", "--no-owner", f"--file={unfinished}")
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy by SQLite's own backup, check the copy, and leave it as one file without a journal beside it."""
    if not source.exists():
        raise DataError(f"there is no database at {source} yet")
    try:
        address = f"{source.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as reading, closing(sqlite3.connect(target)) as writing:
            reading.backup(writing)  # in one step: of one moment, and in WAL mode it keeps no writer waiting
            writing.execute("PRAGMA journal_mode=DELETE")
            verdict = writing.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise DataError(f"{source} cannot be read as a database: {error}") from error
    if verdict != "ok":
        raise DataError(f"{source} is damaged: {verdict}")
    target.chmod(0o600)


def is_sqlite(config: Config) -> bool:
    """Whether the data is one file."""
    return config.database_url.startswith("sqlite")


def sqlite_file(config: Config) -> Path:
    """That file."""
    return Path(make_url(config.database_url).database or "")


def postgres(config: Config) -> URL:
    """Where PostgreSQL is."""
    return make_url(config.database_url)


def run_postgres(name: str, url: URL, *arguments: str) -> None:
    """Run PostgreSQL's own tool; the password travels in a file of mode 0600, not on the command line."""
    if not (tool := shutil.which(name)):
        raise DataError(
            f"{name} is not installed. It comes with PostgreSQL's client: apt-get install postgresql-client"
        )
    with _password_file(url) as passwords:
        values = {
            "host": url.host,
            "port": url.port,
            "user": url.username,
            "dbname": url.database,
            "passfile": passwords,
        }
        address = " ".join(f"{key}={_quoted(str(value))}" for key, value in values.items() if value)
        done = subprocess.run([tool, f"--dbname={address}", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DataError(f"{name} failed: {done.stderr.strip()[-800:]}")


@contextmanager
def _password_file(url: URL) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile("w", prefix="taskroom-", suffix=".pgpass") as file:
        password = (url.password or "").replace("\\", "\\\\").replace(":", "\\:")
        file.write(f"*:*:*:*:{password}\n")
        file.flush()
        yield Path(file.name)


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup that is kept in DATA_DIR."""

    name: str
    size: int
    made_at: datetime


NAME = re.compile(r"taskroom-\d{8}T\d{6}Z(-\d+)?\.(db|dump)", re.ASCII)


def kept_backups(folder: Path) -> list[Backup]:
    """The backups of this machine, newest first."""
    found = []
    for file in folder.glob("taskroom-*"):
        with suppress(OSError):
            if NAME.fullmatch(file.name):
                status = file.stat()
                found.append(Backup(file.name, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC)))
    return sorted(found, key=lambda each: (each.made_at, each.name), reverse=True)


def find_backup(folder: Path, name: str) -> Path | None:
    """The file of this backup; None for any other name, whatever is in it."""
    file = folder / name if NAME.fullmatch(name) else None
    return file if file is not None and file.is_file() and not file.is_symlink() else None


def new_backup(config: Config, now: datetime) -> Path:
    """Back up into DATA_DIR/backups, under a name that says when. Raises DataError."""
    config.backup_dir.mkdir(mode=0o700, exist_ok=True)
    stem, ending = f"taskroom-{now:%Y%m%dT%H%M%SZ}", "db" if is_sqlite(config) else "dump"
    names = (f"{stem}{'' if number == 1 else f'-{number}'}.{ending}" for number in itertools.count(1))
    file = next(each for name in names if not (each := config.backup_dir / name).exists())
    backup_to(config, file)
    return file


def remove_oldest(folder: Path, keep: int) -> int:
    """Remove all but the newest `keep` backups; returns how many."""
    old = kept_backups(folder)[keep:]
    for each in old:
        (folder / each.name).unlink(missing_ok=True)
    return len(old)
