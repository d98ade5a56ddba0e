"""Alerts as the scheduler raises them: once, counted, graver while nobody cares, and gone when their cause is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import redis
from sqlalchemy import select

from accounts import COMMAND_LINE
from database import Database, rfc3339, utc_now
from monitoring.alerts import measuring, people
from monitoring.alerts.causes import SETTLE_S
from monitoring.alerts.models import Alert
from monitoring.alerts.rules import RULES
from monitoring.lease import LEASE_S
from monitoring.presence import Presence
from tasks import journal
from tasks.notices import Notification
from tests.fixtures.core import Core
from tests.fixtures.redis_servers import RedisServer
from tests.monitoring.alerts.conftest import Watch

pytestmark = pytest.mark.req("H4")


@pytest.fixture
def core(watch: Watch) -> Core:
    """Tasks on the engine's database."""
    return Core(watch.database)


def waiting_since(core: Core, seconds: float) -> str:
    """A task that has waited for so long."""
    task_id = core.submit()
    core.set(task_id, queued_at=utc_now() - timedelta(seconds=seconds))
    return task_id


def test_a_backed_up_queue_is_one_alert_that_comes_counts_escalates_and_goes(any_watch: Watch) -> None:
    watch, core = any_watch, Core(any_watch.database)
    core.person("root", role="admin")
    watch.only("queue_backup")
    watch.set("queue_backup", wait_s=60, after_s=10, escalate_after_s=30)
    task_id = waiting_since(core, 90)
    watch.turns(8)
    assert watch.alerts() == [], "it has to last first"
    watch.turns(4)
    alert = watch.one("queue_backup")
    assert (alert.severity, alert.state, alert.count) == ("warning", "active", 1)
    assert alert.text.startswith("1 task waits, the oldest since ")

    core.set(task_id, queued_at=utc_now())
    watch.turns(10)
    core.set(task_id, queued_at=utc_now() - timedelta(seconds=70))
    watch.turns(10)
    assert (watch.one("queue_backup").count, watch.story(alert.id)) == (2, ["raised", "again"])

    with watch.database.write() as session:
        session.get_one(Alert, alert.id).first_at -= timedelta(seconds=31)
    watch.turns(4)
    assert (watch.one("queue_backup").severity, watch.story(alert.id)[-1]) == ("high", "escalated")

    core.complete(core.claim(task_id))  # type: ignore[arg-type]
    watch.turns(RULES["queue_backup"].quiet_s - 4)
    assert watch.one("queue_backup").state == "active", "a cause that has only just gone may come back"
    watch.turns(8)
    gone = watch.one("queue_backup")
    assert (gone.state, gone.resolved_by, gone.count) == ("resolved", None, 2)
    assert watch.story(alert.id) == ["raised", "again", "escalated", "resolved"]
    with watch.database.read() as session:
        mine = select(Notification).where(Notification.type == "alert").order_by(Notification.id)
        told = session.scalars(mine).all()
    assert [each.level for each in told] == ["warning", "error"], "once when it came, once when it grew"
    assert told[0].href == f"/admin/alerts/{alert.id}"

    waiting_since(core, 90)
    watch.turns(14)
    assert [each.state for each in watch.alerts()] == ["resolved", "active"]


def test_what_is_paused_does_not_count_as_waiting(watch: Watch, core: Core) -> None:
    from tasks.lifecycle import control

    watch.only("queue_backup")
    watch.set("queue_backup", wait_s=60, after_s=0)
    waiting_since(core, 90)
    control.pause(watch.database, COMMAND_LINE, kinds=["count"])
    watch.turns(6)
    assert watch.alerts() == []
    control.resume(watch.database, COMMAND_LINE, kinds=["count"])
    watch.turns(4)
    assert watch.one("queue_backup").state == "active"


def test_each_further_failure_counts_and_a_resolved_row_of_them_stays_resolved_until_the_next(
    any_watch: Watch,
) -> None:
    watch, core = any_watch, Core(any_watch.database)
    watch.only("repeated_failures")
    watch.set("repeated_failures", failures=3, share_percent=50)
    for _ in range(2):
        core.fail(core.running())
    watch.turns(12)
    assert watch.alerts() == []
    core.fail(core.running())
    watch.turns(12)
    alert = watch.one("repeated_failures")
    assert (alert.subject, alert.count) == ("count", 3)
    assert alert.text == "3 of 3 tasks failed within 1 h. The newest said: It broke."
    core.fail(core.running())
    watch.turns(12)
    assert watch.one("repeated_failures").count == 4

    people.resolve(watch.database, alert.id, COMMAND_LINE)
    watch.turns(SETTLE_S + 20, 20)
    watch.restart()
    watch.turns(20)
    assert len(watch.alerts()) == 1, "also for a scheduler that was not there then"
    core.fail(core.running())
    watch.turns(12)
    newest = watch.alerts()[-1]
    assert (len(watch.alerts()), newest.state, newest.count) == (2, "active", 1)
    assert newest.text.startswith("5 of 5 tasks failed within 1 h.")


