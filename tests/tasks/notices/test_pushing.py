"""Stored notifications reach the person's feed once, whoever pushes them and whatever dies in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
import redis
from sqlalchemy import select, update

from accounts import Identity
from database import Database
from delivery.announcer import TailAnnouncer
from delivery.event_log import EventLog, connect
from delivery.notices import Notices
from delivery.published import USER_FEED, Published
from delivery.refusals import Refusals
from tasks import lifecycle
from tasks.errors import Conflict, NotFound
from tasks.notices import Notice, Notification, notify
from tasks.notices.following import follow
from tasks.states import Visibility
from tests.fixtures.core import LiveCore

pytestmark = pytest.mark.req("I1")


class Ear:
    """Listens to somebody's feed."""

    def __init__(self, core: LiveCore, who: Identity | None = None) -> None:
        self._heard = core.client.pubsub(ignore_subscribe_messages=True)
        self._heard.subscribe(core.log.user_channel((who or core.me).user_id))
        self._heard.get_message(timeout=5)

    def hear(self, name: str) -> list[dict[str, Any]]:
        """What has come under this name since the last time."""
        said = []
        while (message := self._heard.get_message(timeout=0.05)) is not None:
            told, data = orjson.loads(message["data"][1:])
            said += [data] if told == name else []
        return said


@pytest.fixture
def live(make_live_core: Callable[..., LiveCore], any_database: Database, redis_url: str) -> LiveCore:
    """A core with a live tail on SQLite and on PostgreSQL."""
    return make_live_core(any_database, redis_url)


@pytest.fixture
def far_log() -> Iterator[EventLog]:
    """A Redis that is not there."""
    client = connect("redis://127.0.0.1:1")
    yield EventLog(client, "taskroom:")
    client.close()


def row(core: LiveCore, task_id: str) -> Notification:
    with core.database.read() as session:
        return session.scalars(select(Notification).where(Notification.task_id == task_id)).one()


def alert(core: LiveCore, title: str = "The disk is filling") -> int:
    with core.database.write() as session:
        told = notify(session, core.me.user_id, Notice("alert", "warning", title))
        assert told is not None
        return told.id


def test_an_end_is_pushed_with_its_announcement_and_carries_the_count(live: LiveCore) -> None:
    ear = Ear(live)
    held = live.running(title="Count to ten")
    live.complete(held)
    assert row(live, held.task_id).announced_at is None
    live.announced(held)
    [pushed] = ear.hear("notification")
    stored = row(live, held.task_id)
    assert stored.announced_at is not None
    assert (pushed["id"], pushed["type"], pushed["level"], pushed["title"]) == (
        stored.id, "finished", "success", "Count to ten is done",
    )  # fmt: skip
    assert (pushed["task_id"], pushed["kind"], pushed["href"]) == (held.task_id, "count", f"/tasks/{held.task_id}")
    assert (pushed["unread_count"], pushed["read_at"]) == (1, None)
    live.announced(held)
    assert live.announcer.notices.push() == 0
    assert ear.hear("notification") == []


@pytest.mark.req("A11")
def test_what_a_crash_left_behind_is_pushed_by_the_next_who_looks(live: LiveCore, far_log: EventLog) -> None:
    ear = Ear(live)
    away = TailAnnouncer(live.database, far_log)
    held = live.running()
    live.complete(held)
    away.announce(held.task_id)  # Redis does not answer
    with pytest.raises(redis.RedisError):
        away.notices.push()
    assert row(live, held.task_id).announced_at is None
    assert live.announcer.notices.push() == 1
    assert len(ear.hear("notification")) == 1

    second = alert(live)
    live.announcer.notices.push()
    with live.database.write() as session:  # the process died after the publication, before it wrote that down
        session.execute(update(Notification).where(Notification.id == second).values(announced_at=None))
    assert live.announcer.notices.push() == 1
    assert [each["id"] for each in ear.hear("notification")] == [second]
    assert live.announcer.notices.push() == 0


