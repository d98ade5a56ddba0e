"""Starting scans over HTTP, following them, and reading what they found: on real files, with the real job."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from urllib.parse import quote

import pytest

from api.code_shapes import CodeSummary, Flow, NodeDetail, NodePage, RowPage
from api.scan_shapes import Environment, RepositoryPage, ScanStarted, ScanStatus
from jobs.code_scan.cursors import encode
from tasks import events, store
from tests.api.room import Caller, Room
from tests.jobs.code_scan.scanning import APP, SERVICE, Recorder, scan, write


@pytest.fixture
def repository(any_room: Room) -> Path:
    return write(
        any_room.config.scan_roots[0] / "shop", {"src/stock.py": SERVICE, "src/app.py": APP, "a.md": "# Stock"}
    )


@pytest.fixture
def caller(any_room: Room) -> Caller:
    return any_room.person("ada")


def start(caller: Caller, repository: Path, **asked: object) -> str:
    answer = caller.post("/scanner/scan", {"repository_path": str(repository)} | asked)
    assert answer.status_code == 202, answer.text
    return ScanStarted.model_validate(answer.json, strict=True).scan_id


def finish(room: Room, scan_id: str, repository: Path) -> None:
    """Do the scan's work and complete its task, as a worker does."""
    held = room.claim(scan_id)
    room.complete(scan_id, scan(Recorder(room.config, room.database, scan_id), repository), held)


@pytest.fixture
def scanned(any_room: Room, caller: Caller, repository: Path) -> str:
    scan_id = start(caller, repository)
    finish(any_room, scan_id, repository)
    return scan_id


@pytest.mark.req("B14")
def test_a_scan_is_accepted_before_it_begins_and_its_status_can_be_read_at_once(
    caller: Caller, repository: Path
) -> None:
    body = {"repository_path": str(repository), "file_types": [".py", "*.CS"], "exclude_patterns": ["bin/"]}
    answer = caller.post("/scanner/scan", body)
    assert answer.status_code == 202
    assert set(answer.json) == {"scan_id", "status", "message"}
    assert answer.headers["Location"] == f"/api/v1/scans/{answer.json['scan_id']}"
    shown = ScanStatus.model_validate(caller.get(answer.headers["Location"]).json, strict=True)
    assert (shown.scanId, shown.status, shown.kind, shown.result) == (
        answer.json["scan_id"],
        "queued",
        "code_scan",
        None,
    )
    params = caller.get(f"/tasks/{shown.scan_id}").json["params"]
    assert (params["file_types"], params["exclude_patterns"]) == ([".py", ".cs"], ["bin/"])


@pytest.mark.req("B7")
def test_the_same_folder_is_scanned_once_at_a_time_however_it_is_written(
    any_room: Room, caller: Caller, repository: Path
) -> None:
    first = start(caller, repository)
    other = any_room.person("bob")
    for spelling in (str(repository), "shop", f"{repository}/src/..", "./shop/"):
        refused = other.post("/scanner/scan", {"repository_path": spelling})
        assert (refused.status_code, refused.json["error"]["code"]) == (409, "conflict")
    assert caller.post(f"/tasks/{first}/cancel").status_code == 202
    start(other, repository)


@pytest.mark.req("D11", "D5")
@pytest.mark.parametrize(
    "path",
    [
        "/etc",
        "../..",
        "shop/../..",
        "/proc/self",
        "no-such-folder",
        "a\nb",
        "shop/src/app.py",
        "x" * 1000,
        "link-out",
        "/",
        " ",
    ],
)
def test_a_path_outside_the_roots_is_refused_with_a_sentence(caller: Caller, repository: Path, path: str) -> None:
    (repository.parent / "link-out").symlink_to("/etc")
    answer = caller.post("/scanner/scan", {"repository_path": path})
    assert answer.status_code == 422, answer.text
    error = answer.json["error"]
    assert error["code"] == "invalid_payload"
    assert error["details"]["fields"]


@pytest.mark.req("D5")
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"repository_path": ""},
        {"repository_path": 7},
        {"repository_path": "x" * 1001},
        {"repository_path": "shop", "file_types": ".py"},
        {"repository_path": "shop", "file_types": [7]},
        {"repository_path": "shop", "file_types": ["../x"]},
        {"repository_path": "shop", "exclude_patterns": ["a\nb"]},
        {"repository_path": "shop", "exclude_patterns": ["x"] * 201},
        {"repository_path": "shop", "git_url": "https://example.org/a.git"},
    ],
)
def test_a_bad_scan_is_refused_by_its_field(caller: Caller, repository: Path, body: dict) -> None:
    answer = caller.post("/scanner/scan", body)
    assert (answer.status_code, answer.json["error"]["code"]) == (422, "invalid_payload")
    assert answer.json["error"]["details"]["fields"]


