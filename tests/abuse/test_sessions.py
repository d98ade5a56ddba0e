"""Who may be connected: from where, for how long without a login, and not a second after the login has ended."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
import requests

import embedded_redis
from tests.abuse.conftest import JOBS, crowding, refused
from tests.abuse.raw import WebSocket, ask, connect, new_session, read_answer, request
from tests.fixtures.machine import ROOT, free_port, wait_until
from tests.fixtures.product import Person, Server

pytestmark = [pytest.mark.slow]

OpenSocket = Callable[..., WebSocket]
POLLING = "/socket.io/?EIO=4&transport=polling"
GONE_WITHIN_S = 1.0
TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"|value="([^"]+)"[^>]*name="csrf_token"')


# Row 11


@pytest.mark.req("D1")
def test_row_11_a_session_without_a_valid_login_is_closed_after_ten_seconds(
    abused: Server, open_socket: OpenSocket
) -> None:
    before = refused(abused, "no_login")
    started = time.monotonic()
    silent = open_socket()
    polling = new_session(abused.port)
    busy = open_socket()
    while not busy.is_closed and time.monotonic() - started < 15:
        with contextlib.suppress(OSError):
            busy.event("join_task", {"task_id": "x"})
        busy.wait_a_moment(0.3)
    silent.wait_closed(15)
    assert 9 < time.monotonic() - started < 12 * crowding()
    wait_until(
        lambda: ask(abused.port, "POST", f"{POLLING}&sid={polling}", body=b"40")[0] == 400, 5, "polling is closed"
    )
    assert refused(abused, "no_login") >= before + 3
    assert silent.inbox[-1:] != ["2"]


@pytest.mark.req("D1", "A15")
def test_row_11_a_session_that_was_refused_is_told_why_and_closed_at_once(
    abused: Server, open_socket: OpenSocket
) -> None:
    for auth in ('{"token":"wrong"}', "", '{"token":5}', '{"other":"x"}'):
        socket = open_socket()
        socket.send(f"40{auth}")
        said = json.loads(socket.wait_for("44")[2:])
        assert said["data"]["code"] == "unauthenticated"
        assert said["message"]
        socket.wait_closed(4 * crowding())


@pytest.mark.req("D6")
def test_row_11_hundreds_of_sessions_without_a_login_are_capped_per_address(abused: Server) -> None:
    answers = [ask(abused.port, "GET", POLLING, source="127.0.6.1")[0] for _ in range(300)]
    assert answers.count(200) == 128
    assert answers.count(429) == 172
    assert ask(abused.port, "GET", POLLING, source="127.0.6.2")[0] == 200


@pytest.mark.req("D6")
def test_row_10_one_user_has_two_hundred_sockets_and_no_more(abused: Server, open_socket: OpenSocket) -> None:
    token = abused.person("cleo").token
    sockets = [open_socket(token=token) for _ in range(200)]
    one_more = open_socket()
    one_more.send("40" + json.dumps({"token": token}))
    said = json.loads(one_more.wait_for("44")[2:])["data"]
    assert said["code"] == "rate_limited"
    assert said["retry_after_s"] > 0
    assert not any(socket.is_closed for socket in sockets), "a new tab must never close an old one"
    sockets[0].close()
    wait_until(lambda: connects(open_socket, token), 10, "there is room again")


def connects(open_socket: OpenSocket, token: str) -> bool:
    socket = open_socket()
    socket.send("40" + json.dumps({"token": token}))
    wait_until(lambda: any(text.startswith(("40", "44")) for text in socket.inbox), 10)
    return any(text.startswith("40") for text in socket.inbox)


# Row 14

ORIGINS = (
    "http://evil.example",
    "null",
    "http://127.0.0.1",
    "http://127.0.0.1:{port}.evil.example",
    "http://127.0.0.1:{port}@evil.example",
    "https://127.0.0.1:{port}",
    "http://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}, http://evil.example",
    "http://app.example",
    "http://app.example:443",
    "https://app.example.evil.example",
)


@pytest.fixture(scope="module")
def with_origins() -> Iterator[Server]:
    one = Server({"WORKERS": "0", "ALLOWED_ORIGINS": "https://app.example"})
    one.start()
    yield one
    one.remove()


def transports(server: Server, *headers: str) -> tuple[int, int]:
    """The status of a new session over polling, and over WebSocket, for these headers."""
    host = f"Host: 127.0.0.1:{server.port}"
    with connect(server.port) as plain:
        plain.sendall(request("GET", POLLING, *headers).replace(b"Host: 127.0.0.1", host.encode()))
        polling, _ = read_answer(plain)
    with connect(server.port) as upgraded:
        upgrade = (
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: " + "a" * 24,
        )
        sent = request("GET", "/socket.io/?EIO=4&transport=websocket", *upgrade, *headers)
        upgraded.sendall(sent.replace(b"Host: 127.0.0.1", host.encode()))
        return polling, int(upgraded.recv(4096).split(b" ")[1])


@pytest.mark.req("D4")
@pytest.mark.parametrize("origin", ORIGINS)
def test_row_14_a_foreign_origin_is_400_on_both_transports(with_origins: Server, origin: str) -> None:
    named = origin.format(port=with_origins.port)
    assert transports(with_origins, f"Origin: {named}") == (400, 400)
    for name in ("X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Forwarded-Port"):
        forged = named.partition("://")[2] or named
        assert transports(with_origins, f"Origin: {named}", f"{name}: {forged}", "X-Forwarded-Proto: http") == (
            400,
            400,
        )


@pytest.mark.req("D4")
def test_row_14_the_own_and_the_configured_origin_and_none_are_let_in(with_origins: Server) -> None:
    assert transports(with_origins) == (200, 101)
    assert transports(with_origins, "Origin: https://app.example") == (200, 101)
    assert transports(with_origins, f"Origin: http://127.0.0.1:{with_origins.port}") == (200, 101)


# Row 4 and 19, on two web processes


@pytest.fixture(scope="module")
def two_processes() -> Iterator[tuple[Server, int]]:
    """`serve`, and a second web process beside it: the server, and the other's port."""
    one = Server(JOBS)
    one.start()
    port = free_port()
    environment = one.environment | {"PORT": str(port), "REDIS_URL": embedded_redis.redis_url(one.data_dir)}
    with one.log_file.open("ab") as output:
        second = subprocess.Popen([ROOT / "taskroom", "web"], env=environment, cwd=ROOT, stdout=output, stderr=output)
    try:
        wait_until(lambda: answers(port), 60, "the second web process answers")
        yield one, port
    finally:
        second.terminate()
        assert second.wait(30) == 0
        one.remove()


