"""Schedules as a person without JavaScript meets them: made from the job's own form, paused, run, changed, removed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tasks.registry import load_jobs
from tasks.schedules.models import Schedule
from tests.pages.html_checks import Page, faults
from tests.pages.task_app import KIND, House

pytestmark = pytest.mark.req("G1")

FILLED: dict[str, Any] = {
    "form": "1",
    "name": "Nightly probe",
    "cron": "30 3 * * 1-5",
    "timezone": "Europe/Berlin",
    "overlap": "skip",
    "catch_up": "true",
    "active": "true",
    "priority": "high",
    "p.folder": "/srv/acme",
    "p.tries": "4",
    "p.file_types": ".py, .go",
    "p.look_for": "reads",
    "p.mode": "exact",
    "p.language": "any",
}


def opened(answer: TestResponse, status: int = 200) -> str:
    assert answer.status_code == status, answer.text
    assert faults(answer.text) == []
    return " ".join(" ".join(Page(answer.text).text).split())


def made(house: House, **changes: Any) -> str:
    answer = house.post(f"/schedules/new/{KIND}", FILLED | changes)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"].removeprefix("/schedules/")


def stored(house: House, schedule_id: str) -> Schedule:
    with house.database.read() as session:
        return session.get_one(Schedule, schedule_id)


def test_an_empty_list_says_what_a_schedule_is_and_leads_to_the_first(house: House) -> None:
    text = opened(house.get("/schedules"))
    assert "Nothing is scheduled" in text
    assert "Probe a folder" in opened(house.get("/schedules/new"))
    assert "Every morning".lower() in house.get(f"/schedules/new/{KIND}").text


def test_a_filled_in_form_becomes_a_schedule_that_says_when_it_runs(house: House) -> None:
    schedule_id = made(house)
    kept = stored(house, schedule_id)
    assert (kept.name, kept.cron, kept.timezone, kept.priority, kept.active) == (
        "Nightly probe",
        "30 3 * * 1-5",
        "Europe/Berlin",
        "high",
        True,
    )
    assert (kept.params["folder"], kept.params["tries"], kept.params["file_types"]) == ("/srv/acme", 4, [".py", ".go"])
    text = opened(house.get(f"/schedules/{schedule_id}"))
    assert "At 03:30 on Monday through Friday" in text
    assert "1 schedule, 1 active" in text
    assert text.count("03:30") >= 6, "the next five runs, and its words"
    assert "not run yet" in text


def test_what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost(house: House) -> None:
    wrong = {"cron": "every day", "timezone": "Nowhere/Land", "p.tries": "77", "name": ""}
    answer = house.post(f"/schedules/new/{KIND}", FILLED | wrong)
    text = opened(answer, 422)
    assert "Write five fields" in text
    assert "no such time zone" in text
    assert "Give the schedule a name" in text
    for kept in ('value="every day"', 'value="Nowhere/Land"', 'value="77"', 'value="/srv/acme"'):
        assert kept in answer.text
    assert opened(house.get("/schedules")).count("Nightly probe") == 0


def test_what_was_filled_in_to_start_a_job_once_can_be_scheduled_instead(house: House) -> None:
    assert f'formaction="/schedules/begin/{KIND}"' in house.get(f"/start/{KIND}").text
    typed = {"form": "1", "title": "Mine", "p.folder": "/srv/x", "p.tries": "5"}
    answer = house.post(f"/schedules/begin/{KIND}", typed)
    opened(answer)
    for kept in ('value="Mine"', 'value="/srv/x"', 'value="5"', f'action="/schedules/new/{KIND}"'):
        assert kept in answer.text


def test_a_change_and_a_copy_begin_with_what_is_there(house: House) -> None:
    schedule_id = made(house)
    form = house.get(f"/schedules/{schedule_id}/edit")
    opened(form)
    assert 'value="Nightly probe"' in form.text
    assert 'value=".py, .go"' in form.text
    house.post(f"/schedules/{schedule_id}/edit", FILLED | {"name": "Weekly probe", "cron": "0 4 * * 0", "active": ""})
    assert (stored(house, schedule_id).name, stored(house, schedule_id).active) == ("Weekly probe", False)
    copy = house.get(f"/schedules/new/{KIND}?from={schedule_id}")
    opened(copy)
    assert 'value="Weekly probe (copy)"' in copy.text


def test_the_switch_pauses_and_the_list_says_so(house: House) -> None:
    schedule_id = made(house)
    house.post(f"/schedules/{schedule_id}/active", {"active": "false"})
    assert "Paused" in opened(house.get("/schedules"))
    assert stored(house, schedule_id).next_run_at is None
    house.post(f"/schedules/{schedule_id}/active", {"active": "true"})
    assert stored(house, schedule_id).next_run_at is not None


@pytest.mark.req("G2")
def test_run_now_leads_to_its_task_and_a_second_time_to_the_same(house: House) -> None:
    schedule_id = made(house)
    first = house.post(f"/schedules/{schedule_id}/run", {})
    assert re.fullmatch(r"/tasks/[0-9a-f-]{36}", first.headers["Location"])
    assert house.post(f"/schedules/{schedule_id}/run", {}).headers["Location"] == first.headers["Location"]
    answer = house.get("/schedules")
    assert "Waiting to run" in opened(answer)
    assert f'href="{first.headers["Location"]}"' in answer.text


def test_why_a_run_never_began_is_told(house: House) -> None:
    schedule_id = made(house)
    with house.database.write() as session:
        schedule = session.get_one(Schedule, schedule_id)
        schedule.last_outcome, schedule.last_error = "refused", "This folder is gone. <b>Choose another.</b>"
    answer = house.get("/schedules")
    assert "Could not start" in opened(answer)
    assert "&lt;b&gt;Choose another.&lt;/b&gt;" in answer.text


def test_filters_narrow_the_list_and_can_be_taken_away(house: House) -> None:
    made(house)
    made(house, name="Paused probe", active="", **{"p.folder": "/srv/other"})
    for query, found in (("q=paused", 1), ("q=other", 1), ("active=yes", 1), (f"kind={KIND}", 2), ("status=failed", 0)):
        answer = house.get(f"/schedules?{query}")
        opened(answer)
        assert answer.text.count("data-schedule=") == found, query
    assert 'href="/schedules"' in house.get("/schedules?active=yes").text


@pytest.mark.req("D2")
def test_others_see_what_they_may_and_change_nothing(house: House) -> None:
    private, shared = made(house), made(house, visibility="everyone")
    for path in ("", "/edit", "/remove"):
        assert house.get(f"/schedules/{private}{path}", "eve").status_code == 404
    assert house.get(f"/schedules/{shared}", "eve").status_code == 200
    assert "Run now" not in house.get(f"/schedules/{shared}", "eve").text
    assert house.post(f"/schedules/{shared}/run", {}, "eve").status_code == 403
    assert house.post(f"/schedules/{shared}/active", {"active": "false"}, "eve").status_code == 403
    assert "Run now" in house.get(f"/schedules/{private}", "ada").text, "an admin may"


def test_a_removal_asks_first_and_keeps_the_tasks(house: House) -> None:
    schedule_id = made(house)
    task = house.post(f"/schedules/{schedule_id}/run", {}).headers["Location"]
    assert "Its 1 task stays" in opened(house.get(f"/schedules/{schedule_id}/remove"))
    assert house.post(f"/schedules/{schedule_id}/remove", {}).headers["Location"] == "/schedules"
    assert house.get(f"/schedules/{schedule_id}").status_code == 404
    assert house.get(task).status_code == 200


@pytest.mark.req("G5")
def test_home_says_what_comes_next(house: House) -> None:
    assert "coming-title" not in house.get("/").text
    later, sooner = made(house, name="Later", cron="0 0 1 1 *"), made(house, name="Sooner", cron="*/5 * * * *")
    made(house, name="Paused", active="")
    answer = house.get("/")
    opened(answer)
    assert answer.text.index(f'href="/schedules/{sooner}"') < answer.text.index(f'href="/schedules/{later}"')
    assert "Paused" not in answer.text
    assert "Sooner" not in house.get("/", "eve").text


def test_every_job_can_be_chosen_and_leads_to_a_form(house: House) -> None:
    load_jobs(("jobs",))
    assert house.get("/schedules/new/command").headers["Location"] == "/start/command"
    form = house.get("/schedules/new/caption_images")
    opened(form)
    assert 'name="p.path"' in form.text
    assert 'type="file"' not in form.text
    assert 'href="/schedules/new/caption_images"' in house.get("/start/caption_images").text
