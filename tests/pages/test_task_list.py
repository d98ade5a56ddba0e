"""The list of tasks: everything that narrows it is in the address, pages follow one another, and rows say the state."""

from __future__ import annotations

import csv
import io
import json
import uuid
from datetime import timedelta

import pytest

from database import utc_now
from pages import task_list as task_pages
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
@pytest.mark.parametrize(
    "query",
    [
        "?state=%00",
        "?since=ever",
        "?q=" + "x" * 5000,
        "?kind=%27%22%3E",
        "?mine=2&sort=x&schedule=y",
        "?from=0000-13-99&to=9999-12-31&since=x",
        "?owner=%00&sort=longest&q=%25_%5C",
    ],
)
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


@pytest.mark.req("G6")
def test_a_list_is_narrowed_by_owner_schedule_days_and_parameters(house: House) -> None:
    schedule = str(uuid.uuid4())
    old = house.task("completed", owner="eve", created_at=utc_now() - timedelta(days=10))
    planned = house.task("running", owner="ben", schedule_id=schedule, params={"folder": "/srv/größe", "mode": "exact"})
    day = (utc_now() - timedelta(days=10)).strftime("%Y-%m-%d")
    for query, found in (
        ("?owner=eve", [old]),
        ("?owner=EVE", [old]),
        ("?owner=nobody", []),
        (f"?schedule={schedule}", [planned]),
        (f"?from={day}&to={day}", [old]),
        (f"?to={day}", [old]),
        ("?since=24h", [planned]),
        ("?since=30d&state=completed", [old]),
        ("?q=exact", [planned]),
        ("?q=größe", [planned]),
        ("?q=100%25", []),
        ("?sort=oldest", [old, planned]),
        ("?sort=longest", [old]),
    ):
        assert ids(listed(house, query, "ada")) == found, query
    page = listed(house, f"?owner=eve&from={day}&sort=oldest&q=probe", "ada")
    clear = {link["href"] for link in page.find("a", class_="filter on")}
    rest = "q=probe&sort=oldest"
    assert clear == {f"/tasks?from={day}&{rest}", f"/tasks?owner=eve&{rest}"}


@pytest.mark.req("G6", "D2")
def test_owners_are_suggested_to_admins_alone_and_nobody_finds_what_they_may_not_see(house: House) -> None:
    house.task("running", owner="eve")
    assert "?owner=eve" in house.get("/tasks", "ada").text
    assert "?owner=" not in house.get("/tasks", "ben").text
    assert ids(listed(house, "?owner=eve")) == []
    assert ids(listed(house, "?owner=eve", "eve")) != []


@pytest.mark.req("G6")
def test_pages_of_every_sorting_hold_each_task_once_while_new_ones_arrive(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_pages, "PAGE_SIZE", 3)
    moment = utc_now() - timedelta(days=1)
    same = {"created_at": moment, "finished_at": moment, "duration_ms": 5000}
    made = {house.task("completed", visibility="everyone" if n % 2 else "private", **same) for n in range(6)}
    made |= {house.task("completed", owner="eve", visibility="everyone", **same) for _ in range(2)}
    for sort in ("", "oldest", "ended", "longest"):
        seen, query = [], f"?sort={sort}"
        while query:
            page = listed(house, query)
            seen += ids(page)
            house.task("completed", duration_ms=9_000_000)
            query = "".join(link["href"].removeprefix("/tasks") for link in page.find("a", rel="next"))
            assert len(seen) < 200, sort
        assert len(seen) == len(set(seen)), sort
        assert set(seen) >= made, sort


@pytest.mark.req("B15", "G6")
def test_what_is_filtered_can_be_downloaded_whole_and_no_cell_is_a_formula(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_pages, "EXPORTED_AT_ONCE", 2)
    made = [house.task("failed", title="=1+1", error="It broke.") for _ in range(5)]
    house.task("running")
    house.task("failed", owner="eve")
    answer = house.get("/tasks/export.csv?state=failed")
    rows = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert {row["task_id"] for row in rows} == set(made)
    assert {(row["title"], row["outcome"], row["owner"]) for row in rows} == {("'=1+1", "It broke.", "ben")}
    assert "attachment" in answer.headers["Content-Disposition"]
    document = json.loads(house.get("/tasks/export.json?state=failed&sort=oldest").data)
    assert {item["task_id"] for item in document["items"]} == set(made)
    assert document["filters"] == {"state": "failed"}
    assert json.loads(house.get("/tasks/export.json?q=nothing").data)["items"] == []
    assert house.get("/tasks/export.csv", None).status_code in (302, 401)
