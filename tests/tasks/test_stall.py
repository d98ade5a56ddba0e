"""Progress that has stopped is told from progress that is slow, and from a job that never reports."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from database import utc_now
from tasks.stall import FEWEST_MOVES, Gaps, Stall
from tests.fixtures.machine import wait_until

pytestmark = pytest.mark.req("C11")


def _moving(stall: Stall, every_s: float, times: int = 10) -> float:
    for move in range(times):
        stall.move(move * every_s, "run")
    return (times - 1) * every_s


def test_silence_is_a_stall_only_after_many_times_the_usual_gap():
    stall = Stall(after_s=60, now_s=0)
    moved_s = _moving(stall, 10)
    assert stall.check(moved_s + 61) is None, "a job that reports every 10 s is not stalled after a minute"
    assert stall.check(moved_s + 200) == 200
    assert stall.usual_s == pytest.approx(9)


def test_a_stall_is_said_once_and_its_end_is_known():
    stall = Stall(after_s=60, now_s=0)
    moved_s = _moving(stall, 0.1)
    assert stall.check(moved_s + 100) is not None
    assert stall.check(moved_s + 200) is None
    assert stall.move(moved_s + 300, "run") is True
    assert stall.move(moved_s + 301, "run") is False


def test_a_quick_job_is_not_called_stalled_within_the_shortest_time():
    stall = Stall(after_s=60, now_s=0)
    assert stall.check(_moving(stall, 0.001, 1000) + 59) is None


@pytest.mark.parametrize("moves", range(FEWEST_MOVES))
def test_a_job_that_never_reports_is_never_stalled(moves):
    stall = Stall(after_s=60, now_s=0)
    moved_s = _moving(stall, 1, moves)
    assert stall.check(moved_s + 1e6) is None


def test_a_phase_that_has_not_reported_yet_may_be_one_that_never_does():
    stall = Stall(after_s=60, now_s=0)
    moved_s = _moving(stall, 1, 100)
    stall.move(moved_s, "another phase")
    assert stall.check(moved_s + 1e6) is None


def test_earlier_runs_tell_how_long_a_phase_without_reports_may_take():
    stall = Stall(after_s=60, now_s=0, before=Gaps(usual_s=2, longest_s=100))
    stall.move(0, "import")
    assert stall.check(299) is None, "once it was silent for 100 s"
    assert stall.check(301) == 301


def test_earlier_runs_are_asked_while_this_one_has_hardly_moved():
    stall = Stall(after_s=10, now_s=0, before=Gaps(usual_s=4, longest_s=4))
    stall.move(0.1, "run")
    assert stall.check(70) is None
    assert stall.check(82) is not None


def test_a_gap_that_was_no_stall_is_known_to_later_runs_and_a_stall_does_not_become_usual():
    stall = Stall(after_s=60, now_s=0)
    moved_s = _moving(stall, 1, 20)
    assert stall.move(moved_s + 30, "run") is False
    assert stall.gaps(moved_s + 31).longest_s == 30
    assert stall.check(moved_s + 230) is not None
    stall.move(moved_s + 230, "run")
    assert stall.gaps(moved_s + 231).longest_s == 30
    assert Stall(60, 0).gaps(1000) == Gaps(), "what never moved says nothing"


def test_a_stall_is_in_the_log_in_redis_and_in_sql_as_it_begins_and_as_it_ends(live_core, make_attempt):
    one = make_attempt(live_core, max_hz=50)
    one.reporter._stall = Stall(0.3, time.monotonic(), Gaps(0.001, 0.001))
    began = utc_now()
    one.ctx.advance(3)

    def stored():
        return live_core.task(one.held.task_id).progress

    wait_until(lambda: stored().get("stalled_since"), 10, "stored")
    since = datetime.fromisoformat(stored()["stalled_since"])
    assert (since - began).total_seconds() < 5
    told = one.wait_told(stalled_since=stored()["stalled_since"])
    assert told["usual_gap_s"] == 0.0
    assert told["eta_s"] is None, "nobody knows how long a stall lasts"
    assert live_core.snapshot(one.held.task_id)["stalled_since"] is not None
    one.ctx.advance(1)
    wait_until(lambda: stored().get("stalled_since") is None, 10, "the end is stored at once")
    one.wait_told(stalled_since=None)
    one.close()
    stopped, goes_on = live_core.lines(one.held.task_id)[:2]
    assert stopped.startswith("No progress for ")
    assert stopped.endswith("this job usually reports every 0.1 s. The worker is alive.")
    assert goes_on == "Progress goes on."
