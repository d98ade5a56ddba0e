"""Registered repositories as a person meets them: the list, adding, scanning, removing, and history by commit."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from database import utc_now
from jobs.trace_scan import repositories
from jobs.trace_scan.models import TraceScan, TraceSnapshot, TraceSource
from tasks.models import Task
from tasks.registry import load_jobs
from tests.pages.html_checks import Page, faults
from tests.pages.task_app import House

NUMBERS = ("requirements", "traced", "links", "broken_links", "missing_links", "changed_files")


@pytest.fixture
def folder(house: House) -> Path:
    path = house.app.extensions["taskroom"].config.scan_roots[0] / "lab"
    path.mkdir()
    return path


def register(house: House, source: Path | str, name: str = "Lab", owner: str = "ben") -> int:
    config = house.app.extensions["taskroom"].config
    number: int = repositories.register(house.database, config, name, str(source), None, house.people[owner].id)["id"]
    return number


def opened(answer: TestResponse, status: int = 200) -> Page:
    assert answer.status_code == status, answer.text
    assert faults(answer.text) == []
    return Page(answer.text)


def text_of(page: Page) -> str:
    return " ".join(" ".join(page.text).split())


def scan_of(house: House, number: int, state: str, **fields: Any) -> str:
    return house.task(state, kind="trace_scan", params={"repository_id": number}, title="Trace of Lab", **fields)


def finished(house: House, number: int, commit: str | None = "4d1e77a" + "0" * 33, owner: str = "ben") -> str:
    """A finished scan of this repository with rows of its own."""
    scan_id = scan_of(house, number, "completed", owner=owner, results={"links": 7, "broken_links": 1})
    with house.database.write() as session:
        source = TraceSource(digest=scan_id, source="lab", sequence=1)
        session.add(source)
        session.flush()
        snapshot = TraceSnapshot(source_id=source.id, digest=scan_id)
        session.add(snapshot)
        session.flush()
        counters = {"numbers": dict.fromkeys(NUMBERS, 1), "findings_by_kind": {}}
        times = {"started_at": utc_now() - timedelta(seconds=9), "finished_at": utc_now(), "duration_ms": 900}
        keys = {"task_id": scan_id, "source_id": source.id, "snapshot_id": snapshot.id, "repository_id": number}
        session.add(TraceScan(**keys, **times, sequence=1, commit=commit, counters=counters))
    return scan_id


def test_an_empty_list_says_what_to_do(house: House) -> None:
    page = opened(house.get("/repositories"))
    assert "No repository is registered" in text_of(page)
    assert any(link["href"] == "/repositories" and "aria-current" in link for link in page.find("a"))


@pytest.mark.req("B8")
def test_a_repository_is_added_and_listed(house: House, folder: Path) -> None:
    answer = house.post("/repositories", {"name": "Lab portal", "source": str(folder)})
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/repositories#repository-")
    page = opened(house.get("/repositories", "eve"))
    assert "Lab portal" in text_of(page) and "never scanned" in text_of(page)
    assert not any("/remove" in link.get("href", "") for link in page.find("a"))
    assert any("/remove" in link.get("href", "") for link in opened(house.get("/repositories")).find("a"))


@pytest.mark.req("B8", "D11")
@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"name": "", "source": "lab"}, "name"),
        ({"name": "Lab", "source": "/etc"}, "source"),
        ({"name": "Lab", "source": "<b>../..</b>"}, "source"),
        ({"name": "Lab", "source": "https://evil.example/x.git"}, "source"),
        ({"name": "Lab", "source": "lab", "ref": "main"}, "ref"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost(
    house: House, folder: Path, typed: dict[str, str], field: str
) -> None:
    page = opened(house.post("/repositories", typed), 422)
    for name, value in typed.items():
        [box] = page.find("input", id=f"new-{name}")
        assert box["value"] == value
        assert (box.get("aria-invalid") == "true") is (name == field)
    with house.database.read() as session:
        assert repositories.listed(session) == []


def test_a_name_that_is_taken_is_said_at_the_name(house: House, folder: Path) -> None:
    register(house, folder)
    page = opened(house.post("/repositories", {"name": "Lab", "source": str(folder)}), 409)
    assert page.find("input", id="new-name")[0]["aria-invalid"] == "true"


@pytest.mark.req("F10")
def test_the_list_shows_the_last_scan_in_every_state(house: House, folder: Path) -> None:
    running, failed = register(house, folder, "Runs"), register(house, folder, "Failed")
    task_id = scan_of(house, running, "running")
    scan_of(house, failed, "failed", error="The folder is gone. Register it anew.")
    page = opened(house.get("/repositories"))
    [row] = page.find("tr", data_task=task_id)
    assert row["data-status"] == "running" and row["id"] == f"repository-{running}"
    assert "61.4 %" in text_of(page) and "The folder is gone." in text_of(page)
    busy = [each for each in page.find("button") if "data-scan-now" in each and "disabled" in each]
    assert [each["aria-label"] for each in busy] == ["Scan now: Runs"]


@pytest.mark.req("D2")
def test_scans_that_a_person_may_not_see_are_not_shown(house: House, folder: Path) -> None:
    number = register(house, folder)
    scan_id = finished(house, number)
    assert "4d1e77a" in text_of(opened(house.get(f"/repositories/{number}")))
    theirs = house.get(f"/repositories/{number}", "eve")
    assert "No scan has finished yet" in text_of(opened(theirs))
    assert scan_id not in theirs.text
    assert scan_id not in house.get("/repositories", "eve").text
    assert scan_id in house.get(f"/repositories/{number}", "ada").text


@pytest.mark.req("B5")
def test_history_names_each_scan_by_its_commit(house: House, folder: Path) -> None:
    number = register(house, folder)
    scans = [finished(house, number, "a" * 40), finished(house, number, None)]
    page = opened(house.get(f"/repositories/{number}"))
    titles = {link["href"]: link["title"] for link in page.find("a") if link.get("href", "").startswith("/tasks/")
              and "title" in link}  # fmt: skip
    assert titles[f"/tasks/{scans[0]}"] == "a" * 40 and titles[f"/tasks/{scans[1]}"] == "no commit"


def test_removing_asks_first_and_leaves_the_scans(house: House, folder: Path) -> None:
    number = register(house, folder)
    scan_id = finished(house, number)
    asked = opened(house.get(f"/repositories/{number}/remove"))
    assert "Its 1 finished scan stays" in text_of(asked)
    assert house.get(f"/repositories/{number}/remove", "eve").status_code == 303
    assert house.post(f"/repositories/{number}/remove", {}, "eve").status_code == 403
    assert house.post(f"/repositories/{number}/remove", {}).status_code == 303
    assert house.get(f"/repositories/{number}").status_code == 404
    with house.database.read() as session:
        assert [each.repository_id for each in session.query(TraceScan).filter_by(task_id=scan_id)] == [None]


@pytest.mark.req("B7")
def test_a_repository_that_is_being_scanned_is_not_removed(house: House, folder: Path) -> None:
    number = register(house, folder)
    scan_of(house, number, "running")
    page = opened(house.post(f"/repositories/{number}/remove", {}), 409)
    assert "A scan of this repository is under way" in text_of(page)


@pytest.mark.req("B7", "B14")
def test_scan_now_starts_one_scan_and_goes_back_to_where_it_was_asked_for(house: House, folder: Path) -> None:
    load_jobs(("jobs",))
    number = register(house, folder)
    answer = house.post(f"/repositories/{number}/scan", {"from": "list"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/repositories#repository-{number}")
    assert "Queued" in text_of(opened(house.get("/repositories")))
    again = house.post(f"/repositories/{number}/scan", {"from": "one"})
    assert (again.status_code, again.headers["Location"]) == (303, f"/repositories/{number}#repository-{number}")
    theirs = opened(house.post(f"/repositories/{number}/scan", {}, "eve"), 409)
    assert "The same work is under way already" in text_of(theirs)
    with house.database.read() as session:
        assert session.query(Task).filter_by(kind="trace_scan").count() == 1


def test_a_repository_whose_folder_is_gone_says_so_when_it_is_scanned(house: House, folder: Path) -> None:
    load_jobs(("jobs",))
    number = register(house, folder)
    folder.rmdir()
    assert "Check the spelling" in text_of(opened(house.post(f"/repositories/{number}/scan", {}), 422))


@pytest.mark.req("D9")
def test_a_name_never_becomes_markup(house: House, folder: Path) -> None:
    number = register(house, folder, "<script>alert(1)</script>")
    for path in ("/repositories", f"/repositories/{number}", f"/repositories/{number}/remove"):
        answer = house.get(path)
        opened(answer)
        assert "<script>alert" not in answer.text


def test_what_is_not_there_is_not_found(house: House) -> None:
    for path in ("/repositories/7", "/repositories/7/remove", "/repositories/99999999999999999999999"):
        assert house.get(path).status_code == 404
    for path in ("/repositories/7/scan", "/repositories/7/remove"):
        assert house.post(path, {}).status_code == 404
