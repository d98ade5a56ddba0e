"""How a job has been doing, as a person without JavaScript reads it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from database import utc_now
from pages.job_statistics import estimate_stat
from tasks.estimates.models import TaskTiming
from tests.pages.html_checks import Page, faults
from tests.pages.task_app import KIND, House

pytestmark = pytest.mark.req("H7")


def read(house: House, path: str = f"/jobs/{KIND}", username: str = "ben") -> str:
    answer = house.get(path, username)
    assert answer.status_code == 200, answer.text
    assert faults(answer.text) == []
    return " ".join(" ".join(Page(answer.text).text).split())


def judge(house: House, task_id: str, told: int, held: int, error: float) -> None:
    timing = TaskTiming(
        task_id=task_id, kind=KIND, likeness="x", finished_at=utc_now(), phases={}, told=told, held=held, error=error,
        misses=[], moments=[],
    )  # fmt: skip
    with house.database.write() as session:
        session.add(timing)


def test_a_job_without_a_past_says_what_will_show_here_and_how_to_begin(house: House) -> None:
    text = read(house)
    assert "Nothing ended in the last 30 days" in text
    assert "Look at 90 days" in text
    assert f'href="/start/{KIND}"' in house.get(f"/jobs/{KIND}?range=90d").text


def test_it_says_how_long_how_often_why_and_how_right(house: House) -> None:
    now = utc_now()
    ids = [
        house.task("completed", duration_ms=each * 1000, finished_at=now - timedelta(seconds=20 - each))
        for each in range(10, 20)
    ]
    house.task("failed", error="The shelf is empty.", category="failed")
    house.task("failed", error="It took too long.", category="timeout")
    house.task("cancelled")
    for task_id in ids:
        judge(house, task_id, 4, 3, 0.12)
    text = read(house)
    assert "Ended 13 2 failures, 1 cancelled" in text
    assert "Success rate 83.3 %" in text
    assert "Takes 14.0 s nine of ten 10.0 s – 19.0 s" in text
    assert "Estimates 8 of 10 times right; usually 12 % off" in text
    assert "Ran longer than allowed 1 50.0 % It took too long." in text
    assert "The job said what was wrong 1 50.0 % The shelf is empty." in text
    page = house.get(f"/jobs/{KIND}").text
    assert f'href="/tasks/{ids[-1]}"' in page
    failed = f"/tasks?kind={KIND}&from={now - timedelta(days=29):%Y-%m-%d}&state=failed"
    assert failed.replace("&", "&amp;") in page
    assert "It took too long." in house.get(failed).text


def test_the_range_is_in_the_address_and_an_unknown_one_is_the_usual(house: House) -> None:
    house.task("completed", finished_at=utc_now() - timedelta(days=20))
    assert "Nothing ended in the last 7 days" in read(house, f"/jobs/{KIND}?range=7d")
    for asked in ("30d", "90d", "", "'; DROP TABLE tasks"):
        assert "Ended 1" in read(house, f"/jobs/{KIND}?range={asked}")


def test_people_see_their_own_tasks_and_admins_all(house: House) -> None:
    house.task("completed", owner="ben", title="Of ben", visibility="everyone")
    house.task("failed", owner="eve", title="Of eve", error="Eve's own trouble.", category="error")
    assert "Eve" not in read(house)
    assert "Of ben" not in read(house, username="eve")
    everybody = read(house, username="ada")
    assert "Everybody's tasks" in everybody
    assert "Ended 2" in everybody


def test_an_unknown_job_is_not_found_and_one_whose_code_is_gone_keeps_its_past(house: House) -> None:
    for kind in ("no_such_job", "..%2f..", "<script>"):
        assert house.get(f"/jobs/{kind}").status_code == 404
    house.task("completed", kind="gone_job")
    assert "gone_job" in read(house, "/jobs/gone_job")
    assert house.get("/jobs/gone_job", "eve").status_code == 404
    assert house.get(f"/jobs/{KIND}", None).status_code in (302, 303, 401)


def test_what_a_task_says_is_text(house: House) -> None:
    house.task("failed", error="<img src=x onerror=alert(1)>\nsecond line", category="<b>", title="<i>t</i>")
    page = house.get(f"/jobs/{KIND}").text
    assert "<img src=x" not in page
    assert "<i>t</i>" not in page
    assert "second line" not in page


def test_the_task_and_the_start_form_lead_here(house: House) -> None:
    task_id = house.task("completed")
    for path in (f"/tasks/{task_id}/details", f"/start/{KIND}", f"/tasks?kind={KIND}"):
        assert f'href="/jobs/{KIND}"' in house.get(path).text, path


@pytest.mark.parametrize(
    ("held", "moments", "percent", "error", "value", "note"),
    [
        (0, 0, None, None, "–", "none was judged yet"),
        (3, 4, 75.0, 31.4, "3 of 4", "times right; usually 31 % off"),
        (78, 100, 78.0, 9.0, "8 of 10", "times right; usually 9 % off"),
    ],
)
def test_the_quality_of_estimates_is_said_in_a_few_words(
    held: int, moments: int, percent: float | None, error: float | None, value: str, note: str
) -> None:
    quality = {"held": held, "moments": moments, "held_percent": percent, "median_error_percent": error}
    assert estimate_stat(quality) == {"label": "Estimates", "value": value, "note": note}
