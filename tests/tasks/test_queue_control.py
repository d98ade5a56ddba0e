"""Pausing, maintenance and orders over many tasks, while claims and ends go on around them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from accounts import Actor
from accounts.models import AuditEntry
from config import Config
from database import Database
from tasks import lifecycle, queue_control
from tasks.administration import Action, Administration, Order, preview_words, result_words
from tasks.errors import LeaseLost, Unavailable
from tasks.lifecycle import Limits
from tasks.models import Task
from tasks.queue import TaskQueue
from tasks.service import Tasks
from tasks.states import Priority, State
from tests.fixtures.core import Core, LiveCore

pytestmark = pytest.mark.req("H5")

ROOT = Actor("root", None, "10.0.0.1", "r-1")
HOLDS: dict[str, tuple[Callable[[Database], object], Callable[[Database], object]]] = {
    "queue": (lambda database: lifecycle.pause(database, ROOT, "a new disk"), lambda db: lifecycle.resume(db, ROOT)),
    "kind": (
        lambda database: lifecycle.pause(database, ROOT, None, ["count"]),
        lambda database: lifecycle.resume(database, ROOT, None, ["count"]),
    ),
    "maintenance": (
        lambda database: lifecycle.begin_maintenance(database, ROOT),
        lambda database: lifecycle.end_maintenance(database, ROOT),
    ),
}


def running(core: Core) -> int:
    with core.database.read() as session:
        return session.scalar(select(func.count()).select_from(Task).where(Task.state == State.RUNNING)) or 0


@pytest.mark.slow
@pytest.mark.req("C5", "H8")
@pytest.mark.parametrize("hold", HOLDS)
def test_once_a_pause_is_committed_no_claim_begins_anything(core: Core, hold: str):
    ids = [core.submit() for _ in range(48)]
    begin, end = HOLDS[hold]
    enough, claimed = threading.Event(), Counter[bool]()

    def work(mine: list[str]) -> None:
        for task_id in mine:
            claimed[core.claim(task_id) is not None] += 1
            if claimed[True] >= 6:
                enough.set()

    workers = [threading.Thread(target=work, args=(ids[n::6],)) for n in range(6)]
    for worker in workers:
        worker.start()
    assert enough.wait(30)
    begin(core.database)
    at_the_commit = running(core)
    for worker in workers:
        worker.join(60)
    assert running(core) == at_the_commit == claimed[True]
    assert claimed[False] == len(ids) - at_the_commit > 0, "the pause came in the middle of it"
    end(core.database)
    left = [task_id for task_id in ids if core.task(task_id).state == State.QUEUED]
    assert core.claim(left[0]) is not None


def test_what_is_paused_keeps_who_paused_it_first_and_each_change_is_audited(core: Core):
    lifecycle.pause(core.database, ROOT, "a new disk")
    lifecycle.pause(core.database, Actor("bob"), "me too")
    control = lifecycle.pause(core.database, ROOT, None, ["count", "fail"])
    assert control.paused is not None and (control.paused["by"], control.paused["reason"]) == ("root", "a new disk")
    assert set(lifecycle.resume(core.database, ROOT, "done", ["fail", "unknown"]).paused_kinds) == {"count"}
    assert lifecycle.resume(core.database, ROOT).paused is None
    lifecycle.resume(core.database, ROOT)
    with core.database.read() as session:
        entries = list(session.scalars(select(AuditEntry).order_by(AuditEntry.id)))
        assert queue_control.read(session).holds("count") == "kind"
    assert [each.subject.removeprefix("setting:queue.") for each in entries] == [
        "paused", "paused_kinds", "paused_kinds", "paused",
    ]  # fmt: skip
    assert (entries[2].reason, entries[2].request_id, entries[2].before is None) == ("done", "r-1", False)


def test_the_dispatcher_sends_nothing_that_is_held_and_all_of_it_afterwards(live_core: LiveCore):
    first, other = live_core.submit(), live_core.submit("fail", priority=Priority.HIGH)
    queue = TaskQueue(live_core.database, live_core.client, "taskroom:", Limits(9, 9))
    lifecycle.pause(live_core.database, ROOT)
    assert queue.dispatch() == 0
    lifecycle.resume(live_core.database, ROOT)
    lifecycle.pause(live_core.database, ROOT, None, ["fail"])
    assert queue.dispatch() == 1
    assert live_core.task(first).dispatched_at is not None
    lifecycle.resume(live_core.database, ROOT, None, ["fail"])
    assert queue.dispatch() == 1
    assert live_core.task(other).dispatched_at is not None


def test_what_was_sent_before_the_pause_is_given_back_by_the_worker(core: Core):
    task_id = core.submit()
    core.set(task_id, dispatched_at=core.now())
    lifecycle.pause(core.database, ROOT)
    assert core.claim(task_id) is None
    assert core.task(task_id).dispatched_at is None


@pytest.mark.req("H8")
def test_maintenance_refuses_new_tasks_and_says_since_when_and_by_whom(core: Core):
    lifecycle.begin_maintenance(core.database, ROOT, "a new kernel")
    with pytest.raises(Unavailable, match=r"Maintenance since \d\d:\d\d UTC, by root"):
        core.submit()
    lifecycle.end_maintenance(core.database, ROOT)
    core.submit()


@pytest.mark.req("H8", "J4")
def test_the_command_line_begins_maintenance_waits_for_what_runs_and_ends_it(core: Core):
    from click.testing import CliRunner

    from cli import main

    def call(*arguments: str) -> str:
        done = CliRunner().invoke(main, ["maintenance", *arguments], env={"DATABASE_URL": core.database.url})
        assert done.exit_code == 0, done.output
        return done.output

    held = core.running()
    assert "1 task still runs." in call("on", "--reason", "a new  kernel")
    with core.database.read() as session:
        hold = queue_control.read(session).maintenance
    assert hold is not None and (hold["by"], hold["reason"]) == ("command line", "a new kernel")
    core.complete(held)
    assert "ready for the restart" in call("on", "--wait")
    assert "Maintenance is over" in call("off")
    core.submit()


def administration(core: LiveCore, config: Config) -> Administration:
    queue = TaskQueue(core.database, core.client, "taskroom:", Limits(100, 100))
    return Administration(core.database, Tasks(config, core.database, core.announcer, queue))


@pytest.mark.req("A5", "C3")
def test_orders_over_many_while_they_end_tell_the_truth_of_each(
    live_core: LiveCore, make_config: Callable[..., Config], redis_url: str
):
    admin = live_core.person("root", "admin")
    held = [live_core.running() for _ in range(30)]
    ids = [each.task_id for each in held]
    orders = administration(live_core, make_config(REDIS_URL=redis_url))
    lost = []

    def finish() -> None:
        for claim in reversed(held):
            try:
                live_core.complete(claim)
            except LeaseLost as error:
                lost.append(error)

    assert preview_words(orders.preview(ids, Order(Action.CANCEL))) == "30 running will be told to stop."
    ends = threading.Thread(target=finish)
    ends.start()
    results = orders.act(admin, ROOT, ids, Order(Action.CANCEL, "enough"))
    ends.join(60)
    assert [each.task_id for each in results] == ids
    told = Counter(each.outcome for each in results)
    assert set(told) <= {"asked", "ended"} and not lost
    assert result_words(results).startswith(f"{told['asked']:,} told to stop" if told["asked"] else "30 had")
    for result in results:
        was_asked = live_core.task(result.task_id).cancel_requested_at is not None
        assert was_asked == (result.outcome == "asked")
    with live_core.database.read() as session:
        subjects = session.scalars(select(AuditEntry.subject).where(AuditEntry.action == "task.cancelled"))
        assert sorted(subjects) == sorted(f"task:{each.task_id}" for each in results if each.outcome == "asked")


@pytest.mark.req("C6")
def test_a_raised_task_goes_before_those_that_came_earlier(
    live_core: LiveCore, make_config: Callable[..., Config], redis_url: str
):
    ids = [live_core.submit() for _ in range(4)]
    admin = live_core.person("root", "admin")
    order = Order(Action.PRIORITY, priority=Priority.URGENT)
    results = administration(live_core, make_config(REDIS_URL=redis_url)).act(admin, ROOT, [ids[3], ids[3]], order)
    assert [each.outcome for each in results] == ["changed", "same"]
    queue = TaskQueue(live_core.database, live_core.client, "taskroom:", Limits(9, 9))
    assert [job_id[:36] for job_id in queue.queues[Priority.URGENT].get_job_ids()] == [ids[3]]
    assert live_core.snapshot(ids[3])["priority"] == "urgent"
    assert live_core.names(ids[3])[-1] == "progress_update"


def test_an_admin_who_cancels_somebody_elses_task_leaves_an_entry_and_an_owner_none(core: Core):
    admin = core.person("root", "admin")
    mine, theirs = core.submit(), core.submit()
    lifecycle.request_cancel(core.database, core.me, mine, None)
    lifecycle.request_cancel(core.database, admin, theirs, "why")
    with core.database.read() as session:
        [entry] = session.scalars(select(AuditEntry).where(AuditEntry.action == "task.cancelled"))
    assert (entry.subject, entry.actor_name, entry.reason) == (f"task:{theirs}", "root", "why")
