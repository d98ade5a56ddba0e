"""The list of tasks: everything that narrows it is in the address, pages follow one another, and rows say the state."""

from __future__ import annotations

from datetime import timedelta

import pytest

from database import utc_now
from pages import tasks as task_pages
from tests.pages.html_checks import Page, faults
from tests.pages.task_app import KIND, House


def listed(house: House, query: str = "", username: str = "ben") -> Page:
    answer = house.get(f"/tasks{query}", username)
    assert answer.status_code == 200
    assert faults(answer.text) == []
    return Page(answer.text)


def ids(page: Page) -> list[str]:
    return [row["data-task"] for row in page.find("tr") if "data-task" in row]


@pytest.mark.req("G6", "D2")
def test_filters_are_in_the_address_and_each_can_be_taken_away(house: House) -> None:
    failed, done = house.task("failed", error="x"), house.task("completed", title="Other 100% thing")
    shared = house.task("running", owner="eve", visibility="everyone")
    house.task("running", owner="eve")
    assert set(ids(listed(house))) == {failed, done, shared}
    assert ids(listed(house, "?state=failed")) == [failed]
    assert set(ids(listed(house, "?mine=1"))) == {failed, done}
    assert ids(listed(house, "?q=100%25")) == [done]
    assert ids(listed(house, f"?q={failed[:8]}")) == [failed]
    assert ids(listed(house, "?kind=other")) == []
    page = listed(house, f"?state=failed&kind={KIND}&q=probe")
    clear = [link["href"] for link in page.find("a", class_="filter on")]
    assert clear == [f"/tasks?kind={KIND}&q=probe", "/tasks?state=failed&q=probe"]
    assert page.words_of("list-count") == "1 task"


@pytest.mark.req("G6")
def test_counters_of_today_lead_to_the_tasks_of_today_only(house: House) -> None:
    house.task("completed", finished_at=utc_now() - timedelta(days=2))
    today = house.task("completed")
    assert ids(listed(house, "?state=completed&since=today")) == [today]


@pytest.mark.req("G6", "F10")
def test_pages_follow_one_another_without_a_gap_or_a_double(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_pages, "PAGE_SIZE", 2)
    made = [house.task("queued", created_at=utc_now() - timedelta(seconds=9 - n)) for n in range(5)]
    page, seen = listed(house, "?state=queued"), []
    while True:
        seen += ids(page)
        following = page.find("a", rel="next")
        if not following:
            break
        assert "state=queued" in following[0]["href"]
        page = listed(house, following[0]["href"].removeprefix("/tasks"))
    assert seen == made[::-1]


@pytest.mark.req("D5")
@pytest.mark.parametrize("query", ["?state=%00", "?since=ever", "?q=" + "x" * 5000, "?kind=%27%22%3E", "?mine=2"])
def test_nonsense_in_the_address_does_no_harm(house: House, query: str) -> None:
    listed(house, query)


@pytest.mark.req("D5")
def test_a_cursor_that_no_list_gave_out_is_refused_with_a_sentence(house: House) -> None:
    answer = house.get("/tasks?cursor=nonsense")
    assert answer.status_code == 400
    assert "Start again without it." in answer.text


@pytest.mark.req("F10")
def test_empty_lists_say_what_is_true_and_what_to_do_next(house: House) -> None:
    assert "Nothing has run yet" in "".join(listed(house).text)
    page = listed(house, "?q=wharehouse")
    assert "No task matches “wharehouse”" in "".join(page.text)
    assert {"class": "btn", "href": "/tasks"} in page.find("a")


@pytest.mark.req("F10")
def test_a_row_shows_the_bar_while_it_runs_and_the_result_afterwards(house: House) -> None:
    house.task("running")
    house.task("completed", results={"nodes_found": 12, "files_scanned": 3}, created_at=utc_now())
    page = listed(house)
    text = " ".join("".join(page.text).split())
    assert "3 files scanned, 12 nodes" in text
    assert page.words_of("percent") == "61.4 %"
    assert page.find("svg", data_bar="")[0]["class"] == "bar thin"
