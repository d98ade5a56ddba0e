"""The page that maps requirements to tests tells the truth about the artifacts and the marks, and a scan agrees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from config import CHECKOUT, Config
from database import Database
from jobs.trace_scan import query
from tests.jobs.code_scan.scanning import Recorder
from tests.jobs.trace_scan.tracing import scan
from tools import matrix


@pytest.mark.req("K4")
def test_every_mark_names_a_known_requirement() -> None:
    known = matrix.requirements().keys()
    unknown = [
        f"{claim.file}::{claim.test} carries {claim.number!r}" for claim in matrix.claims() if claim.number not in known
    ]
    assert unknown == []


@pytest.mark.req("K4")
def test_every_requirement_is_in_one_chapter_and_has_a_risk_and_a_sentence() -> None:
    every = matrix.requirements()
    assert [number for _, numbers in matrix.chapters().values() for number in numbers] == list(every)
    for number, each in every.items():
        assert each.risk in ("HIGH", "MEDIUM", "LOW"), number
        assert each.title and each.text.endswith((".", ")")), number
        assert (matrix.ARTIFACTS / "requirements" / f"REQ-{number}.md").exists()


@pytest.mark.req("K4")
def test_the_page_holds_every_requirement_and_shows_open_ones() -> None:
    page = matrix.page()
    carried = {claim.number for claim in matrix.claims()}
    for number in matrix.requirements():
        row = next(line for line in page.splitlines() if line.startswith(f"| {number} |"))
        assert row.endswith("| **open** |") is (number not in carried)


def test_marks_are_found_on_functions_classes_and_modules(tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_sample.py").write_text(
        "import pytest\n"
        "pytestmark = [pytest.mark.slow, pytest.mark.req('A1')]\n"
        "@pytest.mark.req('B2', 'B3')\n"
        "def test_one(): ...\n"
        "@pytest.mark.req('C4')\n"
        "class TestTwo:\n"
        "    def test_three(self): ...\n"
        "def helper(): ...\n"
    )
    found = [(claim.number, claim.test) for claim in matrix.claims(folder)]
    assert found == [
        ("A1", "test_one"),
        ("B2", "test_one"),
        ("B3", "test_one"),
        ("A1", "TestTwo::test_three"),
        ("C4", "TestTwo::test_three"),
    ]


@pytest.mark.slow
@pytest.mark.req("B5", "K4")
def test_a_scan_of_this_repository_shows_what_the_page_shows(
    make_config: Callable[..., Config], database: Database, sqlite_url: str
) -> None:
    claimed: dict[str, set[tuple[str, str]]] = {number: set() for number in matrix.requirements()}
    for claim in matrix.claims():
        claimed[claim.number].add((claim.file, claim.test))
    context = Recorder(make_config(DATABASE_URL=sqlite_url, SCAN_ROOTS=str(CHECKOUT)), database)
    results = scan(context, CHECKOUT)
    with database.read() as session:
        rows = query.matrix(session, context.task_id, limit=500)["items"]
    assert {row["requirement"] for row in rows} == {f"REQ-{number}" for number in claimed}
    assert results["broken_links"] == 0
    for row in rows:
        number = row["requirement"].removeprefix("REQ-")
        each, tests = matrix.requirements()[number], {(test["path"], test["name"]) for test in row["tests"]}
        assert (row["title"], row["risk"], row["path"]) == (each.title, each.risk, f".gxp/requirements/REQ-{number}.md")
        assert tests <= claimed[number], number
        assert len(claimed[number]) == len(tests) + row["more"].get("tests", 0), number
