"""The command line: `./taskroom COMMAND`. Words on stderr, results on stdout; 0, 1 failed, 2 usage, 130 cancelled."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import click

import embedded_redis
from config import Config, ConfigError
from logs import set_up_logs

ROOT = Path(__file__).resolve().parent
OVERRIDES = ("host", "port", "workers")  # options that stand for the variable of the same name
data_dir_option = click.option(
    "--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Where the data is kept [env: DATA_DIR]."
)


# Where the other commands are: loaded when asked for, because what they import takes longer than most of them run.
ELSEWHERE = {
    "create-admin": ("accounts_cli", "account_commands"),
    "user": ("accounts_cli", "account_commands"),
    "token": ("accounts_cli", "account_commands"),
    "db": ("database_cli", "db"),
    "doctor": ("doctor", "command"),
    "maintenance": ("queue_cli", "maintenance"),
    "run": ("watch_cli", "run"),
    "watch": ("watch_cli", "watch"),
    "cancel": ("watch_cli", "cancel"),
}


class Commands(click.Group):
    """The commands of this module and those from elsewhere."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, attribute = ELSEWHERE[cmd_name]
        found = getattr(import_module(module), attribute)
        is_collection = isinstance(found, click.Group) and found.name != cmd_name
        command: click.Command | None = found.get_command(ctx, cmd_name) if is_collection else found
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Taskroom runs long jobs and gives every run a live page that is never wrong."""


def with_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command its checked settings; a setting that cannot work is a usage error in one sentence."""

    @data_dir_option
    @wraps(command)
    def configured(data_dir: Path | None, **options: Any) -> Any:
        overrides = {name.upper(): str(value) for name in OVERRIDES if (value := options.pop(name, None)) is not None}
        try:
            config = Config.from_env(data_dir=data_dir, overrides=overrides)
        except ConfigError as error:
            raise click.UsageError(str(error)) from error
        set_up_logs(config.log_format, kept_in=config.log_dir, role=command.__name__)
        return command(config, **options)

    return configured


def _needs_redis(config: Config) -> Config:
    """Settings with a Redis: the configured one, or the embedded one of a running `serve`."""
    if config.redis_url is not None:
        return config
    if embedded_redis.owner(config.data_dir) is None:
        raise click.UsageError(
            "REDIS_URL is not set and no `taskroom serve` runs on this data; set it, or start `serve`."
        )
    return config.with_redis(embedded_redis.redis_url(config.data_dir))


def _check_commands(config: Config) -> None:
    """Refuse a file of commands with a mistake once, before each process of `serve` would."""
    if config.commands_file.exists():
        from jobs.command.templates import commands

        try:
            commands(config)
        except ConfigError as error:
            raise click.UsageError(str(error)) from error


@main.command()
@click.option("--host", help="Address to listen on [env: HOST].")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on [env: PORT].")
@click.option("--workers", type=click.IntRange(0, 256), help="How many workers to run [env: WORKERS].")
@with_config
def serve(config: Config) -> None:
    """Run everything on this machine: database upgrade, Redis if none is configured, web, workers, scheduler."""
    from embedded_redis import EmbeddedRedisError
    from supervisor import Supervisor

    _check_commands(config)
    try:
        status = Supervisor(config, lambda words: click.echo(words)).run()
    except EmbeddedRedisError as error:
        raise click.ClickException(str(error)) from error
    sys.exit(status)


@main.command()
@click.option("--host", help="Address to listen on [env: HOST].")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on [env: PORT].")
@with_config
def web(config: Config) -> None:
    """Run one web process."""
    os.execve(sys.executable, [sys.executable, str(ROOT / "web_app.py")], _needs_redis(config).environment())


@main.command()
@click.option(
    "--concurrency", type=click.IntRange(1, 256), default=1, show_default=True, help="Tasks at the same time."
)
@click.option("--number", type=int, default=1, hidden=True)
@with_config
def worker(config: Config, concurrency: int, number: int) -> None:
    """Take and run tasks."""
    from tasks.worker import run_worker, run_workers

    config = _needs_redis(config)
    try:
        if concurrency == 1:
            run_worker(config, number)
        else:
            run_workers(config, concurrency)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error


@main.command()
@with_config
def scheduler(config: Config) -> None:
    """Send waiting tasks, rescue those of silent workers, announce what was left behind."""
    from tasks.scheduler import run_scheduler

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_scheduler(_needs_redis(config), stop)


if __name__ == "__main__":
    main(prog_name="taskroom")
