"""`taskroom serve` as an operator meets it: first start, doctor, backups, deaths of its parts, a clean end."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import requests

import embedded_redis
from tests.fixtures.machine import wait_until
from tests.fixtures.product import Server

pytestmark = pytest.mark.slow


def is_healthy(server: Server) -> bool:
    try:
        return requests.get(f"{server.url}/health", timeout=2).status_code == 200
    except requests.RequestException:
        return False


@pytest.mark.req("D12", "K1")
def test_the_first_start_offers_a_setup_link_until_there_is_a_user(server: Server) -> None:
    assert requests.get(server.setup_url, timeout=10).status_code == 200
    server.admin()
    assert requests.get(server.setup_url, timeout=10, allow_redirects=False).status_code != 200
    before = server.logs()
    server.restart()
    assert "first admin" not in server.logs()[len(before) :]


@pytest.mark.req("J4", "C2")
def test_doctor_backup_and_restore_know_whether_it_runs(server: Server, tmp_path: Path) -> None:
    server.admin()
    doctor = server.cli("doctor")
    assert doctor.returncode == 0, doctor.stdout
    wait_until(lambda: "ok    workers" in server.cli("doctor").stdout, 20, lambda: server.cli("doctor").stdout)
    assert server.cli("db", "backup", str(tmp_path / "copy")).returncode == 0
    server.person("later")
    refused = server.cli("db", "restore", str(tmp_path / "copy"))
    assert (refused.returncode, "Stop it first" in refused.stderr) == (1, True)
    assert server.stop() == 0
    assert server.cli("db", "restore", str(tmp_path / "copy")).returncode == 0
    server.start()
    users = server.cli("user", "list").stdout
    assert ("root" in users, "later" in users) == (True, False)


@pytest.mark.req("E3", "E7", "C2")
@pytest.mark.parametrize("part", ["web", "worker", "scheduler", "valkey-server"])
def test_a_part_that_is_killed_is_started_again(server: Server, part: str) -> None:
    def pids() -> set[int]:
        return {process.pid for process in server.processes(part)}

    wait_until(pids, 20, f"{part} is seen")
    victim = next(iter(pids()))
    count = len(pids())
    psutil.Process(victim).kill()
    wait_until(lambda: victim not in pids() and len(pids()) >= count, 20, lambda: f"back: {server.logs()[-1500:]}")
    wait_until(lambda: is_healthy(server), 20, "healthy again")
    assert server.stop() == 0


@pytest.mark.req("C5", "E7")
def test_after_serve_itself_is_killed_nothing_keeps_working_and_the_next_start_goes_on(server: Server) -> None:
    server.admin()
    server.kill()
    wait_until(lambda: not server.processes("web"), 15, lambda: f"web has ended: {server.all_processes()}")
    wait_until(lambda: not server.processes("worker"), 15, lambda: f"workers have ended: {server.all_processes()}")
    server.start()
    assert is_healthy(server)
    assert len(server.processes("valkey-server")) == 1


def test_a_second_serve_on_the_same_data_is_refused_in_a_sentence(server: Server) -> None:
    done = server.cli("serve", "--port", "1")
    assert done.returncode == 1
    assert "is in use by a running Taskroom" in done.stderr
    assert is_healthy(server)


def test_a_taken_port_is_named(make_server: Callable[..., Server]) -> None:
    one = make_server(start=False)
    with socket.create_server(("127.0.0.1", one.port)):
        done = one.cli("serve")
    assert done.returncode == 1
    assert str(one.port) in done.stderr
    assert embedded_redis.owner(one.data_dir) is None


@pytest.mark.parametrize(
    ("variable", "value"),
    [("PORT", "many"), ("ALLOWED_ORIGINS", "*"), ("SECRET_KEY", "short"), ("SCAN_ROOTS", "/nowhere/at/all")],
)
@pytest.mark.req("D4", "D12")
def test_a_setting_that_cannot_work_is_named_and_is_a_usage_error(
    make_server: Callable[..., Server], variable: str, value: str
) -> None:
    done = make_server(start=False).cli("serve", **{variable: value})
    assert done.returncode == 2
    assert f"{variable}: expected" in done.stderr