@pytest.mark.req("A11")
def test_of_many_who_push_at_once_each_notification_goes_out_once(live: LiveCore) -> None:
    ear = Ear(live)
    ids = [alert(live, f"Alert {number}") for number in range(12)]
    gate = threading.Barrier(4)
    pushers = [Notices(live.database, EventLog(live.client, "taskroom:")) for _ in range(4)]

    def push(notices: Notices) -> None:
        gate.wait(10)
        notices.push()

    threads = [threading.Thread(target=push, args=(each,)) for each in pushers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    heard = ear.hear("notification")
    assert sorted(each["id"] for each in heard) == ids
    newest = max(heard, key=lambda each: each["revision"])
    assert newest["unread_count"] == 12
    assert len({each["revision"] for each in heard}) == 12


def test_a_count_that_was_taken_later_has_the_higher_revision(live: LiveCore) -> None:
    log = live.log
    first = [log.inbox_revision(7) for _ in range(50)]
    assert first == sorted(set(first))
    live.client.flushall()  # a Redis that came back empty
    assert log.inbox_revision(7) > first[-1]
    assert first[-1] < 2**53, "JavaScript holds it exactly"


def test_what_is_read_in_one_tab_is_told_to_all_of_them(live: LiveCore) -> None:
    bob = live.person("bob")
    ear, his = Ear(live), Ear(live, bob)
    ids = [alert(live, f"Alert {number}") for number in range(4)]
    notices = live.announcer.notices
    answer = notices.mark(live.me.user_id, ids[:2])
    assert answer["unread_count"] == 2
    [told] = ear.hear("inbox_update")
    assert told == {"ids": ids[:2], "up_to": None, "read": True, **answer}
    assert notices.mark(live.me.user_id, [ids[0]], read=False)["unread_count"] == 3
    assert notices.mark_up_to(live.me.user_id, ids[2])["unread_count"] == 1
    assert notices.mark_up_to(live.me.user_id)["unread_count"] == 0
    back, *ups = ear.hear("inbox_update")
    assert (back["ids"], back["read"]) == ([ids[0]], False)
    assert [each["up_to"] for each in ups] == [ids[2], ids[3]]
    assert his.hear("inbox_update") == []


@pytest.mark.req("D2")
def test_nobody_marks_or_shows_what_is_anothers(live: LiveCore) -> None:
    bob = live.person("bob")
    mine = alert(live)
    for ids in ([mine], [mine + 1000], [-1]):
        with pytest.raises(NotFound, match="not yours"):
            live.announcer.notices.mark(bob.user_id, ids)
    live.announcer.notices.mark_up_to(bob.user_id)
    assert live.announcer.notices.unread_count(live.me.user_id) == 1
    assert not live.announcer.notices.show_once(bob.user_id, mine)
    assert live.announcer.notices.show_once(live.me.user_id, mine)


@pytest.mark.req("F5")
def test_one_of_all_tabs_shows_it_and_none_what_is_read_already(live: LiveCore) -> None:
    notices = live.announcer.notices
    first, second = alert(live), alert(live)
    assert [notices.show_once(live.me.user_id, first) for _ in range(3)] == [True, False, False]
    notices.mark(live.me.user_id, [second])
    assert not notices.show_once(live.me.user_id, second)


def test_reading_goes_on_while_redis_is_away(live: LiveCore, far_log: EventLog) -> None:
    one, _ = alert(live), alert(live)
    away = Notices(live.database, far_log)
    assert away.mark(live.me.user_id, [one]) == {"unread_count": 1, "revision": None}


@pytest.mark.req("D3")
def test_a_notification_that_nobody_stored_is_not_passed_on(live: LiveCore) -> None:
    published = Published(live.database, Refusals())
    ear = Ear(live)
    alert(live)
    live.announcer.notices.push()
    [told] = ear.hear("notification")

    def passes(user_id: int, **changes: Any) -> bool:
        packet = b"2" + orjson.dumps(["notification", {**told, **changes}])
        return published.is_feed(packet, USER_FEED, user_id)

    assert passes(live.me.user_id)
    assert not passes(live.me.user_id + 1)
    assert not passes(live.me.user_id, title="Send your password to eve")
    assert not passes(live.me.user_id, id=10**6)
    assert not passes(live.me.user_id, id="x")


@pytest.mark.slow
def test_a_follow_at_the_moment_of_the_end_is_kept_or_refused(live: LiveCore) -> None:
    bob = live.person("bob")
    outcomes = {"told": 0, "refused": 0}
    for turn in range(30):
        held = live.running(visibility=Visibility.EVERYONE)
        gate = threading.Barrier(2)
        refused: list[Conflict] = []

        def ask(task_id: str = held.task_id, gate: threading.Barrier = gate, refused: list[Any] = refused) -> None:
            gate.wait(10)
            try:
                follow(live.database, bob, task_id, True)
            except Conflict as error:
                refused.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        gate.wait(10)
        time.sleep(turn % 10 / 2000)  # so that now the one comes first and now the other
        if turn % 2:
            lifecycle.confirm_cancel(live.database, held, {}, 1, forced=False)
        else:
            live.complete(held)
        asking.join(30)
        with live.database.read() as session:
            his = (Notification.user_id == bob.user_id, Notification.task_id == held.task_id)
            told = len(session.scalars(select(Notification).where(*his)).all())
        assert told + len(refused) == 1, "a follow that was taken is kept, exactly once"
        outcomes["told" if told else "refused"] += 1
    print(outcomes)
