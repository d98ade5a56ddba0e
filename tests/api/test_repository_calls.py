"""Registered repositories over HTTP: who may do what to them, one scan at a time, and their history by commit."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from api.repository_shapes import (
    FindingExport,
    MatrixExport,
    RegisteredPage,
    RepositoryScanStarted,
    RepositoryShape,
    ScanHistory,
    TraceSummary,
)
from api.scan_shapes import ScanStatus
from jobs.trace_scan.job import trace_scan
from jobs.trace_scan.params import TraceScanParams, check_params
from tests.api.room import Caller, Room
from tests.jobs.code_scan.scanning import Recorder, write

REQUIREMENT = "---\ngxp_id: REQ-001\ntitle: =SUM(A1) never changes\nrisk_level: LOW\n---\n"
TEST = 'import pytest\n\n\n@pytest.mark.req("REQ-001", "REQ-009")\ndef test_that():\n    pass\n'
FILES = {".gxp/requirements/REQ-001.md": REQUIREMENT, "tests/test_a.py": TEST}
EXPORTS = ("trace", "matrix.csv", "matrix.json", "findings.csv", "findings.json", "findings.sarif")


@pytest.fixture
def folder(room: Room) -> Path:
    return write(room.config.scan_roots[0] / "lab", FILES)


@pytest.fixture
def caller(room: Room) -> Caller:
    return room.person("ada")


def register(caller: Caller, source: Path | str, name: str = "Lab", **asked: Any) -> dict[str, Any]:
    answer = caller.post("/repositories", {"name": name, "source": str(source)} | asked)
    assert answer.status_code == 201, answer.text
    made = RepositoryShape.model_validate(answer.json, strict=True)
    assert answer.headers["Location"] == f"/api/v1/repositories/{made.id}"
    return answer.json  # type: ignore[no-any-return]


def start(caller: Caller, number: int) -> str:
    answer = caller.post(f"/repositories/{number}/scan")
    assert answer.status_code == 202, answer.text
    started = RepositoryScanStarted.model_validate(answer.json, strict=True)
    assert started.scanId == started.scan_id
    assert answer.headers["Location"] == f"/api/v1/scans/{started.scanId}"
    return started.scanId


def finish(room: Room, scan_id: str, number: int) -> None:
    """Do the scan's work and complete its task, as a worker does."""
    held = room.claim(scan_id)
    params = check_params(TraceScanParams(repository_id=number), room.config)
    results = trace_scan(Recorder(room.config, room.database, scan_id), params)  # type: ignore[arg-type]
    room.complete(scan_id, results, held)


@pytest.mark.req("B8")
def test_what_is_registered_is_listed_by_name_for_everybody(room: Room, caller: Caller, folder: Path) -> None:
    register(caller, folder, "Zebra")
    made = register(caller, "lab", " Lab ")
    assert (made["name"], made["source"], made["is_git_address"], made["last_scan"]) == ("Lab", "lab", False, None)
    page = RegisteredPage.model_validate(room.person("bob").get("/repositories").json, strict=True)
    assert [each.name for each in page.items] == ["Lab", "Zebra"]
    assert room.nobody().get("/api/v1/repositories").status_code == 401


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"source": "/etc"}, "source"),
    ({"source": "../.."}, "source"),
    ({"source": "no-such-folder"}, "source"),
    ({"source": "https://evil.example/a.git"}, "source"),
    ({"source": "ext::sh -c id"}, "source"),
    ({"source": "file:///etc"}, "source"),
    ({"source": "https://127.0.0.1/a.git"}, "source"),
    ({"source": "lab", "ref": "main"}, "ref"),
    ({"source": "lab", "name": " "}, "name"),
    ({"source": "lab", "name": "a\nb"}, "name"),
    ({"source": "lab", "name": "x" * 201}, "name"),
    ({"source": "lab", "colour": "red"}, "colour"),
    ({"source": 7}, "source"),
]


@pytest.mark.req("B8", "D11")
def test_what_may_not_be_scanned_is_not_registered(caller: Caller, folder: Path) -> None:
    for asked, field in REFUSED:
        answer = caller.post("/repositories", {"name": "Lab"} | asked)
        assert answer.status_code == 422, (asked, answer.text)
        assert list(answer.json["error"]["details"]["fields"]) == [field]
    assert caller.get("/repositories").json["items"] == []


def test_a_name_is_given_once(caller: Caller, folder: Path) -> None:
    register(caller, folder)
    answer = caller.post("/repositories", {"name": "Lab", "source": str(folder)})
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "conflict")


def test_it_is_removed_by_who_registered_it_or_an_admin(room: Room, caller: Caller, folder: Path) -> None:
    path = f"/repositories/{register(caller, folder)['id']}"
    assert room.person("bob").call("DELETE", path).status_code == 403
    assert caller.call("DELETE", path).json["name"] == "Lab"
    for method in ("GET", "DELETE"):
        assert caller.call(method, path).status_code == 404
    again = f"/repositories/{register(caller, folder)['id']}"
    assert room.person("root", role="admin").call("DELETE", again).status_code == 200


@pytest.mark.req("D5")
def test_a_number_that_is_none_is_not_found(caller: Caller) -> None:
    for number in ("0", "999999999", "99999999999999999999", "-1", "one", "1e3", "٣"):
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/scan"), ("GET", "/scans")):
            assert caller.call(method, f"/repositories/{number}{path}").status_code == 404


