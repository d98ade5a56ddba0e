"""Liveness, readiness and metrics: what monitoring sees when parts are away, and who may see it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import redis

from database import Database
from tasks.queue import queue_name
from tasks.states import Priority
from tests.api.room import Caller, Room
from tests.fixtures.machine import wait_until

PARTS = {"database", "redis", "workers"}


def register_worker(
    room: Room, name: str = "worker-1", ago: timedelta = timedelta(0), prefix: str = "taskroom:"
) -> None:
    """What RQ writes when a worker starts and at each of its heartbeats."""
    key = "rq:worker:worker-1"
    queue = queue_name(prefix, Priority.NORMAL)
    heard = (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    with redis.Redis.from_url(room.config.requires_redis_url) as client:
        client.sadd(f"rq:workers:{queue}", key)
        client.hset(key, mapping={"last_heartbeat": heard, "queues": queue})


def ready(room: Room) -> tuple[int, dict]:
    started = time.monotonic()
    answer = room.nobody().get("/health/ready")
    assert time.monotonic() - started < 1.0
    assert set(answer.json) == PARTS | {"status"}
    return answer.status_code, answer.json


@pytest.mark.req("B13", "E6")
def test_liveness_asks_nothing_of_anybody(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(Database, "read", refuse)
    answer = room.nobody().get("/health")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


@pytest.mark.req("E6")
def test_ready_when_database_redis_and_a_worker_are_there(any_room: Room) -> None:
    assert ready(any_room)[0] == 503
    register_worker(any_room)
    status, said = ready(any_room)
    assert (status, said["status"]) == (200, "ready")
    assert {name: said[name]["status"] for name in PARTS} == dict.fromkeys(PARTS, "ok")
    assert said["workers"]["count"] == 1
    assert said["database"]["took_ms"] >= 0


@pytest.mark.req("E6")
@pytest.mark.parametrize(
    ("ago", "prefix"), [(timedelta(seconds=70), "taskroom:"), (timedelta(0), "elsewhere:")], ids=["silent", "of others"]
)
def test_a_silent_worker_and_those_of_others_do_not_count(room: Room, ago: timedelta, prefix: str) -> None:
    register_worker(room, ago=ago, prefix=prefix)
    status, said = ready(room)
    assert (status, said["workers"]["status"], said["workers"]["count"]) == (503, "unavailable", 0)
    assert said["redis"]["status"] == said["database"]["status"] == "ok"


@pytest.mark.req("E6")
@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_a_redis_that_is_gone_or_hangs_is_told_apart_within_a_second(
    make_room: Callable[..., Room], sqlite_url: str, redis_server, fault: str
) -> None:
    room = make_room(sqlite_url, redis_server.url)
    ada = room.person("ada")
    task_id = ada.start()
    room.claim(task_id)
    getattr(redis_server, fault)()
    for _ in range(3):
        status, said = ready(room)
        assert (status, said["status"]) == (503, "not_ready")
        assert said["redis"] == {"status": "unavailable", "message": "Redis does not answer.", "took_ms": None}
        assert said["database"]["status"] == "ok"
        assert said["workers"] | {"took_ms": 0} == {
            "status": "ok", "message": "1 heard of within a minute.", "took_ms": 0, "count": 1
        }  # fmt: skip
    redis_server.resume() if fault == "pause" else redis_server.start()
    wait_until(lambda: ready(room)[1]["redis"]["status"] == "ok", 5, "Redis is seen again")


@pytest.mark.req("E6")
def test_a_database_that_hangs_is_told_apart_within_a_second(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    register_worker(room)
    read = Database.read
    free: list[int] = []

    def hang(self: Database):
        wait_until(lambda: free, 20)
        return read(self)

    monkeypatch.setattr(Database, "read", hang)
    status, said = ready(room)
    assert (status, said["database"]["status"], said["redis"]["status"]) == (503, "unavailable", "ok")
    assert said["workers"]["status"] == "ok"
    ready(room)
    free.append(1)
    wait_until(lambda: ready(room)[0] == 200, 5, "the database is seen again")


@pytest.mark.req("D13")
def test_readiness_names_no_address_and_no_secret(
    make_room: Callable[..., Room], sqlite_url: str, make_redis_server
) -> None:
    server = make_redis_server(password="hunter2-secret")
    room = make_room(sqlite_url, server.url)
    server.kill()
    text = room.nobody().get("/health/ready").text
    assert "hunter2" not in text
    assert str(server.port) not in text
    assert sqlite_url.removeprefix("sqlite:///") not in text


def metrics(text: str) -> dict[str, float]:
    """The samples of a valid exposition, by their whole name."""
    samples: dict[str, float] = {}
    families: set[str] = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            families.add(line.split()[2])
        elif not line.startswith("#"):
            found = re.fullmatch(r'(([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})?) (\S+)', line)
            assert found, line
            assert found[2] in families, line
            assert found[1] not in samples, line
            samples[found[1]] = float(found[4])
    return samples


@pytest.mark.req("J5")
def test_metrics_equal_the_database(any_room: Room) -> None:
    ada = any_room.person("ada")
    register_worker(any_room)
    for _ in range(3):
        ada.start()
    any_room.complete(ada.start())
    answer = ada.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = metrics(answer.text)
    assert found['taskroom_tasks{kind="test_count",state="queued"}'] == 3
    assert found['taskroom_tasks{kind="test_count",state="completed"}'] == 1
    assert found['taskroom_up{part="database"}'] == found['taskroom_up{part="redis"}'] == 1
    assert found["taskroom_workers"] == 1
    assert found["taskroom_unannounced_events"] == 0
    assert 0 <= found["taskroom_oldest_queued_seconds"] < 60
    assert found["process_resident_memory_bytes"] > 1_000_000


@pytest.mark.req("J5", "E6")
def test_what_cannot_be_known_is_left_out(make_room: Callable[..., Room], sqlite_url: str, redis_server) -> None:
    room = make_room(sqlite_url, redis_server.url)
    redis_server.kill()
    found = metrics(room.nobody().get("/metrics").text)
    assert found['taskroom_up{part="redis"}'] == 0
    assert "taskroom_oldest_queued_seconds" not in found


@pytest.mark.req("J5", "D8")
@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("127.9.9.9", {}, 200),
        ("::1", {}, 200),
        ("::ffff:127.0.0.1", {}, 200),
        ("192.0.2.7", {}, 401),
        ("", {}, 401),
        ("192.0.2.7", {"X-Forwarded-For": "127.0.0.1"}, 401),
        ("127.0.0.1", {"X-Forwarded-For": "192.0.2.7"}, 401),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 401),
        ("127.0.0.1", {"Forwarded": "for=192.0.2.7"}, 401),
        ("127.0.0.1", {"Via": "1.1 proxy"}, 401),
    ],
)
@pytest.mark.parametrize("proxies", ["0", "1"])
def test_metrics_are_for_the_machine_itself(
    make_room: Callable[..., Room], sqlite_url: str, redis_url: str, peer: str, headers: dict, status: int, proxies: str
) -> None:
    room = make_room(sqlite_url, redis_url, TRUSTED_PROXIES=proxies)
    answer = room.nobody().get("/metrics", headers=headers, environ_overrides={"REMOTE_ADDR": peer})
    assert answer.status_code == status
    if status == 401:
        assert "taskroom" not in answer.text.split("token")[0]


@pytest.mark.req("J5", "D8")
def test_from_elsewhere_metrics_need_a_token_or_an_admin(room: Room, ada: Caller, admin: Caller) -> None:
    far = {"REMOTE_ADDR": "192.0.2.7"}
    assert ada.get("/metrics", environ_overrides=far).status_code == 200
    for name, status in (("ada", 401), ("root", 200)):
        client, _ = room.browser(name)
        answer = client.get("/metrics", environ_overrides=far, headers={"Accept": "application/json"})
        assert answer.status_code == status
