"""Advisories as a person meets them: what is there, the form beside it, and how an update went."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from database import utc_now
from jobs.advisories.models import AdvisoryEcosystem
from tests.jobs.advisories.osv import archive, simple, update
from tests.jobs.code_scan.scanning import Recorder
from tests.pages.html_checks import Page, faults
from tests.pages.task_app import House


def text_of(house: House, path: str, username: str = "ada") -> str:
    answer = house.get(path, username)
    assert answer.status_code == 200, answer.text
    assert faults(answer.text) == []
    return " ".join(" ".join(Page(answer.text).text).split())


def imported(house: House, folder: Path, *records: Any, **params: Any) -> dict[str, Any]:
    config = house.app.extensions["taskroom"].config
    return update(Recorder(config, house.database), archive(folder / "all.zip", records, **params))


@pytest.mark.req("B11")
def test_without_advisories_the_page_says_what_to_do(house: House) -> None:
    said = text_of(house, "/advisories")
    assert "No advisories yet" in said
    assert "no package can be called clean" in text_of(house, "/start/advisory_update")
    assert house.get("/advisories", username=None).status_code == 302


@pytest.mark.req("B11", "D2")
def test_only_admins_replace_the_data_that_everybodys_scans_are_judged_by(house: House) -> None:
    assert "An admin starts the update" in text_of(house, "/advisories", "ben")
    assert 'href="/start/advisory_update"' not in house.get("/advisories").text
    assert house.get("/start/advisory_update").status_code == 404


@pytest.mark.req("B11")
def test_the_page_says_how_many_there_are_from_where_and_how_old(house: House, tmp_path: Path) -> None:
    recent = (utc_now() - timedelta(hours=3)).isoformat()
    imported(house, tmp_path, simple("GHSA-1"), simple("GHSA-<b>2", modified=recent))
    said = text_of(house, "/advisories")
    assert all(words in said for words in ("npm", "all.zip", "CC-BY-4.0", "less than a day old", "2 in all"))
    assert "older than" not in said
    with house.database.write() as session:
        session.query(AdvisoryEcosystem).update({"data_date": utc_now() - timedelta(days=40)})
    for path in ("/advisories", "/start/advisory_update"):
        assert "40 days old" in text_of(house, path)
    assert "older than the 7 days that are allowed here" in text_of(house, "/advisories")
    with house.database.write() as session:
        session.query(AdvisoryEcosystem).update({"data_date": None})
    assert "age not known" in text_of(house, "/advisories")


@pytest.mark.req("B11", "B15")
@pytest.mark.parametrize("case", ["imported", "unchanged", "unreadable"])
def test_the_results_begin_with_a_judgement(house: House, tmp_path: Path, case: str) -> None:
    broken = {"extra": {"GHSA-9.json": b"{"}} if case == "unreadable" else {}
    results = imported(house, tmp_path, simple("GHSA-1"), **broken)
    if case == "unchanged":
        results = imported(house, tmp_path, simple("GHSA-1"))
    task_id = house.task("completed", kind="advisory_update", title="Advisories of all.zip", results=results)
    said = text_of(house, f"/tasks/{task_id}")
    assert {
        "imported": "1 advisory of this source can be matched now. Every record could be read.",
        "unchanged": "Nothing has changed.",
        "unreadable": "1 record could not be read; what was known before stays.",
    }[case] in said
    assert "20 Nov 2026, 02:31 UTC" in said
    assert house.get(f"/tasks/{task_id}", username="eve").status_code == 404