def answers(port: int) -> bool:
    try:
        return ask(port, "GET", "/health")[0] == 200
    except OSError:
        return False


class Browser:
    """Somebody who has signed in with a password: a cookie, and what its forms need."""

    def __init__(self, server: Server, person: Person) -> None:
        self.url = server.url
        self.http = requests.Session()
        self.post("/login", username=person.username, password=person.password)
        assert self.is_signed_in()

    def post(self, path: str, **form: str) -> requests.Response:
        """A form, with the token of the page that it stands on."""
        page = self.http.get(self.url + ("/login" if path == "/login" else "/account"), timeout=30)
        found = TOKEN.search(page.text)
        assert found, page.text[:2000]
        token = found.group(1) or found.group(2)
        return self.http.post(self.url + path, data={"csrf_token": token, **form}, timeout=30, allow_redirects=False)

    def is_signed_in(self) -> bool:
        return self.http.get(f"{self.url}/account", allow_redirects=False, timeout=30).status_code == 200

    @property
    def cookie(self) -> str:
        return "Cookie: " + "; ".join(f"{each.name}={each.value}" for each in self.http.cookies)


def end_by(way: str, server: Server, person: Person, browser: Browser) -> None:
    """Take the login away."""
    if way == "logout":
        assert browser.post("/logout").status_code in (302, 303)
    elif way == "password change":
        changed = browser.post(
            "/account/password", current=person.password, password=secrets.token_urlsafe(14) + "-Aa1"
        )
        assert changed.status_code in (200, 302, 303)
    else:
        command = {
            "disable": ("user", "disable", person.username),
            "demote": ("user", "set-role", person.username, "user"),
        }[way]
        done = server.cli(*command)
        assert done.returncode == 0, done.stderr


