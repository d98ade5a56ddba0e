"""The scan as a job: what it finds, what it keeps, and that a version is visible whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from config import Config
from database import Database
from jobs.code_scan import endpoints, query, tables
from jobs.code_scan import saving as saving_module
from jobs.code_scan.filters import NodeFilter
from jobs.code_scan.models import NEVER, CodeEdge, CodeFile, CodeNode, CodeScan
from tasks.errors import Cancelled, InvalidParams, JobFailed, NotFound
from tests.jobs.code_scan.scanning import APP, SERVICE, Recorder, scan, write

MakeRecorder = Callable[..., Recorder]


@pytest.fixture
def recorder(make_config: Callable[..., Config], any_database: Database, any_database_url: str) -> MakeRecorder:
    config = make_config(DATABASE_URL=any_database_url)
    return lambda task_id=None: Recorder(config, any_database, task_id)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return write(tmp_path / "repository", {"src/stock.py": SERVICE, "src/app.py": APP, "readme.md": "# Stock"})


def rows(database: Database) -> dict[str, int]:
    """How many rows there are of each table, of every version."""
    with database.read() as session:
        return {
            model.__tablename__: session.scalar(select(func.count()).select_from(model)) or 0
            for model in (CodeFile, CodeNode, CodeEdge, CodeScan)
        }


@pytest.mark.req("B1", "B2")
def test_a_scan_finds_what_a_fixture_holds(recorder: MakeRecorder, repository: Path) -> None:
    context = recorder()
    results = scan(context, repository)
    assert {name: results[name] for name in ("files_scanned", "files_skipped", "files_failed", "changed_files")} == {
        "files_scanned": 2, "files_skipped": 1, "files_failed": 0, "changed_files": 2,
    }  # fmt: skip
    kinds = results["nodes_by_type"]
    assert {name: kinds.get(name) for name in ("class", "function", "database_read", "database_write", "route")} == {
        "class": 1, "function": 4, "database_read": 1, "database_write": 1, "route": 1,
    }  # fmt: skip
    assert results["nodes_found"] == sum(kinds.values()) == sum(results["nodes_by_language"].values())
    assert results["edges_found"] > 0
    assert results["scan_id"] == context.task_id
    with context.database.read() as session:
        [write_] = query.nodes(session, context.task_id, NodeFilter(types=("database_write",)))["items"]
        shown = query.node(session, context.task_id, write_["id"])
    assert (write_["path"], write_["line"], write_["target"]) == ("src/stock.py", 9, "stock_unit")
    assert write_["sureness"] in ("certain", "likely")
    assert "UPDATE stock_unit" in shown["snippet"]
    assert shown["evidence"]
    assert {"performs"} <= {edge["label"] for edge in shown["incoming"]}


@pytest.mark.req("B1")
def test_progress_ends_on_the_totals_it_promised(recorder: MakeRecorder, repository: Path) -> None:
    context = recorder()
    results = scan(context, repository)
    assert context.phases == ["discovery", "fetch", "parse", "persist"]
    for name in ("parse", "persist"):
        assert context.done[name] == context.totals[name]
    assert context.details["nodes_found"] == results["nodes_found"]
    assert context.details["total_files"] == context.details["files_processed"] == 2


@pytest.mark.req("B6")
def test_an_unchanged_rescan_writes_one_row_and_parses_nothing(recorder: MakeRecorder, repository: Path) -> None:
    first = recorder()
    before = scan(first, repository)
    counted = rows(first.database)
    second = recorder()
    after = scan(second, repository)
    assert after["changed_files"] == 0
    same = ("files_scanned", "files_skipped", "nodes_found", "edges_found", "nodes_by_type", "nodes_by_language")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert rows(second.database) == counted | {"code_scans": 2}


@pytest.mark.req("B6")
def test_a_touched_file_with_the_same_content_is_not_a_change(recorder: MakeRecorder, repository: Path) -> None:
    scan(recorder(), repository)
    os.utime(repository / "src/stock.py", (1_700_000_000, 1_700_000_000))
    context = recorder()
    assert scan(context, repository)["changed_files"] == 0
    with context.database.read() as session:
        times = session.scalars(select(CodeFile.mtime_ns).where(CodeFile.path == "src/stock.py")).all()
    assert times == [1_700_000_000 * 10**9]


@pytest.mark.req("B6", "B15")
def test_old_scans_stay_true_and_differences_are_told(recorder: MakeRecorder, repository: Path) -> None:
    first, second, third = recorder(), recorder(), recorder()
    scan(first, repository)
    with first.database.read() as session:
        pages_then = _pages(session, first.task_id)
    (repository / "src/stock.py").write_text("# moved by a line\n" + SERVICE.replace("SELECT id", "SELECT place"))
    write(repository, {"src/more.py": SERVICE.replace("stock_unit", "shipment")})
    (repository / "src/app.py").unlink()
    results = scan(second, repository)
    assert results["changed_files"] == 3
    with second.database.read() as session:
        assert _pages(session, first.task_id) == pages_then
        changed = query.changes(session, second.task_id)
        summary = query.summary(session, second.task_id)
    assert {each["path"]: each["change"] for each in changed["items"]} == {
        "src/app.py": "removed", "src/more.py": "added", "src/stock.py": "modified",
    }  # fmt: skip
    counts = {each["path"]: (each["nodes_added"], each["nodes_removed"]) for each in changed["items"]}
    assert counts["src/stock.py"] == (0, 0)  # every node of it only stands a line further down
    assert counts["src/more.py"][0] > 0
    assert counts["src/app.py"][1] > 0
    assert changed["nodes"]["added"] == counts["src/more.py"][0]
    assert changed["nodes"]["removed"] == counts["src/app.py"][1]
    assert changed["since"]["scan_id"] == first.task_id
    assert summary["change"]["nodes"] == changed["nodes"]["added"] - changed["nodes"]["removed"]
    assert summary["change"]["edges"] == changed["edges"]["added"] - changed["edges"]["removed"]
    assert scan(third, repository)["changed_files"] == 0


def _pages(session: Any, scan_id: str) -> list[Any]:
    nodes = query.nodes(session, scan_id)
    return [
        nodes,
        [query.node(session, scan_id, each["id"]) for each in nodes["items"]],
        tables.tables(session, scan_id),
        endpoints.endpoints(session, scan_id),
        query.files(session, scan_id),
        query.summary(session, scan_id),
    ]


@pytest.mark.req("B6")
def test_a_rescan_after_an_edit_equals_a_fresh_scan(recorder: MakeRecorder, repository: Path) -> None:
    scan(recorder(), repository)
    (repository / "src/stock.py").write_text(SERVICE + "\n\ndef helper():\n    return Stock(None).move(1)\n")
    again = recorder()
    rescan = scan(again, repository)
    fresh = scan(recorder(), repository, parse_deadline_s=6)  # other options: an index of its own
    names = ("nodes_found", "edges_found", "nodes_by_type", "nodes_by_language", "files_scanned")
    assert {name: rescan[name] for name in names} == {name: fresh[name] for name in names}


@pytest.mark.req("B4")
def test_bad_files_are_told_with_their_reason_and_the_scan_goes_on(recorder: MakeRecorder, repository: Path) -> None:
    write(
        repository,
        {"big.py": "x = 1\n" * 1000, "binary.cs": b"a\0b", "half.py": b"\xff\xfea", "bomb.cs": b"(" * 1_900},
    )
    os.mkfifo(repository / "pipe.py")
    context = recorder()
    results = scan(context, repository, max_file_bytes=4_000)
    with context.database.read() as session:
        files = query.files(session, context.task_id)
        failed = query.files(session, context.task_id, status="failed")
    told = {each["path"]: (each["status"], each["reason"]) for each in files["items"]}
    assert told["big.py"] == ("skipped", "too_large")
    assert told["binary.cs"] == ("skipped", "binary")
    assert told["pipe.py"] == ("skipped", "special")
    assert told["readme.md"] == ("skipped", "no_reader")
    assert told["half.py"] == ("failed", "encoding")
    assert failed["total"] == results["files_failed"]
    assert results["files_skipped"] + results["files_failed"] == files["total"]
    assert all(each["text"].endswith(".") for each in files["items"])
    assert results["nodes_by_type"]["class"] == 1


@pytest.mark.req("B3")
def test_what_is_looked_for_can_be_narrowed(recorder: MakeRecorder, repository: Path) -> None:
    results = scan(recorder(), repository, detect=["routes"])
    assert set(results["nodes_by_type"]) == {"class", "function", "route"}
    assert results["edges_found"] == 0


@pytest.mark.req("C3")
@pytest.mark.parametrize("phase", ["discovery", "parse", "persist"])
def test_a_cancelled_scan_leaves_nothing_visible_and_the_next_one_is_whole(
    recorder: MakeRecorder, repository: Path, phase: str
) -> None:
    write(repository, {f"many/f{number}.py": SERVICE for number in range(150)})
    context = recorder()

    def cancel(self: Recorder) -> None:
        self.is_cancelled = phase in self.phases and (phase != "persist" or self.done["persist"] > 0)

    context.on_report = cancel
    with pytest.raises(Cancelled):
        scan(context, repository)
    with context.database.read() as session, pytest.raises(NotFound):
        query.summary(session, context.task_id)
    after = recorder()
    results = scan(after, repository)
    with after.database.read() as session:
        assert query.nodes(session, after.task_id)["total"] == results["nodes_found"]
        assert session.scalar(select(func.count()).select_from(CodeNode)) == results["nodes_found"]


@pytest.mark.req("C5")
def test_leftovers_of_a_crash_in_a_rescan_are_undone(
    recorder: MakeRecorder, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = recorder()
    scan(first, repository)
    with first.database.read() as session:
        pages_then = _pages(session, first.task_id)
    (repository / "src/stock.py").write_text(SERVICE.replace("stock_unit", "shelf"))
    with monkeypatch.context() as patch:
        patch.setattr(saving_module.Saver, "counters", lambda _: 1 / 0)  # dies after all rows are written
        with pytest.raises(ZeroDivisionError):
            scan(recorder(), repository)
    with first.database.read() as session:
        assert _pages(session, first.task_id) == pages_then
    again = recorder()
    results = scan(again, repository)
    assert results["changed_files"] == 1
    with again.database.read() as session:
        assert _pages(session, first.task_id) == pages_then
        alive = select(func.count()).select_from(CodeNode).where(CodeNode.removed_in == NEVER)
        assert session.scalar(alive) == results["nodes_found"]
        assert {each["table"] for each in tables.tables(session, again.task_id)["items"]} == {"shelf"}


@pytest.mark.req("B7", "C5")
def test_a_scan_whose_index_was_taken_over_stops_writing(recorder: MakeRecorder, repository: Path) -> None:
    slow, quick = recorder(), recorder()
    done: list[dict[str, Any]] = []

    def overtake(self: Recorder) -> None:
        if "persist" in self.phases and not done:
            done.append({})
            done[0] = scan(quick, repository)

    slow.on_report = overtake
    with pytest.raises(JobFailed, match="took over"):
        scan(slow, repository)
    with quick.database.read() as session:
        assert query.nodes(session, quick.task_id)["total"] == done[0]["nodes_found"]
        assert query.find_scan(session, slow.task_id) is None


@pytest.mark.req("C5")
def test_an_attempt_after_a_saved_one_returns_what_was_saved(recorder: MakeRecorder, repository: Path) -> None:
    first = recorder()
    results = scan(first, repository)
    assert scan(recorder(first.task_id), repository) == results


@pytest.mark.req("D11")
def test_a_folder_outside_the_roots_is_refused_by_its_field(recorder: MakeRecorder, repository: Path) -> None:
    for path in ("/etc", "..", str(repository.parent.parent), "/proc/self/cwd"):
        with pytest.raises(InvalidParams) as refused:
            scan(recorder(), Path(path))
        assert set(refused.value.problems) == {"repository_path"}


@pytest.mark.slow
@pytest.mark.req("B6")
def test_eight_thousand_unchanged_files_are_rescanned_within_a_second(recorder: MakeRecorder, tmp_path: Path) -> None:
    for number in range(80):
        write(tmp_path / "large", {f"p{number}/f{each}.py": f"def f{each}():\n    return 1\n" for each in range(100)})
    for path in (tmp_path / "large").rglob("*.py"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    assert scan(recorder(), tmp_path / "large")["files_scanned"] == 8_000
    results = scan(recorder(), tmp_path / "large")
    assert results["changed_files"] == 0
    assert results["duration_ms"] < 2_000  # 0.4 s on a quiet machine
