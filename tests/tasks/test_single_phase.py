"""A job that declares no phases has one, and need not begin it."""

from __future__ import annotations

import pytest


@pytest.mark.req("J1")
@pytest.mark.serve_options({"WORKERS": "1", "JOB_MODULES": "tests.sample_jobs", "PYTHONPATH": "."})
def test_progress_of_a_job_without_phases_counts_at_once(server, client):
    ada = server.person("ada")
    task = server.api("POST", "/api/v1/tasks", token=ada.token, json={"kind": "tracked", "params": {}}).json()
    watcher = client(ada.token)
    watcher.join(task["task_id"])
    end = watcher.wait_for("task_completed", timeout_s=20).data
    assert (end["done"], end["total"], end["unit"], end["phase"]) == (20, 20, "things", "run")
    assert end["phases"][0]["state"] == "done"
