"""Committed, then announced, for sure: in order, once, whoever announces and whatever failed before."""

from __future__ import annotations

import threading
from datetime import timedelta

import orjson
import pytest
from sqlalchemy import text

from tasks import journal, lifecycle
from tasks.journal import Line
from tasks.lifecycle import Failure

pytestmark = pytest.mark.req("C2", "E2", "A8")


def _told(core, task_id: str) -> list[tuple[str, dict]]:
    return [(event.name, orjson.loads(event.data)) for event in core.log.read(task_id, 0).events]


def _names(core, task_id: str) -> list[str]:
    return [name for name, _ in _told(core, task_id)]


def _numbers(core, task_id: str) -> list[int]:
    return [line["n"] for name, data in _told(core, task_id) if name == "task_log" for line in data["lines"]]


def _lines(core, held, count: int) -> list[dict]:
    return journal.append_lines(core.database, held, [Line(core.now(), "info", f"line {n}") for n in range(count)])


def test_a_life_is_told_in_its_order(live_core):
    core = live_core
    task_id = core.announced(core.submit("fail"))
    held = core.claim(task_id)
    core.announced(task_id)
    core.announcer.announce_lines(task_id, _lines(core, held, 2))
    lifecycle.retry_later(core.database, held, Failure("Once more.", "retryable", True), 0.0, {})
    core.announced(task_id)
    held = core.claim(task_id)
    core.announced(task_id)
    core.complete(held)
    core.announced(task_id)
    assert _names(core, task_id) == [
        "progress_update", "progress_update", "task_log", "task_log", "task_retrying", "progress_update",
        "progress_update", "task_completed",
    ]  # fmt: skip
    assert _numbers(core, task_id) == [1, 2, 3], "our own line about the retry is one of them"


@pytest.mark.slow
@pytest.mark.every_redis
def test_many_announcers_at_once_tell_each_thing_once_and_lines_before_the_end(database, redis_url, make_live_core):
    cores = [make_live_core(database, redis_url)]
    cores += [_colleague(cores[0], make_live_core, redis_url, database) for _ in range(3)]
    core = cores[0]
    for _ in range(15):
        held = core.running("fail")
        for _ in range(3):
            _lines(core, held, 700)
        lifecycle.retry_later(core.database, held, Failure("Once more.", "retryable", True), 0.0, {})
        held = core.claim(held.task_id)
        _lines(core, held, 300)
        core.complete(held)
        threads = [threading.Thread(target=each.announcer.announce, args=(held.task_id,)) for each in cores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        told = _told(core, held.task_id)
        finals = [place for place, (name, _) in enumerate(told) if name == "task_completed"]
        assert len(finals) == 1
        assert finals[0] == len(told) - 1, "nothing follows the end"
        ids = [event.announced_at for event in core.events(held.task_id)]
        assert all(ids)


def _colleague(first, make_live_core, url, database):
    from delivery.announcer import TailAnnouncer
    from delivery.event_log import EventLog, connect

    class Colleague:
        announcer = TailAnnouncer(database, EventLog(connect(url), "taskroom:"))

    return Colleague


def test_lines_that_another_announcer_tells_meanwhile_are_not_left_out(live_core):
    core = live_core
    held = core.running()
    core.announced(held)
    _lines(core, held, 1200)
    tell, turns = core.announcer._tell_lines, iter(range(100))

    def interrupted(task_id, lines):
        if next(turns) == 1:  # a slower announcer is overtaken between reading and telling
            tell(task_id, lines[:200])
        return tell(task_id, lines)

    core.announcer._tell_lines = interrupted
    core.complete(held)
    core.announced(held)
    assert _numbers(core, held.task_id) == list(range(1, 1201))
    assert _names(core, held.task_id)[-1] == "task_completed"


def test_what_a_crash_left_between_commit_and_announcement_is_told_by_the_sweep(live_core):
    core = live_core
    held = core.running()
    core.announced(held)
    _lines(core, held, 3)
    core.complete(held)
    assert core.announcer.sweep() == 0, "somebody may still be about to tell it"
    with core.database.write() as session:
        session.execute(text("DROP TRIGGER task_events_append_only"))
        session.execute(text("UPDATE task_events SET at = :at"), {"at": core.now() - timedelta(seconds=10)})
    assert core.announcer.sweep() == 1
    assert _names(core, held.task_id)[-2:] == ["task_log", "task_completed"]
    assert core.announcer.sweep() == 0


@pytest.mark.every_redis
@pytest.mark.slow
def test_what_happened_while_redis_was_away_is_in_the_tail_that_is_begun_then(database, redis_server, make_live_core):
    core = make_live_core(database, redis_server.url)
    held = core.running()
    core.announced(held)
    redis_server.kill()
    _lines(core, held, 3)
    core.complete(held)
    core.announced(held)
    assert core.announcer.missed == 1
    redis_server.start()
    core.announced(held)
    assert _names(core, held.task_id) == ["task_completed"]
    assert core.log.read(held.task_id).log_n == 3


def test_a_tail_that_somebody_began_from_an_older_state_still_gets_the_end(live_core):
    """Between our rebuild's reading and its writing another process begins the tail: what it lacked is told after."""
    core = live_core
    held = core.running()
    stale = core.announcer
    begin = core.log.begin

    def beaten(task_id, start, replacing=""):
        if start.is_final:
            core.log.begin = begin
            from delivery.event_log import Start

            begin(task_id, Start(1, 0, None, False, False, "progress_update", '"status":"queued"'))
        return begin(task_id, start, replacing)

    core.complete(held)
    core.log.begin = beaten
    stale.announce(held.task_id)
    assert _names(core, held.task_id)[-1] == "task_completed"
    assert _names(core, held.task_id).count("task_completed") == 1


@pytest.mark.req("G7")
def test_the_owners_feed_hears_each_state_once_from_many_announcers(live_core, redis_client):
    core = live_core
    listener = redis_client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(core.log.user_channel(core.me.user_id))
    listener.get_message(timeout=5)
    held = core.running()
    for _ in range(3):
        core.announced(held)
    lifecycle.request_cancel(core.database, core.me, held.task_id, None)
    core.announced(held)
    core.complete(held)
    threads = [threading.Thread(target=core.announcer.announce, args=(held.task_id,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    heard = []
    while (message := listener.get_message(timeout=0.5)) is not None:
        name, data = orjson.loads(message["data"][1:])
        heard.append(data["data"]["status"] if name == "task_update" else name)
    assert sorted(heard) == ["notification", "started", "success"]
    listener.close()
