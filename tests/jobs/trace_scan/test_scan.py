"""The trace scan as a job: what it finds and keeps, what a rescan sees, and that a failing one leaves nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, select

from config import Config
from database import Base, Database
from jobs.trace_scan import query, repositories, saving
from jobs.trace_scan.filters import ArtifactFilter, FindingFilter, LinkFilter, RowFilter, TestFilter
from jobs.trace_scan.job import trace_scan
from jobs.trace_scan.models import TraceArtifact, TraceLink, TraceScan, TraceSnapshot, TraceSource
from jobs.trace_scan.params import TraceScanParams, check_params, resource_for, title_for
from jobs.trace_scan.retention import forget
from tasks.errors import Cancelled, Conflict, InvalidParams, JobFailed, NotFound, Retryable
from tests.jobs.code_scan.scanning import Recorder, write
from tests.jobs.trace_scan.repository import requirement, sound, spec
from tests.jobs.trace_scan.tracing import scan

MakeRecorder = Callable[..., Recorder]


@pytest.fixture
def recorder(make_config: Callable[..., Config], database: Database, sqlite_url: str) -> MakeRecorder:
    config = make_config(DATABASE_URL=sqlite_url)
    return lambda task_id=None: Recorder(config, database, task_id)


@pytest.fixture
def any_recorder(make_config: Callable[..., Config], any_database: Database, any_database_url: str) -> MakeRecorder:
    config = make_config(DATABASE_URL=any_database_url)
    return lambda task_id=None: Recorder(config, any_database, task_id)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return sound(tmp_path / "lab-results")


def count(database: Database, model: type) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


@pytest.mark.req("B5")
def test_a_scan_finds_what_the_repository_holds(recorder: MakeRecorder, repository: Path) -> None:
    context = recorder()
    results = scan(context, repository)
    assert {name: results[name] for name in results if name not in ("durationMs", "commit")} == {
        "scan_id": context.task_id, "status": "completed",
        "artifactsCreated": 8, "artifactsUpdated": 0, "artifactsRemoved": 0,
        "artifacts_by_type": {
            "system_context": 1, "requirement": 1, "user_story": 1, "specification": 1, "risk": 3, "adr": 1,
        },
        "links": 12, "broken_links": 0, "missing_links": 0, "changed_files": 11,
        "requirements": 1, "traced": 1, "artifacts": 8, "tests": 3,
    }  # fmt: skip
    assert isinstance(results["durationMs"], int)
    assert context.phases == ["discovery", "fetch", "parse", "validate", "persist"]
    assert context.done == context.totals
    assert context.details["files_processed"] == context.details["total_files"] == 11
    assert (context.details["artifacts_found"], context.details["current_file"].endswith(".ts")) == (8, True)


def test_the_migration_makes_exactly_the_tables_of_the_models(any_database: Database) -> None:
    def is_ours(item: object, _name: str, kind: str, _reflected: bool, _other: object) -> bool:
        name = str(getattr(item if kind == "table" else getattr(item, "table", None), "name", None))
        return name.startswith("trace_") or name == "repositories"

    with any_database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": is_ours, "compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.req("B5", "B15")
def test_what_was_found_can_be_asked_for(any_recorder: MakeRecorder, repository: Path) -> None:
    write(repository, {"src/lost.ts": "// @gxp-req REQ-404\n", ".gxp/requirements/REQ-002.md": requirement("REQ-002")})
    context = any_recorder()
    scan(context, repository)
    scan_id = context.task_id
    with context.database.read() as session:
        summary = query.summary(session, scan_id)
        assert (summary["counters"]["traced"], summary["since"], summary["change"]) == (1, None, None)
        assert [row["requirements"] for row in query.coverage(session, scan_id)] == [2, 0, 0, 2]
        first = query.artifacts(session, scan_id, limit=4)
        rest = query.artifacts(session, scan_id, cursor=first["next_cursor"], limit=100)
        assert first["total"] == len(first["items"]) + len(rest["items"]) == 9
        risky = query.artifacts(session, scan_id, ArtifactFilter(types=("requirement",), risks=("HIGH",), text="kept"))
        assert [each["artifact_id"] for each in risky["items"]] == ["REQ-001", "REQ-002"]
        number = query.find_artifact(session, scan_id, "SPEC-001-001") or 0
        shown = query.artifact(session, scan_id, number)
        assert [(link["to_ref"], link["other"]["type"]) for link in shown["up"]] == [("US-001-001", "user_story")]
        assert {(link["from_type"], link["relation"]) for link in shown["down"]} == {
            ("source", "implements"), ("test", "verifies"), ("risk", "concerns"), ("specification", "source_file"),
        }  # fmt: skip
        rows = query.matrix(session, scan_id)["items"]
        assert [(row["requirement"], row["state"], row["traced"]) for row in rows] == [
            ("REQ-002", "missing", False), ("REQ-001", "linked", True),
        ]  # fmt: skip
        assert rows[1]["tiers"] == {"demanded": ["IQ", "OQ", "PQ"], "present": ["IQ", "OQ", "PQ"], "absent": []}
        assert [(test["path"], test["tier"]) for test in rows[1]["tests"]] == [
            ("tests/iq/install.spec.ts", "IQ"), ("tests/ledger.spec.ts", "OQ"), ("tests/release.spec.ts", "PQ"),
        ]  # fmt: skip
        assert query.matrix(session, scan_id, RowFilter(show="gap", text="req-002"))["total"] == 1
        assert query.matrix_facets(session, scan_id) == {"all": 2, "gap": 1, "look_again": 0, "risks": {"HIGH": 2}}
        [broken] = query.links(session, scan_id, LinkFilter(states=("broken",)))["items"]
        assert broken["places"] == [{"path": "src/lost.ts", "line": 1, "tag": "gxp-req"}]
        [finding] = query.findings(session, scan_id, FindingFilter(kinds=("broken",)))["items"]
        assert (finding["path"], finding["line"], finding["code"]) == ("src/lost.ts", 1, "not_found")
        assert query.tests(session, scan_id, TestFilter(tiers=("OQ",)))["total"] == 1
        assert query.changes(session, scan_id)["items"] == []
        with pytest.raises(NotFound):
            query.artifact(session, scan_id, number + 1_000)
        with pytest.raises(NotFound):
            query.summary(session, "no such scan")


@pytest.mark.req("B6")
def test_an_unchanged_rescan_reads_nothing_and_writes_one_row(recorder: MakeRecorder, repository: Path) -> None:
    for path in repository.rglob("*.*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))  # what was written this moment is looked at again
    first, second = recorder(), recorder()
    before = scan(first, repository)
    after = scan(second, repository)
    assert (after["changed_files"], after["artifactsCreated"], after["artifactsUpdated"]) == (0, 0, 0)
    same = ("artifacts_by_type", "links", "broken_links", "missing_links", "requirements", "traced", "artifacts")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert second.notes["fetch"] == "0 files to read"
    assert count(first.database, TraceScan) == 2
    assert count(first.database, TraceSnapshot) == 1
    with first.database.read() as session:
        assert query.matrix(session, second.task_id) == query.matrix(session, first.task_id)
        assert query.summary(session, second.task_id)["since"]["scan_id"] == first.task_id


@pytest.mark.req("B6")
def test_a_touched_file_with_the_same_content_is_no_change(recorder: MakeRecorder, repository: Path) -> None:
    scan(recorder(), repository)
    os.utime(repository / "src/ledger.ts", (1_700_000_000, 1_700_000_000))
    assert scan(recorder(), repository)["changed_files"] == 0


@pytest.mark.req("B5", "B6")
def test_a_rescan_tells_what_came_changed_and_went(any_recorder: MakeRecorder, repository: Path) -> None:
    first, second, third = any_recorder(), any_recorder(), any_recorder()
    scan(first, repository)
    (repository / ".gxp/adr/ADR-001-ledger.md").unlink()
    text = requirement("REQ-001", "MEDIUM").replace("Results are kept", "Results are never lost")
    write(
        repository, {".gxp/requirements/REQ-001-results.md": text, ".gxp/specs/SPEC-002.md": spec("SPEC-002", "US-404")}
    )
    (repository / "src/ledger.ts").write_text("// moved\n" + (repository / "src/ledger.ts").read_text())
    results = scan(second, repository)
    names = ("artifactsCreated", "artifactsUpdated", "artifactsRemoved", "changed_files", "broken_links")
    assert [results[name] for name in names] == [1, 1, 1, 4, 1]
    with second.database.read() as session:
        changes = query.changes(session, second.task_id)
        assert query.find_artifact(session, second.task_id, "ADR-001") is None
        assert query.find_artifact(session, first.task_id, "ADR-001") is not None
        assert query.matrix_facets(session, second.task_id)["look_again"] == 1
        history = query.history_of(session, second.task_id)
    assert changes["counts"]["artifact"] == {"added": 1, "updated": 1, "removed": 1}
    assert changes["counts"]["file"] == {"added": 1, "updated": 2, "removed": 1}
    assert changes["counts"]["finding"]["added"] >= 1
    [updated] = [each for each in changes["items"] if each["change"] == "updated" and each["subject"] == "artifact"]
    assert {each["field"]: (each["before"], each["after"]) for each in updated["fields"]} == {
        "risk": ("HIGH", "MEDIUM"), "gxp_risk_rating": ("HIGH", "MEDIUM"),
        "title": ("Results are kept", "Results are never lost"),
    }  # fmt: skip
    assert [each["scan_id"] for each in history["items"]] == [second.task_id, first.task_id]
    (repository / ".gxp/specs/SPEC-002.md").unlink()
    assert scan(third, repository)["broken_links"] == 0


def test_settings_are_inputs_too(recorder: MakeRecorder, repository: Path) -> None:
    scan(recorder(), repository)
    (repository / ".gxp").rename(repository / "trace")
    write(repository, {"GxP.MD": "---\nartifacts:\n  directory: trace\n---\n# Rules\n"})
    moved = scan(recorder(), repository)
    assert (moved["artifacts"], moved["broken_links"]) == (9, 0)
    write(repository, {"GxP.MD": "---\nartifacts:\n  directory: ../elsewhere\n  formal_artifacts: maybe\n---\n"})
    refused = scan(recorder(), repository)
    assert refused["artifacts_by_type"].get("specification") is None or refused["artifacts"] < 9


def test_a_repository_without_artifacts_is_a_result_with_a_notice(recorder: MakeRecorder, tmp_path: Path) -> None:
    context = recorder()
    results = scan(context, write(tmp_path / "bare", {"src/a.py": "a = 1\n"}))
    assert (results["artifacts"], results["links"], results["status"]) == (0, 0, "completed")
    with context.database.read() as session:
        [notice] = query.findings(session, context.task_id)["items"]
    assert notice["code"] == "no_artifacts"


@pytest.mark.req("C3")
def test_a_cancelled_scan_leaves_nothing(recorder: MakeRecorder, repository: Path) -> None:
    for phase, done in (("discovery", 5), ("parse", 3), ("validate", 5), ("persist", 0), ("persist", 25)):
        context = recorder()

        def cancel(told: Recorder, phase: str = phase, done: int = done) -> None:
            told.is_cancelled = told.phases[-1:] == [phase] and told.done[phase] >= done

        context.on_report = cancel
        with pytest.raises(Cancelled):
            scan(context, repository)
        kept = [count(context.database, model) for model in (TraceScan, TraceSource, TraceArtifact, TraceLink)]
        assert kept == [0] * 4, phase
    assert scan(recorder(), repository)["artifacts"] == 8


def test_an_attempt_that_breaks_off_leaves_nothing_and_is_repeated(
    recorder: MakeRecorder, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = recorder()
    with monkeypatch.context() as patched:
        patched.setattr(saving, "CHUNK", 0)  # range() refuses a step of 0 in the midst of the transaction
        with pytest.raises(ValueError, match="zero"):
            scan(context, repository)
    assert count(context.database, TraceSource) == count(context.database, TraceArtifact) == 0
    first = scan(context, repository)
    assert scan(context, repository) == first  # a later attempt of the same task gives what was saved
    assert count(context.database, TraceScan) == 1


def test_a_scan_that_was_overtaken_compares_again(
    recorder: MakeRecorder, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(recorder(), repository)
    late, quick = recorder(), recorder()
    late.on_report = lambda _: None

    def overtake(context: Recorder) -> None:
        if "validate" in context.phases and not quick.phases:
            scan(quick, repository)

    late.on_report = overtake
    with pytest.raises(Retryable, match="ended first"):
        scan(late, repository)
    assert count(late.database, TraceScan) == 2


@pytest.mark.req("B4", "B5")
def test_ignored_files_are_left_out_unless_git_tracks_them(recorder: MakeRecorder, repository: Path) -> None:
    left_out = ("secret/a.ts", "node_modules/x/a.ts", "src/dist/a.ts", "src/types.d.ts", "src/app.min.js")
    write(repository, {".gitignore": "*.log\nsecret/\n"} | dict.fromkeys(left_out, "// @gxp-req REQ-404\n"))
    assert scan(recorder(), repository)["artifacts_by_type"].get("risk") is None

    def git(*words: str) -> None:
        subprocess.run(["git", "-C", str(repository), *words], check=True, capture_output=True)

    git("init", "-q")
    git("add", ".")
    git("add", "-f", ".gxp/risk_assessment.log")
    write(repository, {"libs/other/a.ts": "// @gxp-req REQ-404\n"})
    git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},libs/other")
    for version in ("2", "4"):
        git("update-index", "--index-version", version)
        context = recorder()
        results = scan(context, repository)
        assert (results["artifacts_by_type"]["risk"], results["broken_links"]) == (3, 0)
    with context.database.read() as session:
        [skipped] = query.findings(session, context.task_id, FindingFilter(kinds=("skipped",)))["items"]
    assert skipped["message"] == "2 generated or minified files are not read, the first of them src/app.min.js."


@pytest.mark.req("B7", "B8")
def test_a_registered_repository_is_scanned_by_its_number(recorder: MakeRecorder, repository: Path) -> None:
    context = recorder()
    made = repositories.register(context.database, context.config, "Lab", str(repository), None, None)
    checked = check_params(TraceScanParams(repository_id=made["id"]), context.config)
    by_path = check_params(TraceScanParams(repository_path=str(repository)), context.config)
    assert resource_for(checked, context.config) == resource_for(by_path, context.config) == f"trace:{repository}"
    assert title_for(checked) == "Trace lab-results"
    trace_scan(context, checked)  # type: ignore[arg-type]
    with context.database.read() as session:
        assert query.summary(session, context.task_id)["repository"] == {"id": made["id"], "name": "Lab"}
        assert query.history(session, made["id"])["total"] == 1
        assert [each["name"] for each in repositories.listed(session)] == ["Lab"]
    with pytest.raises(Conflict):
        repositories.register(context.database, context.config, "Lab", str(repository), None, None)
    repositories.remove(context.database, made["id"])
    with pytest.raises(InvalidParams, match="no repository"):
        check_params(TraceScanParams(repository_id=made["id"]), context.config)
    with context.database.read() as session:
        assert query.summary(session, context.task_id)["repository"] is None


@pytest.mark.req("B8")
@pytest.mark.parametrize(
    ("source", "ref", "field"),
    [
        ("/etc", None, "source"), ("https://git.example.org/a/b", None, "source"), ("file:///etc", None, "source"),
        ("ext::sh -c id", None, "source"), ("--upload-pack=id", None, "source"),
    ],
)  # fmt: skip
def test_what_may_not_be_fetched_is_not_registered(
    recorder: MakeRecorder, source: str, ref: str | None, field: str
) -> None:
    context = recorder()
    with pytest.raises(InvalidParams) as refused:
        repositories.register(context.database, context.config, "x", source, ref, None)
    assert list(refused.value.problems) == [field]


@pytest.mark.parametrize("params", [{}, {"repository_id": 1, "repository_path": "a"}, {"repository_id": 0}])
def test_parameters_name_exactly_one_repository(params: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"repository|greater"):
        TraceScanParams.model_validate(params)


def test_a_folder_has_no_branches(recorder: MakeRecorder, repository: Path) -> None:
    with pytest.raises(InvalidParams, match="as it is"):
        scan(recorder(), repository, ref="main")


def test_a_folder_that_is_gone_fails_in_a_sentence(recorder: MakeRecorder, repository: Path) -> None:
    context = recorder()
    checked = check_params(TraceScanParams(repository_path=str(repository)), context.config)
    repository.rename(repository.with_name("elsewhere"))
    with pytest.raises(JobFailed, match="no folder"):
        trace_scan(context, checked)  # type: ignore[arg-type]


def test_forgotten_scans_take_their_snapshots_along(any_recorder: MakeRecorder, repository: Path) -> None:
    first, second = any_recorder(), any_recorder()
    scan(first, repository)
    (repository / "src/more.ts").write_text("// @gxp-req REQ-001\n")
    scan(second, repository)
    assert forget(first.database, [first.task_id, "unknown"]) == 1
    assert (count(first.database, TraceScan), count(first.database, TraceSnapshot)) == (1, 1)
    with first.database.read() as session:
        assert query.matrix(session, second.task_id)["total"] == 1
    assert forget(first.database, [second.task_id]) == 1
    assert count(first.database, TraceArtifact) == count(first.database, TraceSnapshot) == 0
    assert scan(any_recorder(), repository)["artifacts"] == 8
