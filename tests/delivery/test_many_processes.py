"""Two web processes behind a real nginx, set up as docs/nginx.conf says, serve as one: over WebSockets and polling."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
import socketio

from tests.delivery.watchers import TASK_EVENTS, Follower
from tests.fixtures.balancer import Balancer
from tests.fixtures.clients import RecordingClient
from tests.fixtures.machine import ROOT, free_port, wait_until
from tests.fixtures.product import Person, Server
from tests.fixtures.runs import SAMPLES, start, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


@dataclass
class Room:
    """`serve` with its web process, one more `web` on the same data, and nginx in front of both."""

    server: Server
    other_port: int
    balancer: Balancer
    other: subprocess.Popen[bytes] | None = None
    clients: list[RecordingClient] = field(default_factory=list)

    def start_other(self) -> None:
        """The second web process, as an operator starts it."""
        command = [str(ROOT / "taskroom"), "web", "--port", str(self.other_port)]
        with self.server.log_file.open("ab") as output:
            self.other = subprocess.Popen(
                command, env=self.server.environment, cwd=ROOT, stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )
        wait_until(lambda: _answers(self.other_port), 30, lambda: f"the other answers\n{self.server.logs()[-2000:]}")

    def client(self, number: int, person: Person | None, *transports: str, **headers: str) -> RecordingClient:
        """A connected client that comes through nginx as a browser of its own."""
        session = self.balancer.session(f"browser {number}")
        one = RecordingClient(self.balancer.url, person.token if person else None, http_session=session)
        self.clients.append(one)
        return one.connect(transports, headers=headers)

    def both(self, person: Person) -> list[RecordingClient]:
        """Four that use WebSockets, and four that only poll."""
        return [self.client(number, person, "websocket" if number % 2 else "polling") for number in range(8)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    server = Server(SAMPLES | {"TRUSTED_PROXIES": "1", "WORKERS": "1"})
    other_port = free_port()
    folder = tmp_path_factory.mktemp("nginx")
    folder.chmod(0o755)
    room = Room(server, other_port, Balancer(folder, [server.port, other_port]))
    try:
        server.start()
        room.start_other()
        room.balancer.start()
        yield room
    finally:
        room.balancer.stop()
        if room.other is not None:
            room.other.terminate()
            room.other.wait(20)
        server.remove()


@pytest.fixture
def room(running: Room) -> Iterator[Room]:
    yield running
    print(f"--- nginx complained\n{running.balancer.logs()[-2000:]}\n--- the server\n{running.server.logs()[-3000:]}")
    while running.clients:
        running.clients.pop().close()


def watch(client: RecordingClient, task_id: str) -> Follower:
    """Joins, and returns who checks what comes."""

    def read_log(first: int, _last: int) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = client.call("get_task_log", {"task_id": task_id, "from_line": first})["lines"]
        return lines

    assert client.join(task_id)["ok"]
    return Follower(read_log, is_joined=True)


def take(follower: Follower, client: RecordingClient, task_id: str) -> Follower:
    for event in client.of_task(task_id):
        if event.name in TASK_EVENTS:
            follower.take(event.name, event.data)
    return follower


@pytest.mark.req("E4", "A1", "A3", "A8", "C3")
def test_clients_of_both_transports_see_the_same_through_either_process(room: Room) -> None:
    ada = room.server.person("ada")
    clients = room.both(ada)
    task_id = start(room.server, ada, "count", to=300, pause_s=0.005, log_every=10)
    followers = [watch(client, task_id) for client in clients]
    for client, follower in zip(clients, followers, strict=True):
        client.wait_for("task_completed", timeout_s=40)
        take(follower, client, task_id)
        assert (follower.faults, follower.finals) == ([], ["task_completed"])
        assert list(follower.log) == list(range(1, 31))
    assert len({tuple(follower.epochs) for follower in followers}) == 1
    ended = start(room.server, ada, "count", to=100_000, pause_s=0.01)
    for client in clients:
        assert client.join(ended)["ok"]
    wait_for(room.server, ada, ended, "running")
    assert clients[0].call("cancel_task", {"task_id": ended, "reason": "enough"})["ok"]
    for client in clients:
        assert client.wait_for("task_cancelled", timeout_s=10).data["reason"] == "enough"
        client.wait_for("task_update", where=lambda data: data["data"]["status"] == "cancelled")


@pytest.mark.req("E4", "D7", "D4")
def test_a_logout_closes_the_sockets_on_both_processes(room: Room) -> None:
    eve = room.server.person("eve")
    browser = room.balancer.session("browser")
    _post(browser, room.balancer.url, "/login", username=eve.username, password=eve.password)
    (cookie,) = list(iter(browser.cookies))
    assert cookie.secure, "the application knows that the browser came over TLS"
    headers = {"Cookie": f"{cookie.name}={cookie.value}"}
    clients = [room.client(number, None, "websocket", **headers) for number in range(4)]
    with_origin = headers | {"Origin": room.balancer.url}
    clients += [room.client(number, None, "polling", **with_origin) for number in range(4, 8)]
    with pytest.raises(socketio.exceptions.ConnectionError):
        room.client(9, None, "polling", **headers | {"Origin": "https://elsewhere.example"})
    _post(browser, room.balancer.url, "/logout")
    for client in clients:
        client.wait_for("disconnect", timeout_s=5)


@pytest.mark.req("E4")
def test_metrics_stay_inside_and_http_is_sent_to_https(room: Room) -> None:
    session = room.balancer.session()
    assert session.get(f"{room.balancer.url}/metrics", timeout=10).status_code == 404
    assert "taskroom_up" in requests.get(f"http://127.0.0.1:{room.other_port}/metrics", timeout=10).text
    moved = requests.get(f"http://127.0.0.1:{room.balancer.plain_port}/tasks", timeout=10, allow_redirects=False)
    assert (moved.status_code, moved.headers["Location"]) == (301, "https://127.0.0.1/tasks")


@pytest.mark.req("E4", "A10", "C2")
def test_when_a_process_dies_its_clients_come_back_through_the_other_and_get_exactly_the_rest(room: Room) -> None:
    ada = room.server.person("ada")
    clients = room.both(ada)
    task_id = start(room.server, ada, "count", to=600, pause_s=0.01, log_every=10)
    followers = [watch(client, task_id) for client in clients]
    for client in clients:
        client.wait_for("task_log", timeout_s=20)
    assert room.other is not None
    room.other.kill()
    room.other.wait()
    try:
        wait_until(lambda: sum(_lost(client) for client in clients[1::2]) == 2, 10, "half of the WebSockets are lost")
        wait_until(lambda: all(_lost(each) or _is_answered(each) for each in clients[::2]), 10, "polls end")
        for number, client in enumerate(clients):
            if _lost(client):
                take(followers[number], client, task_id)
                client = _come_back(room, number, ada)
                assert client.join(task_id, followers[number].seq, followers[number].epoch)["recovered"] is True
            client.wait_for("task_completed", timeout_s=60)
            take(followers[number], client, task_id)
            assert (followers[number].faults, followers[number].finals) == ([], ["task_completed"])
            assert list(followers[number].log) == list(range(1, 61))
    finally:
        room.start_other()


def _lost(client: RecordingClient) -> bool:
    return bool(client.named("disconnect"))


def _is_answered(client: RecordingClient) -> bool:
    try:
        return bool(client.call("leave_task", {"task_id": "none"}, timeout_s=2)["ok"])
    except (socketio.exceptions.SocketIOError, OSError):
        return False


def _come_back(room: Room, number: int, person: Person) -> RecordingClient:
    def connect() -> RecordingClient | None:
        try:
            return room.client(number, person, "websocket" if number % 2 else "polling")
        except socketio.exceptions.ConnectionError:
            return None

    found = wait_until(connect, 30, "the living process lets it in")
    assert found is not None
    return found


def _post(session: requests.Session, url: str, path: str, **form: str) -> None:
    page = session.get(url + ("/login" if path == "/login" else "/account"), timeout=30)
    found = TOKEN.search(page.text)
    assert found, page.text[:2000]
    headers = {"Origin": url, "Referer": url + path}
    data = {"csrf_token": found.group(1), **form}
    answer = session.post(url + path, data=data, headers=headers, timeout=30, allow_redirects=False)
    assert answer.status_code in (302, 303), answer.text[:2000]


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/health", timeout=2).ok
    except requests.RequestException:
        return False