def test_lists_the_roots_and_the_folders_below_them(caller: Caller, repository: Path) -> None:
    (repository / ".git").mkdir()
    for path in ("/scanner/repositories", "/scanner/repositories?source=local"):
        page = RepositoryPage.model_validate(caller.get(path).json, strict=True)
        found = {each.relative_path: each for each in page.items}
        assert found["shop"].is_git
        assert found["shop"].path == str(repository)
        assert "." in found


def test_says_what_the_installation_can_scan(caller: Caller, any_room: Room) -> None:
    shown = Environment.model_validate(caller.get("/scanner/environment").json, strict=True)
    assert set(shown.model_dump()) == {
        "environment", "is_docker", "supports_local_repos", "supports_cloud_repos", "local_repos_path"
    }  # fmt: skip
    assert (shown.supports_local_repos, shown.supports_cloud_repos) == (True, False)
    assert shown.local_repos_path == str(any_room.config.scan_roots[0])


@pytest.mark.req("B14", "A2")
def test_the_status_follows_the_live_tail_and_ends_with_the_result(
    any_room: Room, caller: Caller, repository: Path
) -> None:
    scan_id = start(caller, repository)
    held = any_room.claim(scan_id)
    with any_room.database.read() as session:
        body = events.progress_body(store.snapshot(*store.load_task(session, scan_id)))
    details = {"files_processed": 1, "total_files": 2, "current_file": "src/app.py", "nodes_found": 9}
    body |= {"progress_percent": 40.5, "phase": "parse", "current_step": "src/app.py", "details": details}
    any_room.log.tick(scan_id, held.attempt, events.encode_fields(body))
    shown = ScanStatus.model_validate(caller.get(f"/scans/{scan_id}").json, strict=True)
    assert (shown.progress, shown.phase, shown.message) == (40.5, "parse", "src/app.py")
    assert shown.metadata.model_dump() == {
        "filesProcessed": 1, "totalFiles": 2, "currentFile": "src/app.py", "artifactsFound": 9
    }  # fmt: skip
    any_room.complete(scan_id, {"nodes_found": 12}, held)
    ended = caller.get(f"/scans/{scan_id}").json
    assert ended["result"] == {"status": "completed", "artifactsCreated": 12, "durationMs": 1200}
    assert ended["progress"] == 100


def test_a_task_that_is_no_scan_is_no_scan(caller: Caller) -> None:
    task_id = caller.start()
    for rest in ("", "/nodes", "/export.csv"):
        assert caller.get(f"/scans/{task_id}{rest}").status_code == 404


@pytest.mark.req("B1", "B15")
def test_numbers_nodes_and_details_agree(caller: Caller, scanned: str) -> None:
    summary = CodeSummary.model_validate(caller.get(f"/scans/{scanned}/summary").json, strict=True)
    page = NodePage.model_validate(caller.get(f"/scans/{scanned}/nodes?limit=500").json, strict=True)
    assert summary.counters["nodes"] == page.total == len(page.items) > 5
    assert caller.get(f"/tasks/{scanned}/results").json["nodes_found"] == page.total
    found = caller.get(f"/scans/{scanned}/nodes?type=database_write").json["items"]
    assert [(each["path"], each["line"], each["target"]) for each in found] == [("src/stock.py", 9, "stock_unit")]
    detail = NodeDetail.model_validate(caller.get(f"/scans/{scanned}/nodes/{found[0]['id']}").json, strict=True)
    assert "UPDATE stock_unit" in detail.snippet
    both = caller.get(f"/scans/{scanned}/nodes?type=database_write,database_read").json["total"]
    assert both == caller.get(f"/scans/{scanned}/nodes?type=database_write&type=database_read").json["total"] == 2


@pytest.mark.req("B15")
def test_nodes_come_in_pages_without_gap_or_double(caller: Caller, scanned: str) -> None:
    whole = [each["id"] for each in caller.get(f"/scans/{scanned}/nodes").json["items"]]
    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        page = caller.get(f"/scans/{scanned}/nodes?limit=2&cursor={quote(cursor)}").json
        seen += [each["id"] for each in page["items"]]
        cursor = page["next_cursor"]
    assert seen == whole


@pytest.mark.req("B15")
@pytest.mark.parametrize("part", ["tables", "endpoints", "triggers", "skipped", "changes"])
def test_every_list_is_a_page(caller: Caller, scanned: str, part: str) -> None:
    page = RowPage.model_validate(caller.get(f"/scans/{scanned}/{part}").json, strict=True)
    assert page.total == len(page.items)
    assert caller.get(f"/scans/{scanned}/{part}?limit=501").status_code == 422


