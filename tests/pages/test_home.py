"""Home: what can be started, what runs, what ended, and the way from an empty house to the first live page."""

from __future__ import annotations

import pytest

from tests.pages.html_checks import Page, faults
from tests.pages.task_app import KIND, House


def home(house: House, path: str = "/", username: str = "ben") -> Page:
    answer = house.get(path, username)
    assert answer.status_code == 200
    assert faults(answer.text) == []
    return Page(answer.text)


@pytest.mark.req("F10", "G5")
def test_running_and_queued_tasks_are_rows_with_a_bar_and_ended_ones_say_how(house: House) -> None:
    running, queued = house.task("running"), house.task("queued")
    failed = house.task("failed", error="The disk is full.")
    house.task("running", owner="eve")
    page = home(house)
    assert [row["data-task"] for row in page.find("li", class_="runrow")] == [running, queued]
    assert page.words_of("progress-line") == "Read, 6,124 of 8,340 files"
    assert page.words_of("end") == "48 s – 1 min 10 s left"
    assert [row["data-task-ended"] for row in page.find("tr") if "data-task-ended" in row] == [failed]
    assert "The disk is full." in "".join(page.text)


@pytest.mark.req("G5", "D2")
def test_counters_count_what_one_may_see_and_lead_to_the_list_of_just_that(house: House) -> None:
    house.task("running")
    house.task("completed", owner="eve")
    house.task("failed", visibility="everyone", owner="eve", error="x")
    page = home(house)
    links = {link["data-counter"]: link["href"] for link in page.find("a", class_="stat")}
    assert links["failed_today"] == "/tasks?state=failed&since=today"
    assert list(links) == ["running", "queued", "completed_today", "failed_today"]
    assert "1 task" in "".join(home_list(house, links["failed_today"]).text)
    assert "0 tasks" in "".join(home_list(house, links["completed_today"]).text)


def home_list(house: House, path: str) -> Page:
    return Page(house.get(path).text)


@pytest.mark.req("F10")
def test_an_empty_house_leads_to_the_first_start(house: House) -> None:
    page = home(house)
    assert "Nothing has run yet" in "".join(page.text)
    assert {"href": f"/start/{KIND}", "class": "card"} in page.find("a")


@pytest.mark.req("G5")
def test_a_failed_task_of_mine_needs_me_until_it_was_run_again(house: House) -> None:
    failed = house.task("failed", error="x", title="Nightly probe")
    assert "1 task of yours failed today" in "".join(home(house).text)
    house.post(f"/tasks/{failed}/retry", {})
    assert "failed today" not in "".join(home(house).text).replace("Failed today", "")


@pytest.mark.req("D10", "F9")
def test_the_theme_is_chosen_by_a_form_and_kept_in_a_cookie(house: House) -> None:
    client = house.client()
    answer = client.post("/theme", data={"theme": "dark", "next": "/tasks?mine=1"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/tasks?mine=1")
    assert '<html lang="en" data-theme="dark">' in client.get("/").text
    client.post("/theme", data={"theme": "<b>"})
    assert '<html lang="en">' in client.get("/").text


@pytest.mark.req("D9")
@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb"]
)
def test_a_link_from_outside_cannot_lead_people_elsewhere(house: House, target: str) -> None:
    assert house.post("/theme", {"theme": "dark", "next": target}).headers["Location"] == "/"


@pytest.mark.req("D10")
def test_every_form_of_a_page_carries_a_csrf_token(house: House) -> None:
    for path in ("/", f"/start/{KIND}", f"/tasks/{house.task('running')}", f"/tasks/{house.task('completed')}"):
        html = house.get(path).text
        assert html.count('method="post"') == html.count('name="csrf_token"') > 0


@pytest.mark.req("H8")
def test_only_admins_see_the_entry_of_the_admin_pages(house: House) -> None:
    house.app.add_url_rule("/admin", view_func=lambda: "", endpoint="later_admin")
    assert {"Admin"} <= {word.strip() for word in home(house, username="ada").text}
    assert "Admin" not in {word.strip() for word in home(house, username="ben").text}


@pytest.mark.req("F10", "D1")
def test_who_is_not_signed_in_is_sent_to_sign_in_and_back(house: House) -> None:
    for path, back in (("/", "/login"), ("/tasks?state=failed", "/login?next=/tasks%3Fstate%3Dfailed")):
        answer = house.get(path, username=None)
        assert (answer.status_code, answer.headers["Location"]) == (302, back)
