"""What a job reports arrives: coalesced, exact at the end, from any thread, and whatever Redis does."""

from __future__ import annotations

import threading
import time

import pytest

from tasks import inbox, reporter
from tasks.context import CancelWish, JobContext
from tasks.errors import Cancelled, LeaseLost
from tests.fixtures.machine import wait_until

THREADS = 6


def _calls(ctx):
    return {
        "advance": ctx.advance,
        "advance_with_step": lambda: ctx.advance(step="x", size=1),
        "update": lambda: ctx.update(done=1),
        "update_total": lambda: ctx.update(total=1),
        "set_total": lambda: ctx.set_total(2),
        "phase": lambda: ctx.phase("count"),
        "phase_note": lambda: ctx.phase_note("words"),
        "track": lambda: list(ctx.track(range(3))),
        "log": lambda: ctx.log("words"),
        "check_cancelled": ctx.check_cancelled,
    }


@pytest.mark.req("A12", "A13")
def test_ten_thousand_updates_at_once_are_told_as_a_few_and_end_on_the_exact_value(attempt):
    with attempt.core.client.pubsub() as watcher:
        watcher.subscribe(attempt.core.log.channel(attempt.held.task_id))
        attempt.ctx.set_total(10_000)
        started_s = time.monotonic()
        for number in range(1, 10_001):
            attempt.ctx.update(done=number)
        attempt.wait_told(done=10_000)
        assert attempt.tail.ticks <= 10 * (time.monotonic() - started_s) + 4
    assert attempt.close()["done"] == 10_000


@pytest.mark.req("A13")
def test_the_first_report_after_a_pause_goes_at_once_and_unwatched_ones_follow_once_a_second(attempt):
    attempt.wait_told(phase="count")
    wait_until(lambda: attempt.reporter.attention, 5, "nothing is left to tell")
    before, started_s = attempt.tail.ticks, time.monotonic()
    attempt.ctx.advance()
    wait_until(lambda: attempt.tail.ticks == before + 1, 3, "told without waiting for a turn")
    while time.monotonic() < started_s + 1.5:
        attempt.ctx.advance()
    assert attempt.tail.ticks - before <= 2 + (time.monotonic() - started_s)
    counted = attempt.reporter.progress.done
    attempt.wait_told(done=counted)


@pytest.mark.req("A12")
def test_the_last_of_any_number_of_reports_is_told_though_nothing_follows_it(live_core, make_attempt):
    attempt = make_attempt(live_core, max_hz=200.0, total=None)
    with live_core.client.pubsub() as watcher:
        watcher.subscribe(live_core.log.channel(attempt.held.task_id))
        done = 0
        for round_number in range(1, 151):
            for _ in range(round_number % 7 + 1):
                attempt.ctx.advance()
                done += 1
            time.sleep(0.001 * (round_number % 11))
            if round_number % 10 == 0:
                attempt.wait_told(done=done)


@pytest.mark.req("A12", "J3")
def test_threads_that_advance_at_once_end_on_the_exact_sum(attempt):
    ctx = attempt.ctx
    ctx.set_total(THREADS * 5_000)

    def work(number):
        for turn in range(1_000):
            ctx.advance(2, step=f"thread {number}", **{f"turns_{number}": turn + 1})
            ctx.advance()
        for _ in ctx.track(range(2_000), total=THREADS * 5_000):
            pass

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, THREADS)]
    for thread in threads:
        thread.start()
    work(0)
    for thread in threads:
        thread.join()
    end = attempt.close()
    assert (end["done"], end["total"]) == (THREADS * 5_000, THREADS * 5_000)
    assert end["details"] == {f"turns_{number}": 1_000 for number in range(THREADS)}


def test_details_are_told_as_they_were_when_they_were_reported(attempt):
    sizes = [1, 2]
    attempt.ctx.update(sizes=sizes)
    sizes.append(3)
    assert attempt.wait_told(details={"sizes": [1, 2]})


@pytest.mark.req("A2")
def test_a_total_that_is_no_number_is_refused_where_it_is_said_and_a_count_that_is_none_is_unknown(attempt):
    ctx = attempt.ctx
    for call in (ctx.set_total, lambda total: ctx.update(total=total), lambda total: ctx.phase("count", total=total)):
        for total in ("many", [1], object()):
            with pytest.raises((TypeError, ValueError)):
                call(total)
    ctx.update(done="many")
    assert attempt.wait_told(done=None)["progress_percent"] is not None
    ctx.update(done=3)
    attempt.wait_told(done=3)


