"""Hostile repositories: every bad file costs bounded time and is told, and the scan goes on."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from config import Config
from database import Database
from jobs.repository import git_fetch
from jobs.repository.git_address import resolve
from jobs.trace_scan import job, origin, query, repositories
from jobs.trace_scan import scan as scan_module
from jobs.trace_scan.documents import read_document
from jobs.trace_scan.examine import facts_of
from jobs.trace_scan.filters import FindingFilter
from jobs.trace_scan.params import TraceScanParams, check_params
from jobs.trace_scan.tracked import tracked_paths
from jobs.trace_scan.words import RISK
from tests.jobs.code_scan.scanning import Recorder, write
from tests.jobs.repository.git_server import GitServer
from tests.jobs.trace_scan.repository import SOURCE, TESTS, requirement, sound, spec, story
from tests.jobs.trace_scan.tracing import scan

TAG = "// @gxp-spec SPEC-001-001\n"


@pytest.fixture
def context(make_config: Callable[..., Config], database: Database, sqlite_url: str) -> Recorder:
    return Recorder(make_config(DATABASE_URL=sqlite_url), database)


@pytest.mark.req("B4", "B5", "D11")
def test_bad_files_are_told_with_their_reason_and_the_scan_goes_on(
    context: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_module, "DEADLINE_S", 3.0)
    root = sound(tmp_path / "repository")
    outside = tmp_path / "secret.md"
    outside.write_text(requirement("REQ-666"))
    files: dict[str, str | bytes] = {
        "src/line.ts": TAG + "x" * 1_500_000,
        "src/ten_megabytes.ts": TAG + "x" * 10_000_000,
        "src/nested.ts": TAG + "(" * 150_000,
        "src/comments.rs": TAG + "/*" * 30_000,
        "src/binary.ts": TAG.encode() + b"\0" * 100,
        "src/crlf.ts": b"\xef\xbb\xbf" + SOURCE.replace("\n", "\r\n").encode(),
        "tests/test_deep.py": '@pytest.mark.req("REQ-001")\ndef test_a():\n    return ' + "(" * 5_000 + "\n",
        ".gxp/requirements/REQ-010-bomb.md": "---\na: &a [x]\nb: &b [*a, *a]\n---\n",
        ".gxp/requirements/REQ-011-large.md": "---\ngxp_id: REQ-011\n---\n" + "x" * 2**21,
        ".gxp/requirements/REQ-012-latin.md": "---\ntitle: caf\xe9\n---\n".encode("latin-1"),
        ".gxp/requirements/REQ-013-markup.md": requirement("<script>alert(1)</script>"),
        ".gxp/evidence/OQ-SPEC-001-001-20260207T110935/manifest.json": "[" * 100_000,
        ".gxp/evidence/EV-SPEC-001-001.jws": "a.b.c",
    }
    write(root, files)
    (root / ".gxp/requirements/REQ-666.md").symlink_to(outside)
    (root / ".gxp/stories").symlink_to(tmp_path)
    os.mkfifo(root / ".gxp/requirements/REQ-014.md")
    results = scan(context, root)
    assert results["status"] == "completed"
    assert results["traced"] == 1
    with context.database.read() as session:
        found = query.findings(session, context.task_id, limit=500)["items"]
        listed = query.artifacts(session, context.task_id, limit=500)["items"]
    artifacts = {each["artifact_id"]: each for each in listed}
    told = {(each["path"], each["code"]) for each in found if each["path"]}
    assert told >= {
        ("src/nested.ts", "deadline"),
        ("src/line.ts", "long_line"), ("src/ten_megabytes.ts", "too_large"), ("src/binary.ts", "binary"),
        ("tests/test_deep.py", "malformed_annotation"), (".gxp/requirements/REQ-010-bomb.md", "malformed"),
        (".gxp/requirements/REQ-012-latin.md", "malformed"), (".gxp/requirements/REQ-666.md", "symlink"),
        (".gxp/requirements/REQ-014.md", "special"), (".gxp/requirements/REQ-011-large.md", "too_large"),
        (".gxp/evidence/EV-SPEC-001-001.jws", "malformed"),
    }  # fmt: skip
    assert "REQ-666" not in artifacts
    assert artifacts["REQ-010"]["state"] == "malformed"
    assert all(each["line"] for each in found if each["code"] == "malformed")


@pytest.mark.req("B4")
def test_long_blanks_and_repetitions_cost_no_more_than_their_length() -> None:
    blank = "\n" * 300_000 + " " * 300_000
    assert facts_of("tests/test_a.py", "python", blank.encode()) is None
    assert facts_of("tests/a.test.ts", "typescript", b"it.it" * 100_000) is None
    read_document(RISK, ("## RISK-001: x\n" + "**a" * 100_000 + "\n[" * 50_000).encode())
    facts = facts_of("src/a.go", "go", (TAG + "/*" + " *" * 200_000 + "@gxp-spec SPEC-002 */").encode()) or {}
    assert len(facts["blocks"]) == 1


@pytest.mark.parametrize(
    "data", [b"", b"DIRC", b"DIRC\0\0\0\2\xff\xff\xff\xff", b"DIRC\0\0\0\4\0\0\0\1" + b"\xff" * 80, b"x" * 1_000]
)
def test_an_index_that_lies_gives_nothing(tmp_path: Path, data: bytes) -> None:
    write(tmp_path, {".git/index": data})
    assert tracked_paths(tmp_path) == ([], [])


@pytest.mark.req("B4")
def test_many_ids_of_one_name_and_deep_chains_end(context: Recorder, tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        f".gxp/requirements/REQ-{n}.md": requirement(f"REQ-{n}", more=f"parent_id: REQ-{n + 1}\n") for n in range(400)
    }
    files |= {f".gxp/user_stories/{n}.md": story("US-001", "REQ-1") for n in range(50)}
    files |= {
        f".gxp/specs/{n}.md": spec(f"SPEC-{n}", "US-001", "source_files: [../../etc/passwd]\n") for n in range(50)
    }
    results = scan(context, write(tmp_path / "repository", files | {"tests/a.spec.ts": TESTS}))
    assert results["artifacts"] == 500
    with context.database.read() as session:
        doubles = query.findings(session, context.task_id, FindingFilter(kinds=("duplicate",)))["items"]
        assert [each["subject"] for each in doubles] == ["US-001"]


@pytest.mark.req("B8")
def test_a_registered_address_is_fetched_and_scanned_at_its_branch(
    context: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_config: Callable[..., Config]
) -> None:
    server = GitServer(tmp_path)
    try:
        host = f"localhost:{server.port}"
        context.config = make_config(DATABASE_URL=context.config.database_url, GIT_ALLOWED_HOSTS=host)
        fetch = partial(git_fetch.fetch, is_allowed=lambda _: True, authority=server.authority)
        monkeypatch.setattr(git_fetch, "fetch", fetch)
        monkeypatch.setattr(origin, "resolve", partial(resolve, is_allowed=lambda _: True))
        folder = sound(tmp_path / "files")
        files = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
        commit = server.add_repository("lab.git", files)
        made = repositories.register(context.database, context.config, "Lab", server.url("lab.git"), None, None)
        params = check_params(TraceScanParams(repository_id=made["id"]), context.config)
        results = job.trace_scan(context, params)  # type: ignore[arg-type]
        assert (results["artifacts"], results["commit"]) == (8, commit)
        assert context.done == context.totals
        again = Recorder(context.config, context.database)
        assert job.trace_scan(again, params)["changed_files"] == 0  # type: ignore[arg-type]
    finally:
        server.stop()
