"""The scan in the whole product: started over HTTP, run by a real worker, refused twice at once, cancelled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.fixtures.machine import wait_until
from tests.fixtures.product import Server
from tests.jobs.code_scan.scanning import APP, SERVICE, write

pytestmark = pytest.mark.slow


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return write(tmp_path / "shop", {"src/stock.py": SERVICE, "src/app.py": APP, "readme.md": "# Stock"})


@pytest.fixture
def served(make_server: Any, tmp_path: Path) -> Server:
    return make_server({"SCAN_ROOTS": str(tmp_path), "WORKERS": "1"})


def _task(server: Server, token: str, scan_id: str) -> dict[str, Any]:
    return server.api("GET", f"/api/v1/tasks/{scan_id}", token=token).json()


@pytest.mark.req("B1", "B7", "B14")
def test_a_scan_is_accepted_at_once_runs_in_a_worker_and_is_refused_twice(served: Server, repository: Path) -> None:
    token = served.person("ada").token
    body = {"repository_path": str(repository), "file_types": [".py"], "exclude_patterns": []}
    accepted = served.api("POST", "/api/v1/scanner/scan", token=token, json=body)
    assert accepted.status_code == 202
    scan_id = accepted.json()["scan_id"]
    again = served.api("POST", "/api/v1/scanner/scan", token=token, json=body | {"repository_path": "shop"})
    status = _task(served, token, scan_id)["status"]
    assert again.status_code == 409 or status == "completed"
    wait_until(lambda: _task(served, token, scan_id)["status"] not in ("queued", "running"), 60, "the scan is over")
    task = _task(served, token, scan_id)
    assert task["status"] == "completed", task["error"]
    assert task["progress_percent"] == 100
    assert task["results"]["files_scanned"] == 2
    assert task["results"]["nodes_by_type"]["database_write"] == 1
    assert [phase["state"] for phase in task["phases"]] == ["done"] * 4


@pytest.mark.req("C3", "B4")
def test_a_cancelled_scan_ends_within_two_seconds_with_no_child_left(served: Server, tmp_path: Path) -> None:
    write(tmp_path / "hostile", {f"bomb{number}.cs": b"(" * 1_900_000 for number in range(20)})
    token = served.person("ada").token
    params = {"repository_path": "hostile", "parse_deadline_s": 60}
    scan_id = served.api("POST", "/api/v1/tasks", token=token, json={"kind": "code_scan", "params": params}).json()[
        "task_id"
    ]
    wait_until(lambda: _children(served), 60, "a parse child works")
    assert served.api("POST", f"/api/v1/tasks/{scan_id}/cancel", token=token, json={}).status_code == 202
    wait_until(lambda: _task(served, token, scan_id)["status"] == "cancelled", 10, "the scan is cancelled")
    assert _task(served, token, scan_id)["forced"] is False
    wait_until(lambda: not _children(served), 5, "the children are gone")


def _children(server: Server) -> list[int]:
    """The parse children: they have an empty environment, so they are known by their parents only."""
    found = set()
    for process in server.all_processes():
        try:
            found |= {each.pid for each in process.children() if any("parse_child" in word for word in each.cmdline())}
        except psutil.Error:
            continue
    return sorted(found)