@pytest.mark.req("C3")
def test_every_reporting_call_raises_once_a_cancel_was_asked_for(attempt, tmp_path):
    wish = CancelWish()
    ctx = JobContext(attempt.ctx.config, attempt.core.database, attempt.held, attempt.reporter, tmp_path, wish)
    for call in _calls(ctx).values():
        call()
    half_way = iter(ctx.track(range(100)))
    next(half_way)
    wish._set(0, None)
    assert ctx.is_cancelled
    for name, call in _calls(ctx).items():
        for _ in range(2):
            with pytest.raises(Cancelled):
                pytest.fail(f"{name} returned {call()}")
    with pytest.raises(Cancelled):
        next(half_way)


@pytest.mark.req("C5")
def test_every_reporting_call_raises_once_the_attempt_was_given_to_another_worker(attempt):
    attempt.core.set(attempt.held.task_id, worker="another")
    attempt.ctx.log("not mine any more")
    wait_until(lambda: attempt.reporter.lost, 10, "the reporter knows")
    for name, call in _calls(attempt.ctx).items():
        with pytest.raises(LeaseLost):
            pytest.fail(f"{name} returned {call()}")
    with pytest.raises(LeaseLost):
        attempt.close()


@pytest.mark.req("E2", "J3")
def test_a_redis_that_hangs_holds_up_no_call_and_no_log_line(database, redis_server, make_live_core, make_attempt):
    attempt = make_attempt(make_live_core(database, redis_server.url), total=None)
    attempt.ctx.log("before")
    wait_until(lambda: attempt.told()["phase"] == "count" and not attempt.reporter.lines, 10, "all is told")
    redis_server.pause()
    try:
        slowest_s, n = 0.0, 0
        until_s = time.monotonic() + 2.5
        while time.monotonic() < until_s:
            before_s = time.monotonic()
            attempt.ctx.advance()
            attempt.ctx.update(step="x")
            attempt.ctx.log(f"line {n}")
            slowest_s = max(slowest_s, time.monotonic() - before_s)
            n += 1
            time.sleep(0.002)
        wait_until(lambda: attempt.core.task(attempt.held.task_id).log_total == n + 1, 10, "all lines are stored")
    finally:
        redis_server.resume()
    print(f"the slowest three calls took {slowest_s * 1000:.1f} ms")
    assert slowest_s < 1.0, "far below the two seconds after which a Redis that hangs is given up"
    attempt.wait_told(done=n)
    wait_until(lambda: attempt.core.log.read(attempt.held.task_id).log_n == n + 1, 10, "every line was told afterwards")
    attempt.close()
    assert attempt.core.lines(attempt.held.task_id) == ["before", *(f"line {each}" for each in range(n))]


@pytest.mark.req("E2")
def test_lines_that_wait_for_a_locked_database_are_bounded_and_none_is_dropped(attempt, monkeypatch):
    monkeypatch.setattr(inbox, "MAX_PENDING_LINES", 100)
    most = 0

    def write():
        nonlocal most
        for number in range(300):
            attempt.ctx.log(f"line {number}")
            most = max(most, len(attempt.reporter.lines))

    with attempt.core.database.write() as session:
        session.connection()  # and with it the only lock there is
        writer = threading.Thread(target=write)
        writer.start()
        wait_until(lambda: len(attempt.reporter.lines) >= 100, 10, "as many lines wait as may")
        assert writer.is_alive()
    writer.join(60)
    attempt.close()
    assert most <= 100
    assert attempt.core.lines(attempt.held.task_id) == [f"line {number}" for number in range(300)]


@pytest.mark.req("C3", "E2")
def test_a_cancel_reaches_a_job_whose_lines_wait_for_the_database(attempt, monkeypatch):
    monkeypatch.setattr(inbox, "MAX_PENDING_LINES", 10)
    with attempt.core.database.write() as session:
        session.connection()  # and with it the only lock there is
        threading.Timer(0.3, attempt.reporter.cancel).start()
        with pytest.raises(Cancelled):
            for number in range(1_000):
                attempt.ctx.log(f"line {number}")


@pytest.mark.req("A18")
def test_the_dashboard_is_told_every_second_only_while_somebody_looks_at_it(attempt, monkeypatch):
    monkeypatch.setattr(reporter, "ADMIN_AWAY_INTERVAL_S", 3.0)

    def ticks_in_2_s() -> float:
        before, started_s = attempt.tail.admin_ticks, time.monotonic()
        while time.monotonic() < started_s + 2.2:
            attempt.ctx.advance()
            time.sleep(0.01)
        return attempt.tail.admin_ticks - before

    assert ticks_in_2_s() <= 1
    with attempt.core.client.pubsub() as admin:
        admin.subscribe(attempt.core.log.admin_channel)
        before = attempt.tail.admin_ticks

        def is_told() -> bool:
            attempt.ctx.advance()
            return attempt.tail.admin_ticks >= before + 2

        wait_until(is_told, 15, "told again")
