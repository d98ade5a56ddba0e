"""The scheduler process itself: what comes due is started and sent to a worker without anybody asking."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from accounts import Actor
from config import Config
from database import Database, utc_now
from tasks.registry import load_jobs
from tasks.scheduler import Scheduler
from tasks.schedules.models import Schedule
from tasks.schedules.standing import CLEAN_UP_ID, Standing
from tests.fixtures.core import LiveCore
from tests.fixtures.machine import wait_until
from tests.tasks.schedules.conftest import Book

pytestmark = pytest.mark.req("G3")


def test_two_schedulers_start_what_comes_due_once_and_send_it(
    database: Database, config: Config, redis_url: str, make_live_core: Callable[[Database, str], LiveCore]
) -> None:
    book = Book(make_live_core(database, redis_url), config)
    one = book.make(book.core.person("grace"), "0 0 1 1 *")
    stop = threading.Event()
    schedulers = [threading.Thread(target=Scheduler(config).run, args=(stop,)) for _ in range(2)]
    for scheduler in schedulers:
        scheduler.start()
    try:
        book.due(one, utc_now())
        wait_until(lambda: [task for task in book.runs(one) if task.dispatched_at], 15, "its task is sent")
        book.due(one, utc_now())
        wait_until(lambda: book.get(one).last_outcome == "skipped", 15, "the next is left out: that still waits")
    finally:
        stop.set()
        for scheduler in schedulers:
            scheduler.join()
    assert len(book.runs(one)) == 1


@pytest.mark.req("G6")
def test_every_installation_cleans_up_by_itself_once_it_has_an_admin(
    database: Database, config: Config, redis_url: str, make_live_core: Callable[[Database, str], LiveCore]
) -> None:
    load_jobs(("jobs",))
    book = Book(make_live_core(database, redis_url), config)
    standing = Standing(database, book.tasks)
    standing.see_to()
    with database.read() as session:
        assert session.get(Schedule, CLEAN_UP_ID) is None
    root = book.core.person("root", "admin")
    standing.see_to()
    schedule = book.get(CLEAN_UP_ID)
    assert (schedule.owner_id, schedule.kind, schedule.active) == (root.user_id, "clean_up", True)
    book.schedules.change(root, CLEAN_UP_ID, {"active": False}, Actor("root"))
    Standing(database, book.tasks).see_to()
    assert not book.get(CLEAN_UP_ID).active, "who paused it meant it"
    book.set(CLEAN_UP_ID, active=True, next_run_at=utc_now())
    (task_id,) = book.firing.fire_due(utc_now())
    assert book.core.task(task_id).owner_id == root.user_id
