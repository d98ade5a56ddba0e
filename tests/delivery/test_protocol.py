"""The delivery requirements one by one, as a python-socketio client of a real server meets them."""

from __future__ import annotations

import re
import time
from collections import Counter

import pytest
import socketio

from tests.delivery.watchers import TASK_EVENTS, Follower
from tests.fixtures.machine import wait_until
from tests.fixtures.runs import FINAL_EVENTS, snapshot, start, wait_for

pytestmark = pytest.mark.slow

FIELDS = """task_id epoch seq timestamp cancel_requested kind title status phase phases progress_percent done total unit
rate eta_s eta_low_s eta_high_s estimated_completion current_step details attempt max_attempts""".split()
RFC3339 = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


def _of(watcher, task_id, *names):
    return [event for event in watcher.of_task(task_id) if event.name in (names or TASK_EVENTS)]


def _judge(watcher, task_id) -> Follower:
    def read_log(first, last):
        lines = watcher.call("get_task_log", {"task_id": task_id, "from_line": first, "limit": 1000})["lines"]
        return [line for line in lines if line["n"] <= last]

    follower = Follower(read_log, is_joined=True)
    for event in _of(watcher, task_id):
        follower.take(event.name, event.data)
    assert follower.faults == []
    return follower


@pytest.mark.req("A1", "A2", "A3", "A8", "A14")
def test_a_joiner_gets_this_tasks_events_whole_in_order_and_to_one_end(product, ada, watcher, tmp_path):
    gate = tmp_path / "gate"
    task_id = start(product, ada, "count", to=200, log_every=10, pause_s=0.005, gate=str(gate))
    other = start(product, ada, "count", to=100, pause_s=0.005)
    assert watcher.join(task_id)["recovered"] is False
    gate.touch()
    end = watcher.wait_for("task_completed", timeout_s=20)
    wait_for(product, ada, other)
    assert end.data["results"] == {"counted": 200}
    assert end.data["progress_percent"] == 100
    follower = _judge(watcher, task_id)
    assert list(follower.log) == list(range(1, 21))
    assert _of(watcher, other) == []
    updates = _of(watcher, task_id, "progress_update")
    assert updates[0].data["snapshot"] is True
    for event in updates:
        assert set(FIELDS) <= set(event.data)
        assert RFC3339.match(event.data["timestamp"])
    assert len(_of(watcher, task_id, *FINAL_EVENTS)) == 1


@pytest.mark.req("A4")
@pytest.mark.req("C8")
def test_a_task_that_fails_for_good_says_so_once_after_its_retries(product, ada, watcher):
    task_id = start(product, ada, "fail", how="retryable")
    watcher.join(task_id)
    watcher.wait_for("task_error", timeout_s=25)
    names = Counter(event.name for event in _of(watcher, task_id))
    assert (names["task_retrying"], names["task_error"]) == (2, 1)
    assert _of(watcher, task_id)[-1].data["progress_percent"] == 25.0
    _judge(watcher, task_id)


@pytest.mark.req("A5", "A7")
def test_a_cancelled_task_says_so_once_and_nothing_final_follows(product, ada, watcher):
    task_id = start(product, ada, "count", to=1_000_000, pause_s=0.01)
    watcher.join(task_id)
    watcher.wait_for("progress_update", where=lambda data: (data["done"] or 0) > 3)
    assert watcher.call("get_task_status", {"task_id": task_id})["task"]["status"] == "running"
    watcher.call("cancel_task", {"task_id": task_id, "reason": "Enough"})
    ended = watcher.wait_for("task_cancelled", timeout_s=5)
    assert (ended.data["cancelled_by"], ended.data["reason"], ended.data["forced"]) == ("ada", "Enough", False)
    shown = watcher.call("get_task_status", {"task_id": task_id})["task"]
    assert shown["status"] == "cancelled"
    assert {event.name for event in _of(watcher, task_id, *FINAL_EVENTS)} == {"task_cancelled"}


