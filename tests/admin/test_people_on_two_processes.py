"""What admins do to accounts takes effect on open sockets of every web process, and refused access leaves its entry."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

import embedded_redis
from tests.fixtures.clients import RecordingClient
from tests.fixtures.machine import ROOT, free_port, wait_until
from tests.fixtures.product import Person, Server
from tests.fixtures.runs import SAMPLES, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

GONE_WITHIN_S = 10.0
"""a second on a quiet machine, which tests/abuse measures; here it only must not be a sweep of minutes"""


@pytest.fixture
def two(make_server: Callable[..., Server]) -> Iterator[tuple[Server, str]]:
    """A server, and the address of a second web process on the same data."""
    server = make_server(SAMPLES | {"WORKERS": "1"})
    port = free_port()
    environment = server.environment | {"PORT": str(port), "REDIS_URL": embedded_redis.redis_url(server.data_dir)}
    with server.log_file.open("ab") as output:
        second = subprocess.Popen([ROOT / "taskroom", "web"], env=environment, cwd=ROOT, stdout=output, stderr=output)
    wait_until(lambda: f":{port}" in server.logs(), 60, "the second web process serves")
    yield server, f"http://127.0.0.1:{port}"
    second.terminate()
    second.wait(30)


def number_of(server: Server, admin: Person, username: str) -> str:
    found = server.api("GET", f"/api/v1/admin/users?q={username}", token=admin.token).json()["items"]
    return next(str(each["id"]) for each in found if each["username"] == username)


@pytest.mark.req("D3", "D7", "D2", "H8")
def test_rights_that_are_taken_away_close_what_is_open_on_both_processes(
    two: tuple[Server, str], make_client: Callable[..., RecordingClient]
) -> None:
    server, other = two
    root, mira, ada, eve = server.admin(), server.person("mira", "admin"), server.person("ada"), server.person("eve")
    task_id = start(server, ada, "count", to=3)

    def clients(person: Person) -> list[RecordingClient]:
        return [make_client(url, person.token) for url in (server.url, other)]

    def are_gone(found: list[RecordingClient], begun_s: float) -> None:
        wait_until(lambda: not any(each.sio.connected for each in found), GONE_WITHIN_S, "their sockets are closed")
        print(f"closed after {time.monotonic() - begun_s:.2f} s")

    thief = make_client(other, eve.token)
    for event in ("join_task", "get_task_status", "cancel_task", "get_task_log"):
        assert thief.call(event, {"task_id": task_id})["error"]["code"] == "not_found"
    assert thief.call("join_admin_dashboard")["error"]["code"] == "forbidden"
    refused = server.api("GET", "/api/v1/admin/audit?action=access.refused&actor=eve", token=root.token).json()["items"]
    assert sorted(each["subject"] for each in refused) == sorted([f"task:{task_id}", "room:admin"])

    watching, bystander = clients(mira), make_client(other, eve.token)
    for each in watching:
        assert each.call("join_admin_dashboard")["ok"]
        each.wait_for("system_metrics_update")
    mine = make_client(other, root.token)
    assert mine.call("join_admin_dashboard")["ok"]
    path = f"/api/v1/admin/users/{number_of(server, root, 'mira')}"
    begun_s = time.monotonic()
    assert server.api("PATCH", path, token=root.token, json={"role": "user", "reason": "a test"}).status_code == 200
    are_gone(watching, begun_s)
    told = mine.wait_for("audit_update", where=lambda data: data["entry"]["action"] == "user.role_changed").data
    assert (told["entry"]["actor"], told["entry"]["subject"]) == ("root", "user:mira")
    again = make_client(other, mira.token)
    assert again.call("join_admin_dashboard")["error"]["code"] == "forbidden"
    assert server.api("GET", "/api/v1/admin/users", token=mira.token).status_code == 403
    assert not again.named("system_metrics_update", "job_update", "audit_update")

    hers, path = clients(ada), f"/api/v1/admin/users/{number_of(server, root, 'ada')}"
    begun_s = time.monotonic()
    assert server.api("PATCH", path, token=root.token, json={"active": False}).status_code == 200
    are_gone(hers, begun_s)
    assert server.api("GET", "/api/v1/me", token=ada.token).status_code == 401
    assert bystander.sio.connected

    tokens = server.api("GET", "/api/v1/admin/tokens?owner=eve", token=root.token).json()["items"]
    begun_s = time.monotonic()
    revoked = server.api("DELETE", f"/api/v1/admin/tokens/{tokens[0]['id']}", token=root.token)
    assert revoked.status_code == 200
    are_gone([bystander, thief], begun_s)
