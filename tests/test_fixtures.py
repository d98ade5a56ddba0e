"""The fixtures keep their word: without that, no other test means anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from playwright.sync_api import Page
from sqlalchemy import text

from config import Config
from database import Database
from tests.browser.by_hand import TaskByHand
from tests.fixtures.machine import wait_until
from tests.fixtures.product import Server
from tests.fixtures.redis_servers import RedisServer
from tests.fixtures.runs import snapshot


@pytest.mark.every_redis
@pytest.mark.req("K2")
def test_a_redis_server_can_be_paused_killed_and_brought_back_with_its_data(redis_server: RedisServer) -> None:
    with redis_server.client() as client:
        client.set("kept", "yes")
        redis_server.pause()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        redis_server.resume()
        wait_until(redis_server.is_running)
    redis_server.kill()
    with pytest.raises(redis.ConnectionError), redis_server.client() as client:
        client.ping()
    redis_server.start()
    with redis_server.client() as client:
        assert client.get("kept") == b"yes"


@pytest.mark.every_redis
def test_the_shared_redis_starts_every_test_empty(redis_url: str, redis_client: redis.Redis) -> None:
    assert redis_client.dbsize() == 0
    redis_client.set("left", "behind")


def test_a_redis_with_a_password_refuses_others(make_redis_server: Callable[..., RedisServer]) -> None:
    server = make_redis_server(password="geheim")
    with redis.Redis(port=server.port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


@pytest.mark.req("K2")
def test_each_test_has_a_migrated_database_of_its_own(any_database: Database) -> None:
    with any_database.write() as session:
        assert session.execute(text("SELECT version_num FROM alembic_version")).scalar()


def test_the_settings_point_below_the_tests_own_folder(config: Config, tmp_path: Path) -> None:
    assert config.data_dir.is_relative_to(tmp_path)
    assert config.redis_url


@pytest.mark.slow
@pytest.mark.req("K2")
def test_the_browser_runs_scripts_and_reports_what_goes_wrong(page: Page, page_errors: list[str]) -> None:
    page.set_content("<p></p><script>document.querySelector('p').textContent = 1 + 1</script>")
    assert page.text_content("p") == "2"
    page.set_content("<script>throw new Error('seen')</script>")
    assert any("seen" in error for error in page_errors)


@pytest.mark.slow
@pytest.mark.req("K2")
def test_a_task_by_hand_that_a_test_leaves_behind_keeps_no_place_of_its_person(shared_server: Server) -> None:
    ada = shared_server.person("ada-by-hand")
    left, waiting = TaskByHand(shared_server, ada).claim(), TaskByHand(shared_server, ada)
    left.close()
    waiting.close()
    assert snapshot(shared_server, ada, left.id)["status"] == "cancelled"
    assert snapshot(shared_server, ada, waiting.id)["status"] == "cancelled"