@pytest.mark.req("A6")
def test_after_the_acknowledgement_of_leaving_nothing_more_comes(product, ada, watcher, make_client):
    task_id = start(product, ada, "count", to=600, pause_s=0.005, log_every=1)
    for _ in range(30):
        watcher.join(task_id)
        assert watcher.call("leave_task", {"task_id": task_id})["ok"]
        count = len(_of(watcher, task_id))
        watcher.call("get_task_log", {"task_id": task_id, "limit": 1})
        assert len(_of(watcher, task_id)) == count
    count = len(_of(watcher, task_id))
    wait_for(product, ada, task_id)
    watcher.call("get_task_log", {"task_id": task_id, "limit": 1})
    assert len(_of(watcher, task_id)) == count


@pytest.mark.req("A9", "A7")
@pytest.mark.parametrize(
    ("kind", "how", "event"), [("count", {}, "task_completed"), ("fail", {"how": "job_failed"}, "task_error")]
)
def test_joining_a_finished_task_gives_its_true_end(product, ada, watcher, kind, how, event):
    task_id = start(product, ada, kind, **how)
    wait_for(product, ada, task_id)
    watcher.join(task_id)
    watcher.wait_for(event)
    assert [each.name for each in _of(watcher, task_id)] == [event]
    known = _of(watcher, task_id)[0].data
    again = watcher.join(task_id, last_seq=known["seq"], epoch=known["epoch"])
    assert (again["recovered"], again["replayed"]) == (True, 0)
    assert len(_of(watcher, task_id)) == 1, "whoever has it gets it no second time"


@pytest.mark.req("A10")
@pytest.mark.parametrize("transports", [("websocket",), ("polling",)])
def test_whoever_returns_with_a_position_gets_exactly_what_was_missed(product, ada, make_client, transports):
    task_id = start(product, ada, "count", to=900, pause_s=0.005, log_every=5)
    first = make_client(product.url, ada.token, connect=False).connect(transports)
    first.join(task_id)
    first.wait_for("task_log", where=lambda data: data["lines"][-1]["n"] >= 10, timeout_s=20)
    first.close()
    seen = _of(first, task_id)
    position = seen[-1].data
    second = make_client(product.url, ada.token, connect=False).connect(transports)
    wait_until(lambda: snapshot(product, ada, task_id)["log_total"] > 60, 10)
    answer = second.join(task_id, last_seq=position["seq"], epoch=position["epoch"])
    assert answer["recovered"] is True
    assert answer["replayed"] > 0
    second.wait_for("task_completed", timeout_s=20)
    numbers = [
        line["n"]
        for event in [*seen, *_of(second, task_id)]
        if event.name == "task_log"
        for line in event.data["lines"]
    ]
    assert numbers == list(range(1, 181))
    sequence = [event.data["seq"] for event in [*seen, *_of(second, task_id)]]
    assert sequence == sorted(set(sequence))


@pytest.mark.req("A10")
def test_a_history_that_was_trimmed_gives_a_snapshot_and_says_so(product, ada, watcher):
    task_id = start(product, ada, "count", to=1200, log_every=1, pause_s=0.001)
    ended = wait_for(product, ada, task_id)
    watcher.join(task_id)
    end = watcher.wait_for("task_completed").data
    for last_seq in (1, 10**9, 2**53):
        answer = watcher.join(task_id, last_seq=last_seq, epoch=end["epoch"])
        assert answer["ok"]
        assert answer["recovered"] is (end["seq"] <= 1000 and last_seq == 1)
    assert watcher.join(task_id, last_seq=3, epoch="nonsense")["recovered"] is False
    assert ended["log_total"] == 1200


@pytest.mark.req("A11", "D2")
def test_nobody_gets_a_task_that_is_not_his_nor_learns_that_there_is_one(product, ada, eve, make_client):
    stranger = make_client(product.url, eve.token)
    task_id = start(product, ada, "count", to=100, log_every=10, pause_s=0.005)
    requests = {
        "join_task": {},
        "get_task_status": {},
        "cancel_task": {},
        "get_task_log": {},
    }
    for event, more in requests.items():
        hidden = stranger.call(event, {"task_id": task_id, **more})
        unknown = stranger.call(event, {"task_id": "3f2a0000-0000-4000-8000-000000000000", **more})
        assert hidden == unknown
        assert hidden["error"]["code"] == "not_found"
    assert wait_for(product, ada, task_id)["status"] == "completed"
    stranger.call("leave_task", {"task_id": task_id})
    assert _of(stranger, task_id) == []
    assert stranger.named("task_update") == []


