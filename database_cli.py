"""`taskroom db …`: bring the tables up to date, copy the data away while everything runs, and put it back.

A backup is one file that is whole or not there at all. A restore never destroys: what it replaces is kept aside.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import SQLAlchemyError

import embedded_redis
from config import Config, ConfigError
from database import MIGRATIONS, Database


class DataError(click.ClickException):
    """The data cannot be copied or put back. The message says why and what to do; exit status 1."""


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
        if _is_sqlite(config):
            _copy_sqlite(_sqlite_file(config), unfinished)
        else:
            _run_postgres("pg_dump", _postgres(config), "--format=custom", "--no-owner", f"--file={unfinished}")
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def restore_from(config: Config, file: Path) -> Path:
    """Put the data of a backup in the place of today's, and return where today's was kept.

    Raises DataError while a server uses the data, and when the file is damaged or from a newer Taskroom; nothing has
    changed then.
    """
    if not file.is_file():
        raise DataError(f"{file}: no such file")
    _refuse_while_running(config)
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    if _is_sqlite(config):
        aside = _restore_sqlite(_sqlite_file(config), file, moment)
    else:
        aside = config.data_dir / f"before-restore-{moment}.dump"
        backup_to(config, aside)
        options = ("--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error")
        _run_postgres("pg_restore", _postgres(config), *options, str(file))
    if config.redis_url is None:
        # Live progress of another past. Everything in it can be made again from the database.
        shutil.rmtree(config.data_dir / "redis", ignore_errors=True)
    return aside


def _restore_sqlite(target: Path, file: Path, moment: str) -> Path:
    incoming = target.with_name(f".{target.name}.incoming")
    aside = target.with_name(f"{target.name}.before-restore-{moment}")
    try:
        _copy_sqlite(file, incoming)
        _refuse_newer(incoming, file)
        if target.exists():
            _claim_alone(target)
            target.replace(aside)
        incoming.replace(target)
    finally:
        incoming.unlink(missing_ok=True)
    return aside


def _copy_sqlite(source: Path, target: Path) -> None:
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


def _claim_alone(target: Path) -> None:
    """Bring everything into the one file; SQLite refuses this as long as any other process has the database open."""
    try:
        with closing(sqlite3.connect(target, timeout=1)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        raise DataError(
            f"{target} is in use ({error}). Stop Taskroom first: serve, web, workers, scheduler."
        ) from error


def _refuse_newer(copy: Path, file: Path) -> None:
    try:
        with closing(sqlite3.connect(copy)) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.DatabaseError:
        row = None
    if row is None:
        raise DataError(f"{file} is not a backup of Taskroom")
    settings = AlembicConfig()
    settings.set_main_option("script_location", str(MIGRATIONS))
    if row[0] not in {script.revision for script in ScriptDirectory.from_config(settings).walk_revisions()}:
        raise DataError(f"{file} comes from a newer Taskroom (it is at {row[0]}); restore it with that version")


def _refuse_while_running(config: Config) -> None:
    if (process := embedded_redis.owner(config.data_dir)) is not None:
        raise DataError(f"Taskroom runs on {config.data_dir} (process {process}). Stop it first, then restore.")
    if _is_sqlite(config):
        return  # _claim_alone asks SQLite itself
    database = Database(config.database_url, pooled=False)
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    try:
        with database.read() as session:
            if count := session.execute(text(others)).scalar_one():
                raise DataError(f"{count} connections use this database. Stop Taskroom on every machine first.")
    except SQLAlchemyError as error:
        raise DataError(f"the database cannot be reached ({type(error).__name__}); see ./taskroom doctor") from error
    finally:
        database.close()


def _is_sqlite(config: Config) -> bool:
    return config.database_url.startswith("sqlite")


def _sqlite_file(config: Config) -> Path:
    return Path(make_url(config.database_url).database or "")


def _postgres(config: Config) -> URL:
    return make_url(config.database_url)


def _run_postgres(name: str, url: URL, *arguments: str) -> None:
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


def _settings(data_dir: Path | None) -> Config:
    try:
        return Config.from_env(data_dir=data_dir)
    except ConfigError as error:
        raise DataError(str(error)) from error


data_dir_option = click.option("--data-dir", type=click.Path(path_type=Path), help="Instead of DATA_DIR.")


@click.group("db")
def db() -> None:
    """Bring the database up to date, back it up, restore it."""


@db.command("upgrade")
@data_dir_option
def upgrade(data_dir: Path | None) -> None:
    """Bring the tables to what this version needs; again and again without harm."""
    database = Database(_settings(data_dir).database_url, pooled=False)
    try:
        database.upgrade()
    except SQLAlchemyError as error:
        raise DataError(f"the database cannot be upgraded ({type(error).__name__}); see ./taskroom doctor") from error
    finally:
        database.close()
    click.echo("The database is up to date.", err=True)


@db.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@data_dir_option
def backup(file: Path, data_dir: Path | None) -> None:
    """Copy the whole database into FILE. Taskroom may go on running."""
    backup_to(_settings(data_dir), file)
    click.echo(f"Backed up to {file} ({file.stat().st_size / 1e6:.1f} MB).", err=True)


@db.command("restore")
@click.argument("file", type=click.Path(path_type=Path))
@data_dir_option
def restore(file: Path, data_dir: Path | None) -> None:
    """Put the data of FILE in place of today's, which is kept aside. Taskroom must be stopped."""
    config = _settings(data_dir)
    aside = restore_from(config, file)
    click.echo(f"Restored from {file}.", err=True)
    if aside.exists():
        click.echo(f"What was there before: {aside}", err=True)
    if config.redis_url is not None:
        click.echo(f"Now empty the live tail too: delete the keys {config.redis_prefix}* in Redis.", err=True)
