"""Processes that a job forks may report: it counts, once, whatever becomes of them, and nothing ever hangs."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Callable
from decimal import Decimal

import pytest
from sqlalchemy import select

from tasks.errors import Cancelled
from tasks.models import Artifact
from tests.fixtures.machine import wait_until
from tests.fixtures.runs import SAMPLES, start, wait_for

pytestmark = [
    pytest.mark.req("A12"),
    # Python 3.12 and later warn of forks of processes with threads; that such a fork is safe is what is shown here.
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]


def _fork(work: Callable[[], object]) -> int:
    """Run `work` in a child that ends without any clean-up, with status 99 if it raises; the child's process id."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return child


def _status(child: int) -> int:
    """How the child ended; one that hangs is killed, and fails the test."""
    ended: list[int] = []

    def has_ended() -> bool:
        pid, status = os.waitpid(child, os.WNOHANG)
        ended.append(status)
        return pid == child

    try:
        wait_until(has_ended, 20, "the child has ended")
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    return os.waitstatus_to_exitcode(ended[-1])


def _report(ctx, number: int) -> None:
    for turn in range(50):
        ctx.advance(2)
        ctx.advance(0.5, step=f"child {number}", **{f"child_{number}": turn + 1})
    ctx.log(f"child {number}\nhas ended", "warning")


def test_what_children_report_counts_exactly_and_while_they_run(attempt):
    children = [_fork(lambda number=number: _report(attempt.ctx, number)) for number in range(4)]
    assert [_status(child) for child in children] == [0, 0, 0, 0]
    attempt.ctx.advance()
    attempt.wait_told(done=4 * 125 + 1, log_total=8, log_warnings=8)
    end = attempt.close()
    assert end["done"] == 4 * 125 + 1
    assert end["details"] == {f"child_{number}": 50 for number in range(4)}
    lines = attempt.core.lines(attempt.held.task_id)
    assert sorted(lines) == sorted([f"child {number}" for number in range(4)] + ["has ended"] * 4)


def test_what_was_reported_before_a_phase_ends_counts_in_that_phase(attempt):
    assert _status(_fork(lambda: attempt.ctx.advance(7))) == 0
    attempt.ctx.phase("count", total=10)
    assert _status(_fork(lambda: attempt.ctx.advance(3))) == 0
    attempt.reporter.end_phase(True)
    assert attempt.close()["phases"][1]["done"] == 3


def test_a_child_may_do_all_of_the_work(attempt):
    def work() -> None:
        ctx = attempt.ctx
        ctx.phase("count", total=None)
        ctx.set_total(8, "files")
        ctx.phase_note("from far")
        ctx.artifact("found.txt", b"by a child")
        for _ in ctx.track(range(4), total=9):
            pass
        ctx.update(done=6, total=8)
        ctx.update(sizes=[1, {2}], huge="y" * 1_000_000, text="\udcff", number=2**70, ratio=float("nan"))
        ctx.advance(Decimal("0.5"))
        ctx.advance(0.5)
        ctx.advance(float("nan"))
        with pytest.raises(ValueError, match="no phase 'fly'"):
            ctx.phase("fly")

    assert _status(_fork(work)) == 0
    end = attempt.close()
    assert (end["done"], end["total"], end["unit"], end["phases"][1]["note"]) == (7, 8, "files", "from far")
    assert end["details"]["sizes"] == [1, [2]]
    assert end["details"]["ratio"] is None
    with attempt.core.database.read() as session:
        assert session.scalars(select(Artifact.content)).all() == [b"by a child"]


def test_a_child_that_is_forked_while_locks_are_held_does_not_hang(attempt):
    inbox, counter = attempt.reporter, attempt.reporter.progress.counter
    with inbox.lock, counter._lock, inbox._collecting:
        child = _fork(lambda: _report(attempt.ctx, 1))
        assert _status(child) == 0
        grandchild = _fork(lambda: _status(_fork(lambda: _report(attempt.ctx, 2))))
        assert _status(grandchild) == 0
    assert attempt.close()["done"] == 250


def test_a_child_that_is_killed_has_reported_what_it_reported(attempt):
    def work() -> None:
        attempt.ctx.advance(11)
        attempt.ctx.log("last words")
        os.kill(os.getpid(), signal.SIGKILL)

    assert _status(_fork(work)) == -signal.SIGKILL
    assert attempt.close()["done"] == 11
    assert attempt.core.lines(attempt.held.task_id) == ["last words"]


def test_half_a_record_of_a_killed_child_spoils_nothing(attempt):
    shelf = attempt.reporter.shelf
    assert _status(_fork(lambda: attempt.ctx.advance(1))) == 0
    os.write(shelf._file, b'\n["add_line","info","half of a li')
    assert _status(_fork(lambda: attempt.ctx.advance(2))) == 0
    assert attempt.close()["done"] == 3
    assert attempt.core.lines(attempt.held.task_id) == []


def test_children_are_told_of_a_cancel(attempt):
    def work() -> None:
        deadline = time.monotonic() + 20
        attempt.ctx.log("ready")
        while not attempt.ctx.is_cancelled and time.monotonic() < deadline:
            time.sleep(0.002)
        for call in (attempt.ctx.advance, lambda: attempt.ctx.log("x"), lambda: list(attempt.ctx.track([1]))):
            with pytest.raises(Cancelled):
                call()

    child = _fork(work)
    wait_until(lambda: attempt.reporter.line_count, 10, "the child runs")
    attempt.reporter.cancel()
    assert _status(child) == 0
    assert _status(_fork(attempt.ctx.check_cancelled)) == 99, "it raises in one that is forked later, too"


def test_a_child_that_leaves_the_job_s_function_ends_and_the_task_goes_on(attempt):
    def work() -> None:
        attempt.ctx.advance(5)
        attempt.reporter.end_phase(True)
        attempt.reporter.close()

    assert _status(_fork(work)) == 1
    assert attempt.wait_told(done=5)["status"] == "running"
    assert attempt.close()["done"] == 5


def _square(ctx, number: int) -> int:
    ctx.advance(step=f"number {number}")
    ctx.log(f"number {number}")
    return number * number


def test_a_pool_takes_the_context_as_an_argument(attempt):
    with multiprocessing.get_context("fork").Pool(3) as pool:
        squares = pool.starmap(_square, [(attempt.ctx, number) for number in range(60)], chunksize=4)
    assert squares == [number * number for number in range(60)]
    assert attempt.close()["done"] == 60
    assert len(attempt.core.lines(attempt.held.task_id)) == 60


def test_a_context_that_went_astray_says_why(attempt):
    packed = pickle.dumps(attempt.ctx).replace(attempt.held.task_id.encode(), b"0" * 36)
    with pytest.raises(RuntimeError, match="processes that the job forked"):
        pickle.loads(packed)


@pytest.mark.serve_options(SAMPLES | {"WORKERS": "1", "JOB_MODULES": "tests.tasks.family_job"})
def test_a_job_with_children_in_a_real_worker_ends_once_and_exactly(server):
    ada = server.person("ada")
    end = wait_for(server, ada, start(server, ada, "family"))
    assert (end["status"], end["done"], end["log_total"], end["attempt"]) == ("completed", 203, 201, 1)
    assert end["results"]["statuses"] == [1, 1]
