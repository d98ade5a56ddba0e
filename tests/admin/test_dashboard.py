"""The admin room and its page: true metrics, every state change, and nothing for anybody else."""

from __future__ import annotations

import pytest
import requests
from sqlalchemy import func, select

from tasks.models import Task

pytestmark = [
    pytest.mark.serve_options({"WORKERS": "1", "JOB_MODULES": "tests.sample_jobs", "PYTHONPATH": "."}),
    pytest.mark.req("H2", "D3"),
]


def _run(server, token: str, kind: str, **params) -> str:
    answer = server.api("POST", "/api/v1/tasks", token=token, json={"kind": kind, "params": params})
    return answer.json()["task_id"]


@pytest.mark.req("H1", "H3")
def test_an_admin_gets_metrics_and_each_state_change_of_everybodys_tasks(server, client):
    ada = server.person("ada")
    watcher = client(server.admin().token)
    assert watcher.call("join_admin_dashboard")["ok"]
    first = watcher.wait_for("system_metrics_update").data
    assert first["type"] == "system_metrics"
    task_id = _run(server, ada.token, "count", to=5, pause_s=0.1)
    statuses = []
    for status in ("running", "completed"):
        update = watcher.wait_for("job_update", where=lambda data, s=status: data["job"]["status"] == s, timeout_s=20)
        assert update.data["job"]["task_id"] == task_id
        statuses.append(update.data["job"]["status"])
    later = watcher.wait_for("system_metrics_update", where=lambda data: data["metrics"]["completed_today"] == 1)
    with server.database().read() as session:
        completed = session.scalar(select(func.count()).select_from(Task).where(Task.state == "completed"))
    assert later.data["metrics"]["completed_today"] == completed
    assert later.data["metrics"]["workers"] == 1
    assert later.data["metrics"]["connections"] == 1


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


def test_the_page_shows_what_runs_before_any_script(server):
    admin = server.admin()
    task_id = _run(server, admin.token, "count", to=1000, pause_s=0.05)
    page = requests.get(f"{server.url}/admin", headers=admin.headers, timeout=10).text
    assert f'data-job="{task_id}"' in page
    assert "Success rate today" in page and "unknown" in page, "no rate is invented before anything has ended"
    server.api("POST", f"/api/v1/tasks/{task_id}/cancel", token=admin.token, json={})