def test_a_silent_worker_is_told_before_its_task_is_taken_from_it(watch: Watch, core: Core) -> None:
    watch.only("worker_silent")
    held = core.running(worker="worker-5@boreas:99")
    other = core.running(worker="worker-6@boreas:77")
    for _ in range(5):
        core.set(other.task_id, lease_expires_at=utc_now() + timedelta(seconds=15))
        watch.turn()
    alert = watch.one("worker_silent")
    assert alert.title == "worker-5@boreas is silent"
    assert alert.task_id == held.task_id
    assert "is taken from it at about" in alert.text
    core.complete(held)
    core.complete(other)
    watch.turns(64)
    assert watch.one("worker_silent").state == "resolved"


def test_a_stalled_task_is_told_and_over_when_progress_goes_on(any_watch: Watch) -> None:
    watch, core = any_watch, Core(any_watch.database)
    watch.only("task_stalled")
    watch.set("task_stalled", after_s=0)
    held = core.running(worker="worker-1@atlas:5")
    journal.save_progress(watch.database, held, {"stalled_since": rfc3339(utc_now())})
    watch.turn()
    assert (watch.one("task_stalled").task_id, watch.one("task_stalled").severity) == (held.task_id, "info")
    journal.save_progress(watch.database, held, {"stalled_since": None})
    watch.turns(34)
    assert watch.one("task_stalled").state == "resolved"


def test_a_held_loop_and_a_web_process_that_says_nothing_are_told(watch: Watch) -> None:
    watch.only("loop_blocked")
    web = Presence(watch.client, "taskroom:", "web")
    web.beat({"loop_delay_max_ms": 12.0})
    watch.turn()
    web.beat({"loop_delay_max_ms": 1204.0})
    watch.turn()
    assert "held for 1,204 ms" in watch.one("loop_blocked").text
    web.beat({"loop_delay_max_ms": 15.0})
    watch.turns(4)
    assert watch.one("loop_blocked").count == 1
    watch.turns(6)  # no further beat, and the key is still there
    assert watch.one("loop_blocked").count == 2
    assert "has not said anything since" in watch.one("loop_blocked").text
    web.leave()
    watch.turns(34)
    assert watch.one("loop_blocked").state == "active", "nobody can say how a process is that says nothing"
    web.name = "web@here:2"  # another process, after a restart
    web.beat({"loop_delay_max_ms": 3.0})
    watch.turns(6)
    for _ in range(8):
        web.beat({"loop_delay_max_ms": 3.0})
        watch.turns(4)
    assert watch.one("loop_blocked").state == "resolved"


def test_without_workers_tasks_wait_and_somebody_is_told(watch: Watch, core: Core) -> None:
    watch.only("no_workers")
    watch.set("no_workers", after_s=4)
    core.submit()
    watch.turns(8)
    assert watch.one("no_workers").text == "None has been heard of for 20 s. 1 task waits."
    Presence(watch.client, "taskroom:", "worker").beat({})
    watch.turns(34)
    assert watch.one("no_workers").state == "resolved"


