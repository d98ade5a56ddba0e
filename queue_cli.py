"""`taskroom maintenance on|off`: drain the installation for a restart, and take tasks again, server or none."""

from __future__ import annotations

import time
from pathlib import Path

import click
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from accounts import COMMAND_LINE
from config import Config, ConfigError
from database import Database, DatabaseBusy
from tasks import lifecycle
from tasks.models import Task
from tasks.queue_control import MAX_REASON
from tasks.states import State

LOOK_EVERY_S = 0.5


@click.command("maintenance")
@click.argument("state", type=click.Choice(["on", "off"]))
@click.option("--reason", help="Why, for everybody to read.")
@click.option("--wait", is_flag=True, help="With `on`: return once nothing runs any more.")
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Instead of DATA_DIR.")
def maintenance(state: str, reason: str | None, wait: bool, data_dir: Path | None) -> None:
    """Take no new tasks and begin none, while running ones end; or take them again."""
    try:
        database = Database(Config.from_env(data_dir=data_dir).database_url, pooled=False)
        change = lifecycle.begin_maintenance if state == "on" else lifecycle.end_maintenance
        change(database, COMMAND_LINE, " ".join((reason or "").split())[:MAX_REASON] or None)
        if state == "off":
            return click.echo("Maintenance is over: tasks are taken again.", err=True)
        running = _running(database)
        _say(running)
        while wait and running:
            time.sleep(LOOK_EVERY_S)
            if (now := _running(database)) != running:
                _say(running := now)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    except (SQLAlchemyError, DatabaseBusy) as error:
        raise click.ClickException(f"the database cannot be changed now: {error}") from error


def _running(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(Task).where(Task.state == State.RUNNING)) or 0


def _say(running: int) -> None:
    still = f"{running} task{'s' if running != 1 else ''} still run{'s' if running == 1 else ''}."
    click.echo(f"Maintenance: {still if running else 'nothing runs any more, ready for the restart.'}", err=True)
