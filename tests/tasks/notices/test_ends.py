"""Who is told of a task's end: once, in the transaction that makes the end true, and only who wants and may know."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from sqlalchemy import select

from accounts import Identity
from accounts.models import User
from database import utc_now
from tasks import lifecycle, registry
from tasks.errors import Conflict, LeaseLost, NotFound
from tasks.lifecycle import Failure
from tasks.notices import Notice, Notification, notify, notify_admins
from tasks.notices.following import follow, is_told
from tasks.notices.inbox import Preferences, keep_preferences
from tasks.registry import Review, find_job
from tasks.states import Visibility
from tests.fixtures.core import Core

pytestmark = pytest.mark.req("I1")


def told(core: Core, who: Identity | None = None) -> list[Notification]:
    """What this person was told, oldest first."""
    with core.database.read() as session:
        mine = select(Notification).where(Notification.user_id == (who or core.me).user_id)
        return list(session.scalars(mine.order_by(Notification.id)))


def types(core: Core, who: Identity | None = None) -> list[str]:
    return [each.type for each in told(core, who)]


def mute(core: Core, types: tuple[str, ...] = (), kinds: tuple[str, ...] = ()) -> None:
    with core.database.write() as session:
        keep_preferences(session, core.me.user_id, Preferences(types, kinds))


def test_each_end_is_told_in_words_with_its_page(core: Core) -> None:
    done, failed = core.running(title="Count to ten"), core.running(title="Count to twenty")
    core.complete(done, {"counted": 1204})
    core.fail(failed, "The disk is full.")
    first, second = told(core)
    assert (first.type, first.level, first.title) == ("finished", "success", "Count to ten is done")
    assert first.text == "Counted 1,204. Took 0.0 s."
    assert (first.href, first.task_id, first.kind) == (f"/tasks/{done.task_id}", done.task_id, "count")
    assert (second.type, second.level, second.title) == ("failed", "error", "Count to twenty failed")
    assert second.text == "The disk is full."
    assert first.read_at is first.announced_at is first.routed_at is None
    core.complete(core.running(title="x" * 300))
    assert told(core)[-1].title.endswith("xxx… is done")


def test_who_cancels_is_not_told_and_the_others_are(core: Core) -> None:
    admin = core.person("root", "admin")
    mine, queued, running = core.submit(), core.submit(title="Waits"), core.running(title="Runs")
    lifecycle.request_cancel(core.database, core.me, mine, None)
    assert told(core) == []
    lifecycle.request_cancel(core.database, admin, queued, "the server is needed")
    lifecycle.request_cancel(core.database, admin, running.task_id, None)
    assert len(told(core)) == 1, "a wish is no end"
    lifecycle.retry_later(core.database, running, Failure("It broke.", "retryable", True), 1.0, {})
    first, second = told(core)
    assert (first.title, first.text) == ("Waits was cancelled", "By root: “the server is needed”.")
    assert (second.title, second.text, second.type) == ("Runs was cancelled", "By root.", "cancelled")


def test_a_lost_worker_is_told_only_when_no_attempt_is_left(core: Core) -> None:
    held = core.running("fail")
    for turn in range(held.max_attempts):
        task = core.task(held.task_id)
        assert lifecycle.lose_worker(core.database, task.id, task.attempt, task.lease_expires_at, 0.0)
        if turn + 1 < held.max_attempts:
            assert told(core) == []
            core.set(held.task_id, retry_at=None)
            core.claim(held.task_id)
    assert types(core) == ["failed"]


def test_an_end_that_is_refused_or_rolled_back_tells_nobody(core: Core) -> None:
    held = core.running()
    core.complete(held)
    with pytest.raises(LeaseLost):
        core.fail(held)
    assert types(core) == ["finished"]

    other = core.running()
    with pytest.raises(ZeroDivisionError), core.database.write() as session:
        notify(session, core.me.user_id, Notice("alert", "warning", "The disk is filling"))
        raise ZeroDivisionError
    assert types(core) == ["finished"]
    core.complete(other)
    assert types(core) == ["finished", "finished"]


def test_one_end_is_one_row_whoever_tells_it_again(core: Core) -> None:
    held = core.running()
    core.complete(held)
    again = Notice("finished", "success", "Count is done", task_id=held.task_id, kind="count")
    with core.database.write() as session:
        assert notify(session, core.me.user_id, again) is None
        assert notify(session, core.me.user_id, Notice("alert", "error", "Stalled", task_id=held.task_id)) is not None
        assert notify(session, core.me.user_id, Notice("alert", "error", "Stalled", task_id=held.task_id)) is not None
    assert types(core) == ["finished", "alert", "alert"]


def test_followers_are_told_as_long_as_they_may_see_the_task(core: Core) -> None:
    bob, eve, root = core.person("bob"), core.person("eve"), core.person("root", "admin")
    shown, hidden = core.running(visibility=Visibility.EVERYONE), core.running(visibility=Visibility.EVERYONE)
    private = core.running()
    for person in (bob, root):
        follow(core.database, person, shown.task_id, True)
        follow(core.database, person, hidden.task_id, True)
    follow(core.database, root, private.task_id, True)
    with pytest.raises(NotFound):
        follow(core.database, eve, private.task_id, True)
    core.set(hidden.task_id, visibility="private")
    for held in (shown, hidden, private):
        core.complete(held)
    assert [each.task_id for each in told(core, bob)] == [shown.task_id]
    assert len(told(core, root)) == 3
    assert len(told(core)) == 3
    assert told(core, eve) == []


def test_a_disabled_account_is_told_nothing(core: Core) -> None:
    bob = core.person("bob")
    held = core.running(visibility=Visibility.EVERYONE)
    follow(core.database, bob, held.task_id, True)
    with core.database.write() as session:
        session.get_one(User, bob.user_id).is_active = False
    core.complete(held)
    assert told(core, bob) == []


@pytest.mark.req("I2")
def test_what_is_muted_by_type_or_job_is_not_told(core: Core) -> None:
    mute(core, types=("finished",))
    core.complete(core.running())
    core.fail(core.running())
    assert types(core) == ["failed"]
    mute(core, kinds=("count",))
    core.fail(core.running())
    with core.database.write() as session:
        assert notify(session, core.me.user_id, Notice("alert", "error", "Count fails often", kind="count")) is not None
    assert types(core) == ["failed", "alert"], "muting a job's ends does not hide an alert about it"


@pytest.mark.req("I2")
def test_what_a_person_says_of_one_task_counts_more_than_what_they_muted(core: Core) -> None:
    mute(core, types=("finished",), kinds=("count",))
    wanted, unwanted = core.running(), core.running()
    follow(core.database, core.me, wanted.task_id, True)
    core.complete(wanted)
    assert [each.task_id for each in told(core)] == [wanted.task_id]
    mute(core)
    follow(core.database, core.me, unwanted.task_id, False)
    core.fail(unwanted)
    assert len(told(core)) == 1


def test_the_page_says_whether_one_will_be_told(core: Core) -> None:
    bob = core.person("bob")
    task_id = core.submit(visibility=Visibility.EVERYONE)

    def said(who: Identity) -> bool:
        with core.database.read() as session:
            return is_told(session, core.snapshot(task_id), who.user_id)

    assert (said(core.me), said(bob)) == (True, False)
    mute(core, kinds=("count",))
    follow(core.database, bob, task_id, True)
    assert (said(core.me), said(bob)) == (False, True)
    follow(core.database, bob, task_id, False)
    follow(core.database, core.me, task_id, True)
    assert (said(core.me), said(bob)) == (True, False)


def test_an_ended_task_cannot_be_followed(core: Core) -> None:
    held = core.running()
    core.complete(held)
    with pytest.raises(Conflict, match="already ended: it is completed"):
        follow(core.database, core.me, held.task_id, True)


def test_what_waits_for_review_is_told_so_to_who_may_review_it(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    def review(task_id: str, results: Any) -> Review | None:
        return Review(f"{results['counted']} numbers wait for your review", f"/captions/{task_id}")

    monkeypatch.setitem(registry._jobs, "count", dataclasses.replace(find_job("count"), review=review))
    bob = core.person("bob")
    held = core.running(visibility=Visibility.EVERYONE, title="Numbers of May")
    follow(core.database, bob, held.task_id, True)
    core.complete(held, {"counted": 34})
    [mine], [his] = told(core), told(core, bob)
    assert (mine.type, mine.title, mine.href) == (
        "needs_review", "34 numbers wait for your review", f"/captions/{held.task_id}",
    )  # fmt: skip
    assert mine.text == "Numbers of May. Took 0.0 s."
    assert (his.type, his.title) == ("finished", "Numbers of May is done")
    core.complete(core.running(), {"said": 1})
    assert types(core) == ["needs_review", "finished"], "a job that cannot say it keeps no task from ending"


def test_admins_are_told_together_and_in_one_transaction(core: Core) -> None:
    root, ops = core.person("root", "admin"), core.person("ops", "admin")
    with core.database.write() as session:
        keep_preferences(session, ops.user_id, Preferences(("alert",)))
        assert len(notify_admins(session, Notice("alert", "warning", "The disk is filling", "18.4 GB free."))) == 1
        assert len(notify_admins(session, Notice("test", "info", "A test"))) == 2, "a test is never muted"
    assert (types(core, root), types(core, ops), types(core)) == (["alert", "test"], ["test"], [])
    assert told(core, root)[0].created_at <= utc_now()


@pytest.mark.req("I2")
def test_a_task_may_be_started_with_a_wish_about_its_notification(core: Core) -> None:
    core.complete(core.running(notify=False))
    assert told(core) == []
    mute(core, types=("finished",))
    core.complete(core.running(notify=True))
    core.complete(core.running())
    assert types(core) == ["finished"]


@pytest.mark.req("G1", "J1")
def test_a_schedules_owner_is_told_and_captions_are_told_as_what_waits(core: Core) -> None:
    registry.load_jobs(("jobs",))
    review = find_job("caption_images").review
    assert review is not None
    assert review("x", {"captions_generated": 34}) == Review("34 captions wait for your review", "/captions/x")
    assert review("x", {"captions_generated": 1}) == Review("1 caption waits for your review", "/captions/x")
    assert review("x", {"captions_generated": 0}) is None
    core.complete(core.running(schedule_id="b5f6c0de-0000-4000-8000-000000000000", title="Nightly count"))
    assert [each.title for each in told(core)] == ["Nightly count is done"]
