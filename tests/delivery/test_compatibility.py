"""The namespace `/ws` as front ends of older scanners use it: the official JavaScript client, and python-socketio."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import socketio

from tests.abuse.raw import WebSocket, ask, new_session
from tests.browser.by_hand import TaskByHand
from tests.fixtures.clients import RecordingClient
from tests.fixtures.front_ends import FrontEnd
from tests.fixtures.machine import wait_until
from tests.fixtures.product import Person, Server

pytestmark = [pytest.mark.slow, pytest.mark.req("I3")]

RFC3339 = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
METADATA = {"filesProcessed", "totalFiles", "currentFile", "artifactsFound"}
FEED = {"task_id", "task_run_id", "schedule_id", "status", "task_name", "result_data", "timestamp"}
SCAN = "by_hand_scan"

OpenFrontEnd = Callable[..., FrontEnd]
MakeScan = Callable[..., TaskByHand]


@pytest.fixture(scope="module")
def scanner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A product with one small repository to scan; shared by the tests of this file."""
    root = tmp_path_factory.mktemp("roots")
    (root / "shop").mkdir()
    for number in range(8):
        (root / "shop" / f"api_{number}.py").write_text('import requests\nrequests.get("https://example.com/stock")\n')
    one = Server({"SCAN_ROOTS": str(root), "WORKERS": "1"})
    one.start()
    yield one
    one.remove()


@pytest.fixture(scope="module")
def ada(scanner: Server) -> Person:
    """Whose scans they are."""
    return scanner.person("ada")


@pytest.fixture
def make_scan(scanner: Server, ada: Person) -> Iterator[MakeScan]:
    """make_scan(): a scan of ada's whose worker is the test."""
    scans: list[TaskByHand] = []

    def make(server: Server = scanner, **options: Any) -> TaskByHand:
        scans.append(TaskByHand(server, server.person("ada"), kind=SCAN, **options))
        return scans[-1]

    yield make
    for one in scans:
        one.close()


@pytest.fixture
def follow(scanner: Server, ada: Person, make_client: Callable[..., RecordingClient]) -> Callable[..., RecordingClient]:
    """follow(transport): a python-socketio client of ada's in the namespace."""

    def make(transport: str = "websocket", person: Person = ada, **options: Any) -> RecordingClient:
        client = make_client(scanner.url, person.token, connect=False, namespace="/ws", **options)
        return client.connect((transport,))

    return make


def events_of(client: RecordingClient, scan_id: str) -> list[tuple[str, Any]]:
    """What came of this scan, in order, by the last part of the event's name."""
    events = [event for event in client.events if event.name.startswith(f"scan:{scan_id}:")]
    return [(event.name.rpartition(":")[2], event.data) for event in events]


def ends_of(client: RecordingClient, scan_id: str) -> list[str]:
    """The final events that came of this scan."""
    return [what for what, _ in events_of(client, scan_id) if what != "progress"]


def assert_whole(events: list[tuple[str, Any]], scan_id: str | None) -> None:
    """Every event holds exactly what docs/protocol.md says."""
    fields = {
        "progress": {"scanId", "progress", "status", "timestamp", "metadata"},
        "complete": {"scanId", "result", "timestamp"},
        "failed": {"scanId", "error", "timestamp"},
    }
    for what, data in events:
        assert set(data) - {"message"} == fields[what]
        assert data["scanId"] == (scan_id or data["scanId"])
        assert RFC3339.match(data["timestamp"])
        if what == "progress":
            assert set(data["metadata"]) == METADATA


def test_a_front_end_starts_a_scan_and_follows_it_from_polling_to_websocket(
    scanner: Server, ada: Person, open_front_end: OpenFrontEnd
) -> None:
    started = scanner.api("POST", "/api/v1/scanner/scan", token=ada.token, json={"repository_path": "shop"}).json()
    scan_id = started["scan_id"]
    ways = {"namespaces": ["/", "/ws"], "transports": ["polling", "websocket"]}
    page = open_front_end(scanner.url, auth={"token": ada.token}, scans=[scan_id], **ways)
    complete = page.wait_for("complete", timeout_s=30)
    shown = scanner.api("GET", f"/api/v1/scans/{scan_id}", token=ada.token).json()
    assert complete["result"] == shown["result"] | {"status": "completed"}
    assert complete["result"]["artifactsCreated"] == 8
    events = [(name, data) for name, data in page.said if name in ("progress", "complete", "failed")]
    assert_whole(events, scan_id)
    assert [name for name, _ in events].count("complete") == 1
    assert events[-1][0] == "complete"
    update = page.wait_for("task_update", where=lambda message: message["data"]["status"] == "success")
    assert update["type"] == "task_update"
    assert set(update["data"]) >= FEED
    assert update["data"]["task_run_id"] == scan_id
    here = [event["name"] for event in page.named("any") if event["namespace"] == "/ws"]
    assert {name.rpartition(":")[2] for name in here} <= {"progress", "complete"}, "the owner's feed is not for /ws"


