"""Each thing an installation stands on is looked at, and what is wrong comes with what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text

import doctor
from config import Config
from database import Database
from doctor import Check, checks
from tests.fixtures.redis_servers import RedisServer

pytestmark = pytest.mark.req("J4")


def finding(config: Config, name: str) -> Check:
    return next(check for check in checks(config) if check.name == name)


def test_a_sound_installation_fails_nothing(config: Config) -> None:
    assert [check for check in checks(config) if check.state == "fail"] == []
    assert finding(config, "database").state == "ok"
    assert finding(config, "redis").state == "ok"


@pytest.mark.slow
def test_the_database_is_found_on_each_backend(
    any_database_url: str, make_config: Callable[..., Config], redis_url: str
) -> None:
    config = make_config(DATABASE_URL=any_database_url, REDIS_URL=redis_url)
    assert finding(config, "database").state == "ok"
    assert finding(config, "clock").state == "ok"


def test_a_database_of_another_version_names_the_command(config: Config, database: Database) -> None:
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0000_ancient'"))
    found = finding(config, "database")
    assert (found.state, "0000_ancient" in found.found, "db upgrade" in found.advice) == ("fail", True, True)


@pytest.mark.req("D13")
def test_a_database_that_does_not_answer_fails_without_its_password(config: Config) -> None:
    away = replace(config, database_url="postgresql+pg8000://me:hunter2secret@127.0.0.1:9/none")
    found = finding(away, "database")
    assert found.state == "fail"
    assert "hunter2secret" not in json.dumps([repr(check) for check in checks(away)])


@pytest.mark.every_redis
def test_a_redis_that_evicts_fails_and_one_that_forgets_warns(redis_server: RedisServer, config: Config) -> None:
    config = config.with_redis(redis_server.url)
    with redis_server.client() as client:
        client.config_set("appendonly", "no")
        assert finding(config, "redis").state == "warn"
        client.config_set("maxmemory", "64mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        found = finding(config, "redis")
    assert (found.state, "noeviction" in found.advice) == ("fail", True)
    redis_server.kill()
    assert finding(config, "redis").state == "fail"


def test_an_embedded_redis_that_is_not_running_is_no_failure(
    make_config: Callable[..., Config], sqlite_url: str
) -> None:
    found = finding(make_config(DATABASE_URL=sqlite_url), "redis")
    assert (found.state, "serve" in found.advice) == ("warn", True)


def test_open_folders_and_unreadable_roots_are_told(config: Config, tmp_path: Path) -> None:
    config.data_dir.chmod(0o755)
    assert finding(config, "data directory").state == "warn"
    assert finding(replace(config, scan_roots=(tmp_path / "gone",)), "scan roots").state == "fail"


def test_the_command_prints_a_line_for_each_and_ends_with_one_on_failure(tmp_path: Path) -> None:
    environment = {"DATABASE_URL": "", "REDIS_URL": "", "SCAN_ROOTS": str(tmp_path)}
    done = CliRunner().invoke(doctor.command, ["--data-dir", str(tmp_path / "data")], env=environment)
    assert done.exit_code == 0, done.output
    assert all(name in done.output for name, _ in doctor.LOOKS)
    done = CliRunner().invoke(doctor.command, ["--json"], env={"PORT": "many", "DATA_DIR": str(tmp_path)})
    assert done.exit_code == 1
    assert json.loads(done.output)[0]["found"].startswith("PORT: expected")
