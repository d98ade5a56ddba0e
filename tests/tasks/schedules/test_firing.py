"""What comes due is started once: over restarts, downtime, clocks that jump, and with several schedulers."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from accounts import Actor, Identity, set_active
from accounts.limits import set_limits
from database import utc_now
from tasks import lifecycle
from tasks.cron import Cron
from tasks.errors import Conflict
from tasks.schedules.firing import Firing
from tests.tasks.schedules.conftest import Book

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


@pytest.mark.req("G3")
def test_what_is_due_starts_a_task_of_its_owner_and_waits_for_its_next_time(book: Book, ada: Identity) -> None:
    one = book.make(ada, params={"to": 3}, priority="high", visibility="everyone")
    book.due(one, NOON)
    assert book.firing.fire_due(NOON - SECOND) == []
    (task_id,) = book.firing.fire_due(NOON + SECOND)
    (task,) = book.runs(one)
    assert (task.id, task.owner_id, task.title, task.priority) == (task_id, ada.user_id, "Nightly", "high")
    assert (task.params["to"], task.visibility, task.schedule_id) == (3, "everyone", one)
    schedule = book.get(one)
    assert schedule.next_run_at == NOON + HOUR
    assert (schedule.due_at, schedule.last_task_id, schedule.last_outcome) == (NOON, task_id, "started")
    assert book.firing.fire_due(NOON + MINUTE) == []


@pytest.mark.req("G3")
@pytest.mark.parametrize("catches_up", [True, False])
def test_what_was_missed_is_caught_up_once_or_said(book: Book, ada: Identity, catches_up: bool) -> None:
    one = book.make(ada, catch_up=catches_up)
    book.due(one, NOON)
    started = book.firing.fire_due(NOON + 5 * HOUR + MINUTE)
    schedule = book.get(one)
    assert len(started) == len(book.runs(one)) == int(catches_up)
    assert schedule.next_run_at == NOON + 6 * HOUR
    assert schedule.last_outcome == ("started" if catches_up else "missed")
    assert ("12:00" in (schedule.last_error or "")) is not catches_up
    assert len(book.firing.fire_due(NOON + 6 * HOUR)) == int(not catches_up)


@pytest.mark.req("G3", "H8")
@pytest.mark.parametrize("catches_up", [True, False])
def test_what_comes_due_during_maintenance_waits_and_is_caught_up(book: Book, ada: Identity, catches_up: bool) -> None:
    one = book.make(ada, catch_up=catches_up)
    book.due(one, NOON)
    lifecycle.begin_maintenance(book.core.database, Actor("root"))
    assert book.firing.fire_due(NOON + HOUR) == []
    assert (book.get(one).next_run_at, book.get(one).last_outcome) == (NOON, None)
    lifecycle.end_maintenance(book.core.database, Actor("root"))
    assert len(book.firing.fire_due(NOON + HOUR + MINUTE)) == int(catches_up)
    assert book.get(one).last_outcome == ("started" if catches_up else "missed")


@pytest.mark.req("G3")
def test_a_run_that_has_not_ended_is_not_joined_by_another(book: Book, ada: Identity) -> None:
    one = book.make(ada, overlap="skip")
    book.due(one, NOON)
    (first,) = book.firing.fire_due(NOON)
    assert book.firing.fire_due(NOON + HOUR) == []
    schedule = book.get(one)
    assert (schedule.last_outcome, schedule.last_task_id) == ("skipped", first)
    assert "had not ended" in (schedule.last_error or "")
    book.end(first)
    assert len(book.firing.fire_due(NOON + 2 * HOUR)) == 1


@pytest.mark.req("G3")
def test_a_run_that_is_to_wait_comes_right_after_the_one_before_and_once(book: Book, ada: Identity) -> None:
    one = book.make(ada, overlap="queue", catch_up=False)
    book.due(one, NOON)
    (first,) = book.firing.fire_due(NOON)
    for later in (HOUR, HOUR + MINUTE, 2 * HOUR, 3 * HOUR + 5 * MINUTE):
        assert book.firing.fire_due(NOON + later) == []
    assert book.get(one).waiting
    book.end(first)
    (second,) = book.firing.fire_due(NOON + 3 * HOUR + 6 * MINUTE)
    schedule = book.get(one)
    assert (schedule.last_task_id, schedule.waiting) == (second, False)
    assert schedule.next_run_at == NOON + 4 * HOUR


@pytest.mark.req("G3")
def test_a_schedule_that_cannot_start_says_why_and_the_others_go_on(book: Book, ada: Identity) -> None:
    gone, wrong, right = (book.make(ada) for _ in range(3))
    book.set(gone, kind="no_such_job")
    book.set(wrong, params={"to": -5})
    for each in (gone, wrong, right):
        book.due(each, NOON)
    assert len(book.firing.fire_due(NOON)) == 1
    assert [book.get(each).last_outcome for each in (gone, wrong, right)] == ["refused", "refused", "started"]
    assert all(book.get(each).last_error for each in (gone, wrong))
    assert book.get(gone).next_run_at == NOON + HOUR


@pytest.mark.req("G3")
def test_nothing_runs_for_an_owner_whose_account_is_disabled(book: Book, ada: Identity) -> None:
    one = book.make(ada)
    book.core.person("root", "admin")
    set_active(book.core.database, ada.user_id, False, Actor("root"))
    book.due(one, NOON)
    assert book.firing.fire_due(NOON) == []
    assert "disabled" in (book.get(one).last_error or "")


@pytest.mark.req("G3")
def test_an_inactive_schedule_and_one_that_was_removed_start_nothing(book: Book, ada: Identity) -> None:
    off, removed = book.make(ada), book.make(ada)
    for each in (off, removed):
        book.due(each, NOON)
    book.set(off, active=False)
    book.schedules.remove(ada, removed, Actor("ada"))
    assert book.firing.fire_due(NOON) == []


@pytest.mark.req("G3")
def test_a_clock_that_was_an_hour_ahead_and_goes_right_again_silences_nothing_for_long(
    book: Book, ada: Identity
) -> None:
    one = book.make(ada, "*/10 * * * *", catch_up=False)
    book.due(one, NOON)
    assert len(book.firing.fire_due(NOON + HOUR)) == 0, "it was missed, as the clock has it"
    book.firing.fire_due(NOON + HOUR + 10 * MINUTE)
    book.end(book.runs(one)[0].id)
    book.firing.set_right(NOON + MINUTE)
    assert book.get(one).next_run_at == NOON + 10 * MINUTE
    assert len(book.firing.fire_due(NOON + 10 * MINUTE)) == 1


@pytest.mark.req("G3")
def test_a_clock_that_goes_back_a_little_fires_nothing_again(book: Book, ada: Identity) -> None:
    one = book.make(ada, "*/10 * * * *")
    book.due(one, NOON)
    (first,) = book.firing.fire_due(NOON)
    book.end(first)
    book.firing.set_right(NOON - 2 * SECOND)
    assert book.get(one).next_run_at == NOON + 10 * MINUTE
    assert book.firing.fire_due(NOON + SECOND) == []


@pytest.mark.req("G3")
def test_two_schedulers_over_a_year_of_random_schedules_and_zones_lose_and_double_nothing(
    book: Book, ada: Identity
) -> None:
    seed = int(os.environ.get("TASKROOM_SEED", "0")) or random.randrange(2**32)
    chance = random.Random(seed)
    zones = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    expected: dict[str, list[datetime]] = {}
    for _ in range(int(os.environ.get("TASKROOM_SCHEDULES", "3"))):
        cron = f"{chance.randrange(60)} {chance.randrange(24)} */{chance.randrange(13, 20)} * *"
        zone = chance.choice(zones)
        one = book.make(ada, cron, timezone=zone)
        book.due(one, Cron.parse(cron, zone).next(start) or start)
        expected[one] = [
            each for each in Cron.parse(cron, zone).first(400, start) if each <= start + timedelta(days=365)
        ]
    schedulers = [book.firing, Firing(book.core.database, book.tasks)]
    turns = sorted({moment + 2 * SECOND for times in expected.values() for moment in times})
    failures: list[BaseException] = []
    at_once = threading.Barrier(len(schedulers))

    def run(scheduler: Firing) -> None:
        try:
            for now in turns:
                at_once.wait(30)
                for task_id in scheduler.fire_due(now):
                    book.core.set(task_id, state="cancelled")
                scheduler.set_right(now)
        except BaseException as error:
            failures.append(error)
            at_once.abort()

    threads = [threading.Thread(target=run, args=(scheduler,)) for scheduler in schedulers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, (seed, failures)
    for one, times in expected.items():
        keys = Counter(task.idempotency_key for task in book.runs(one))
        moments = [each.strftime("%Y-%m-%dT%H:%M:%S.000Z") for each in times]
        assert keys == Counter(f"schedule:{one}:{moment}" for moment in moments), (seed, book.get(one).cron)


@pytest.mark.req("G2")
def test_run_now_makes_one_task_and_refuses_an_overlap(book: Book, ada: Identity) -> None:
    one = book.make(ada)
    before = book.get(one).next_run_at
    task_id = book.schedules.run_now(ada, one, Actor("ada"))
    with pytest.raises(Conflict) as refused:
        book.schedules.run_now(ada, one, Actor("ada"))
    assert (refused.value.details or {})["task_id"] == task_id
    assert [task.id for task in book.runs(one)] == [task_id]
    assert book.get(one).next_run_at == before
    book.end(task_id)
    assert book.schedules.run_now(ada, one, Actor("ada")) != task_id
    assert (book.get(one).last_run_at or NOON) <= utc_now()


@pytest.mark.req("G1", "H8")
def test_what_the_owners_limits_do_not_allow_is_refused_and_said_and_others_still_run(
    book: Book, ada: Identity
) -> None:
    set_limits(book.core.database, ada.user_id, {"tasks_per_day": 1, "highest_priority": "normal"}, Actor("root"))
    first, second, urgent = (book.make(ada, priority=each) for each in ("normal", "low", "urgent"))
    eves = book.make(book.core.person("eve"))
    for one in (first, second, urgent, eves):
        book.due(one, NOON)
    assert len(book.firing.fire_due(NOON)) == 2
    assert len(book.runs(first)) == len(book.runs(eves)) == 1
    for refused, words in ((second, "Your limit is 1 task a day"), (urgent, "up to the priority normal")):
        schedule = book.get(refused)
        assert (schedule.last_outcome, schedule.next_run_at) == ("refused", NOON + HOUR)
        assert words in (schedule.last_error or "")