@pytest.mark.req("A8")
def test_what_waits_while_a_client_leaves_polling_comes_over_its_websocket(scanner: Server, ada: Person) -> None:
    """A client asks for the upgrade at once, so the answer to its CONNECT often waits while it does."""
    sid = new_session(scanner.port)
    connect = f"40/ws,{json.dumps({'token': ada.token})}".encode()
    status, _ = ask(scanner.port, "POST", f"/socket.io/?EIO=4&transport=polling&sid={sid}", body=connect)
    assert status == 200
    socket = WebSocket(scanner.port, path=f"/socket.io/?EIO=4&transport=websocket&sid={sid}")
    socket.send("2probe")
    socket.wait_for("3probe")
    socket.send("5")
    socket.wait_for("40/ws,")
    socket.send('42/ws,1["unsubscribe",{"scanId":"x"}]')
    socket.wait_for('43/ws,1[{"ok":true,"scanId":"x"}]')
    socket.close()


@pytest.mark.req("A8", "A11")
@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_where_a_scan_is_comes_first_then_every_later_event_and_one_end(
    follow: Callable[..., RecordingClient], make_scan: MakeScan, transport: str
) -> None:
    scan, other = make_scan().claim(), make_scan().claim()
    scan.to(40, files_processed=30, total_files=75, current_file="src/a.py", artifacts_found=12)
    client = follow(transport)
    assert client.call("subscribe", {"scanId": scan.id}) == {"ok": True, "scanId": scan.id}
    client.wait_for(f"scan:{scan.id}:progress", where=lambda data: data["progress"] == 40)
    first = events_of(client, scan.id)[-1][1]
    assert (first["status"], first["message"]) == ("parse", "src/file_40.py")
    known = {"filesProcessed": 30, "totalFiles": 75, "currentFile": "src/a.py", "artifactsFound": 12}
    assert first["metadata"] == known
    scan.work.log("a line that is not told here")
    scan.to(80)
    other.to(90)
    client.wait_for(f"scan:{scan.id}:progress", where=lambda data: data["progress"] == 80)
    scan.complete(artifactsCreated=15)
    other.complete()
    end = client.wait_for(f"scan:{scan.id}:complete")
    assert end.data["result"]["artifactsCreated"] == 15
    events = events_of(client, scan.id)
    assert_whole(events, scan.id)
    percents = [data["progress"] for what, data in events if what == "progress"]
    assert percents == sorted(percents)
    assert ends_of(client, scan.id) == ["complete"]
    assert events_of(client, other.id) == []
    assert {event.name.split(":")[0] for event in client.events} == {"connect", "scan"}


@pytest.mark.req("A9")
def test_a_subscription_after_the_end_tells_the_end_once_however_often_it_is_asked(
    follow: Callable[..., RecordingClient], make_scan: MakeScan
) -> None:
    scan = make_scan().claim()
    scan.fail("The folder is gone.")
    client = follow()
    for _ in range(3):
        assert client.call("subscribe", {"scanId": scan.id})["ok"]
    assert [(what, data["error"]) for what, data in events_of(client, scan.id)] == [("failed", "The folder is gone.")]
    client.call("unsubscribe", {"scanId": scan.id})
    client.call("subscribe", {"scanId": scan.id})
    assert ends_of(client, scan.id) == ["failed", "failed"], "who begins again is told again"


@pytest.mark.req("C8", "A5")
def test_an_attempt_that_is_repeated_is_not_a_failure_and_a_cancel_is_one_that_says_so(
    scanner: Server, ada: Person, follow: Callable[..., RecordingClient], make_scan: MakeScan
) -> None:
    scan = make_scan().claim()
    client = follow()
    client.call("subscribe", {"scanId": scan.id})
    scan.to(30)
    scan.retry_later("The other side hung up.", 0.0)
    waiting = client.wait_for(f"scan:{scan.id}:progress", where=lambda data: data["status"] == "queued")
    assert "Attempt 1 of 3 failed" in waiting.data["message"]
    assert ends_of(client, scan.id) == []
    scan.claim().to(20)
    answer = scanner.api("POST", f"/api/v1/tasks/{scan.id}/cancel", token=ada.token, json={"reason": "Wrong branch"})
    assert answer.status_code in (200, 202), answer.text
    client.wait_for(f"scan:{scan.id}:progress", where=lambda data: data.get("message") == "Cancelling")
    scan.confirm_cancel()
    end = client.wait_for(f"scan:{scan.id}:failed")
    assert end.data["error"] == "The scan was cancelled by ada: Wrong branch"
    assert ends_of(client, scan.id) == ["failed"]