@pytest.mark.req("B7", "B14")
def test_one_scan_of_a_repository_runs_at_a_time(room: Room, caller: Caller, folder: Path) -> None:
    number = register(caller, folder)["id"]
    twin = register(caller, "lab", "The same folder")["id"]
    scan_id = start(caller, number)
    for who, which in ((caller, number), (room.person("bob"), number), (caller, twin)):
        refused = who.post(f"/repositories/{which}/scan")
        assert (refused.status_code, refused.json["error"]["code"]) == (409, "conflict")
    assert caller.get(f"/repositories/{number}").json["last_scan"]["scanId"] == scan_id
    finish(room, scan_id, number)
    start(caller, number)


@pytest.mark.req("B5", "B14")
def test_the_status_of_a_trace_scan_is_asked_like_that_of_any_scan(room: Room, caller: Caller, folder: Path) -> None:
    number = register(caller, folder)["id"]
    scan_id = start(caller, number)
    queued = ScanStatus.model_validate(caller.get(f"/scans/{scan_id}").json, strict=True)
    assert (queued.kind, queued.status, queued.result) == ("trace_scan", "queued", None)
    finish(room, scan_id, number)
    done = ScanStatus.model_validate(caller.get(f"/scans/{scan_id}").json, strict=True)
    assert (done.status, done.progress) == ("completed", 100)
    assert done.result is not None and done.result.artifactsCreated == 1
    assert caller.get(f"/scans/{scan_id}/summary").status_code == 404, "that is a code scan's"


@pytest.mark.req("B5", "D2")
def test_history_shows_the_commit_of_each_finished_scan_that_one_may_see(any_room: Room) -> None:
    room, caller = any_room, any_room.person("ada")
    folder = write(room.config.scan_roots[0] / "lab", FILES)
    number = register(caller, folder)["id"]
    scans = []
    for commit in ("a" * 40, "b" * 40):
        write(folder, {".git/HEAD": commit})
        scans.append(start(caller, number))
        assert caller.call("DELETE", f"/repositories/{number}").status_code == 409
        finish(room, scans[-1], number)
    page = ScanHistory.model_validate(caller.get(f"/repositories/{number}/scans?limit=1").json, strict=True)
    assert [(each.scanId, each.commit) for each in page.items] == [(scans[1], "b" * 40)]
    rest = caller.get(f"/repositories/{number}/scans?limit=9&cursor={page.next_cursor}").json
    assert [each["scanId"] for each in rest["items"]] == [scans[0]] and rest["next_cursor"] is None
    assert rest["items"][0]["counters"]["requirements"] == 1
    assert caller.get(f"/repositories/{number}/scans?cursor=x").status_code == 400
    bob = room.person("bob")
    assert bob.get(f"/repositories/{number}/scans").json["items"] == []
    assert bob.get(f"/repositories/{number}").json["last_scan"] is None


@pytest.mark.req("B15", "D2", "D5", "D9", "A11")
def test_matrix_and_findings_are_exported_to_those_who_may_see_the_scan(
    room: Room, caller: Caller, folder: Path
) -> None:
    number = register(caller, folder)["id"]
    scan_id = start(caller, number)
    for name in EXPORTS:
        assert caller.get(f"/scans/{scan_id}/{name}").status_code == 404, "there is nothing yet"
    finish(room, scan_id, number)
    bob = room.person("bob")
    for name in EXPORTS:
        assert bob.get(f"/scans/{scan_id}/{name}").status_code == 404
    summary = TraceSummary.model_validate(caller.get(f"/scans/{scan_id}/trace").json, strict=True)
    assert (summary.counters["requirements"], summary.counters["traced"], summary.counters["broken_links"]) == (1, 1, 1)
    assert summary.repository == {"id": number, "name": "Lab"}
    matrix = MatrixExport.model_validate(caller.get(f"/scans/{scan_id}/matrix.json").json, strict=True)
    assert [row["requirement"] for row in matrix.matrix] == ["REQ-001"]
    assert [test["name"] for test in matrix.matrix[0]["tests"]] == ["test_that"]
    findings = FindingExport.model_validate(caller.get(f"/scans/{scan_id}/findings.json?kind=broken").json, strict=True)
    assert [(row["path"], row["line"]) for row in findings.findings] == [("tests/test_a.py", 4)]
    assert caller.get(f"/scans/{scan_id}/matrix.json?q=nothing").json["matrix"] == []
    for query in ("show=some", "risk=DEADLY", "state=odd", "colour=red", "q=" + "x" * 201):
        assert caller.get(f"/scans/{scan_id}/matrix.csv?{query}").status_code == 422
    no_cell_is_a_formula(caller, scan_id)
    sarif = caller.get(f"/scans/{scan_id}/findings.sarif?kind=broken").json
    [run] = sarif["runs"]
    [result] = run["results"]
    place = result["locations"][0]["physicalLocation"]
    assert (sarif["version"], result["ruleId"], result["level"]) == ("2.1.0", "broken", "error")
    assert (place["artifactLocation"]["uri"], place["region"]) == ("tests/test_a.py", {"startLine": 4})
    assert result["ruleId"] in [rule["id"] for rule in run["tool"]["driver"]["rules"]]


def no_cell_is_a_formula(caller: Caller, scan_id: str) -> None:
    answer = caller.get(f"/scans/{scan_id}/matrix.csv")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="trace-matrix-{scan_id[:8]}.csv"'
    [row] = csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig")))
    assert (row["requirement"], row["title"], row["risk"]) == ("REQ-001", "'=SUM(A1) never changes", "LOW")
    assert row["tests"] == "tests/test_a.py:5 test_that"
    rows = list(csv.DictReader(io.StringIO(caller.get(f"/scans/{scan_id}/findings.csv").data.decode("utf-8-sig"))))
    assert rows[0]["kind"] == "broken" and rows[0]["subject"]