@pytest.mark.req("D7", "D3")
@pytest.mark.parametrize("way", ["logout", "password change", "disable", "demote"])
def test_row_4_when_a_login_ends_its_sockets_are_gone_within_a_second_on_both_processes(
    two_processes: tuple[Server, int], open_socket: OpenSocket, way: str
) -> None:
    server, other_port = two_processes
    person = server.person(f"eva-{secrets.token_hex(3)}", role="admin" if way == "demote" else "user")
    server.admin()
    browser = Browser(server, person)
    cookie = browser.cookie
    sockets = [open_socket(cookie, port=port) for port in (server.port, other_port)]
    for socket in sockets:
        socket.send("40")
        socket.wait_for("40")
    bystander = open_socket(token=server.person("bystander").token, port=server.port)
    ended: dict[int, float] = {}
    end_by(way, server, person, browser)
    ended_at = time.monotonic()
    for number, socket in enumerate(sockets):
        socket.wait_closed(5)
        ended[number] = time.monotonic() - ended_at
    print(f"{way}: closed after {ended}")
    assert max(ended.values()) < GONE_WITHIN_S * crowding()
    assert all(socket.events("error")[-1]["code"] == "unauthenticated" for socket in sockets)
    assert not bystander.is_closed
    if way == "demote":
        return  # still signed in, with fewer rights
    for port in (server.port, other_port):
        assert ask(port, "GET", "/account", cookie, "Connection: close")[0] in (302, 303)
        again = open_socket(cookie, port=port)
        again.send("40")
        assert json.loads(again.wait_for("44")[2:])["data"]["code"] == "unauthenticated"


@pytest.mark.req("D7", "D8")
def test_row_4_a_revoked_token_closes_its_sockets_on_both_processes(
    two_processes: tuple[Server, int], open_socket: OpenSocket
) -> None:
    server, other_port = two_processes
    person = server.person(f"tom-{secrets.token_hex(3)}")
    browser = Browser(server, person)
    sockets = [open_socket(token=person.token, port=port) for port in (server.port, other_port)]
    page = browser.http.get(f"{server.url}/account", timeout=30).text
    found = re.search(r"/account/tokens/(\d+)/revoke", page)
    assert found
    browser.post(found.group(0))
    ended_at = time.monotonic()
    for socket in sockets:
        socket.wait_closed(5)
    assert time.monotonic() - ended_at < GONE_WITHIN_S * crowding()


@pytest.mark.req("D7", "A11")
def test_row_19_the_id_of_a_socket_is_no_room_here_or_on_the_other_process(
    two_processes: tuple[Server, int], open_socket: OpenSocket
) -> None:
    server, other_port = two_processes
    victim = open_socket(token=server.person("victim").token, port=server.port)
    sid = json.loads(victim.wait_for("40")[2:])["sid"]
    heard = len(victim.inbox)
    for port in (server.port, other_port):
        thief = open_socket(token=server.person("thief").token, port=port)
        for number, name in enumerate(("join_task", "get_task_status", "cancel_task", "get_task_log")):
            answer = thief.call(name, {"task_id": sid}, ack=number)
            assert answer["error"]["code"] == "not_found"
        assert thief.call("join_admin_dashboard", ack=9)["error"]["code"] == "forbidden"
    status = [event for event in victim.inbox[heard:] if event != "2"]
    assert not [text for text in status if "live_status" not in text]