def test_a_disk_and_a_memory_that_run_low_are_told(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    watch.only("disk_low", "memory_low")
    watch.set("disk_low", after_s=0)
    watch.set("memory_low", after_s=0)
    real = measuring.machine(watch.engine._config)

    def leave(free: float, available: float) -> None:
        low = replace(real, disk_free=int(free * real.disk_total), memory_available=int(available * real.memory_total))
        monkeypatch.setattr(measuring, "machine", lambda _config: low)
        watch.turns(4)

    leave(0.101, 0.051)
    assert watch.alerts() == []
    leave(0.099, 0.049)
    disk, memory = watch.one("disk_low"), watch.one("memory_low")
    assert disk.subject == f"{real.host}:{real.disk_path}"
    assert "(9.9 %) free on" in disk.text and "the limit is 10 % (" in disk.text
    assert memory.facts[2] == ["Limit", "5 %"]
    for _ in range(3):
        leave(0.101, 0.051)
        leave(0.099, 0.049)
    assert [each.count for each in watch.alerts()] == [1, 1], "a value that trembles at its limit is one alert"
    watch.set("disk_low", on=False)
    leave(0.02, 0.02)
    assert [each.state for each in watch.alerts()] == ["resolved", "active"]


def test_one_judges_at_a_time_and_another_goes_on_where_it_stopped(
    make_watch: Callable[..., Watch], watch: Watch, core: Core, redis_url: str
) -> None:
    watch.only("queue_backup")
    watch.set("queue_backup", wait_s=60, after_s=0)
    waiting_since(core, 90)
    second = make_watch(watch.database, redis_url)
    watch.turns(4)
    second.turns(10)
    assert not second.engine.causes.by_key, "it is not its turn"
    second.turns(LEASE_S)
    watch.turns(4)
    assert second.engine.causes.by_key, "the first said nothing for long enough"
    alert = watch.one("queue_backup")
    assert (alert.count, watch.story(alert.id)) == (1, ["raised"])
    core.complete(core.claim(core.submit()))  # type: ignore[arg-type]


def test_who_resolves_what_goes_on_has_five_minutes(watch: Watch, core: Core) -> None:
    watch.only("queue_backup")
    watch.set("queue_backup", wait_s=60, after_s=0)
    waiting_since(core, 90)
    watch.turns(2)
    people.resolve(watch.database, watch.one("queue_backup").id, COMMAND_LINE, "I add a worker")
    watch.turns(100, 10)
    watch.restart()
    watch.turns(SETTLE_S - 10, 10)
    assert [each.state for each in watch.alerts()] == ["resolved"]
    watch.turns(20)
    assert [each.state for each in watch.alerts()] == ["resolved", "active"]


def test_who_has_acknowledged_is_left_alone(watch: Watch, core: Core) -> None:
    watch.only("queue_backup")
    watch.set("queue_backup", wait_s=60, after_s=0, escalate_after_s=30)
    waiting_since(core, 90)
    watch.turns(2)
    alert = watch.one("queue_backup")
    people.acknowledge(watch.database, alert.id, COMMAND_LINE)
    with watch.database.write() as session:
        session.get_one(Alert, alert.id).first_at -= timedelta(hours=3)
    watch.turns(20)
    assert (watch.one("queue_backup").severity, watch.one("queue_backup").state) == ("warning", "acknowledged")


def test_redis_away_is_stored_and_told_to_open_pages_when_it_is_back(
    make_watch: Callable[..., Watch], database: Database, redis_server: RedisServer
) -> None:
    watch = make_watch(database, redis_server.url)
    watch.only("redis_lost", "no_workers")
    redis_server.kill()
    watch.turns(10)
    alert = watch.one("redis_lost")
    assert (alert.severity, alert.subject) == ("critical", "redis")
    assert watch.alerts("no_workers") == [], "nobody can know that now"
    redis_server.start()
    with redis_server.client() as client, client.pubsub() as listening:
        listening.subscribe("taskroom:admin")
        assert listening.get_message(timeout=5)
        watch.turns(6)
        for _ in range(2):  # at once, and once more when every web process listens again
            told = listening.get_message(timeout=5)
            assert told is not None and b'"admin_alert"' in told["data"] and b'"redis_lost"' in told["data"]
    watch.turns(34)
    assert watch.one("redis_lost").state == "resolved"


def test_a_redis_that_answers_and_takes_no_writes_is_told_and_nobody_is_called_silent(
    make_watch: Callable[..., Watch], database: Database, redis_server: RedisServer
) -> None:
    watch = make_watch(database, redis_server.url)
    watch.only("redis_lost", "loop_blocked")
    Presence(watch.client, "taskroom:", "web").beat({"loop_delay_max_ms": 3.0})
    watch.turn()
    with redis_server.client() as client:
        client.config_set("maxmemory", 1)
        watch.turns(20)
        assert watch.one("redis_lost").title == "Redis takes no writes"
        assert "maxmemory" in watch.one("redis_lost").text
        assert len(watch.alerts()) == 1
        client.config_set("maxmemory", 0)


@pytest.mark.req("E8")
def test_a_locked_database_is_told_at_once_and_stored_when_it_is_back(
    make_watch: Callable[..., Watch], database: Database, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    watch = make_watch(database, redis_url)
    watch.only("database_trouble")
    watch.set("database_trouble", write_ms=100, after_s=3)
    watch.turn()
    with redis.Redis.from_url(redis_url) as client, client.pubsub() as listening:
        listening.subscribe("taskroom:admin")
        assert listening.get_message(timeout=5)
        with database.write() as session:
            session.connection()  # holds SQLite's only write lock
            watch.turns(8)
            told = listening.get_message(timeout=5)
        assert told is not None and b'"id":null' in told["data"] and b"takes no writes" in told["data"]
    assert "alert, not stored yet: The database takes no writes" in caplog.text
    assert watch.alerts() == []
    watch.turn()
    alert = watch.one("database_trouble")
    assert (alert.state, alert.severity) == ("active", "critical")
    assert "Something else holds its write lock" in alert.text
    watch.turns(34)
    assert watch.one("database_trouble").state == "resolved"