@pytest.mark.req("A6")
def test_after_the_acknowledgement_of_unsubscribing_nothing_more_comes(
    follow: Callable[..., RecordingClient], make_scan: MakeScan
) -> None:
    scan = make_scan().claim()
    client, stays = follow(), follow()
    for one in (client, stays):
        one.call("subscribe", {"scanId": scan.id})
    scan.to(20)
    client.wait_for(f"scan:{scan.id}:progress", where=lambda data: data["progress"] == 20)
    assert client.call("unsubscribe", {"scanId": scan.id}) == {"ok": True, "scanId": scan.id}
    count = len(client.events)
    scan.to(50)
    scan.complete()
    stays.wait_for(f"scan:{scan.id}:complete")
    assert client.call("unsubscribe", {"scanId": "never"})["ok"]
    assert len(client.events) == count


@pytest.mark.req("D2", "A11")
def test_scans_of_others_and_tasks_that_are_no_scans_are_not_found(
    scanner: Server, ada: Person, follow: Callable[..., RecordingClient], make_scan: MakeScan
) -> None:
    private, shown = make_scan().claim(), make_scan(visibility="everyone").claim()
    plain = TaskByHand(scanner, ada)
    eve = follow(person=scanner.person("eve"))
    refusals = [eve.call("subscribe", {"scanId": scan_id}) for scan_id in (private.id, plain.id, "unknown")]
    plain.close()
    assert [one["error"]["code"] for one in refusals] == ["not_found"] * 3
    assert refusals[0] == refusals[2], "no difference between what is not there and what is not hers"
    told = [(event.data["code"], event.data["event"]) for event in eve.named("error")]
    assert told == [("not_found", "subscribe")] * 3
    assert eve.call("subscribe", {"scanId": shown.id})["ok"]
    private.to(50)
    shown.to(50)
    eve.wait_for(f"scan:{shown.id}:progress", where=lambda data: data["progress"] == 50)
    assert events_of(eve, private.id) == []
    assert scanner.api("GET", f"/api/v1/scans/{private.id}", token=scanner.person("eve").token).status_code == 404


@pytest.mark.req("D1", "D4")
def test_a_stranger_and_a_foreign_page_are_not_let_in(
    scanner: Server, ada: Person, make_client: Callable[..., RecordingClient], open_front_end: OpenFrontEnd
) -> None:
    for auth in ({}, {"token": "nonsense"}):
        page = open_front_end(scanner.url, auth=auth)
        assert page.wait_for("connect_error")["code"] == "unauthenticated"
        assert page.named("connect") == []
    foreign = make_client(scanner.url, ada.token, connect=False, namespace="/ws")
    with pytest.raises(socketio.exceptions.ConnectionError):
        foreign.connect(headers={"Origin": "https://elsewhere.example"})


@pytest.mark.req("D5", "D6")
def test_bad_and_too_many_requests_are_refused_in_the_one_shape(
    scanner: Server, ada: Person, open_front_end: OpenFrontEnd
) -> None:
    page = open_front_end(scanner.url, auth={"token": ada.token})
    page.wait_for("connect")
    bad: list[tuple[Any, ...]] = [(), ("x",), ({},), ({"scanId": 7},), ({"scanId": ""},), ({"scanId": "x" * 65},)]
    bad += [({"scanId": "x", "more": 1},), ({"scanId": "x"}, {"scanId": "y"}), (None,)]
    for data in bad:
        answer = page.emit("subscribe", *data)
        assert (answer["ok"], answer["error"]["code"]) == (False, "invalid_payload"), (data, answer)
    for event in ("join_task", "cancel_task", "no_such_event"):
        assert page.emit(event, {"task_id": "x"})["error"]["code"] == "invalid_payload", "this namespace is read-only"
    assert len(page.named("error")) == len(bad) + 3
    for _ in range(120):
        page.order("emit", event="unsubscribe", data=[{"scanId": "x"}])
    refused = page.wait_for("ack", where=lambda ack: ack.get("error", {}).get("code") == "rate_limited")
    assert refused["error"]["retry_after_s"] > 0
    assert page.named("disconnect") == []


