"""The clean-up removes what is too old with all that it left, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from config import Config
from database import Database, utc_now
from jobs.clean_up.job import BATCH, CleanUpParams, clean_up
from jobs.code_scan.models import CodeScan
from monitoring.alerts.models import Alert
from tasks.journal import Line, append_lines
from tasks.models import Artifact, LogLine, Task, TaskAttempt, TaskEvent
from tasks.notices import Notice, Notification, notify
from tasks.registry import load_jobs
from tests.fixtures.core import Core
from tests.jobs.code_scan.scanning import Recorder, scan, write

pytestmark = pytest.mark.req("G6")


def count(database: Database, model: type) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def aged(core: Core, task_id: str, days: float) -> str:
    core.set(task_id, finished_at=utc_now() - timedelta(days=days))
    return task_id


def completed(core: Core, days: float) -> str:
    held = core.running()
    append_lines(core.database, held, [Line(utc_now(), "info", "counted")])
    core.complete(held)
    return aged(core, held.task_id, days)


def test_what_is_older_than_the_installation_keeps_is_removed_with_its_history(
    core: Core, config: Config
) -> None:
    old = [completed(core, 91), completed(core, 400)]
    recent, queued = completed(core, 89), core.submit()
    running = core.running()
    context = Recorder(config, core.database)
    results = clean_up(context, CleanUpParams())
    assert results["tasks_removed"] == 2
    assert results["tasks_by_kind"] == {"count": 2}
    with core.database.read() as session:
        left = set(session.scalars(select(Task.id)))
        for model in (LogLine, TaskEvent, TaskAttempt, Artifact):
            assert not set(session.scalars(select(model.task_id))) & set(old), model.__name__
    assert left == {recent, queued, running.task_id}
    assert clean_up(Recorder(config, core.database), CleanUpParams())["tasks_removed"] == 0


def test_a_shorter_time_can_be_asked_for_and_many_are_removed_in_batches(core: Core, config: Config) -> None:
    for _ in range(BATCH + 5):
        core.set(core.submit(), state="cancelled", finished_at=utc_now() - timedelta(days=3))
    assert clean_up(Recorder(config, core.database), CleanUpParams(days=7))["tasks_removed"] == 0
    assert clean_up(Recorder(config, core.database), CleanUpParams(days=2))["tasks_removed"] == BATCH + 5


def test_what_a_scan_left_outside_its_task_goes_too(config: Config, database: Database, tmp_path: Path) -> None:
    load_jobs(("jobs",))
    core = Core(database)
    folder = tmp_path / "repository"
    write(folder, {"a.py": "import os\n\ndef f():\n    return os.listdir()\n"})
    task_id = aged(core, completed(core, 1), 100)
    core.set(task_id, kind="code_scan")
    scan(Recorder(config, database, task_id), folder)
    assert count(database, CodeScan) == 1
    results = clean_up(Recorder(config, database), CleanUpParams())
    assert (results["tasks_removed"], results["left_behind_removed"]) == (1, 1)
    assert count(database, CodeScan) == 0
    assert (folder / "a.py").exists(), "the repository itself is not touched"


@pytest.mark.req("I1")
def test_old_notifications_that_were_read_go_and_unread_ones_stay(core: Core, config: Config) -> None:
    long_ago, today = utc_now() - timedelta(days=91), utc_now()
    moments = ((long_ago, today), (long_ago, None), (today, today), (today, None))
    for number, (created_at, read_at) in enumerate(moments):
        with core.database.write() as session:
            row = notify(session, core.me.user_id, Notice("alert", "info", f"Alert {number}"))
            assert row is not None
            row.created_at, row.read_at = created_at, read_at
    context = Recorder(config, core.database)
    assert clean_up(context, CleanUpParams())["notifications_removed"] == 1
    with core.database.read() as session:
        left = session.scalars(select(Notification.title).order_by(Notification.id)).all()
    assert left == ["Alert 1", "Alert 2", "Alert 3"]


@pytest.mark.req("H4")
def test_old_alerts_that_are_over_go_and_open_ones_stay(core: Core, config: Config) -> None:
    long_ago, now = utc_now() - timedelta(days=91), utc_now()
    for subject, resolved_at in (("old", long_ago), ("recent", now), ("open", None)):
        words = {"title": subject, "text": "", "severity": "info", "state": "resolved" if resolved_at else "active"}
        with core.database.write() as session:
            moments = {"first_at": long_ago, "last_at": long_ago, "resolved_at": resolved_at}
            session.add(Alert(type="disk_low", subject=subject, count=1, facts=[], **words, **moments))
    assert clean_up(Recorder(config, core.database), CleanUpParams())["alerts_removed"] == 1
    with core.database.read() as session:
        assert session.scalars(select(Alert.subject).order_by(Alert.id)).all() == ["recent", "open"]
