"""All users' jobs as an admin without JavaScript meets them: found, sorted, ordered about, noted on."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.admin.conftest import Desk
from tests.api.room import Caller

pytestmark = pytest.mark.req("H3")

HOSTILE = '"><img src=x onerror="alert(1)">{{7*7}}'


def rows(page: str) -> list[str]:
    return re.findall(r'<tr data-task="([^"]+)"', page)


def order(desk: Desk, **fields: Any) -> TestResponse:
    return desk.client.post("/admin/jobs/bulk", data={"csrf_token": desk.token, **fields})


@pytest.fixture
def ada(desk: Desk) -> Caller:
    return desk.room.person("ada")


@pytest.fixture
def bob(desk: Desk) -> Caller:
    return desk.room.person("bob")


@pytest.mark.req("F1")
def test_the_list_is_true_before_any_script(desk: Desk, ada: Caller, bob: Caller) -> None:
    runs, ended, waits = ada.start(title="Count the shelves"), ada.start(title="Count the doors"), bob.start()
    desk.room.claim(runs, "worker-2@atlas:4711")
    desk.room.fail(ended)
    page = desk.get("/admin/jobs")
    assert rows(page) == [waits, ended, runs]
    said = desk.text("/admin/jobs")
    for words in (
        "3 jobs",
        "Count the shelves",
        "Running",
        "Failed",
        "waits",
        "41.5 %",
        "0.9 s",
        "worker-2@atlas",
        "bob",
    ):
        assert words in said
    assert "Set priority" in said and "all 3 that match" in said


def test_filters_sorting_and_columns_stand_in_the_address(desk: Desk, ada: Caller, bob: Caller) -> None:
    low, urgent = ada.start(priority="low"), bob.start(priority="urgent", params={"name": "crate 7"})
    assert rows(desk.get("/admin/jobs?owner=bob&state=active")) == rows(desk.get("/admin/jobs?q=crate+7")) == [urgent]
    assert rows(desk.get("/admin/jobs?sort=line")) == [urgent, low]
    assert rows(desk.get("/admin/jobs?sort=oldest&age=1h&rows=50")) == [low, urgent]
    assert "Priority is <b>low</b>" in desk.get("/admin/jobs?priority=low")
    page = desk.get("/admin/jobs?cols=id,attempt")
    assert low[:8] in page and 'class="col-owner' not in page
    assert "No job matches these filters" in desk.text("/admin/jobs?state=failed")
    for nonsense in (
        "?state=x&sort=y&rows=9&age=z&cols=a,b&priority=q",
        "?q=%00&owner=%ff",
        f"?q={HOSTILE}&worker={HOSTILE}",
    ):
        desk.get(f"/admin/jobs{nonsense}")
    assert desk.client.get("/admin/jobs?cursor=x").status_code == 400


def test_pages_follow_each_other_without_a_gap(desk: Desk, ada: Caller) -> None:
    ids = [ada.start() for _ in range(53)]
    first = desk.get("/admin/jobs?rows=50")
    following = re.search(r'href="([^"]+)" rel="next"', first)
    assert following
    assert rows(first) + rows(desk.get(unescape(following.group(1)))) == ids[::-1]


@pytest.mark.req("H5")
def test_an_order_over_ticked_jobs_asks_first_and_then_says_what_became_of_each(
    desk: Desk, ada: Caller, bob: Caller
) -> None:
    waits, runs, ended = ada.start(), bob.start(), bob.start(title=HOSTILE)
    desk.room.claim(runs)
    desk.room.complete(ended)
    asked = order(desk, action="cancel", task=[waits, runs, ended])
    assert "Cancel 3 jobs?" in asked.text
    assert "1 running will be told to stop, 1 waiting will be cancelled, 1 has ended and is left alone." in asked.text
    assert ada.get(f"/tasks/{waits}").json["status"] == "queued", "nothing has happened yet"
    done = order(desk, action="cancel", task=[waits, runs, ended], confirm="1", reason="the release")
    assert "1 told to stop, 1 cancelled, 1 had finished." in done.text
    assert "<img" not in done.text and "had finished" in done.text
    assert HOSTILE in desk.text("/admin/jobs"), "text, and nothing else"
    assert bob.get(f"/tasks/{runs}").json["reason"] == "the release"


@pytest.mark.req("H5")
def test_an_order_over_all_that_match_keeps_to_the_filter(desk: Desk, ada: Caller, bob: Caller) -> None:
    mine, his = [ada.start() for _ in range(3)], bob.start()
    asked = order(desk, action="priority:urgent", scope="all", owner="ada")
    assert "Set the priority of 3 jobs to urgent?" in asked.text
    sent = re.findall(r'name="task" value="([^"]+)"', asked.text)
    assert set(sent) == set(mine)
    assert "3 changed." in order(desk, action="priority:urgent", task=sent, confirm="1").text
    assert [each["priority"] for each in bob.get("/tasks").json["items"]] == ["normal"]
    assert his not in sent


def test_an_order_that_says_too_little_changes_nothing(desk: Desk, ada: Caller) -> None:
    task_id = ada.start()
    for fields in ({}, {"action": "remove"}, {"action": "priority"}, {"action": "priority:top"}, {"action": "note"}):
        answer = order(desk, task=[task_id], confirm="1", **fields)
        assert (answer.status_code, "Nothing was done" in answer.text) == (422, True)
    assert "Nothing is selected." in order(desk, action="cancel").text
    assert "does not exist any more" in order(desk, action="cancel", task=["x" * 400]).text


@pytest.mark.req("H5")
def test_one_job_shows_notes_attempts_and_what_was_done_to_it(desk: Desk, ada: Caller) -> None:
    task_id = ada.start(title="Count the shelves")
    answer = order(desk, action="note", task=task_id, note=f"asked ada\n{HOSTILE}")
    assert (answer.status_code, answer.location) == (303, f"/admin/jobs/{task_id}")
    assert order(desk, action="priority", priority="high", task=task_id, confirm="1").status_code == 303
    desk.room.claim(task_id, "worker-2@atlas:4711")
    assert order(desk, action="cancel", task=task_id, confirm="1", reason="enough").status_code == 303
    said = desk.text(f"/admin/jobs/{task_id}")
    for words in (
        "Count the shelves",
        "asked ada",
        "task.noted",
        "task.priority_changed",
        "task.cancelled",
        "enough",
        "high",
    ):
        assert words in said
    assert "worker-2@atlas:4711" in said and "1 note" in desk.text("/admin/jobs")
    assert desk.client.get("/admin/jobs/00000000-0000-0000-0000-000000000000").status_code == 404


@pytest.mark.req("D3")
def test_nobody_else_meets_any_of_it(desk: Desk, ada: Caller) -> None:
    task_id = ada.start()
    client, token = desk.room.browser("ada")
    for path in ("/admin/jobs", f"/admin/jobs/{task_id}", "/admin/queue"):
        assert client.get(path).status_code == 404
    for path in ("jobs/bulk", "queue/pause", "queue/resume", "queue/maintenance", "queue/drain"):
        form = {"csrf_token": token, "action": "cancel", "task": task_id, "confirm": "1", "on": "true"}
        assert client.post(f"/admin/{path}", data=form).status_code == 404
    assert desk.client.post("/admin/jobs/bulk", data={"action": "cancel", "task": task_id}).status_code == 400, (
        "no CSRF"
    )
    assert ada.get(f"/tasks/{task_id}").json["status"] == "queued"
