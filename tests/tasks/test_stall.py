"""Progress that has stopped is told from progress that is slow."""

import pytest

from tasks.stall import Stall

pytestmark = pytest.mark.req("C11")


def test_silence_is_a_stall_only_after_many_times_the_usual_gap():
    stall = Stall(after_s=60, now_s=0)
    for second in range(0, 100, 10):
        stall.move(second)
    assert stall.check(90 + 61) is None, "a job that reports every 10 s is not stalled after a minute"
    assert stall.check(90 + 200) == 200


def test_a_stall_is_said_once_and_its_end_is_known():
    stall = Stall(after_s=60, now_s=0)
    stall.move(0.1)
    assert stall.check(100) is not None
    assert stall.check(200) is None
    assert stall.move(300) is True
    assert stall.move(301) is False


def test_a_quick_job_is_not_called_stalled_within_the_shortest_time():
    stall = Stall(after_s=60, now_s=0)
    for tick in range(1000):
        stall.move(tick / 1000)
    assert stall.check(59) is None