@pytest.mark.req("B15")
def test_tables_endpoints_flow_and_skipped_files_say_what_the_code_holds(caller: Caller, scanned: str) -> None:
    [table] = [each for each in caller.get(f"/scans/{scanned}/tables").json["items"] if each["table"] == "stock_unit"]
    assert (table["readers"], table["writers"]) == (1, 1)
    [endpoint] = caller.get(f"/scans/{scanned}/endpoints").json["items"]
    assert (endpoint["method"], endpoint["path"]) == ("POST", "/stock")
    [skipped] = caller.get(f"/scans/{scanned}/skipped?status=skipped").json["items"]
    assert skipped["path"] == "a.md"
    picture = Flow.model_validate(caller.get(f"/scans/{scanned}/flow").json, strict=True)
    assert picture.total_routes == 1
    assert caller.get(f"/scans/{scanned}/flow?start_id={endpoint['id']}").json["start_id"] == endpoint["id"]
    assert caller.get(f"/scans/{scanned}/facets?type=class").json["languages"][0]["value"] == "python"


@pytest.mark.req("B6", "B15")
def test_a_second_scan_tells_what_changed(any_room: Room, caller: Caller, repository: Path, scanned: str) -> None:
    (repository / "src/app.py").unlink()
    second = start(caller, repository)
    finish(any_room, second, repository)
    [change] = caller.get(f"/scans/{second}/changes").json["items"]
    assert (change["path"], change["change"]) == ("src/app.py", "removed")
    assert caller.get(f"/scans/{second}/summary").json["since"]["scan_id"] == scanned
    assert caller.get(f"/scans/{scanned}/endpoints").json["total"] == 1


@pytest.mark.req("B15", "D9")
def test_exports_are_downloads_of_everything_that_fits(caller: Caller, scanned: str) -> None:
    total = caller.get(f"/scans/{scanned}/nodes").json["total"]
    whole = caller.get(f"/scans/{scanned}/export.json")
    assert len(whole.json["nodes"]) == whole.json["summary"]["counters"]["nodes"] == total
    table = caller.get(f"/scans/{scanned}/export.csv?type=route")
    assert table.mimetype == "text/csv"
    assert [row["name"] for row in csv.DictReader(io.StringIO(table.data.decode("utf-8-sig")))] == ["POST /stock"]
    assert caller.get(f"/scans/{scanned}/export.mmd").text.startswith("flowchart LR")
    for ending in ("json", "csv", "mmd"):
        headers = caller.get(f"/scans/{scanned}/export.{ending}").headers
        assert headers["Content-Disposition"] == f'attachment; filename="code-scan-{scanned[:8]}.{ending}"'
        assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.req("B14")
def test_a_scan_that_runs_has_no_results_yet(caller: Caller, repository: Path) -> None:
    scan_id = start(caller, repository)
    for part in ("summary", "nodes", "tables", "flow", "export.json", "export.csv", "export.mmd"):
        answer = caller.get(f"/scans/{scan_id}/{part}")
        assert (answer.status_code, answer.json["error"]["code"]) == (404, "not_found"), part


BAD_QUESTIONS = [
    ("nodes?type=nothing", 422),
    ("nodes?sureness=maybe", 422),
    ("nodes?language=cobol", 422),
    ("nodes?q=%00", 422),
    ("nodes?colour=red", 422),
    ("nodes?cursor=x", 400),
    (f"nodes?cursor={encode('a', 2**40, 1)}", 400),
    (f"nodes?cursor={encode('a', 1, 2**60)}", 400),
    (f"nodes?cursor={encode('a' + chr(0), 1, 1)}", 400),
    (f"nodes?cursor={encode('a', -1, 1)}", 400),
    (f"nodes?cursor={encode('a', 2**31 - 1, 2**53 - 1)}", 200),
    (f"tables?cursor={encode(-5)}", 400),
    ("nodes/0", 404),
    ("nodes/x", 404),
    ("nodes/-1", 404),
    ("nodes/99999999999999999999", 404),
    ("nodes/٣", 404),
    ("flow?start_id=9007199254740992", 422),
    ("flow?start_id=9007199254740991", 404),
    ("skipped?reason=nothing", 200),
    ("skipped?status=broken", 422),
    ("export.csv?type=nothing", 422),
    ("export.pdf", 404),
]


@pytest.mark.req("D5")
def test_bad_questions_about_a_scan_are_refused(caller: Caller, scanned: str) -> None:
    for rest, status in BAD_QUESTIONS:
        answer = caller.get(f"/scans/{scanned}/{rest}")
        assert answer.status_code == status, f"{rest}: {answer.text}"
