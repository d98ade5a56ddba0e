"""The API against its own description, by a tool that was not written here, on the real server."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fixtures.machine import wait_until
from tests.fixtures.product import Person, Server
from tests.jobs.code_scan.scanning import APP, SERVICE, write

# What the schema allows can still be refused for what it means: a cursor that no list gave out, a folder that is not
# there. And the server closes over-long addresses (414) before anybody looks at what they hold.
SETTINGS = """
[parameters]
"path.task_id" = "{scan_id}"
"path.scan_id" = "{scan_id}"
"path.node_id" = {node_id}
"query.start_id" = 0

[checks]
negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "409", "414", "415", "422", "429"]

[[operations]]
include-operation-id-regex = "^({refusing})$"
checks.positive_data_acceptance.enabled = false
"""
REFUSING = (
    "start_task|start_scan|register_repository|keep_caption_settings|create_schedule|change_schedule|read_cron|list_.*"
    "|mark_notifications|keep_notification_preferences|follow_task|unfollow_task|act_on_tasks|pause_queue"
    "|create_webhook|change_webhook|set_thresholds|change_webhook_secret"
)


def scanned(server: Server, person: Person) -> tuple[str, int]:
    """A finished scan and one of its nodes."""
    body = {"repository_path": "shop"}
    scan_id: str = server.api("POST", "/api/v1/scanner/scan", token=person.token, json=body).json()["scan_id"]

    def is_completed() -> bool:
        return bool(server.api("GET", f"/api/v1/scans/{scan_id}", token=person.token).json()["status"] == "completed")

    wait_until(is_completed, 60, "the scan is completed")
    nodes = server.api("GET", f"/api/v1/scans/{scan_id}/nodes", token=person.token).json()["items"]
    return scan_id, nodes[0]["id"]


@pytest.mark.slow
@pytest.mark.timeout(450)
@pytest.mark.req("J5", "D5")
def test_schemathesis_finds_no_fault(make_server: Callable[..., Server], tmp_path: Path) -> None:
    write(tmp_path / "shop", {"stock.py": SERVICE, "app.py": APP, "a.md": "# Stock"})
    server = make_server({"WORKERS": "1", "SCAN_ROOTS": str(tmp_path)})
    person = server.person("ada")
    scan_id, node_id = scanned(server, person)
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(SETTINGS.format(scan_id=scan_id, node_id=node_id, refusing=REFUSING))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "run"]
    options = ["--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--seed", "20261121"]
    options += ["--header", f"Authorization: Bearer {person.token}", "--warnings", "off", "--no-color"]
    report = ["--report", "har", "--report-dir", str(tmp_path)]
    with unlimited_address(server):
        done = subprocess.run(
            [*command, f"{server.url}/api/v1/openapi.json", *options, *report],
            cwd=tmp_path, capture_output=True, text=True, timeout=350, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Traceback" not in server.logs()
    statuses = answered(tmp_path)
    assert statuses.get(500) is None
    assert statuses[200] > 100


@contextmanager
def unlimited_address(server: Server) -> Iterator[None]:
    """Meanwhile this address may come as often as it likes: a stranger's limit would hide what strangers are told."""
    over = threading.Event()

    def forget() -> None:
        with server.redis() as client:
            while not over.wait(0.5):
                client.delete("taskroom:rate:address:127.0.0.1")

    thread = threading.Thread(target=forget)
    thread.start()
    yield
    over.set()
    thread.join()


def answered(folder: Path) -> dict[int, int]:
    """How often each status came."""
    [file] = folder.glob("har-*.json")
    counted: dict[int, int] = {}
    for entry in json.loads(file.read_text())["log"]["entries"]:
        status = entry["response"]["status"]
        counted[status] = counted.get(status, 0) + 1
    return counted
