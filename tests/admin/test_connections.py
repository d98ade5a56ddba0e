"""Connections as an admin sees them, and ending one of them, in whichever process it is."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import pytest
import requests
from sqlalchemy import select

from accounts import AuditEntry
from delivery.sockets import Connected
from tests.admin.conftest import Desk
from tests.fixtures.clients import RecordingClient
from tests.fixtures.machine import ROOT, free_port, wait_until
from tests.fixtures.product import Server

pytestmark = pytest.mark.req("H6")


def _connect(desk: Desk, username: str, number: int, address: str = "10.0.0.7") -> None:
    caller = desk.room.person(username)
    for one in range(number):
        sid = f"{username}-{one}"
        desk.room.sockets.by_sid[sid] = Connected(sid, caller.identity, address)


def test_the_page_lists_searches_and_ends_connections(desk: Desk) -> None:
    assert "Nobody is connected" in desk.text("/admin/connections")
    _connect(desk, "ada", 2)
    _connect(desk, "eve", 1, "10.9.9.9")
    everybody = desk.get("/admin/connections")
    assert everybody.count("data-socket=") == 3
    assert desk.get("/admin/connections?q=ADA").count("data-socket=") == 2
    assert desk.get("/admin/connections?q=9.9.9").count("data-socket=") == 1
    assert "Nobody matches" in desk.text("/admin/connections?q=%3Cscript%3E")
    answer = desk.post("/admin/connections/disconnect", sid="eve-0", q="eve", reason="  It floods\n us. ")
    assert (answer.status_code, answer.location) == (303, "/admin/connections?q=eve")
    assert "The connection of eve from 10.9.9.9 is ended." in desk.text("/admin/connections?q=eve")
    assert set(desk.room.sockets.by_sid) == {"ada-0", "ada-1"}
    with desk.room.database.read() as session:
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.action == "connection.ended")).all()
    assert (entry.subject, entry.reason) == ("user:eve", "It floods us.")
    desk.post("/admin/connections/disconnect", sid="eve-0")
    assert "There is no such connection any more." in desk.text("/admin/connections")


def test_of_thousands_only_the_newest_are_listed_and_all_are_counted(desk: Desk) -> None:
    _connect(desk, "ada", 3000)
    html = desk.get("/admin/connections")
    assert html.count("data-socket=") == 100
    assert "the newest 100 of 3,000" in html
    assert len(html) < 150_000


@pytest.mark.req("D3")
def test_nobody_else_sees_or_ends_any(desk: Desk) -> None:
    _connect(desk, "ada", 1)
    client, token = desk.room.browser("ada")
    assert client.get("/admin/connections").status_code == 404
    form = {"csrf_token": token, "sid": "ada-0"}
    assert client.post("/admin/connections/disconnect", data=form).status_code == 404
    assert desk.client.post("/admin/connections/disconnect", data={"sid": "ada-0"}).status_code == 400
    assert "ada-0" in desk.room.sockets.by_sid


@pytest.fixture
def other_url(server: Server) -> Iterator[str]:
    """A second web process on the same data."""
    port = free_port()
    command = [str(ROOT / "taskroom"), "web", "--port", str(port)]
    with server.log_file.open("ab") as output:
        other = subprocess.Popen(command, env=server.environment, cwd=ROOT, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: _answers(url), 30, "the other process answers")
    yield url
    other.terminate()
    other.wait(30)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/health", timeout=1).ok
    except requests.RequestException:
        return False


@pytest.mark.req("E4")
@pytest.mark.serve_options({"WORKERS": "0"})
def test_a_connection_to_another_web_process_is_counted_seen_and_ended(
    server: Server, other_url: str, make_client: Callable[..., RecordingClient]
) -> None:
    admin, ada = server.admin(), server.person("ada")
    make_client(server.url, ada.token)
    there = make_client(other_url, ada.token)
    sid = there.wait_for("connected").data["sid"]

    def listed() -> set[str]:
        found = server.api("GET", "/api/v1/admin/connections?q=ada", token=admin.token).json()
        return {each["sid"] for each in found["sockets"]}

    wait_until(lambda: len(listed()) == 2, 15, "both processes tell of theirs")
    assert sid in listed()

    def measured() -> tuple[int, int, int]:
        found = server.api("GET", "/api/v1/admin/metrics", token=admin.token).json()
        return found["web_processes"], found["connections"], found["users"]

    wait_until(lambda: measured() == (2, 2, 1), 20, lambda: f"the metrics are of both: {measured()}")
    path = f"/api/v1/admin/connections/{sid}/disconnect"
    assert server.api("POST", path, token=admin.token, json={}).json()["username"] == "ada"
    wait_until(lambda: len(listed()) == 1, 5, "it is ended in the other process")
    assert there.wait_for("error").data["code"] == "forbidden"
