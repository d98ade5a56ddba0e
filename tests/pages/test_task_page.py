"""The page of a task says what is true in each state, without JavaScript, and nothing on it can become markup."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from database import utc_now
from pages.view import task_view
from tests.pages.html_checks import Page, faults
from tests.pages.task_app import House, half_way, phases

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


def opened(house: House, task_id: str, tab: str = "", username: str = "ben") -> Page:
    answer = house.get(f"/tasks/{task_id}{tab}", username)
    assert answer.status_code == 200
    assert faults(answer.text) == []
    return Page(answer.text)


@pytest.mark.req("F1", "F10")
def test_a_running_task_shows_its_number_phase_rate_and_time_left_as_a_range(house: House) -> None:
    page = opened(house, house.task("running"))
    assert page.words_of("percent") == "61.4%"
    assert page.words_of("phase-line") == "Phase 2 of 3:"
    assert page.words_of("phase-title") == "Read"
    assert page.words_of("step") == "src/inbound/asn_matching.py"
    assert page.words_of("done") == "6,124"
    assert page.words_of("done-of") == "of 8,340 files"
    assert page.words_of("rate") == "51.8"
    assert page.words_of("eta") == "48 s – 1 min 10 s"
    assert page.words_of("badge-word") == "Running"
    assert page.words_of("stats") == "Nodes found21,764Noteall well"


@pytest.mark.req("F7", "F1")
def test_the_bar_of_a_running_task_has_its_value_as_attributes_and_cuts_at_the_borders_of_phases(house: House) -> None:
    page = opened(house, house.task("running"))
    (bar,) = page.find("svg", data_bar="")
    assert (bar["role"], bar["aria-valuenow"], bar["data-mode"]) == ("progressbar", "61.44", "moving")
    assert bar["aria-valuetext"] == "61.4 percent, phase Read, 6,124 of 8,340 files"
    assert page.find("rect", data_bar_fill="")[0]["width"] == "61.44%"
    assert [cut["x1"] for cut in page.find("line")] == ["10%", "80%"]
    (current,) = page.find("li", aria_current="step")
    assert current["data-phase"] == "read"


@pytest.mark.req("F10")
def test_an_unknown_total_has_no_value_and_says_what_is_counted(house: House) -> None:
    progress = {"phase": "find", "phases": phases("find"), "progress_percent": None, "done": 3918, "unit": "paths"}
    page = opened(house, house.task("running", progress=progress))
    (bar,) = page.find("svg", data_bar="")
    assert bar["data-mode"] == "unknown"
    assert "aria-valuenow" not in bar
    assert page.words_of("percent-value") == "–"
    assert page.words_of("sentence") == "Find: 3,918 paths so far. The share is shown once the total is known."


@pytest.mark.req("F10")
def test_a_queued_task_shows_its_place_in_line_and_no_percentage(house: House) -> None:
    house.task("queued", queued_at=utc_now() - timedelta(hours=1))
    page = opened(house, house.task("queued"))
    assert page.words_of("badge-word") == "Queued"
    assert page.words_of("percent-value") == "–"
    assert page.words_of("sentence") == "2nd in line."
    assert page.find("svg", data_bar="")[0]["data-mode"] == "waiting"
    assert page.words_of("log-empty") == "The first line shows here as soon as the task writes one."


@pytest.mark.req("F10")
def test_a_task_whose_worker_gives_no_sign_of_life_is_dated_and_stands_still(house: House) -> None:
    page = opened(house, house.task("running", lease_expires_at=utc_now() - timedelta(seconds=5)))
    assert page.words_of("badge-word").startswith("Was running at ")
    assert page.words_of("fresh-words") == "Not live"  # the top bar's
    assert "Worker silent for 20 s" in "".join(page.text)
    assert page.find("svg", data_bar="")[0]["data-mode"] == "halted"
    assert page.words_of("eta") == "–"


@pytest.mark.req("F1", "F10")
def test_a_cancel_that_was_asked_for_is_shown_as_asked_for_and_not_as_done(house: House) -> None:
    task_id = house.task("running", cancel_requested_at=utc_now(), cancelled_by="eve")
    page = opened(house, task_id)
    assert page.words_of("badge-word") == "Cancelling"
    assert page.words_of("sentence").startswith("eve asked just now.")
    (button,) = page.find("button", data_action="cancel")
    assert "disabled" in button
    assert page.find("svg", data_bar="")[0]["data-mode"] == "cancelling"


@pytest.mark.req("F10", "C8")
def test_a_task_between_two_attempts_says_why_and_when_the_next_one_starts(house: House) -> None:
    retry_at = utc_now() + timedelta(seconds=90)
    task_id = house.task(
        "queued", attempt=1, retry_at=retry_at, error="The git server closed the connection.", progress=half_way()
    )
    page = opened(house, task_id)
    assert page.words_of("badge-word") in ("Retry in 1 min 29 s", "Retry in 1 min 30 s")
    first = "Attempt 1 of 3 failed: The git server closed the connection."
    expected = f"{first} Attempt 2 starts at {retry_at:%H:%M:%S} from 0 %."
    assert page.words_of("sentence") == expected
    assert page.find("svg", data_bar="")[0]["data-mode"] == "halted"


@pytest.mark.req("F1", "F10")
def test_a_completed_task_says_so_in_one_sentence_and_is_the_only_full_bar(house: House) -> None:
    results = {"files_scanned": 8340, "changed_files": 1126, "nodes_found": 29518, "nodes_by_type": {"api_call": 12}}
    task_id = house.task("completed", results=results)
    page = opened(house, task_id)
    assert page.words_of("outcome") == "Completed in 1 min 59 s."
    assert "8,340 files scanned, 1,126 changed, 29,518 nodes." in "".join(page.text)
    (bar,) = page.find("svg", data_bar="")
    assert (bar["data-mode"], bar["aria-valuenow"]) == ("completed", "100")
    links = [link["href"] for link in page.find("a") if link.get("href", "").startswith(f"/tasks/{task_id}")]
    own = f"/tasks/{task_id}"
    assert links == [f"{own}/share", own, f"{own}/log", f"{own}/details"]


@pytest.mark.req("F10")
def test_a_failed_task_keeps_its_last_value_and_gives_reason_way_on_and_reference(house: House) -> None:
    progress = half_way(phases=phases("read", "failed"), progress_percent=99.97)
    task_id = house.task(
        "failed",
        attempt=3,
        progress=progress,
        error="The disk of worker-1@atlas is full.",
        category="disk_full",
        reference="tr-8H2KQ4-1405",
    )
    page = opened(house, task_id)
    text = " ".join("".join(page.text).split())
    assert page.words_of("outcome") == "Failed in phase Read after 1 min 59 s, attempt 3 of 3."
    assert "The disk of worker-1@atlas is full." in text
    assert "Free some space, then run it again. Reference tr-8H2KQ4-1405" in text
    assert page.words_of("percent") == "99.9 %"
    assert page.find("svg", data_bar="")[0]["data-mode"] == "failed"


@pytest.mark.req("C3", "F10")
@pytest.mark.parametrize(
    ("forced", "words"), [(False, "The job stopped by itself and cleaned up."), (True, "ended by force")]
)
def test_a_cancelled_task_says_by_whom_why_and_how_it_ended(house: House, forced: bool, words: str) -> None:
    task_id = house.task("cancelled", cancelled_by="eve", cancel_reason="wrong branch", forced=forced)
    text = " ".join("".join(opened(house, task_id).text).split())
    assert "Cancelled by eve after 1 min 59 s." in text
    assert "Reason: “wrong branch”." in text
    assert words in text


@pytest.mark.req("C3")
def test_the_phase_in_which_a_task_was_cancelled_did_not_fail() -> None:
    task = {"status": "cancelled", "title": "", "task_id": "", "kind": "", "phases": phases("read", "failed")}
    views = task_view(task, utc_now())
    assert [(phase.state, phase.icon) for phase in views.phases] == [
        ("done", "completed"),
        ("cancelled", "cancelled"),
        ("pending", "unsure"),
    ]


@pytest.mark.req("F10", "F11")
def test_the_last_two_hundred_lines_are_in_the_page_and_the_rest_is_one_link_away(house: House) -> None:
    task_id = house.task("running", log=[("info", f"line {n}") for n in range(1, 312)])
    page = opened(house, task_id)
    numbers = [line["data-n"] for line in page.find("li", class_="logline")]
    assert (numbers[0], numbers[-1], len(numbers)) == ("112", "311", 200)
    assert page.words_of("log-range") == "Lines 112 to 311 of 311"
    assert page.find("a", data_log_download="")[0]["href"] == f"/api/v1/tasks/{task_id}/log.txt"
    assert opened(house, task_id, "?from=1").words_of("log-range") == "Lines 1 to 200 of 311"


@pytest.mark.req("F11")
def test_the_log_is_filtered_and_searched_by_links_and_a_form(house: House) -> None:
    lines = [("info", "parse a.py"), ("warning", "skip b.py"), ("error", "fail c.py"), ("info", "parse 100%_done.py")]
    task_id = house.task("completed", log=lines, results={"a": 1})
    assert [
        line["data-level"] for line in opened(house, task_id, "/log?level=warning").find("li", class_="logline")
    ] == ["warning", "error"]
    found = opened(house, task_id, "/log?q=100%25_d")
    assert [line["data-n"] for line in found.find("li", class_="logline")] == ["4"]
    assert found.words_of("log-matches") == "1 found"
    assert opened(house, task_id, "/log?q=nowhere").words_of("log-empty") == "No line contains “nowhere”."


@pytest.mark.req("D9")
def test_nothing_of_a_task_becomes_markup(house: House) -> None:
    progress = half_way(current_step=HOSTILE, unit=HOSTILE, details={HOSTILE: HOSTILE})
    hostile: dict[str, Any] = {
        "title": HOSTILE,
        "params": {"folder": HOSTILE},
        "progress": progress,
        "log": [("info", HOSTILE)],
    }
    ids = [
        house.task("running", **hostile),
        house.task("failed", error=HOSTILE, reference=HOSTILE, **hostile),
        house.task("cancelled", cancelled_by=HOSTILE, cancel_reason=HOSTILE, **hostile),
        house.task("completed", results={HOSTILE: HOSTILE, "list": [HOSTILE], "map": {HOSTILE: 1}}, **hostile),
    ]
    paths = [f"/tasks/{task_id}{tab}" for task_id in ids for tab in ("", "/log", "/details")]
    for path in [
        *paths,
        f"/tasks/{ids[0]}/cancel",
        "/",
        "/tasks",
        f"/tasks?q={HOSTILE}",
        f"/tasks/{ids[0]}?q={HOSTILE}",
    ]:
        answer = house.get(path)
        if answer.status_code == 404:
            continue
        assert faults(answer.text) == [], path
        page = Page(answer.text)
        assert page.find("img") == []
        assert all(script["src"].startswith("/static/") for script in page.find("script"))


@pytest.mark.req("D2")
def test_a_task_that_one_may_not_see_answers_as_an_unknown_one_does(house: House) -> None:
    private = house.task("completed", owner="eve", results={"a": 1}, log=[("info", "x")])
    unknown = "00000000-0000-4000-8000-000000000000"
    for tab in ("", "/log", "/details", "/cancel"):
        hidden, missing = house.get(f"/tasks/{private}{tab}"), house.get(f"/tasks/{unknown}{tab}")
        assert (hidden.status_code, missing.status_code) == (404, 404)
        strip = ("csrf-token", "csrf_token", private, unknown)
        kept = [
            [line for line in each.text.splitlines() if not any(word in line for word in strip)]
            for each in (hidden, missing)
        ]
        assert kept[0] == kept[1]
    assert house.post(f"/tasks/{private}/cancel", {}).status_code == 404
    assert house.get(f"/tasks/{private}", "ada").status_code == 200


@pytest.mark.req("D2")
def test_who_may_only_watch_sees_no_cancel_and_no_run_again(house: House) -> None:
    running = house.task("running", owner="eve", visibility="everyone")
    ended = house.task("completed", owner="eve", visibility="everyone", results={"a": 1})
    assert opened(house, running).find("a", data_action="cancel") == []
    assert opened(house, ended).find("button", data_action="retry") == []
    assert house.post(f"/tasks/{running}/cancel", {}).status_code == 403
    assert opened(house, running, username="ada").find("a", data_action="cancel") != []


@pytest.mark.req("F1", "C4")
def test_cancel_works_without_javascript_by_a_page_of_its_own(house: House) -> None:
    task_id = house.task("queued")
    assert house.get(f"/tasks/{task_id}/cancel").text.count("leaves the queue") == 1
    answer = house.post(f"/tasks/{task_id}/cancel", {"reason": "not needed"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/tasks/{task_id}")
    assert "Cancelled by ben before it started." in house.get(f"/tasks/{task_id}").text
    again = house.get(f"/tasks/{task_id}/cancel")
    assert (again.status_code, again.headers["Location"]) == (303, f"/tasks/{task_id}")


@pytest.mark.req("C9")
def test_run_again_leads_to_a_new_task_and_both_name_each_other(house: House) -> None:
    task_id = house.task("failed", error="x", params={"folder": ""})
    new = house.post(f"/tasks/{task_id}/retry", {}).headers["Location"]
    assert f'href="/tasks/{task_id}"' in house.get(new).text
    assert f'href="{new}"' in house.get(f"/tasks/{task_id}").text
    assert house.post(f"/tasks/{task_id}/retry", {}).headers["Location"] == new


@pytest.mark.req("F1")
def test_a_cancel_that_comes_too_late_leads_to_the_page_that_says_how_it_ended(house: House) -> None:
    task_id = house.task("completed", results={"a": 1})
    answer = house.post(f"/tasks/{task_id}/cancel", {})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/tasks/{task_id}")


@pytest.mark.req("F1")
def test_the_places_of_counters_that_earlier_runs_had_are_kept_free_from_the_start(house: House) -> None:
    house.task("completed", results={"a": 1})
    assert opened(house, house.task("queued")).words_of("stats") == "Nodes found–Note–"


@pytest.mark.req("F10")
def test_an_unknown_tab_is_not_found(house: House) -> None:
    assert house.get(f"/tasks/{house.task('completed', results={'a': 1})}/nodes").status_code == 404


@pytest.mark.req("F2")
def test_the_page_tells_scripts_where_to_go_on(house: House) -> None:
    task_id = house.task("running", log=[("info", "a"), ("info", "b")])
    (root,) = opened(house, task_id).find("div", data_page="task")
    assert root["data-task"] == task_id
    assert (root["data-log-first"], root["data-log-last"], root["data-log-total"]) == ("1", "2", "2")
    assert (root["data-status"], root["data-can-act"], root["data-seq"]) == ("running", "1", "")
    assert root["data-log-url"] == f"/api/v1/tasks/{task_id}/log"
