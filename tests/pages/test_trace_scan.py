"""The results of real trace scans as a person looks at them: every part has an address and works without JavaScript."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from config import Config
from jobs.trace_scan.job import trace_scan
from jobs.trace_scan.models import TraceSource
from jobs.trace_scan.params import TraceScanParams, check_params
from pages.trace_words import counters, verdict
from tasks.registry import load_jobs
from tests.api.room import Caller, Room
from tests.fixtures.settings import SECRET
from tests.jobs.code_scan.scanning import Recorder, write
from tests.jobs.trace_scan.repository import requirement, sound, story
from tests.pages.html_checks import Page, faults

pytestmark = pytest.mark.req("B5", "B15")

EVIL = "<script>alert(1)</script>"
TABS = ("", "/matrix", "/artifacts", "/findings", "/changes")


@dataclass
class Traced:
    """Two scans of one repository, the second after some changes, and who may look at them."""

    room: Room
    ada: Caller
    first: str
    second: str

    def page(self, tab: str = "", scan: str = "") -> Page:
        """A tab of a scan, sound as HTML; the second scan unless another is named."""
        answer = self.ada.client.get(f"/tasks/{scan or self.second}{tab}", headers=self.ada.headers)
        assert answer.status_code == 200, answer.text
        assert faults(answer.text) == []
        assert EVIL not in answer.text
        return Page(answer.text)

    def text(self, tab: str = "", scan: str = "") -> str:
        """What is to be read there."""
        return " ".join(" ".join(self.page(tab, scan).text).split())


def finished(room: Room, ada: Caller, **params: Any) -> str:
    """A scan that has run to its end."""
    scan_id = ada.start("trace_scan", params=params)
    held = room.claim(scan_id)
    checked = check_params(TraceScanParams(**params), room.config)
    room.complete(scan_id, trace_scan(Recorder(room.config, room.database, scan_id), checked), held)  # type: ignore[arg-type]
    return scan_id


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, _migrated_sqlite: Path, _shared_redis: Any) -> Iterator[Traced]:
    load_jobs(("jobs",))
    home = tmp_path_factory.mktemp("traced")
    shutil.copy(_migrated_sqlite, home / "taskroom.db")
    environment = {"SECRET_KEY": SECRET, "DATA_DIR": str(home / "data"), "SCAN_ROOTS": str(home), "PORT": "0"}
    addresses = {"DATABASE_URL": f"sqlite:///{home / 'taskroom.db'}", "REDIS_URL": _shared_redis("valkey").url}
    room = Room(Config.from_env(environment | addresses))
    ada = room.person("ada")
    folder = sound(home / "lab")
    tests = "".join(f'@pytest.mark.req("REQ-005")\ndef test_{n}():\n    pass\n\n\n' for n in range(6))
    write(
        folder,
        {
            ".gxp/requirements/REQ-002.md": requirement("REQ-002", "LOW").replace("Results are kept", EVIL),
            ".gxp/requirements/REQ-003.md": requirement("REQ-003", "MEDIUM"),
            ".gxp/requirements/REQ-004.md": f"{EVIL} without front matter",
            ".gxp/requirements/REQ-005.md": requirement("REQ-005", "LOW"),
            ".gxp/user_stories/US-009-001.md": story("US-009-001", "REQ-099"),
            "tests/test_five.py": "import pytest\n\n\n" + tests,
        },
    )
    first = finished(room, ada, repository_path="lab")
    (folder / ".gxp/requirements/REQ-003.md").write_text(requirement("REQ-003", "HIGH"))
    (folder / ".gxp/requirements/REQ-005.md").unlink()
    write(folder, {"src/ledger.ts": (folder / "src/ledger.ts").read_text() + "// changed\n"})
    second = finished(room, ada, repository_path="lab")
    yield Traced(room, ada, first, second)
    room.close()


def test_the_overview_leads_with_the_verdict_and_with_what_to_do(traced: Traced) -> None:
    text = traced.text()
    assert "1 of 4 requirements is traced to a test." in text
    assert "1 is to be looked at again, because its code has changed." in text
    assert "US-009-001" in text and ".gxp/user_stories/US-009-001.md" in text
    assert "Correct the id or the path, or add what it names." in text
    page = traced.page()
    assert any(link.get("href", "").endswith("/findings?kind=broken") for link in page.find("a"))
    assert page.find("rect", class_="full"), "coverage is drawn"


def test_a_first_scan_says_that_there_is_nothing_to_compare_with(traced: Traced) -> None:
    assert "This is the first scan" in traced.text(scan=traced.first)
    assert "Nothing to compare with yet" in traced.text("/changes", traced.first)


def test_the_matrix_is_filtered_by_risk_state_and_text(traced: Traced) -> None:
    def rows(query: str) -> list[str]:
        links = traced.page(f"/matrix?{query}").find("a", role="button")
        names = [link.get("aria-label", "") for link in links]
        return [name.removeprefix("Links of ") for name in names if name.startswith("Links of ")]

    assert sorted(rows("")) == ["REQ-001", "REQ-002", "REQ-003", "REQ-004"]
    assert sorted(rows("risk=HIGH")) == ["REQ-001", "REQ-003"]
    assert rows("risk=HIGH&show=look_again") == ["REQ-001"]
    assert rows("state=linked") == ["REQ-001"]
    assert "REQ-001" not in rows("show=gap")
    assert rows("q=ledger.ts") == ["REQ-001"]
    assert "No requirement matches" in traced.text("/matrix?q=no-such-thing")


def test_a_row_of_the_matrix_opens_to_the_links_of_its_chain(traced: Traced) -> None:
    closed, opened = traced.text("/matrix"), traced.text("/matrix?open=REQ-001")
    assert "US-001-001 → REQ-001" not in closed
    assert "US-001-001 → REQ-001" in opened and "src/ledger.ts → SPEC-001-001" in opened
    expanded = [link for link in traced.page("/matrix?open=REQ-001").find("a") if link.get("aria-expanded") == "true"]
    assert [link["aria-label"] for link in expanded] == ["Links of REQ-001"]
    assert "and 3 more" in traced.text("/matrix", traced.first), "a cell of many tests is cut, and says so"


def test_an_artifact_shows_its_place_its_fields_and_its_links_up_and_down(traced: Traced) -> None:
    text = traced.text("/artifacts?ref=SPEC-001-001")
    assert ".gxp/specs/SPEC-001-001-ledger.md" in text and "verification_tier" in text
    assert "Stands on" in text and "US-001-001" in text
    assert "Carries" in text and "tests/ledger.spec.ts" in text and "is implemented in src/ledger.ts" in text
    assert "Not readable" in traced.text("/artifacts?state=malformed")
    assert "the first line is not ---" in traced.text("/artifacts?ref=REQ-004")
    assert "No artifact matches" in traced.text("/artifacts?q=no-such-thing")


def test_findings_are_filtered_and_each_has_its_place(traced: Traced) -> None:
    text = traced.text("/findings?kind=broken")
    assert "REQ-099" in text and ".gxp/user_stories/US-009-001.md:4" in text
    assert "malformed artifacts" in traced.text("/findings?kind=malformed").lower()
    assert "Kind is Broken links or Missing links" in traced.text("/findings?kind=broken,missing")
    assert "No finding matches" in traced.text("/findings?q=no-such-thing")


def test_changes_name_what_came_what_went_and_each_field_before_and_after(traced: Traced) -> None:
    text = traced.text("/changes?subject=artifact")
    assert re.search(r"Updated Requirement REQ-003 .*MEDIUM HIGH", text)
    assert "Removed Requirement REQ-005" in text
    assert "src/ledger.ts" in traced.text("/changes?subject=file")


def test_exports_are_offered_with_the_filters_of_the_page(traced: Traced) -> None:
    links = [link.get("href", "") for link in traced.page("/matrix?risk=HIGH&q=ledger").find("a")]
    for ending in ("csv", "json"):
        address = f"/api/v1/scans/{traced.second}/matrix.{ending}?risk=HIGH&q=ledger"
        assert address in links
        assert traced.ada.get(address).status_code == 200


@pytest.mark.req("D5")
def test_what_no_filter_has_is_refused_with_a_sentence(traced: Traced) -> None:
    for query in ("matrix?risk=DEADLY", "matrix?show=some", "artifacts?type=x", "findings?kind=x", "matrix?cursor=x"):
        answer = traced.ada.client.get(f"/tasks/{traced.second}/{query}", headers=traced.ada.headers)
        assert answer.status_code == 400, query
    answer = traced.ada.client.get(f"/tasks/{traced.second}/artifacts?artifact=99999999", headers=traced.ada.headers)
    assert answer.status_code == 404


@pytest.mark.req("D2")
def test_nobody_else_sees_a_page_of_it(traced: Traced) -> None:
    bob = traced.room.person("bob")
    for tab in TABS:
        assert bob.client.get(f"/tasks/{traced.second}{tab}", headers=bob.headers).status_code == 404


@pytest.mark.req("D9")
def test_nothing_of_a_scanned_file_becomes_markup(traced: Traced) -> None:
    for tab in (*TABS, "/matrix?open=REQ-002", "/artifacts?ref=REQ-002", "/artifacts?ref=REQ-004"):
        traced.page(tab)
    assert EVIL in traced.text("/matrix"), "it is there as text"


def test_a_scan_whose_rows_are_gone_says_so(traced: Traced) -> None:
    folder = write(traced.room.config.scan_roots[0] / "empty", {"a.py": "A = 1\n"})
    scan_id = finished(traced.room, traced.ada, repository_path=folder.name)
    assert "This repository keeps no requirements." in traced.text(scan=scan_id)
    assert "Put the first one below .gxp/requirements/" in traced.text("/matrix", scan_id)
    with traced.room.database.write() as session:
        source = session.query(TraceSource).filter(TraceSource.source.endswith("/empty")).one()
        session.delete(source)
    for tab in TABS:
        assert "What this scan found is not kept any more" in traced.text(tab, scan_id)


def numbers(**changed: int) -> dict[str, Any]:
    names = ("requirements", "traced", "artifacts", "links", "broken_links", "missing_links", "look_again")
    return {"counters": dict.fromkeys((*names, "stopped_broken", "stopped_missing"), 0) | changed, "change": None}


@pytest.mark.parametrize(
    ("counted", "tone", "said"),
    [
        ({}, "warn", "This repository keeps no requirements."),
        ({"requirements": 1, "traced": 1}, "ok", "The one requirement is traced to a test."),
        ({"requirements": 9, "traced": 9}, "ok", "All 9 requirements are traced to a test."),
        ({"requirements": 9, "traced": 9, "look_again": 1}, "warn", "All 9 requirements are traced to a test."),
        ({"requirements": 9, "traced": 9, "broken_links": 2}, "fail", "All 9 requirements are traced to a test."),
        ({"requirements": 9, "traced": 8, "stopped_missing": 1}, "warn", "8 of 9 requirements are traced to a test."),
        (
            {"requirements": 9, "traced": 1, "stopped_broken": 8, "broken_links": 8},
            "fail",
            "1 of 9 requirements is traced to a test.",
        ),
    ],
)
def test_the_verdict_is_good_only_when_nothing_is_left_to_do(counted: dict[str, int], tone: str, said: str) -> None:
    judged = verdict(numbers(**counted))
    assert (judged["tone"], judged["sentence"]) == (tone, said)


def test_a_number_of_nothing_has_no_colour() -> None:
    shown = {each["label"]: each["tone"] for each in counters(numbers(broken_links=0, missing_links=2))}
    assert (shown["Broken"], shown["Missing"]) == ("quiet", "ink-warn")
