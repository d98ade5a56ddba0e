"""The straight line through all layers, with real processes: submit → SQL → RQ → worker → Redis → room → client."""

from __future__ import annotations

import pytest


@pytest.mark.slow
@pytest.mark.req("A1", "A3", "E1")
@pytest.mark.serve_options({"WORKERS": "1", "JOB_MODULES": "tests.sample_jobs", "PYTHONPATH": "."})
def test_a_task_runs_in_a_worker_and_its_watcher_sees_it_to_the_end(server, client):
    ada = server.person("ada")
    task = server.api(
        "POST", "/api/v1/tasks", token=ada.token, json={"kind": "count", "params": {"to": 50, "log_every": 10}}
    )
    watcher = client(ada.token)
    answer = watcher.join(task.json()["task_id"])
    assert answer["ok"]
    watcher.wait_for("task_completed", timeout_s=20)
    assert watcher.of_task(task.json()["task_id"])[-1].data["results"] == {"counted": 50}
