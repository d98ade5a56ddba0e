"""Which waiting task goes next, and that none is lost or sent twice for nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tasks.lifecycle import Limits
from tasks.queue import LOST_AFTER_S, TaskQueue, task_id_of
from tasks.states import Priority

pytestmark = pytest.mark.req("C6")


def _queue(core, limits: Limits | None = None) -> TaskQueue:
    return TaskQueue(core.database, core.client, "taskroom:", limits or Limits(100, 100))


def _sent(queue: TaskQueue, priority: str) -> list[str]:
    return [task_id_of(job) for job in queue.queues[Priority(priority)].jobs]


def test_the_most_urgent_goes_first_and_inside_one_priority_the_oldest(live_core):
    order = ["low", "normal", "urgent", "normal", "high", "urgent"]
    tasks = [(live_core.submit(priority=Priority(priority)), priority) for priority in order]
    for place, (task_id, _) in enumerate(tasks):
        live_core.set(task_id, queued_at=live_core.now() + timedelta(milliseconds=place))
    queue = _queue(live_core)
    first = [task_id for task_id, _ in queue._ready(100)]
    wanted = sorted(range(6), key=lambda place: (Priority(order[place]).rank, place))
    assert first == [tasks[place][0] for place in wanted]
    assert queue.dispatch() == 6
    for priority in Priority:
        assert _sent(queue, priority) == [task_id for task_id, each in tasks if each == priority]
    assert queue.dispatch() == 0, "what is sent is not sent again"


@pytest.mark.req("C7")
def test_no_more_are_sent_than_may_run_and_nobody_crowds_out_the_others(live_core):
    eve = live_core.person("eve")
    mine = [live_core.submit() for _ in range(6)]
    hers = [live_core.submit(identity=eve) for _ in range(2)]
    queue = _queue(live_core, Limits(total=4, per_user=3))
    queue.dispatch()
    assert set(_sent(queue, "normal")) == {*mine[:3], hers[0]}


@pytest.mark.req("C8")
def test_a_task_that_waits_for_its_next_attempt_is_sent_when_it_is_due(live_core):
    task_id = live_core.submit()
    live_core.set(task_id, retry_at=live_core.now() + timedelta(minutes=1))
    queue = _queue(live_core)
    assert queue.dispatch() == 0
    live_core.set(task_id, retry_at=live_core.now() - timedelta(seconds=1))
    assert queue.dispatch() == 1


@pytest.mark.req("C2")
def test_an_id_that_got_lost_on_its_way_is_sent_again_and_one_that_waits_is_not(live_core):
    lost, waits = live_core.submit(), live_core.submit()
    queue = _queue(live_core)
    queue.dispatch()
    for task_id in (lost, waits):
        live_core.set(task_id, dispatched_at=live_core.now() - timedelta(seconds=LOST_AFTER_S + 1))
    for job in queue.queues[Priority.NORMAL].jobs:
        if task_id_of(job) == lost:
            job.delete()
    assert queue.resend_lost() == 1
    assert queue.dispatch() == 1
    assert sorted(_sent(queue, "normal")) == sorted([lost, waits])


@pytest.mark.req("C2", "E2")
def test_a_redis_that_is_away_loses_nothing_that_waits(database, redis_server, make_live_core):
    import redis

    core = make_live_core(database, redis_server.url)
    task_id = core.submit()
    queue = _queue(core)
    redis_server.kill()
    with pytest.raises(redis.RedisError):
        queue.dispatch()
    assert core.task(task_id).dispatched_at is None
    redis_server.start()
    assert queue.dispatch() == 1