@pytest.mark.req("D7", "D8")
def test_a_revoked_token_ends_the_connection_and_the_front_end_stays_away(
    scanner: Server, ada: Person, open_front_end: OpenFrontEnd, make_scan: MakeScan
) -> None:
    name = f"page-{secrets.token_hex(4)}"
    token = scanner.cli("token", "create", "--user", "ada", "--name", name).stdout.strip()
    scan = make_scan().claim()
    page = open_front_end(scanner.url, auth={"token": token}, scans=[scan.id], namespaces=["/", "/ws"])
    page.wait_for("progress")
    page.wait_for("connect", times=2)
    done = scanner.cli("token", "revoke", "--user", "ada", "--name", name)
    assert done.returncode == 0, done.stderr
    page.wait_for("disconnect", times=2, timeout_s=3)
    assert page.named("disconnect") == ["io server disconnect"] * 2
    assert "unauthenticated" in [error["code"] for error in page.named("error")]
    count = len(page.named("progress"))
    scan.to(50)
    assert len(page.named("progress")) == count


@pytest.mark.req("A8")
def test_one_connection_with_both_namespaces_gets_the_whole_of_both(
    scanner: Server, ada: Person, open_front_end: OpenFrontEnd, make_scan: MakeScan
) -> None:
    scan = make_scan().claim()
    page = open_front_end(scanner.url, auth={"token": ada.token}, scans=[scan.id], namespaces=["/", "/ws"])
    page.wait_for("subscribed")
    page.wait_for("connect", times=2)
    assert page.emit("join_task", {"task_id": scan.id}, namespace="/")["ok"]
    for percent in range(20, 60):
        scan.to(percent)
        scan.work.log(f"line {percent}")
    scan.complete(artifactsCreated=1)
    page.wait_for("complete")
    page.wait_for("any", where=lambda event: event["name"] == "task_completed")
    lines = [line for event in page.named("any") if event["name"] == "task_log" for line in event["data"][0]["lines"]]
    assert [line["n"] for line in lines] == list(range(1, 41))
    counts = {name: len([e for e in page.named("any") if e["name"] == name]) for name in ("progress_update",)}
    assert abs(counts["progress_update"] - len(page.named("progress"))) <= 2, "neither takes the other's progress away"
    assert len(page.named("complete")) == 1


def test_subscriptions_that_race_the_end_always_get_it_once(
    follow: Callable[..., RecordingClient], make_scan: MakeScan
) -> None:
    clients = [follow() for _ in range(6)]
    for _ in range(8):
        scan = make_scan().claim()
        for client in clients[:3]:
            client.emit("subscribe", {"scanId": scan.id})
        scan.complete(artifactsCreated=1)
        for client in clients:
            client.emit("subscribe", {"scanId": scan.id})
        for client in clients:
            client.wait_for(f"scan:{scan.id}:complete")
            assert client.call("subscribe", {"scanId": scan.id})["ok"]
            assert ends_of(client, scan.id) == ["complete"]


@pytest.mark.req("C2", "E3", "E7", "A10")
@pytest.mark.timeout(120)
@pytest.mark.serve_options({"WORKERS": "1", "FANOUT": "stock"})
def test_front_ends_come_back_by_themselves_over_restarts_and_get_each_end_once(
    server: Server, open_front_end: OpenFrontEnd, make_scan: MakeScan
) -> None:
    """Redis is killed, the web process is killed, all is drained and started again; here by the libraries' own way."""
    scans = [make_scan(server).claim() for _ in range(4)]
    ids = [scan.id for scan in scans]
    ada = server.person("ada")
    pages = [
        open_front_end(server.url, auth={"token": ada.token}, scans=ids, transports=transports)
        for transports in (["websocket"], ["polling"])
    ]
    for page in pages:
        page.wait_for("progress", times=4)
    (redis,) = server.processes("valkey-server")
    redis.kill()
    wait_until(lambda: [one for one in server.processes("valkey-server") if one.pid != redis.pid], 15, "a new Redis")
    end(scans[0], pages)
    (web,) = server.processes("web")
    web.kill()
    for page in pages:
        page.wait_for("disconnect", timeout_s=30)
    end(scans[1], pages)
    for page in pages:
        page.wait_for("connect", times=2, timeout_s=30)
    server.restart()
    end(scans[2], pages)
    end(scans[3], pages)
    for page in pages:
        assert [data["scanId"] for data in page.named("complete")] == ids
        assert_whole([("progress", data) for data in page.named("progress")], None)
        assert "io server disconnect" not in page.named("disconnect")


def end(scan: TaskByHand, pages: list[FrontEnd]) -> None:
    """Complete the scan, and wait until every page knows."""
    scan.complete(artifactsCreated=1)
    for page in pages:
        page.wait_for("complete", timeout_s=30, where=lambda data: data["scanId"] == scan.id)
