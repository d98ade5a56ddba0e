"""The scan in the whole product: advisories imported and a folder checked by a real worker, which leaves no process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.fixtures.machine import wait_until
from tests.fixtures.product import Server
from tests.jobs.advisories.osv import archive
from tests.jobs.code_scan.scanning import write
from tests.jobs.dependency_scan.scanning import PINS, jinja

pytestmark = pytest.mark.slow


def run(server: Server, token: str, kind: str, params: dict[str, Any]) -> dict[str, Any]:
    """Start a task and wait for its end."""
    body = {"kind": kind, "params": params}
    task_id = server.api("POST", "/api/v1/tasks", token=token, json=body).json()["task_id"]
    state = f"/api/v1/tasks/{task_id}"
    wait_until(lambda: server.api("GET", state, token=token).json()["status"] not in ("queued", "running"), 60, kind)
    found: dict[str, Any] = server.api("GET", state, token=token).json()
    return found


@pytest.mark.req("B10", "B11", "B4")
def test_a_worker_imports_advisories_and_finds_what_they_name_beside_a_bomb(make_server: Any, tmp_path: Path) -> None:
    write(tmp_path / "portal", {"requirements.txt": PINS, "web/package-lock.json": b"[" * 5_000_000})
    server: Server = make_server({"SCAN_ROOTS": str(tmp_path), "WORKERS": "1"})
    token = server.person("ada", role="admin").token
    archive(tmp_path / "osv.zip", [jinja(aliases=["CVE-2024-22195"])])
    updated = run(server, token, "advisory_update", {"source": "osv.zip"})
    assert updated["status"] == "completed", updated["error"]
    task = run(server, token, "dependency_scan", {"repository_path": "portal"})
    assert task["status"] == "completed", task["error"]
    results = task["results"]
    assert {name: results[name] for name in ("packages", "vulnerabilities", "not_evaluated", "complete")} == {
        "packages": 3, "vulnerabilities": 1, "not_evaluated": 1, "complete": False,
    }  # fmt: skip
    assert [phase["state"] for phase in task["phases"]] == ["done"] * 4
    sarif = server.api("GET", f"/api/v1/scans/{task['task_id']}/dependencies.sarif", token=token)
    assert json.loads(sarif.text)["runs"][0]["results"][0]["ruleId"] == "CVE-2024-22195"
    status = server.api("GET", f"/api/v1/scans/{task['task_id']}", token=token).json()
    assert status["status"] == "completed"
    assert status["metadata"]["totalFiles"] == 2
    assert not [each for each in server.all_processes() if each.status() == psutil.STATUS_ZOMBIE]
