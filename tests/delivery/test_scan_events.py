"""What an event of a task is in the namespace `/ws`, and what saying it there costs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
import pytest

import delivery.scan_events
from accounts import Identity
from delivery.namespaces import CONNECTIONS_PER_USER, ROOMS_PER_SOCKET
from delivery.outbox import MAX_WAITING_BYTES, Batch, Outbox, Outgoing
from delivery.published import outgoing
from delivery.rooms import Rooms
from delivery.scan_events import ScanTarget, scan_event, tasks_of, translated
from tasks.errors import NotFound, RateLimited
from tasks.scans import is_scan
from tasks.store import Audience
from websocket_scan_handler import ScanPayload, Subscriber, WebSocketScanHandler

pytestmark = pytest.mark.req("I3")

RUNNING = {
    "task_id": "7c1e", "epoch": "e", "seq": 4, "timestamp": "2026-11-21T14:02:10.402Z", "status": "running",
    "phase": "parse", "phases": [{"name": "parse", "title": "Parse"}], "progress_percent": 62.5,
    "current_step": "src/a.py", "attempt": 1, "max_attempts": 3, "retry_at": None, "cancel_requested": False,
    "details": {"files_processed": 42, "total_files": 150, "current_file": "src/a.py", "artifacts_found": 15},
}  # fmt: skip
ENDED = {key: RUNNING[key] for key in ("task_id", "epoch", "seq", "timestamp")}
HEAD, TAIL = {"scanId": "7c1e"}, {"timestamp": RUNNING["timestamp"]}
METADATA = {"filesProcessed": 42, "totalFiles": 150, "currentFile": "src/a.py", "artifactsFound": 15}


def event(name: str = "progress_update", is_snapshot: bool = False, **changed: Any) -> Outgoing:
    """An event of a room as it goes out."""
    packet = b"2" + orjson.dumps([name, {**RUNNING, **changed}])
    return outgoing(packet, str(changed.get("task_id", "7c1e")), name, is_snapshot)


def test_progress_says_how_far_a_scan_is_and_in_which_phase() -> None:
    said = {"progress": 62.5, "status": "parse", "message": "src/a.py", "metadata": METADATA}
    assert scan_event("progress_update", RUNNING) == ("scan:7c1e:progress", {**HEAD, **said, **TAIL})


@pytest.mark.parametrize(
    ("changed", "status", "message"),
    [
        ({"current_step": ""}, "parse", "Parse"),
        ({"phase": None, "current_step": None, "phases": []}, "running", None),
        ({"cancel_requested": True}, "parse", "Cancelling"),
        ({"status": "queued"}, "queued", "Waiting for a worker"),
        (
            {"status": "queued", "retry_at": "2026-11-21T14:03:00.000Z"},
            "queued",
            "Attempt 1 of 3 failed. The next one begins at 2026-11-21T14:03:00.000Z",
        ),
    ],
)
def test_progress_says_what_is_being_done_or_waited_for(changed: dict[str, Any], status: str, message: str) -> None:
    _, data = scan_event("progress_update", {**RUNNING, **changed}) or ("", {})
    assert (data["status"], data.get("message")) == (status, message)


def test_what_nobody_counts_is_unknown_and_never_zero() -> None:
    _, data = scan_event("progress_update", {**RUNNING, "progress_percent": None, "details": {}}) or ("", {})
    assert data["progress"] is None
    assert set(data["metadata"].values()) == {None}
    assert set(data["metadata"]) == set(METADATA)


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        (
            "task_completed",
            {"results": {"artifactsCreated": 7, "nodes_found": 9}, "duration_ms": 1200},
            ("complete", {"result": {"status": "completed", "artifactsCreated": 7, "durationMs": 1200}}),
        ),
        (
            "task_completed",
            {"results": {"nodes_found": 0}, "duration_ms": 5},
            ("complete", {"result": {"status": "completed", "artifactsCreated": 0, "durationMs": 5}}),
        ),
        (
            "task_completed",
            {"results": {"vulnerabilities": 3}, "duration_ms": 5},
            ("complete", {"result": {"status": "completed", "artifactsCreated": 3, "durationMs": 5}}),
        ),
        ("task_error", {"error": "The folder is gone."}, ("failed", {"error": "The folder is gone."})),
        ("task_error", {"error": None}, ("failed", {"error": "The scan failed."})),
        (
            "task_cancelled",
            {"cancelled_by": "ada", "reason": "Enough", "forced": False},
            ("failed", {"error": "The scan was cancelled by ada: Enough"}),
        ),
        (
            "task_cancelled",
            {"cancelled_by": None, "reason": None, "forced": True},
            ("failed", {"error": "The scan was cancelled."}),
        ),
    ],
)
def test_each_end_is_complete_or_failed(name: str, fields: dict[str, Any], said: tuple[str, dict[str, Any]]) -> None:
    assert scan_event(name, {**ENDED, **fields}) == (f"scan:7c1e:{said[0]}", {**HEAD, **said[1], **TAIL})


def test_log_lines_and_attempts_that_failed_have_no_counterpart() -> None:
    assert translated(event("task_log", lines=[])) is None
    assert translated(event("task_retrying", error="It hung up.")) is None


def test_a_job_is_a_scan_by_its_name() -> None:
    assert [is_scan(kind) for kind in ("code_scan", "trace_scan", "dependency_scan", "licence_scan")] == [True] * 4
    assert [is_scan(kind) for kind in ("command", "advisory_update", "caption_images", "scan", "count")] == [False] * 5


class Wire:
    """A connection that takes nothing until it is read, and then everything."""

    def __init__(self) -> None:
        self.got = b""
        self.lost: list[frozenset[str]] = []
        self.outbox = Outbox(self)  # type: ignore[arg-type]
        self.outbox.connect(self.refuse)

    @staticmethod
    def refuse(_data: bytes) -> int:
        raise BlockingIOError

    def read(self) -> str:
        """All that waited."""

        def send(data: bytes) -> int:
            self.got += data
            return len(data)

        self.outbox.connect(send)
        return self.got.decode(errors="replace")

    def rooms_given_up(self, lost: frozenset[str]) -> None:
        self.lost.append(lost)

    def packets_wait(self) -> None:
        pass

    caught_up = packets_wait


def test_on_a_connection_with_both_namespaces_neither_overtakes_the_other() -> None:
    wire = Wire()
    scans = ScanTarget(wire.outbox)
    for percent in (1, 2, 3):
        batch = Batch.of([event(progress_percent=percent)])
        wire.outbox.write(batch)
        scans.write(batch)
    text = wire.read()
    assert text.count('42["progress_update"') == 1
    assert text.count('42/ws,["scan:7c1e:progress"') == 1
    assert '"progress_percent":3' in text
    assert '"progress":3' in text


def test_a_snapshot_is_not_overtaken_and_an_end_is_never_given_up() -> None:
    wire = Wire()
    scans = ScanTarget(wire.outbox)
    scans.write(Batch.of([event(is_snapshot=True, progress_percent=1), event(progress_percent=2)]))
    end = event("task_completed", results={"padding": "x" * MAX_WAITING_BYTES}, duration_ms=1)
    scans.write(Batch.of([end, event(task_id="other")]))
    text = wire.read()
    assert text.index('"progress":1') < text.index('"progress":2') < text.index("scan:7c1e:complete")
    assert "padding" not in text


def test_of_a_reader_that_is_too_slow_the_scans_are_named_whose_events_were_given_up() -> None:
    wire = Wire()
    scans = ScanTarget(wire.outbox)
    for number in range(1000):
        scans.write(Batch.of([event(is_snapshot=True, task_id=f"scan-{number % 2}", current_step="x" * 1000)]))
    assert scans.is_overrun
    assert [tasks_of(lost) for lost in wire.lost] == [{"scan-0", "scan-1"}]


class Inbox:
    """A socket that takes everything."""

    is_overrun = False

    def __init__(self) -> None:
        self.items: list[Outgoing] = []

    def write(self, batch: Batch) -> None:
        self.items += batch.items


@pytest.mark.req("A18")
def test_an_event_is_translated_once_for_all_and_not_at_all_where_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Outgoing] = []
    translate = delivery.scan_events._translate
    monkeypatch.setattr(delivery.scan_events, "_translate", lambda item: made.append(item) or translate(item))
    inboxes = [Inbox() for _ in range(1000)]
    targets = [ScanTarget(inbox) for inbox in inboxes]
    batch = Batch.of([event(), event("task_log", lines=[]), event(progress_percent=63)])
    for target in targets:
        target.write(batch)
    assert len(made) == 3
    assert len({id(item) for inbox in inboxes for item in inbox.items}) == 2, "everybody gets the same two frames"
    plain = Inbox()
    alone = Batch.of([event()])
    plain.write(alone)
    assert len(made) == 3
    assert not hasattr(alone.items[0], "for_scans")


def handler(**parts: Any) -> WebSocketScanHandler:
    """One without a server; `parts` are the attributes that it needs."""
    one = WebSocketScanHandler.__new__(WebSocketScanHandler)
    for name, part in parts.items():
        setattr(one, f"_{name}", part)
    return one


def subscriber() -> Subscriber:
    return Subscriber("sid", Identity(1, "ada", "user", 1, None, frozenset({"read"})), "10.0.0.1")


def audiences(kind: str = "code_scan", owner_id: int = 1) -> Any:
    return SimpleNamespace(get=lambda _task_id, _ask: Audience(owner_id, "private", kind))


@pytest.mark.req("D6")
def test_the_limits_are_those_of_the_other_namespace() -> None:
    rooms = SimpleNamespace(count_of=lambda _sid: ROOMS_PER_SOCKET)
    with pytest.raises(RateLimited) as refused:
        handler(rooms=rooms, audiences=audiences()).subscribe(subscriber(), ScanPayload(scanId="one more"))
    assert refused.value.retry_after_s
    sockets = SimpleNamespace(is_draining=False, count_of=lambda _user_id: CONNECTIONS_PER_USER)
    with pytest.raises(RateLimited):
        handler(sockets=sockets)._check_room(subscriber().identity)


@pytest.mark.req("D2")
@pytest.mark.parametrize("who", [{"owner_id": 2}, {"kind": "command"}])
def test_what_is_no_scan_of_yours_is_not_found(who: dict[str, Any]) -> None:
    with pytest.raises(NotFound):
        handler(rooms=None, audiences=audiences(**who)).subscribe(subscriber(), ScanPayload(scanId="x"))


def test_subscriptions_to_ended_scans_are_forgotten_when_there_are_many() -> None:
    joins: list[str] = []
    rooms = SimpleNamespace(
        count_of=lambda _sid: 1,
        joined_by=lambda _sid: frozenset({"scan 3"}),
        join=lambda _sid, task_id, *_position: joins.append(task_id),
    )
    one = handler(rooms=rooms, audiences=audiences(), sockets=SimpleNamespace(by_sid={"sid": None}))
    somebody = subscriber()
    for number in range(ROOMS_PER_SOCKET + 1):
        one.subscribe(somebody, ScanPayload(scanId=f"scan {number}"))
    assert somebody.scans == {"scan 3", f"scan {ROOMS_PER_SOCKET}"}
    one.subscribe(somebody, ScanPayload(scanId="scan 3"))
    assert joins.count("scan 3") == 1


def test_a_subscription_that_failed_can_be_repeated() -> None:
    def broken(*_arguments: Any) -> None:
        raise RuntimeError("the database is away")

    rooms = SimpleNamespace(count_of=lambda _sid: 0, join=broken)
    somebody = subscriber()
    with pytest.raises(RuntimeError):
        handler(rooms=rooms, audiences=audiences()).subscribe(somebody, ScanPayload(scanId="x"))
    assert somebody.scans == set()


def test_rooms_say_what_a_socket_watches() -> None:
    rooms = Rooms.__new__(Rooms)
    rooms._joined = {"sid": {"a", "b"}}
    assert rooms.joined_by("sid") == {"a", "b"}
    assert rooms.joined_by("nobody") == frozenset()
