"""Limits of a person's own: what they fall back on, who may set what, and that each holds under parallel submits."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from accounts import COMMAND_LINE, AccountError, AuditEntry
from accounts.limits import BUILT_IN, PersonLimits, default_running, limits_for, limits_of, set_defaults, set_limits
from database import utc_now
from server_settings import Setting
from tasks import lifecycle
from tasks.errors import Forbidden, RateLimited
from tasks.lifecycle import Limits
from tasks.queue import TaskQueue
from tasks.states import Priority
from tests.fixtures.core import Core, LiveCore


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What each call gave or raised, all begun at the same moment."""
    ready, results = threading.Barrier(len(calls)), [None] * len(calls)

    def run(number: int, call: Callable[[], Any]) -> None:
        ready.wait()
        try:
            results[number] = call()
        except Exception as error:  # the test looks at it
            results[number] = error

    threads = [threading.Thread(target=run, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def limit(core: Core, user_id: int, **wished: Any) -> None:
    assert set_limits(core.database, user_id, wished, COMMAND_LINE, reason="a test")


def held(core: Core, user_id: int) -> PersonLimits:
    with core.database.read() as session:
        return limits_of(session, user_id)


@pytest.mark.req("H8")
def test_what_is_not_set_for_a_person_is_the_default_and_otherwise_built_in(core: Core) -> None:
    me = core.me.user_id
    assert held(core, me) == BUILT_IN
    assert set_defaults(core.database, {"tasks_per_day": 50, "may_retry": False}, COMMAND_LINE) == [
        "tasks_per_day",
        "may_retry",
    ]
    limit(core, me, tasks_per_day=7)
    limits = held(core, me)
    assert (limits.tasks_per_day, limits.may_retry, limits.may_cancel) == (7, False, True)
    limit(core, me, tasks_per_day=None)
    assert held(core, me).tasks_per_day == 50
    assert set_defaults(core.database, {"tasks_per_day": None}, COMMAND_LINE) == ["tasks_per_day"]
    assert held(core, me).tasks_per_day is None


@pytest.mark.req("H8", "H5")
def test_a_change_is_audited_with_what_it_changed_and_nothing_else(core: Core) -> None:
    me = core.me.user_id
    limit(core, me, max_running=2, timeout_s=600)
    assert not set_limits(core.database, me, {"max_running": 2}, COMMAND_LINE)
    limit(core, me, max_running=3, timeout_s=600)
    with core.database.read() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [(each.subject, each.before, each.after) for each in entries] == [
        ("user:ada", {"max_running": None, "timeout_s": None}, {"max_running": 2, "timeout_s": 600}),
        ("user:ada", {"max_running": 2}, {"max_running": 3}),
    ]
    assert {(each.action, each.reason) for each in entries} == {("user.limits_changed", "a test")}


@pytest.mark.req("H8")
@pytest.mark.parametrize(
    "wrong",
    [
        {"max_running": 0}, {"max_running": True}, {"max_running": 2.5}, {"tasks_per_day": -1}, {"timeout_s": "600"},
        {"highest_priority": "root"}, {"highest_priority": ["low"]}, {"may_cancel": 1}, {"no_such": 1},
    ],
)  # fmt: skip
def test_what_cannot_be_a_limit_is_refused_with_its_name(core: Core, wrong: dict[str, Any]) -> None:
    for change in (
        lambda: set_limits(core.database, core.me.user_id, wrong, COMMAND_LINE),
        lambda: set_defaults(core.database, wrong, COMMAND_LINE),
    ):
        with pytest.raises(AccountError) as refused:
            change()
        assert refused.value.field == next(iter(wrong))
    assert held(core, core.me.user_id) == BUILT_IN


def test_a_setting_that_cannot_be_a_limit_counts_as_none(core: Core) -> None:
    """The settings' table holds any JSON: a slip there must not stop people from working."""
    with core.database.write() as session:
        for name, value in {"max_running": "many", "may_cancel": 0, "highest_priority": {}}.items():
            key = f"limits.default.{name}"
            session.add(Setting(key=key, value=value, changed_at=utc_now(), changed_by="somebody"))
    assert held(core, core.me.user_id) == BUILT_IN
    with core.database.read() as session:
        assert default_running(session, 4) == 4


@pytest.mark.req("C7", "H8")
def test_tasks_at_once_are_a_persons_own_number_however_many_workers_claim(core: Core) -> None:
    eve, ida = core.person("eve"), core.person("ida")
    limit(core, core.me.user_id, max_running=1)
    limit(core, eve.user_id, max_running=4)
    set_defaults(core.database, {"max_running": 2}, COMMAND_LINE)
    tasks = [core.submit(identity=identity) for identity in (core.me, eve, ida) for _ in range(6)]
    configured = Limits(total=100, per_user=3)
    claims = at_once(
        *(lambda t=task_id, n=n: core.claim(t, f"w{n}", limits=configured) for n, task_id in enumerate(tasks))
    )
    owners = Counter(core.task(claim.task_id).owner_id for claim in claims if claim is not None)
    assert owners == {core.me.user_id: 1, eve.user_id: 4, ida.user_id: 2}


@pytest.mark.req("C7", "H8")
def test_no_more_ids_are_sent_to_workers_than_a_person_may_run(live_core: LiveCore) -> None:
    """Otherwise a worker would take and give back the same task for as long as the others run."""
    eve = live_core.person("eve")
    limit(live_core, live_core.me.user_id, max_running=1)
    limit(live_core, eve.user_id, max_running=3)
    for identity in (live_core.me, eve):
        for _ in range(5):
            live_core.submit(identity=identity)
    queue = TaskQueue(live_core.database, live_core.client, "taskroom:", Limits(100, 2))
    assert queue.dispatch() == 4
    assert queue.dispatch() == 0


@pytest.mark.req("C7", "H8")
def test_tasks_of_a_day_are_exact_under_parallel_submits(core: Core) -> None:
    eve = core.person("eve")
    limit(core, core.me.user_id, tasks_per_day=5)
    core.set(core.submit(), created_at=utc_now() - timedelta(days=1))
    made = at_once(*(lambda i=identity: core.submit(identity=i) for identity in (core.me, eve) for _ in range(9)))
    mine, eves = made[:9], made[9:]
    assert sum(isinstance(each, str) for each in mine) == 5
    assert all(isinstance(each, str) for each in eves)
    refused = [each for each in mine if not isinstance(each, str)]
    assert {type(each) for each in refused} == {RateLimited}
    assert refused[0].message.startswith("Your limit is 5 tasks a day, and you have started as many today.")
    assert 0 < refused[0].retry_after_s <= 86_400


@pytest.mark.req("C10", "H8")
def test_a_repeated_submit_is_answered_even_when_the_day_is_used_up(core: Core) -> None:
    limit(core, core.me.user_id, tasks_per_day=1)
    first = core.submit(idempotency_key="k")
    assert core.submit(idempotency_key="k") == first
    with pytest.raises(RateLimited, match="1 task a day"):
        core.submit()
    limit(core, core.me.user_id, tasks_per_day=0)
    with pytest.raises(Forbidden, match="may not start tasks"):
        core.submit()


@pytest.mark.req("C11", "H8")
def test_the_longest_run_time_shortens_a_jobs_and_gives_one_to_a_job_without(core: Core) -> None:
    limit(core, core.me.user_id, timeout_s=60)
    assert core.task(core.submit(timeout_s=600)).timeout_s == 60
    assert core.task(core.submit(timeout_s=30)).timeout_s == 30
    task_id = core.submit()
    assert core.task(task_id).timeout_s == 60
    limit(core, core.me.user_id, timeout_s=5)
    assert core.task(task_id).timeout_s == 60, "a task keeps the limit that it began with"


@pytest.mark.req("C6", "H8")
def test_a_priority_above_the_limit_is_refused_and_an_admins_is_not(core: Core) -> None:
    root = core.person("root", "admin")
    set_defaults(core.database, {"highest_priority": "normal"}, COMMAND_LINE)
    with pytest.raises(Forbidden, match="up to the priority normal, not urgent"):
        core.submit(priority=Priority.URGENT)
    assert core.submit(priority=Priority.LOW)
    assert core.submit(identity=root, priority=Priority.URGENT)
    limit(core, core.me.user_id, highest_priority="urgent")
    assert core.submit(priority=Priority.URGENT)
    limit(core, core.me.user_id, highest_priority="low")
    assert core.task(core.submit()).priority == "low", "nobody has chosen normal"
    with pytest.raises(Forbidden, match="not high"):
        core.submit(priority=Priority.HIGH)


@pytest.mark.req("C3", "C9", "H8")
def test_who_may_not_cancel_or_retry_is_refused_in_a_sentence_and_admins_are_not_bound(core: Core) -> None:
    root = core.person("root", "admin")
    for each in (core.me, root):
        limit(core, each.user_id, may_cancel=False, may_retry=False)
    task_id = core.submit()
    with pytest.raises(Forbidden, match="may not cancel tasks"):
        lifecycle.request_cancel(core.database, core.me, task_id, None)
    with pytest.raises(Forbidden, match="may not run tasks again"):
        core.submit(retry_of=task_id)
    assert lifecycle.request_cancel(core.database, root, task_id, None)["status"] == "cancelled"
    assert core.submit(identity=root, retry_of=task_id)
    with core.database.read() as session:
        assert limits_for(session, root).may_cancel
        assert not limits_for(session, core.me).may_cancel
