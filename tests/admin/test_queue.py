"""The queue and its workers as an admin without JavaScript meets them: seen, paused, drained, maintained."""

from __future__ import annotations

import pytest

from monitoring.workers import WorkerPresence
from tasks import queue_control
from tasks.queue_control import Control
from tests.admin.conftest import Desk

pytestmark = pytest.mark.req("H3", "H5")


def control(desk: Desk) -> Control:
    with desk.room.database.read() as session:
        return queue_control.read(session)


def test_the_page_says_what_waits_for_what_and_who_works(desk: Desk) -> None:
    assert "Nothing waits" in desk.text("/admin/queue")
    ada = desk.room.person("ada")
    runs = ada.start(title="Count the doors")
    ada.start(title="Count the shelves", priority="urgent")
    desk.room.claim(runs, "worker-1@test:1")
    WorkerPresence(desk.room.redis, desk.room.config.redis_prefix, "worker-1@test:1").beat(runs)
    said = desk.text("/admin/queue")
    for words in (
        "1 waiting, 1 running",
        "Working",
        "worker-1@test",
        "Count the doors",
        "a free worker",
        "Count the shelves",
    ):
        assert words in said


def test_pausing_and_resuming_goes_by_forms_and_everybody_sees_the_banner(desk: Desk) -> None:
    ada = desk.room.person("ada")
    task_id = ada.start()
    assert desk.post("/admin/queue/pause", reason='a "new" <disk>').location == "/admin/queue"
    hold = control(desk).paused
    assert hold is not None and (hold["by"], hold["reason"]) == ("root", 'a "new" <disk>')
    client, _ = desk.room.browser("ada")
    page = client.get(f"/tasks/{task_id}").text
    assert "The queue is paused." in page and "a &#34;new&#34; &lt;disk&gt;" in page and "Resume the queue" not in page
    assert "Resume the queue" in desk.get("/admin/queue")
    assert desk.post("/admin/queue/resume", next="/tasks").location == "/tasks"
    assert desk.post("/admin/queue/resume", next="//elsewhere.example").location == "/admin/queue"
    assert control(desk) == Control()


def test_one_kind_is_paused_and_an_unknown_one_pauses_nothing(desk: Desk) -> None:
    desk.post("/admin/queue/pause", kind="test_count")
    desk.post("/admin/queue/pause", kind="no_such_job")
    assert set(control(desk).paused_kinds) == {"test_count"} and control(desk).paused is None
    assert "Count is paused." in desk.text("/admin/queue")
    desk.post("/admin/queue/resume", kind="test_count")
    assert control(desk) == Control()


@pytest.mark.req("H8")
def test_maintenance_says_what_still_runs_and_ends_by_hand(desk: Desk) -> None:
    ada = desk.room.person("ada")
    runs = ada.start()
    held = desk.room.claim(runs)
    desk.post("/admin/queue/maintenance", on="true", reason="a new kernel")
    assert "1 task still running" in desk.text("/admin/queue")
    client, token = desk.room.browser("ada")
    refused = client.post("/start/test_count", data={"csrf_token": token, "p.number": "417"})
    assert (refused.status_code, "Maintenance since" in refused.text) == (503, True)
    assert 'value="417"' in refused.text, "what was typed is still there"
    desk.room.complete(runs, held=held)
    assert "ready for the restart" in desk.text("/admin/queue")
    desk.post("/admin/queue/maintenance", on="false")
    assert control(desk) == Control()


def test_a_worker_is_drained_once_and_an_unknown_one_is_said_to_be_so(desk: Desk) -> None:
    here = WorkerPresence(desk.room.redis, desk.room.config.redis_prefix, "worker-1@test:1")
    here.beat(None)
    assert desk.post("/admin/queue/drain", worker="worker-1@test:1").status_code == 303
    assert "Asked to drain" in desk.text("/admin/queue")
    assert here.beat(None) is True
    assert "There is no such worker." in desk.post("/admin/queue/drain", worker="nobody").text