@pytest.mark.req("A12", "A13")
def test_ten_thousand_updates_become_a_few_events_and_the_exact_end(product, ada, watcher, tmp_path):
    gate = tmp_path / "gate"
    task_id = start(product, ada, "count", to=10_000, gate=str(gate))
    watcher.join(task_id)
    watcher.wait_for("progress_update", where=lambda data: data["done"] == 10_000, timeout_s=20)
    gate.touch()
    end = watcher.wait_for("task_completed", timeout_s=10).data
    assert (end["results"], end["done"]) == ({"counted": 10_000}, 10_000)
    updates = _of(watcher, task_id, "progress_update")
    elapsed_s = updates[-1].at - updates[0].at
    assert len(updates) <= 10 * elapsed_s + 8, f"{len(updates)} events in {elapsed_s:.1f} s"


@pytest.mark.req("A15", "D1")
def test_whoever_connects_is_told_who_he_is_and_whoever_may_not_is_told_why(product, ada, watcher, make_client):
    told = watcher.wait_for("connected").data
    assert (told["user"]["username"], told["user"]["role"], told["protocol"]) == ("ada", "user", 1)
    assert RFC3339.match(told["server_time"])
    for token in (None, "nonsense"):
        refused = make_client(product.url, token, connect=False)
        with pytest.raises(socketio.exceptions.ConnectionError):
            refused.connect()
        reason = refused.named("connect_error")[0].data["data"]
        assert reason["code"] == "unauthenticated"
        assert reason["message"]


@pytest.mark.req("A8", "A3")
@pytest.mark.timeout(170)
def test_a_join_that_races_the_end_always_gets_it_once(product, ada, make_client, way):
    clients = [make_client(product.url, ada.token) for _ in range(10)]
    joins, task_number = 0, 0
    while joins < (500 if way == "direct" else 150):
        task_id = start(product, ada, "count", to=3)
        task_number += 1
        deadline = time.monotonic() + 20
        done = False
        while not done and time.monotonic() < deadline:
            done = snapshot(product, ada, task_id)["status"] == "completed"
            for client in clients:
                if not any(event.name == "task_completed" for event in _of(client, task_id)):
                    client.call("leave_task", {"task_id": task_id})
                    last = _of(client, task_id)[-1:]
                    client.join(task_id, *((last[0].data["seq"], last[0].data["epoch"]) if last else ()))
                    joins += 1
        for client in clients:
            client.wait_for("task_completed", where=lambda data, t=task_id: data["task_id"] == t, timeout_s=5)
            assert len(_of(client, task_id, "task_completed")) == 1
    print(f"{joins} joins of {task_number} tasks")


@pytest.mark.req("A6", "A11")
def test_join_and_leave_at_once_and_a_drop_in_the_middle_of_a_join_leave_nobody_in_the_room(
    product, ada, watcher, make_client
):
    task_id = start(product, ada, "count", to=500, log_every=2, pause_s=0.01)
    for _ in range(20):
        watcher.emit("join_task", {"task_id": task_id})
        watcher.emit("leave_task", {"task_id": task_id})
        dropped = make_client(product.url, ada.token)
        dropped.emit("join_task", {"task_id": task_id})
        dropped.drop()
    watcher.call("leave_task", {"task_id": task_id})
    count = len(_of(watcher, task_id))
    channel = f"taskroom:task:{task_id}"
    with product.redis() as client:
        wait_until(
            lambda: client.pubsub_numsub(channel)[0][1] == 0, 40, "the web process does not listen to it any more"
        )
    wait_for(product, ada, task_id)
    watcher.call("leave_task", {"task_id": task_id})
    assert len(_of(watcher, task_id)) == count
