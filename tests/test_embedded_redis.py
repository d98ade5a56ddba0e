"""The embedded server: private, durable, alone on its data, and back after any death."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

import embedded_redis
from embedded_redis import EmbeddedRedis, EmbeddedRedisError
from tests.fixtures.machine import ROOT, wait_until

OWN_AND_DIE = """
import os, sys
from pathlib import Path
from embedded_redis import EmbeddedRedis
server = EmbeddedRedis(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
sys.stdin.readline()
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    one = EmbeddedRedis(tmp_path / "data dir")
    one.start()
    yield one
    one.stop()


def connect(server: EmbeddedRedis) -> redis.Redis:
    return redis.Redis.from_url(server.url, socket_timeout=2)


@pytest.mark.req("D13")
def test_only_its_user_can_reach_it_and_no_port_is_open(server: EmbeddedRedis) -> None:
    assert stat.S_IMODE(server.socket.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700
    assert server.pid is not None
    assert psutil.Process(server.pid).net_connections("tcp") == []


@pytest.mark.req("C2", "E2")
def test_data_survives_a_clean_stop_and_a_kill(server: EmbeddedRedis) -> None:
    with connect(server) as client:
        client.set("kept", "over a stop")
    server.stop()
    assert not server.is_running()
    server.start()
    with connect(server) as client:
        assert client.get("kept") == b"over a stop"
        client.set("kept", "over a kill")
        client.wait(0, 0)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: not server.is_running(), 5, "the death was noticed")
    server.restart()
    with connect(server) as client:
        assert client.get("kept") == b"over a kill"


def test_it_evicts_nothing_and_keeps_an_append_only_file(server: EmbeddedRedis) -> None:
    with connect(server) as client:
        settings = client.config_get("maxmemory-policy", "appendonly", "appendfsync")
    assert settings == {"maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "everysec"}


def test_a_second_owner_of_the_same_data_is_refused_by_name(server: EmbeddedRedis) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OWN_AND_DIE, str(server.directory.parent)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"process {os.getpid()}" in done.stderr
    assert server.answers()


def test_a_server_left_by_a_killed_owner_is_ended_and_its_data_read(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWN_AND_DIE, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert owner.stdout is not None
    left_over = int(owner.stdout.readline())
    with redis.Redis.from_url(embedded_redis.redis_url(tmp_path)) as client:
        client.set("kept", "yes")
    owner.communicate(b"die\n")
    assert psutil.pid_exists(left_over)
    server = EmbeddedRedis(tmp_path)
    server.start()
    try:
        assert server.pid != left_over
        assert not psutil.pid_exists(left_over) or psutil.Process(left_over).status() == psutil.STATUS_ZOMBIE
        with connect(server) as client:
            assert client.get("kept") == b"yes"
    finally:
        server.stop()


def test_a_stopped_process_is_seen_not_to_answer_and_can_still_be_ended(server: EmbeddedRedis) -> None:
    assert server.answers()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    assert server.is_running()
    assert not server.answers(0.2)
    server.stop()
    assert not server.is_running()


def test_a_data_directory_too_deep_for_a_socket_gets_a_private_short_one(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90)
    assert len(str(deep / "redis" / "redis.sock")) > embedded_redis.MAX_SOCKET_PATH_BYTES
    server = EmbeddedRedis(deep)
    server.start()
    try:
        assert len(str(server.socket)) < embedded_redis.MAX_SOCKET_PATH_BYTES
        assert stat.S_IMODE(server.socket.parent.stat().st_mode) == 0o700
        with redis.Redis.from_url(embedded_redis.redis_url(deep)) as client:
            assert client.ping()
    finally:
        server.stop()
        server.socket.parent.rmdir()


def test_a_socket_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "redis").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EmbeddedRedisError, match="belongs to somebody else"):
        EmbeddedRedis(tmp_path).start()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "redis" / "appendonlydir").mkdir(parents=True)
    (tmp_path / "redis" / "appendonlydir" / "appendonly.aof.manifest").write_text("not a manifest\n")
    with pytest.raises(EmbeddedRedisError, match="Its last words"):
        EmbeddedRedis(tmp_path).start()
