"""The update as a job: imported aside, switched over at once, unchanged for nothing, and broken without harm."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from config import Config
from database import Database
from jobs.advisories import import_writer
from jobs.advisories import job as job_module
from jobs.advisories.import_writer import ImportWriter, Superseded
from jobs.advisories.matching import AdvisoryIndex
from jobs.advisories.models import Advisory, AdvisoryEcosystem, AdvisoryPackage
from jobs.advisories.params import AdvisoryUpdateParams, check_params, resource_for, title_for
from jobs.advisories.question import Question
from tasks.errors import Cancelled, InvalidParams, JobFailed
from tests.jobs.advisories.conftest import MakeRecorder
from tests.jobs.advisories.osv import MODIFIED, affects, archive, ask, found, record, simple, spans, update
from tests.jobs.code_scan.scanning import Recorder, write

OLD = {"npm": 3, "PyPI": 1}


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return archive(tmp_path / "first.zip", [
        simple("GHSA-1", "one"), simple("GHSA-2", "two"), simple("GHSA-3", "three"),
        simple("PYSEC-1", "one", "2", "PyPI"),
        record("OSV-1", affects("Linux", "Kernel", spans("introduced 0"))),
        simple("GHSA-4", withdrawn=MODIFIED),
    ])  # fmt: skip


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return archive(tmp_path / "second.zip", [
        simple("GHSA-1", "one"), simple("GHSA-2", "two", "1.4.0"), simple("GHSA-5", "five"),
        simple("GHSA-3", withdrawn=MODIFIED), simple("PYSEC-1", "one", "2", "PyPI"),
    ])  # fmt: skip


def rows(context: Recorder) -> dict[str, int]:
    with context.database.read() as session:
        return {
            model.__tablename__: session.scalar(select(func.count()).select_from(model)) or 0
            for model in (Advisory, AdvisoryPackage)
        }


def npm(context: Recorder) -> dict[str, str | None]:
    """What is found of every package of the two archives."""
    names = ("one", "two", "three", "left-pad", "five")
    return found(ask(context.database, *(("npm", name, "1.0.0") for name in names)))


FIRST = {"GHSA-1": "1.3.0", "GHSA-2": "1.3.0", "GHSA-3": "1.3.0"}
SECOND = {"GHSA-1": "1.3.0", "GHSA-2": "1.4.0", "GHSA-5": "1.3.0"}


@pytest.mark.req("B11")
def test_an_archive_is_imported_and_a_newer_one_replaces_it(
    any_recorder: MakeRecorder, first: Path, second: Path
) -> None:
    context = any_recorder()
    results = update(context, first)
    assert results == {
        "ecosystems": OLD, "added": 4, "updated": 0, "withdrawn": 0, "unchanged": 0, "unreadable": 0, "imported": True,
        "source": str(first), "data_date": "2026-11-20T02:31:00.000Z", "licence": "CC-BY-4.0",
    }  # fmt: skip
    assert context.phases == ["check", "fetch", "import", "switch"]
    assert context.done["import"] == context.totals["import"] == 6
    assert npm(context) == FIRST
    later = any_recorder()
    results = update(later, second)
    assert {name: results[name] for name in ("added", "updated", "withdrawn", "unchanged")} == {
        "added": 1, "updated": 1, "withdrawn": 1, "unchanged": 2,
    }  # fmt: skip
    assert results["ecosystems"] == {"npm": 3, "PyPI": 1}
    assert npm(later) == SECOND
    assert rows(later) == {"advisories": 5, "advisory_packages": 4}  # Nothing of the old import is left.
    back = update(any_recorder(), first)
    assert (back["added"], back["updated"], back["withdrawn"], back["unchanged"]) == (0, 2, 1, 2)
    assert npm(later) == FIRST


@pytest.mark.req("B11")
def test_an_unchanged_source_is_not_read_again(
    recorder: MakeRecorder, first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update(recorder(), first)
    with monkeypatch.context() as patch:
        patch.setattr(job_module, "read_record", lambda _: 1 / 0)
        context = recorder()
        results = update(context, first)
        assert (results["imported"], results["ecosystems"], results["unchanged"]) == (False, OLD, 4)
        assert any("Nothing was read" in text for _, text in context.lines)
        assert update(recorder(), first, ecosystems=["PyPI"])["ecosystems"] == {"PyPI": 1}
    with context.database.read() as session:
        row = session.scalars(select(AdvisoryEcosystem).where(AdvisoryEcosystem.name == "npm")).one()
        assert row.checked_at and row.imported_at and row.checked_at > row.imported_at
        assert row.sequence == 1


@pytest.mark.req("B11")
def test_a_part_that_another_source_replaced_is_imported_again(
    recorder: MakeRecorder, first: Path, second: Path
) -> None:
    update(recorder(), first)
    update(recorder(), second, ecosystems=["npm"])
    results = update(recorder(), first)
    assert results["imported"]
    assert npm(recorder()) == FIRST
    context = recorder()
    [npm_data, pypi_data] = _data(context)
    assert (npm_data.source, pypi_data.source) == (str(first), str(first))


def _data(context: Recorder) -> list[Any]:
    with context.database.read() as session:
        return sorted(AdvisoryIndex(session).data_sets(), key=lambda each: each.ecosystem.lower())


@pytest.mark.req("B11")
def test_only_the_ecosystems_that_were_asked_for_are_replaced(
    recorder: MakeRecorder, first: Path, second: Path
) -> None:
    update(recorder(), first)
    context = recorder()
    assert update(context, second, ecosystems=["PyPI"], licence="In house")["ecosystems"] == {"PyPI": 1}
    assert npm(context) == FIRST
    assert [(each.ecosystem, each.licence) for each in _data(context)] == [("npm", "CC-BY-4.0"), ("PyPI", "In house")]


@pytest.mark.req("B11")
def test_each_ecosystem_may_have_an_archive_of_its_own(recorder: MakeRecorder, tmp_path: Path) -> None:
    archive(tmp_path / "osv/npm/all.zip", [simple("GHSA-1"), simple("GHSA-2", ecosystem="PyPI")])
    archive(tmp_path / "osv/PyPI/all.zip", [simple("PYSEC-1", ecosystem="PyPI")])
    results = update(recorder(), f"{tmp_path}/osv/{{ecosystem}}/all.zip", ecosystems=["npm", "PyPI"])
    assert results["ecosystems"] == {"PyPI": 1, "npm": 1}
    archive(tmp_path / "osv/PyPI/all.zip", [simple("PYSEC-1", ecosystem="PyPI"), simple("PYSEC-2", ecosystem="PyPI")])
    results = update(recorder(), "osv/{ecosystem}/all.zip", ecosystems=["npm", "PyPI"])
    assert (results["ecosystems"], results["added"], results["unchanged"]) == ({"PyPI": 2, "npm": 1}, 1, 2)


@pytest.mark.req("B11")
def test_a_folder_of_records_is_a_source_too(recorder: MakeRecorder, tmp_path: Path) -> None:
    records = {f"2026/{name}.json": json.dumps(simple(name)) for name in ("GHSA-1", "GHSA-2")}
    write(tmp_path / "osv", {**records, "README.md": "text"})
    assert update(recorder(), "osv")["ecosystems"] == {"npm": 2}
    assert not update(recorder(), tmp_path / "osv")["imported"]


@pytest.mark.req("B11", "D11")
def test_records_that_cannot_be_read_are_counted_and_keep_what_was_known(
    recorder: MakeRecorder, first: Path, tmp_path: Path
) -> None:
    update(recorder(), first)
    broken = archive(
        tmp_path / "broken.zip",
        [simple("GHSA-1", "one"), simple("PYSEC-1", "one", "2", "PyPI")],
        {
            "again/GHSA-1.json": json.dumps(simple("GHSA-1", "one", "9.9.9")).encode(),
            "GHSA-2.json": b'{"id": "GHSA-2"',
            "GHSA-3.json": b"[]",
            "../GHSA-9.json": b"{}",
            "note.txt": b"x",
        },
    )
    context = recorder()
    results = update(context, broken)
    assert (results["unreadable"], results["withdrawn"], results["ecosystems"]["npm"]) == (3, 0, 3)
    assert npm(context) == FIRST
    warned = [text for level, text in context.lines if level == "warning"]
    assert any("GHSA-2.json: not read, it is not JSON" in text for text in warned)
    assert any("leads out of the archive" in text for text in warned)


@pytest.mark.req("B11")
@pytest.mark.parametrize("what", ["cut", "empty", "no record", "mostly broken", "shrunk", "another ecosystem"])
def test_a_broken_source_leaves_the_old_data(recorder: MakeRecorder, first: Path, tmp_path: Path, what: str) -> None:
    plenty = [simple(f"GHSA-{number}", f"p{number}") for number in range(120)]
    update(recorder(), archive(tmp_path / "plenty.zip", plenty))
    path = tmp_path / "bad.zip"
    good = {f"{each['id']}.json": json.dumps(each).encode() for each in plenty}
    if what == "cut":
        path.write_bytes(archive(tmp_path / "whole.zip", plenty[:70]).read_bytes()[:-100])
    elif what == "empty":
        archive(path, [])
    elif what == "no record":
        archive(path, [], {"a.json": b"{}"})
    elif what == "mostly broken":
        archive(path, [], good | {f"x{number}.json": b"{" for number in range(60)})
    elif what == "shrunk":
        archive(path, plenty[:50])
    else:
        archive(path, [simple("PYSEC-1", ecosystem="PyPI")])
    context = recorder()
    params: dict[str, Any] = {"ecosystems": ["npm"]} if what == "another ecosystem" else {}
    with pytest.raises(JobFailed, match="old data stay"):
        update(context, path, **params)
    assert [(each.ecosystem, each.records) for each in _data(context)] == [("npm", 120)]
    assert found(ask(context.database, ("npm", "p7", "1.0.0"))) == {"GHSA-7": "1.3.0"}
    if what == "shrunk":
        assert update(recorder(), path, accept_fewer=True)["ecosystems"] == {"npm": 50}


@pytest.mark.req("B11", "C3")
@pytest.mark.parametrize("phase", ["check", "import", "switch"])
def test_a_cancelled_update_leaves_the_old_data_and_the_next_one_is_whole(
    recorder: MakeRecorder, first: Path, tmp_path: Path, phase: str
) -> None:
    update(recorder(), first)
    larger = archive(
        tmp_path / "larger.zip",
        [simple(f"GHSA-{number}", f"p{number}") for number in range(1000)] + [simple("PYSEC-1", "one", "2", "PyPI")],
    )
    context = recorder()

    def cancel(self: Recorder) -> None:
        self.is_cancelled = phase in self.phases and (phase != "import" or self.done["import"] >= 900)

    context.on_report = cancel
    with pytest.raises(Cancelled):
        update(context, larger)
    assert npm(context) == FIRST
    assert update(recorder(), larger)["ecosystems"] == {"npm": 1000, "PyPI": 1}
    assert rows(context) == {"advisories": 1001, "advisory_packages": 1001}


@pytest.mark.req("B11", "C5")
def test_an_attempt_that_died_after_the_switch_is_told_as_done(recorder: MakeRecorder, first: Path) -> None:
    context = recorder()
    results = update(context, first)
    again = recorder(context.task_id)
    assert update(again, first) == results
    assert again.phases == []


@pytest.mark.req("B11", "C5")
def test_leftovers_of_a_crash_are_cleared_and_never_seen(
    recorder: MakeRecorder, first: Path, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update(recorder(), first)
    with monkeypatch.context() as patch:
        patch.setattr(import_writer.ImportWriter, "switch", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            update(recorder(), second)
    assert npm(recorder()) == FIRST
    update(recorder(), second)
    assert npm(recorder()) == SECOND


@pytest.mark.req("B11", "C5")
def test_an_attempt_whose_ecosystems_were_taken_over_stops_writing(recorder: MakeRecorder, first: Path) -> None:
    context = recorder()
    slow = ImportWriter(context.database, "slow")
    slow.target("npm")
    update(context, first)
    with pytest.raises(Superseded):
        slow.switch({"npm": {}}, 0)
    assert npm(context) == FIRST


@pytest.mark.req("B10", "B11")
def test_a_question_that_an_import_overtakes_is_asked_again(
    make_config: Callable[..., Config],
    postgres_url: str,
    first: Path,
    second: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A reader on SQLite sees one moment anyway.
    config, database = make_config(DATABASE_URL=postgres_url), Database(postgres_url, pooled=False)
    context = Recorder(config, database)
    update(context, first)
    asked, overtaken = Question.ask, []

    def ask_slowly(self: Question, *words: Any) -> Any:
        answer = asked(self, *words)
        if not overtaken:
            overtaken.append(update(Recorder(config, database), second))
        return answer

    monkeypatch.setattr(Question, "ask", ask_slowly)
    assert npm(context) == SECOND


@pytest.mark.req("B11", "D11")
@pytest.mark.parametrize(
    "source",
    ["../outside.zip", "/etc", "/etc/passwd.zip", "nothing.zip", "link.zip", "pipe.zip", "a\0.zip", "data/secret_key",
     "https://advisories.example.org/all.zip", "http://allowed.example.org/all.zip", "https://127.0.0.1/all.zip",
     "file:///etc/passwd", "-o.zip", "https://allowed.example.org.evil.example/a.zip", "https://allowed.example.org/a?b"],
)  # fmt: skip
def test_sources_elsewhere_are_refused_with_a_sentence(recorder: MakeRecorder, tmp_path: Path, source: str) -> None:
    archive(tmp_path.parent / "outside.zip", [])
    (tmp_path / "roots").mkdir()
    (tmp_path / "roots" / "link.zip").symlink_to(tmp_path.parent / "outside.zip")
    os.mkfifo(tmp_path / "roots" / "pipe.zip")
    config = recorder(SCAN_ROOTS=str(tmp_path / "roots"), ADVISORY_ALLOWED_HOSTS="allowed.example.org").config
    with pytest.raises(InvalidParams) as refused:
        check_params(AdvisoryUpdateParams(source=source), config)
    assert refused.value.problems["source"][-1] in ".T)"


@pytest.mark.req("B11")
def test_parameters_are_checked_and_named(recorder: MakeRecorder, tmp_path: Path) -> None:
    config = recorder(ADVISORY_ALLOWED_HOSTS="allowed.example.org").config
    archive(config.data_dir / "advisories" / "all.zip", [])
    params = check_params(AdvisoryUpdateParams(source=" all.zip "), config)
    assert (title_for(params), resource_for(params, config)) == ("Advisories of all.zip", "advisories")
    each = AdvisoryUpdateParams(
        source="https://allowed.example.org/{ecosystem}/all.zip", ecosystems=["npm", "npm", "GitHub Actions"]
    )
    assert title_for(check_params(each, config)) == "Advisories for npm, GitHub Actions"
    with pytest.raises(ValueError, match="which ecosystems"):
        AdvisoryUpdateParams(source="https://allowed.example.org/{ecosystem}/all.zip")
    with pytest.raises(ValueError, match="ecosystems"):
        AdvisoryUpdateParams(source="a.zip", ecosystems=["Unheard of"])  # type: ignore[list-item]
