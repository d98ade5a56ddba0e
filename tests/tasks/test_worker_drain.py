"""A worker that is told to drain ends its task, takes no more and exits; the next one may take what waits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from accounts import Actor
from database import utc_now
from monitoring.workers import order_drain, workers
from tasks.lifecycle import Limits
from tasks.queue import TaskQueue
from tasks.states import State
from tests.fixtures.core import LiveCore
from tests.fixtures.machine import ROOT, wait_until


@pytest.mark.slow
@pytest.mark.req("H3", "E7")
def test_a_drained_worker_ends_its_task_takes_no_more_and_exits(live_core: LiveCore, redis_url: str, tmp_path: Path):
    first, second = (live_core.submit(params={"to": 150, "pause_s": 0.01}) for _ in range(2))
    TaskQueue(live_core.database, live_core.client, "taskroom:", Limits(9, 9)).dispatch()
    environment = {
        "DATA_DIR": str(tmp_path), "DATABASE_URL": live_core.database.url, "REDIS_URL": redis_url,
        "JOB_MODULES": "tests.sample_jobs", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    worker = subprocess.Popen([sys.executable, str(ROOT / "cli.py"), "worker"], env=environment, cwd=ROOT)
    try:
        wait_until(lambda: live_core.task(first).state == State.RUNNING, 30, "the first task runs")
        wait_until(
            lambda: [each["task_id"] for each in workers(live_core.client, "taskroom:", utc_now())] == [first], 30
        )
        name = live_core.task(first).worker or ""
        told = order_drain(live_core.client, "taskroom:", live_core.database, name, Actor("root"))
        assert (told["state"], told["task_id"], told["pid"]) == ("running", first, worker.pid)
        assert worker.wait(30) == 0
    finally:
        worker.kill()
        worker.wait()
    assert (live_core.task(first).state, live_core.task(second).state) == (State.COMPLETED, State.QUEUED)
    [left] = workers(live_core.client, "taskroom:", utc_now())
    assert (left["state"], left["wants_drain"]) == ("stopped", False)
