"""Starting a job without JavaScript: the form, what is wrong with it, and one task for a double click."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tasks.models import Task
from tasks.service import Tasks
from tests.pages.html_checks import Page, faults
from tests.pages.task_app import KIND, House

PATH = f"/start/{KIND}"
WHOLE = {
    "form": "1",
    "p.folder": "",
    "p.branch": "",
    "p.file_types": ".py, .ts",
    "p.look_for": ["reads"],
    "p.mode": "fast",
}


def shown(html: str) -> Page:
    assert faults(html) == []
    return Page(html)


def params_of(house: House, path: str) -> dict[str, Any]:
    with house.database.read() as session:
        return dict(session.get_one(Task, path.rsplit("/", 1)[-1]).params)


@pytest.mark.req("J1", "F7")
def test_each_parameter_is_a_labelled_field_of_its_sort(house: House) -> None:
    page = shown(house.get(PATH).text)
    fields = {each["data-field"]: each.get("data-default") for _, each in page.elements if "data-field" in each}
    assert list(fields) == [
        "folder",
        "branch",
        "file_types",
        "look_for",
        "mode",
        "language",
        "tries",
        "again",
        "secret",
        "title",
        "priority",
    ]
    assert fields["tries"] == "3"
    assert page.find("input", name="p.folder")[0]["list"] == "f-folder-known"
    assert [box["value"] for box in page.find("input", name="p.look_for") if "checked" in box] == ["reads"]
    assert [radio["value"] for radio in page.find("input", name="p.mode")] == ["fast", "exact"]
    assert len(page.find("select", name="p.language")) == 1
    (tries,) = page.find("input", name="p.tries")
    assert (tries["type"], tries["min"], tries["max"]) == ("number", "1", "9")
    assert "From 1 to 9 times." in "".join(page.text)
    assert page.find("input", name="p.file_types")[0]["value"] == ".py, .ts"


@pytest.mark.req("F10", "C10")
def test_sending_the_form_starts_the_task_once_however_often_it_is_sent(house: House) -> None:
    key = shown(house.get(PATH).text).find("input", name="idempotency_key")[0]["value"]
    sent = WHOLE | {"p.branch": "main", "p.look_for": ["writes", "ui_calls"], "title": "Mine", "idempotency_key": key}
    first, second = house.post(PATH, sent), house.post(PATH, sent)
    assert first.status_code == second.status_code == 303
    assert first.headers["Location"] == second.headers["Location"]
    assert params_of(house, first.headers["Location"]) == {
        "folder": "",
        "branch": "main",
        "file_types": [".py", ".ts"],
        "look_for": ["writes", "ui_calls"],
        "mode": "fast",
        "language": "any",
        "tries": 3,
        "again": False,
        "secret": "",
    }
    assert "Mine" in house.get(first.headers["Location"]).text


@pytest.mark.req("F10")
def test_an_unticked_box_of_the_page_means_no_and_an_unsaid_one_the_default(house: House) -> None:
    bare = house.post(PATH, {"p.folder": "/a"}).headers["Location"]
    assert params_of(house, bare)["look_for"] == ["reads"]
    without = {key: value for key, value in WHOLE.items() if key != "p.look_for"}
    assert params_of(house, house.post(PATH, without).headers["Location"])["look_for"] == []


@pytest.mark.req("D2")
def test_who_may_watch_is_what_the_switch_says_and_else_the_default_of_the_installation(house: House) -> None:
    def visibility(**sent: str) -> str:
        path = house.post(PATH, sent).headers["Location"]
        with house.database.read() as session:
            return session.get_one(Task, path.rsplit("/", 1)[-1]).visibility

    room = house.app.extensions["taskroom"]
    room.config = replace(room.config, default_visibility="everyone")
    room.tasks = Tasks(room.config, house.database, room.tasks._announcer, room.tasks._queue)
    assert visibility() == "everyone"
    assert visibility(form="1") == "private"
    assert visibility(form="1", visibility="everyone") == "everyone"
    assert "checked" in shown(house.get(PATH).text).find("input", name="visibility")[0]


@pytest.mark.req("D5", "F7")
def test_what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost(house: House) -> None:
    sent = WHOLE | {
        "p.folder": "/forbidden",
        "p.tries": "70",
        "p.branch": "<b>main</b>",
        "title": "Kept <i>",
        "priority": "high",
    }
    for name, value in (("p.tries", "70"), ("p.tries", "x")):
        answer = house.post(PATH, sent | {name: value})
        page = shown(answer.text)
        assert answer.status_code == 422
        (tries,) = page.find("input", name="p.tries")
        assert (tries["aria-invalid"], tries["aria-describedby"]) == ("true", "f-tries-wrong f-tries-help")
        assert tries["value"] == value
        assert page.find("input", name="p.branch")[0]["value"] == "<b>main</b>"
        assert page.find("input", name="title")[0]["value"] == "Kept <i>"
        assert "checked" in page.find("input", name="priority", value="high")[0]
        assert page.words_of("error-summary") == "One thing to correct before this can start.Tries"
        assert "open" in page.find("details", class_="fold")[0]


@pytest.mark.req("D11")
def test_a_refusal_by_the_job_itself_is_said_at_its_field_too(house: House) -> None:
    page = shown(house.post(PATH, WHOLE | {"p.folder": "/forbidden"}).text)
    assert page.find("input", name="p.folder")[0]["aria-invalid"] == "true"
    assert "This folder is not below a scan root. Choose one of the list." in "".join(page.text)


@pytest.mark.req("B7")
def test_a_resource_that_is_busy_is_said_with_a_way_to_the_task_that_holds_it(house: House) -> None:
    first = house.post(PATH, WHOLE | {"p.folder": "/srv/acme"}).headers["Location"]
    answer = house.post(PATH, WHOLE | {"p.folder": "/srv/acme"})
    assert answer.status_code == 409
    page = shown(answer.text)
    assert {"href": first} in page.find("a")
    assert page.words_of("error-summary").startswith("This cannot start now.")


@pytest.mark.req("J1", "J4")
def test_the_same_start_is_given_for_a_terminal_without_secrets(house: House) -> None:
    house.post(PATH, WHOLE)
    answer = house.get(f"{PATH}?p.folder=/srv/my files&p.tries=5&p.secret=hush&p.file_types=.py")
    html = answer.text
    page = shown(html)
    assert (
        page.words_of("term")
        == "./taskroom run page_probe \\ -p 'folder=/srv/my files' \\ -p file_types=.py \\ -p tries=5"
    )
    terminal = html[html.index("data-term-panel") :]
    assert "hush" not in terminal
    assert "'tries': 5" in "".join(page.text)
    assert "Last runs" in "".join(page.text)


@pytest.mark.req("D2", "F10")
def test_an_unknown_job_is_not_found(house: House) -> None:
    assert house.get("/start/nothing").status_code == 404
    assert house.post("/start/nothing", {}).status_code == 404
