"""Workers and their jobs are killed and stopped: the task goes on elsewhere or says that it was interrupted."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

from tests.fixtures.machine import wait_until
from tests.fixtures.runs import FINAL_EVENTS, SAMPLES, evidence, snapshot, start, started_pid, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.req("C2", "C5", "E1")]

HASTY = SAMPLES | {"LEASE_SECONDS": "2"}


def _finals(watcher, task_id):
    return [event.name for event in watcher.of_task(task_id) if event.name in FINAL_EVENTS]


def _has_ended(process: psutil.Process) -> bool:
    """Whether it has gone, or nobody has asked for its status yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.serve_options(HASTY)
def test_a_killed_job_process_is_told_from_its_worker_and_tried_again_at_once(server, client, tmp_path):
    ada = server.person()
    task_id = start(server, ada, "alone", folder=str(tmp_path), steps=200)
    watcher = client(ada.token)
    watcher.join(task_id)
    os.kill(started_pid(tmp_path), signal.SIGKILL)
    watcher.wait_for("task_retrying", timeout_s=5)
    watcher.wait_for("task_completed", timeout_s=10)
    assert [line.split()[:2] for line in evidence(tmp_path)] == [["start", "1"], ["start", "2"], ["end", "2"]]
    assert _finals(watcher, task_id) == ["task_completed"]


@pytest.mark.timeout(90)
@pytest.mark.serve_options(SAMPLES)
def test_tasks_of_killed_workers_are_retried_or_interrupted_within_30_s_with_the_settings_as_shipped(
    server, client, tmp_path
):
    ada = server.person()
    retried = start(server, ada, "alone", folder=str(tmp_path), steps=2000)
    once = start(server, ada, "count", to=100_000, pause_s=0.05)
    watcher = client(ada.token)
    watcher.join(retried)
    watcher.join(once)
    first = started_pid(tmp_path)
    wait_for(server, ada, once, "running")
    watcher.wait_for("progress_update", where=lambda data: (data.get("done") or 0) > 10 and data["task_id"] == once)
    for worker in [process for process in server.processes("worker") if process.pid != first]:
        worker.kill()
    killed_s = time.monotonic()
    wait_until(lambda: not psutil.pid_exists(first), 5, "the job died with its worker")
    interrupted = watcher.wait_for("task_error", timeout_s=30)
    assert interrupted.data["category"] == "interrupted"
    assert interrupted.data["progress_percent"] > 0, "it keeps its last progress"
    watcher.wait_for("task_completed", timeout_s=max(1.0, 30 - (time.monotonic() - killed_s)))
    print(f"retried and done {time.monotonic() - killed_s:.1f} s after the kill")
    assert not [line for line in evidence(tmp_path) if line.startswith("overlap")]
    assert _finals(watcher, retried) == ["task_completed"]
    assert _finals(watcher, once) == ["task_error"]


@pytest.mark.parametrize("stopped", ["the worker alone", "the worker and its job"])
@pytest.mark.serve_options(HASTY)
def test_a_worker_that_was_stopped_beyond_its_lease_has_lost_its_task(server, client, tmp_path, stopped):
    ada = server.person()
    # A process that is stopped in the middle of a write holds SQLite's lock, and then nobody can do anything: no lines.
    task_id = start(server, ada, "alone", folder=str(tmp_path), steps=400, log=False)
    watcher = client(ada.token)
    watcher.join(task_id)
    job = psutil.Process(started_pid(tmp_path))
    worker = job.parent()
    processes = [worker] if stopped == "the worker alone" else [job, worker]
    for process in processes:
        process.suspend()
    try:
        watcher.wait_for("task_retrying", timeout_s=15)
        if stopped == "the worker alone":
            watcher.wait_for("task_completed", timeout_s=15)
    finally:
        for process in processes:
            process.resume()
    wait_until(lambda: _has_ended(job), 5, "the stale job has gone")
    wait_for(server, ada, task_id, "completed")
    watcher.wait_for("task_completed", timeout_s=5)
    assert "end 1" not in evidence(tmp_path)
    if stopped == "the worker alone":
        assert not [line for line in evidence(tmp_path) if line.startswith("overlap")]
    assert _finals(watcher, task_id) == ["task_completed"]
    wait_until(lambda: len(server.processes("worker")) == 2, 10, "both workers take tasks again")


@pytest.mark.req("E7")
@pytest.mark.timeout(90)
@pytest.mark.serve_options(SAMPLES)
def test_sigterm_hands_a_long_task_over_and_leaves_no_row_running(server, client, tmp_path):
    ada = server.person()
    long = start(server, ada, "alone", folder=str(tmp_path), steps=100_000, quick_after=0, pause_s=0)
    first_long = start(server, ada, "count", to=1_000_000, pause_s=0.05)
    short = start(server, ada, "count", to=60, pause_s=0.02)
    watcher = client(ada.token)
    wait_for(server, ada, first_long, "running")
    server.api("POST", f"/api/v1/tasks/{long}/cancel", token=ada.token, json={})
    wait_for(server, ada, long, "cancelled")
    wait_for(server, ada, short, "running", "completed")
    started_s = time.monotonic()
    assert server.stop() == 0
    print(f"stopped after {time.monotonic() - started_s:.1f} s")
    assert watcher.named("error")[-1].data["retry_after_s"] > 0, "sockets are told to come back"
    with server.database().read() as session:
        from sqlalchemy import text

        states = dict(session.execute(text("SELECT id, state FROM tasks")).all())
    assert states == {long: "cancelled", first_long: "queued", short: "completed"}
    server.start()
    assert wait_for(server, ada, first_long, "running", timeout_s=10)["attempt"] == 2
    assert snapshot(server, ada, first_long)["max_attempts"] == 2, "an attempt that was cut short does not count"
    server.api("POST", f"/api/v1/tasks/{first_long}/cancel", token=ada.token, json={})
    wait_for(server, ada, first_long, "cancelled")
