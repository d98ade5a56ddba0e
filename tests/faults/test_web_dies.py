"""The web process is killed, and the product runs on several machines: clients come back and have exactly the rest."""

from __future__ import annotations

import pytest

from tests.delivery.watchers import TASK_EVENTS, Follower
from tests.fixtures.machine import wait_until
from tests.fixtures.runs import SAMPLES, start, wait_for

pytestmark = [pytest.mark.slow]


def _take(follower, watcher, task_id):
    for event in watcher.of_task(task_id):
        if event.name in TASK_EVENTS:
            follower.take(event.name, event.data)


@pytest.mark.req("A10", "C2", "E1")
@pytest.mark.timeout(120)
@pytest.mark.serve_options(SAMPLES)
def test_a_killed_web_process_comes_back_and_a_returning_client_gets_exactly_the_rest(server, make_client):
    ada = server.person()
    task_id = start(server, ada, "count", to=1500, pause_s=0.01, log_every=10)
    first = make_client(server.url, ada.token)
    first.join(task_id)
    first.wait_for("task_log", timeout_s=20, where=lambda data: data["lines"][-1]["n"] >= 5)
    (web,) = server.processes("web")
    web.kill()
    first.wait_for("disconnect", timeout_s=5)
    wait_until(lambda: [each for each in server.processes("web") if each.pid != web.pid], 15, "it is started again")
    follower = Follower(lambda _first, _last: pytest.fail("no line has to be fetched"), is_joined=True)
    _take(follower, first, task_id)
    second = make_client(server.url, ada.token, connect=False)
    wait_until(lambda: _connects(second), 30, "the new web process lets clients in")
    answer = second.join(task_id, last_seq=follower.seq, epoch=follower.epoch)
    assert answer["recovered"] is True
    second.wait_for("task_completed", timeout_s=60)
    _take(follower, second, task_id)
    assert follower.faults == []
    assert list(follower.log) == list(range(1, 151))
    assert follower.finals == ["task_completed"]


def _connects(client) -> bool:
    import socketio

    try:
        client.connect()
    except socketio.exceptions.ConnectionError:
        return False
    return True


@pytest.mark.req("E1", "E4", "A1")
@pytest.mark.timeout(170)
def test_two_web_processes_and_two_workers_serve_as_one(make_server, make_client, make_redis_server, postgres_url):
    shared = SAMPLES | {"REDIS_URL": make_redis_server("redis").url, "DATABASE_URL": postgres_url, "WORKERS": "1"}
    one = make_server(shared)
    other = make_server(shared | {"SECRET_KEY": (one.data_dir / "secret_key").read_text()})
    ada = one.person()
    watchers = [make_client(server.url, ada.token) for server in (one, other)]
    tasks = [start(server, ada, "count", to=300, pause_s=0.01, log_every=10) for server in (one, other)]
    followers = {}
    for watcher in watchers:
        for task_id in tasks:
            assert watcher.join(task_id)["ok"]
    for watcher in watchers:
        for task_id in tasks:
            watcher.wait_for("task_completed", timeout_s=40, where=lambda data, t=task_id: data["task_id"] == t)
            follower = followers[watcher, task_id] = Follower(
                lambda first, _last, w=watcher, t=task_id: w.call("get_task_log", {"task_id": t, "from_line": first})[
                    "lines"
                ],
                is_joined=True,
            )
            _take(follower, watcher, task_id)
            assert follower.faults == []
            assert list(follower.log) == list(range(1, 31))
    workers = {wait_for(one, ada, task_id)["worker"] for task_id in tasks}
    assert len(workers) == 2, "each worker took one"
    stopped = start(one, ada, "count", to=100_000, pause_s=0.01)
    watchers[1].join(stopped)
    wait_for(other, ada, stopped, "running")
    assert watchers[1].call("cancel_task", {"task_id": stopped})["ok"]
    watchers[1].wait_for("task_cancelled", timeout_s=5)
    for watcher in watchers:
        watcher.wait_for("task_update", timeout_s=5, where=lambda data: data["data"]["status"] == "cancelled")
    feeds = [[event.data["data"]["status"] for event in watcher.named("task_update")] for watcher in watchers]
    assert sorted(feeds[0]) == sorted(feeds[1])
    assert feeds[0].count("success") == 2
    assert feeds[0].count("started") == 3
