"""`taskroom db …`: bring the tables up to date, copy the data away while everything runs, and put it back.

A restore never destroys: what it replaces is kept aside.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

import backups
import embedded_redis
from backups import DataError, backup_to
from config import Config, ConfigError
from database import MIGRATIONS, Database


def restore_from(config: Config, file: Path) -> Path:
    """Put the data of a backup in the place of today's, and return where today's was kept.

    Raises DataError while a server uses the data, and when the file is damaged or from a newer Taskroom; nothing has
    changed then.
    """
    if not file.is_file():
        raise DataError(f"{file}: no such file")
    _refuse_while_running(config)
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    if backups.is_sqlite(config):
        aside = _restore_sqlite(backups.sqlite_file(config), file, moment)
    else:
        aside = config.data_dir / f"before-restore-{moment}.dump"
        backup_to(config, aside)
        options = ("--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error")
        backups.run_postgres("pg_restore", backups.postgres(config), *options, str(file))
    if config.redis_url is None:
        # Live progress of another past. Everything in it can be made again from the database.
        shutil.rmtree(config.data_dir / "redis", ignore_errors=True)
    return aside


def _restore_sqlite(target: Path, file: Path, moment: str) -> Path:
    incoming = target.with_name(f".{target.name}.incoming")
    aside = target.with_name(f"{target.name}.before-restore-{moment}")
    try:
        backups.copy_sqlite(file, incoming)
        _refuse_newer(incoming, file)
        if target.exists():
            _claim_alone(target)
            target.replace(aside)
        incoming.replace(target)
    finally:
        incoming.unlink(missing_ok=True)
    return aside


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
    if backups.is_sqlite(config):
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


def _settings(data_dir: Path | None) -> Config:
    try:
        return Config.from_env(data_dir=data_dir)
    except ConfigError as error:
        raise DataError(str(error)) from error


data_dir_option = click.option("--data-dir", type=click.Path(path_type=Path), help="Instead of DATA_DIR.")


class Commands(click.Group):
    """What cannot be done is told in one sentence; exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except DataError as error:
            raise click.ClickException(str(error)) from error


@click.group("db", cls=Commands)
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
