"""`taskroom doctor`: looks at everything an installation stands on, and says what to do about what is not right.

Each check is a function from the settings to one line. A check that cannot be made is a finding too; nothing here
changes anything, and no password is ever printed.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import click
import redis
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Worker
from sqlalchemy import make_url, text
from sqlalchemy.exc import SQLAlchemyError

import embedded_redis
from config import Config, ConfigError
from database import MIGRATIONS, Database
from outbound import smtp

SILENT_WORKER = timedelta(seconds=60)
MIN_FREE_BYTES = 200_000_000
LOW_FREE_BYTES = 2_000_000_000
MIN_OPEN_FILES = 4096
# Leases are compared between machines: a skew near LEASE_SECONDS (15) lets two workers run one task.
SKEW_WARN_S = 2.0
SKEW_FAIL_S = 10.0
OLDEST_REDIS = (6, 2)
OLDEST_GIT = (2, 30)

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """One finding: what was looked at, how it is, what was seen, and what to do when it is not ok."""

    name: str
    state: State
    found: str
    advice: str = ""


def checks(config: Config) -> list[Check]:
    """Every finding, in the order in which one would mend them. Takes a few seconds when something does not answer."""
    return [_guarded(name, look, config) for name, look in LOOKS]


def _guarded(name: str, look: Callable[[Config], Check], config: Config) -> Check:
    try:
        return look(config)
    except (OSError, redis.RedisError, SQLAlchemyError, subprocess.SubprocessError) as error:
        # The text of a driver's error may repeat an address with its password.
        return Check(
            name, "fail", f"could not be checked: {type(error).__name__}", "see the lines above, then try again"
        )


def _configuration(config: Config) -> Check:
    origins = ", ".join(config.allowed_origins) or "only its own"
    found = f"read and complete; listens on {config.host}:{config.port}, origins: {origins}"
    if config.host not in ("127.0.0.1", "::1", "localhost") and not config.trusted_proxies:
        advice = "put a proxy with TLS in front and set TRUSTED_PROXIES=1, or set HOST=127.0.0.1 (docs/operations.md)"
        return Check("configuration", "warn", f"{found}; other machines reach it without TLS", advice)
    return Check("configuration", "ok", found)


def _data_directory(config: Config) -> Check:
    directory = config.data_dir
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        advice = f"give it to the user who runs Taskroom: chown -R USER {directory}"
        return Check("data directory", "fail", f"{directory} cannot be written", advice)
    if directory.stat().st_mode & 0o077:
        return Check("data directory", "warn", f"{directory} is open to other users", f"chmod 700 {directory}")
    return Check("data directory", "ok", f"{directory}, private to its user")


def _disk(config: Config) -> Check:
    usage = shutil.disk_usage(config.data_dir)
    found = f"{usage.free / 1e9:.1f} GB free of {usage.total / 1e9:.1f} GB where the data is"
    advice = "free some space, lower RETENTION_DAYS, or move DATA_DIR to a larger disk"
    if usage.free < MIN_FREE_BYTES:
        return Check("disk space", "fail", found, advice)
    return Check("disk space", "warn" if usage.free < LOW_FREE_BYTES else "ok", found, advice)


def _database(config: Config) -> Check:
    shown = make_url(config.database_url).render_as_string(hide_password=True)
    file = make_url(config.database_url).database
    if config.database_url.startswith("sqlite") and file and not Path(file).exists():
        return Check(
            "database", "warn", f"{shown} does not exist yet", "`./taskroom serve` or `./taskroom db upgrade` makes it"
        )
    database = Database(config.database_url, pooled=False)
    try:
        with database.write() as session:
            version = session.execute(text("SELECT version_num FROM alembic_version")).scalar()
            session.execute(text("UPDATE alembic_version SET version_num = version_num"))
    except SQLAlchemyError as error:
        found = f"{shown} cannot be used ({type(error).__name__})"
        return Check("database", "fail", found, "check DATABASE_URL, that the server runs, and `./taskroom db upgrade`")
    finally:
        database.close()
    newest = _newest_migration()
    if version != newest:
        found = f"{shown} is at {version}, this version of Taskroom needs {newest}"
        return Check("database", "fail", found, "./taskroom db upgrade (after ./taskroom db backup FILE)")
    return Check("database", "ok", f"{shown}, writable, at {version}")


def _newest_migration() -> str | None:
    settings = AlembicConfig()
    settings.set_main_option("script_location", str(MIGRATIONS))
    return ScriptDirectory.from_config(settings).get_current_head()


def _redis(config: Config) -> Check:
    try:
        with _redis_client(config) as client:
            info: dict[str, Any] = client.info()
    except redis.RedisError as error:
        if config.redis_url is None and embedded_redis.owner(config.data_dir) is None:
            return Check("redis", "warn", "the embedded server is not running", "`./taskroom serve` starts it")
        found = f"does not answer ({type(error).__name__})"
        return Check("redis", "fail", found, "check REDIS_URL, its password, and that the server runs")
    name = "Valkey" if info.get("server_name") == "valkey" else "Redis"
    version = str(info.get("valkey_version") or info["redis_version"])
    found = (
        f"{'embedded ' if config.redis_url is None else ''}{name} {version}, {info['used_memory'] / 1e6:.1f} MB used"
    )
    if _numbers(version) < OLDEST_REDIS:
        return Check("redis", "fail", found, "Taskroom needs Redis 6.2 or newer")
    if info.get("maxmemory", 0) and info.get("maxmemory_policy") != "noeviction":
        advice = "CONFIG SET maxmemory-policy noeviction: otherwise queued work is thrown away when memory is short"
        return Check("redis", "fail", f"{found}, evicts keys ({info['maxmemory_policy']})", advice)
    if not info.get("aof_enabled"):
        advice = "CONFIG SET appendonly yes: without it a restart drops live progress until the next update"
        return Check("redis", "warn", f"{found}, without an append-only file", advice)
    return Check("redis", "ok", f"{found}, append-only file on, evicts nothing")


def _redis_client(config: Config) -> redis.Redis:
    address = config.redis_url or embedded_redis.redis_url(config.data_dir)
    return redis.Redis.from_url(address, socket_timeout=3, socket_connect_timeout=3, retry=Retry(NoBackoff(), 0))


def _workers(config: Config) -> Check:
    with _redis_client(config) as client:
        try:
            workers = Worker.all(connection=client)
        except redis.RedisError:
            return Check("workers", "warn", "unknown: Redis does not answer", "see redis")
    now = datetime.now(UTC)
    alive = [worker for worker in workers if worker.last_heartbeat and now - worker.last_heartbeat < SILENT_WORKER]
    if not alive:
        return Check("workers", "warn", "none seen", "`./taskroom serve` starts some; `./taskroom worker` adds more")
    hosts = {worker.hostname or "?" for worker in alive}
    return Check(
        "workers", "ok", f"{len(alive)} on {len(hosts)} machine{'s' * (len(hosts) > 1)}, heard of within a minute"
    )


def _clocks(config: Config) -> Check:
    skews = {}
    with _redis_client(config) as client:
        try:
            seconds, microseconds = client.time()
            skews["Redis"] = seconds + microseconds / 1e6 - datetime.now(UTC).timestamp()
        except redis.RedisError:
            pass  # that it does not answer is told by its own line
    if config.database_url.startswith("postgresql"):
        database = Database(config.database_url, pooled=False)
        with database.read() as session:
            moment = session.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
        skews["the database"] = float(moment) - datetime.now(UTC).timestamp()
        database.close()
    if not skews:
        return Check("clock", "ok", "nothing on another clock")
    worst = max(abs(skew) for skew in skews.values())
    found = ", ".join(f"{name} {skew:+.1f} s" for name, skew in skews.items())
    state: State = "fail" if worst > SKEW_FAIL_S else "warn" if worst > SKEW_WARN_S else "ok"
    return Check(
        "clock", state, f"against this machine: {found}", "run NTP (chrony, systemd-timesyncd) on every machine"
    )


def _open_files(_: Config) -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    shown = "unlimited" if soft == resource.RLIM_INFINITY else f"{soft:,}"
    if soft != resource.RLIM_INFINITY and soft < MIN_OPEN_FILES:
        advice = f"each open page needs one: ulimit -n {MIN_OPEN_FILES * 4}, or LimitNOFILE= in the systemd unit"
        return Check("open files", "warn", f"at most {shown} (hard limit {hard:,})", advice)
    return Check("open files", "ok", f"at most {shown}")


def _git(_: Config) -> Check:
    if not shutil.which("git"):
        return Check(
            "git", "warn", "not installed", "apt-get install git: repositories cannot be fetched or listed without"
        )
    words = subprocess.run(["git", "--version"], capture_output=True, text=True, timeout=10, check=True).stdout.split()
    version = words[2] if len(words) > 2 else "?"
    state: State = "ok" if _numbers(version) >= OLDEST_GIT else "warn"
    return Check("git", state, f"git {version}", "older than 2.30: update it before scanning repositories of strangers")


def _scan_roots(config: Config) -> Check:
    unreadable = [str(root) for root in config.scan_roots if not os.access(root, os.R_OK | os.X_OK)]
    if unreadable:
        advice = "give the user who runs Taskroom read access, or change SCAN_ROOTS"
        return Check("scan roots", "fail", f"cannot be read: {', '.join(unreadable)}", advice)
    return Check("scan roots", "ok", ", ".join(str(root) for root in config.scan_roots))


def _commands(config: Config) -> Check:
    from jobs.command.templates import commands, program_problem

    try:
        templates = commands(config).templates
    except ConfigError as error:
        return Check("commands", "fail", str(error), "correct that line; docs/jobs_command.md explains each setting")
    free = "; admins may type command lines" if config.free_commands else ""
    if not templates:
        return Check("commands", "ok", f"none defined in {config.commands_file}{free}")
    problems = {name: problem for name, each in templates.items() if (problem := program_problem(each.argv[0]))}
    if problems:
        found = "; ".join(f"template {name}: argv: {problem}" for name, problem in problems.items())
        return Check(
            "commands", "fail", f"{config.commands_file}: {found}", "mend the program, or take the template out"
        )
    return Check("commands", "ok", f"{len(templates)} defined in {config.commands_file}{free}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _mail(config: Config) -> Check:
    if config.mail is None:
        return Check("mail", "ok", "not set up: nobody is mailed (docs/webhooks.md)")
    place = f"{config.mail.host}:{config.mail.port}"
    outcome = smtp.look(config.mail)
    if outcome.trouble:
        advice = "check SMTP_URL or SMTP_HOST and what stands beside it, and that the server can be reached from here"
        return Check("mail", "fail", f"{place}: {outcome.trouble}", advice)
    return Check("mail", "ok", f"{place} takes mail from {config.mail.sender} ({config.mail.security})")


LOOKS: tuple[tuple[str, Callable[[Config], Check]], ...] = (
    ("configuration", _configuration),
    ("data directory", _data_directory),
    ("disk space", _disk),
    ("database", _database),
    ("redis", _redis),
    ("workers", _workers),
    ("clock", _clocks),
    ("open files", _open_files),
    ("git", _git),
    ("scan roots", _scan_roots),
    ("commands", _commands),
    ("mail", _mail),
)


@click.command("doctor")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Instead of DATA_DIR.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(data_dir: Path | None, as_json: bool) -> None:
    """Check configuration, database, Redis, workers, clock, disk and limits, and say what to do."""
    try:
        findings = checks(Config.from_env(data_dir=data_dir))
    except ConfigError as error:
        findings = [
            Check("configuration", "fail", str(error), "correct this variable; docs/configuration.md explains each")
        ]
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        click.echo("\n".join(_row(finding) for finding in findings))
    sys.exit(1 if any(finding.state == "fail" for finding in findings) else 0)


def _row(finding: Check) -> str:
    state = click.style(
        f"{finding.state:<5}", fg={"ok": "green", "warn": "yellow", "fail": "red"}[finding.state], bold=True
    )
    row = f"{state} {finding.name:<15} {finding.found}"
    return row if finding.state == "ok" or not finding.advice else f"{row}\n{'':<22}→ {finding.advice}"
