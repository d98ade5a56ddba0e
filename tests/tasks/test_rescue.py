"""A worker that fell silent loses its task; one that lives keeps it, whatever clocks and locks do."""

from __future__ import annotations

import sqlite3
import threading
from datetime import timedelta

import pytest

from tasks import lifecycle
from tasks.rescue import Rescuer
from tests.fixtures.core import Core
from tests.fixtures.machine import wait_until

pytestmark = pytest.mark.req("C5")

LEASE_S = 15.0


class Clock:
    """A monotonic clock that moves when told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Announced:
    """Remembers for which tasks something was to be announced."""

    def __init__(self) -> None:
        self.tasks: list[str] = []

    def announce(self, task_id: str) -> None:
        self.tasks.append(task_id)


def _rescuer(core: Core) -> tuple[Rescuer, Clock, Announced]:
    from tasks.scheduler import retry_policy

    clock, announced = Clock(), Announced()
    newest = lambda _task_id, _attempt: {"progress_percent": 33.0}  # noqa: E731
    return Rescuer(core.database, announced, LEASE_S, retry_policy, newest, clock), clock, announced


def _pass(rescuer: Rescuer, clock: Clock, seconds: float) -> list[str]:
    rescued = []
    for _ in range(int(seconds * 2)):
        clock.now_s += 0.5
        rescued += rescuer.rescue()
    return rescued


def test_a_silent_worker_loses_its_task_after_one_lease_and_not_before(core):
    held = core.running("fail")
    rescuer, clock, announced = _rescuer(core)
    assert _pass(rescuer, clock, LEASE_S - 1) == []
    assert _pass(rescuer, clock, 2) == [held.task_id]
    assert core.task(held.task_id).state == "queued"
    assert announced.tasks == [held.task_id]
    assert core.snapshot(held.task_id)["progress_percent"] == 33.0
    assert _pass(rescuer, clock, 2 * LEASE_S) == []


def test_a_worker_that_renews_keeps_its_task_for_ever(core):
    held = core.running()
    rescuer, clock, _ = _rescuer(core)
    for _ in range(12):
        assert _pass(rescuer, clock, LEASE_S / 5) == []
        core.set(held.task_id, lease_expires_at=core.task(held.task_id).lease_expires_at + timedelta(seconds=3))


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1), timedelta(days=400)])
def test_a_wall_clock_that_jumps_ends_nobodys_attempt_and_saves_nobodys(core, jump):
    """The lease's value is only compared with itself: an hour forward is no expiry, an hour back no reprieve."""
    living, dead = core.running("fail"), core.running("fail")
    rescuer, clock, _ = _rescuer(core)
    _pass(rescuer, clock, 5)
    core.set(living.task_id, lease_expires_at=core.task(living.task_id).lease_expires_at + jump)
    assert _pass(rescuer, clock, LEASE_S - 5.5) == []
    core.set(living.task_id, lease_expires_at=core.task(living.task_id).lease_expires_at + timedelta(seconds=3))
    assert _pass(rescuer, clock, 2) == [dead.task_id]
    assert core.task(living.task_id).state == "running"


def test_of_two_rescuers_one_rescues(core):
    held = core.running("fail")
    pairs = [_rescuer(core) for _ in range(2)]
    rescued = []
    for _ in range(60):
        for rescuer, clock, _ in pairs:
            clock.now_s += 0.5
            rescued += rescuer.rescue()
    assert rescued == [held.task_id]
    assert core.names(held.task_id).count("task_retrying") == 1


@pytest.mark.slow
def test_time_in_which_nobody_could_write_does_not_count_against_a_worker(database, sqlite_url):
    core = Core(database)
    held = core.running("fail")
    rescuer, clock, _ = _rescuer(core)
    assert _pass(rescuer, clock, LEASE_S - 1) == []
    locker = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
    locker.execute("BEGIN IMMEDIATE")
    release = threading.Timer(1.0, lambda: locker.execute("ROLLBACK"))
    release.start()
    clock.now_s += 2
    assert rescuer.rescue() == [], "the lease could not be renewed meanwhile"
    release.join()
    assert lifecycle.renew_lease(core.database, held.task_id, 1, "w1", LEASE_S)
    assert _pass(rescuer, clock, LEASE_S - 1) == []
    assert _pass(rescuer, clock, 2) == [held.task_id]
    wait_until(lambda: core.task(held.task_id).state == "queued", 1)
    locker.close()
