"""The admin room and its page: true metrics, every state change, and nothing for anybody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime

import pytest
import requests
from sqlalchemy import func, select

from tasks.models import Task
from tests.fixtures.machine import wait_until
from tests.fixtures.product import Server

pytestmark = [pytest.mark.slow, pytest.mark.req("H2", "D3")]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One product for the tests of this file."""
    one = Server({"WORKERS": "1", "JOB_MODULES": "tests.sample_jobs", "PYTHONPATH": "."})
    one.start()
    yield one
    one.remove()


def _run(server, token: str, kind: str, **params) -> str:
    answer = server.api("POST", "/api/v1/tasks", token=token, json={"kind": kind, "params": params})
    return answer.json()["task_id"]


def _count(server, state: str) -> int:
    with server.database().read() as session:
        return session.scalar(select(func.count()).select_from(Task).where(Task.state == state)) or 0


@pytest.mark.req("H1", "H3")
def test_an_admin_gets_metrics_and_each_state_change_of_everybodys_tasks(server, client):
    ada = server.person("ada")
    watcher = client(server.admin().token)
    completed = _count(server, "completed")
    assert watcher.call("join_admin_dashboard")["ok"]
    first = watcher.wait_for("system_metrics_update").data
    assert first["type"] == "system_metrics"
    task_id = _run(server, ada.token, "count", to=5, pause_s=0.1)
    statuses = []
    for status in ("running", "completed"):
        update = watcher.wait_for("job_update", where=lambda data, s=status: data["job"]["status"] == s, timeout_s=20)
        assert update.data["job"]["task_id"] == task_id
        statuses.append(update.data["job"]["status"])
    later = watcher.wait_for(
        "system_metrics_update",
        where=lambda data: (data["metrics"]["completed_today"], data["metrics"]["connections"]) == (completed + 1, 1),
        timeout_s=30,
    )
    assert later.data["metrics"]["completed_today"] == _count(server, "completed")
    assert later.data["metrics"]["workers"] == 1
    seen = [event.data["metrics"]["sampled_at"] for event in watcher.named("system_metrics_update")]
    assert sorted(set(seen)) == seen, "each sample once"


@pytest.mark.req("H1")
def test_after_leaving_nothing_of_the_dashboard_arrives(server, client):
    watcher = client(server.admin().token)
    watcher.call("join_admin_dashboard")
    watcher.wait_for("system_metrics_update")
    assert watcher.call("leave_admin_dashboard") == {"ok": True}
    received = len(watcher.named("system_metrics_update", "job_update"))
    task_id = _run(server, server.admin().token, "count", to=3)
    watcher.join(task_id)
    watcher.wait_for("task_completed", timeout_s=20)
    assert len(watcher.named("system_metrics_update", "job_update")) == received


@pytest.mark.req("A18")
def test_a_web_process_listens_for_the_dashboard_only_while_an_admin_is_there(shared_server, make_client):
    token = shared_server.admin().token
    with closing(shared_server.redis()) as redis:

        def listening() -> int:
            return redis.pubsub_numsub("taskroom:admin")[0][1]

        wait_until(lambda: listening() == 0, 15, "nobody is there")
        first, second = (make_client(shared_server.url, token) for _ in range(2))
        assert listening() == 0, "an admin who looks at something else costs nothing"
        for admin in (first, second):
            assert admin.call("join_admin_dashboard")["ok"]
        assert listening() == 1
        first.call("leave_admin_dashboard")
        assert listening() == 1
        second.drop()
        wait_until(lambda: listening() == 0, 15, "it stops listening when the last one is gone without a word")
        assert first.call("join_admin_dashboard")["ok"]
        assert listening() == 1


@pytest.mark.req("A13", "A18", "H3")
def test_each_task_is_told_once_a_second_however_much_it_reports(server, client):
    watcher = client(server.admin().token)
    watcher.call("join_admin_dashboard")
    task_ids = [_run(server, server.admin().token, "count", to=3000, pause_s=0.001) for _ in range(2)]
    for task_id in task_ids:
        watcher.wait_for("job_update", timeout_s=60, where=lambda data, t=task_id: _is(data, t, "completed"))
        told = [event.data for event in watcher.named("job_update") if _is(event.data, task_id, "running")]
        moments = [datetime.fromisoformat(each["timestamp"]) for each in told]
        seconds = (moments[-1] - moments[0]).total_seconds()
        assert 2 <= len(told) <= 3 + seconds, "its start, and then no more than one a second"
        shown = [each["job"]["progress_percent"] or 0 for each in told]
        assert shown == sorted(shown)


def _is(update, task_id: str, status: str) -> bool:
    return update["job"]["task_id"] == task_id and update["job"]["status"] == status


def test_nobody_else_gets_anything_of_it(server, client):
    ada = server.person("ada")
    watcher = client(ada.token)
    refused = watcher.call("join_admin_dashboard")
    assert refused["error"]["code"] == "forbidden"
    _run(server, server.admin().token, "count", to=1)
    page = requests.get(f"{server.url}/admin", headers=ada.headers, timeout=10)
    unknown = requests.get(f"{server.url}/no-such-page", headers=ada.headers, timeout=10)
    assert (page.status_code, unknown.status_code) == (404, 404)
    assert not watcher.named("system_metrics_update", "job_update")
