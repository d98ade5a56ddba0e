"""Redis is killed, stopped, paused and emptied while tasks run: the work goes on and watchers catch up."""

from __future__ import annotations

import time

import pytest

from tests.delivery.watchers import TASK_EVENTS, Follower
from tests.fixtures.machine import wait_until
from tests.fixtures.runs import FINAL_EVENTS, SAMPLES, snapshot, start, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.req("E1", "E2", "E3", "C2")]


@pytest.fixture
def served(make_server, redis_server):
    """A server on a Redis that may be hurt."""
    return make_server(SAMPLES | {"REDIS_URL": redis_server.url})


def _follow(watcher, task_id):
    """All that a client got of one task, in the order in which it came, judged by the wire contract."""

    def read_log(first, last):
        lines = watcher.call("get_task_log", {"task_id": task_id, "from_line": first, "limit": 1000})["lines"]
        return [line for line in lines if line["n"] <= last]  # it is asked afterwards, when there are more

    follower = Follower(read_log, is_joined=True)
    for event in watcher.of_task(task_id):
        if event.name in TASK_EVENTS:
            follower.take(event.name, event.data)
    return follower


def _hurt(redis_server, how: str) -> None:
    {
        "killed": redis_server.kill,
        "stopped": redis_server.stop,
        "paused": redis_server.pause,
        "flushed": redis_server.flush,
    }[how]()


def _heal(redis_server, how: str) -> None:
    {
        "killed": redis_server.start,
        "stopped": redis_server.start,
        "paused": redis_server.resume,
        "flushed": lambda: None,
    }[how]()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", ["killed", "stopped", "paused", "flushed"])
def test_a_task_ends_while_redis_is_away_and_its_watchers_are_right_soon_after(served, redis_server, make_client, how):
    ada = served.person()
    ends, goes_on = (start(served, ada, "count", to=n, pause_s=0.01, log_every=20) for n in (400, 1500))
    watcher = make_client(served.url, ada.token)
    for task_id in (ends, goes_on):
        watcher.join(task_id)
    watcher.wait_for("task_log", timeout_s=20, where=lambda data: data["task_id"] == ends)
    _hurt(redis_server, how)
    if how != "flushed":
        done = wait_until(lambda: _ended(served, ends), 30, "the task has ended in SQL while Redis is away")
        assert done[0] == "completed"
        assert done[1] < 400 * 0.01 * 1000 + 12_000, f"the job was slowed: {done}"
        assert served.api("GET", "/health/ready").status_code == 503
    _heal(redis_server, how)
    healed_s = time.monotonic()
    watcher.wait_for(
        "task_completed", timeout_s=5 if how != "flushed" else 20, where=lambda data: data["task_id"] == ends
    )
    print(f"{how}: the end was told {time.monotonic() - healed_s:.1f} s after Redis was back")
    watcher.wait_for("task_completed", timeout_s=40, where=lambda data: data["task_id"] == goes_on)
    for task_id, lines in ((ends, 20), (goes_on, 75)):
        follower = _follow(watcher, task_id)
        assert follower.faults == []
        assert follower.finals == ["task_completed"]
        assert list(follower.log) == list(range(1, lines + 1))
        assert snapshot(served, ada, task_id)["attempt"] == 1
    again = start(served, ada, "count", to=3)
    assert wait_for(served, ada, again, timeout_s=40)["status"] == "completed", "workers take tasks again"


def _ended(server, task_id):
    from sqlalchemy import text

    database = server.database()
    with database.read() as session:
        row = session.execute(
            text("SELECT state, duration_ms FROM tasks WHERE id = :id AND finished_at IS NOT NULL"), {"id": task_id}
        ).one_or_none()
    database.close()
    return row


@pytest.mark.timeout(120)
def test_somebody_who_joins_while_redis_is_away_gets_what_sql_knows_and_then_everything(
    served, redis_server, make_client
):
    ada = served.person()
    done, runs = start(served, ada, "count", to=1), start(served, ada, "count", to=1000, pause_s=0.01, log_every=50)
    wait_for(served, ada, done)
    wait_for(served, ada, runs, "running")
    redis_server.kill()
    watcher = make_client(served.url, ada.token)
    assert watcher.join(done)["epoch"] is None
    assert watcher.join(runs)["epoch"] is None
    assert watcher.wait_for("task_completed", timeout_s=5).data["results"] == {"counted": 1}
    assert watcher.wait_for("progress_update", timeout_s=5).data["snapshot"] is True
    assert watcher.call("get_task_status", {"task_id": runs})["task"]["status"] == "running"
    redis_server.start()
    watcher.wait_for("progress_update", timeout_s=5, where=lambda data: data["seq"] is not None)
    watcher.wait_for("task_completed", timeout_s=30, where=lambda data: data["task_id"] == runs)
    follower = _follow(watcher, runs)
    assert follower.faults == []
    assert list(follower.log) == list(range(1, 21))
    assert [event.name for event in watcher.of_task(done) if event.name in FINAL_EVENTS] == ["task_completed"]


@pytest.mark.timeout(120)
def test_a_redis_that_hangs_longer_than_a_lease_interrupts_nobody(make_server, redis_server, make_client):
    server = make_server(SAMPLES | {"REDIS_URL": redis_server.url, "LEASE_SECONDS": "3"})
    ada = server.person()
    task_id = start(server, ada, "count", to=2600, pause_s=0.01, log_every=500)
    wait_for(server, ada, task_id, "running")
    redis_server.pause()
    ended = wait_until(lambda: _ended(server, task_id), 50, "it has ended although Redis hangs")
    redis_server.resume()
    assert ended[0] == "completed"
    assert wait_for(server, ada, task_id)["attempt"] == 1
