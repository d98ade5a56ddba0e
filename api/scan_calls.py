"""Starting scans, what there is to scan, and where a scan is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import extensions
from api import reading
from api.operations import PREFIX, Call, Reply, operation
from api.scan_shapes import Environment, RepositoryPage, RepositorySource, ScanStarted, ScanStatus, StartScan
from jobs.repository import sources
from tasks import scans
from tasks.errors import NotFound
from tasks.states import State

CODE_SCAN = "code_scan"
CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))


@operation(
    "POST",
    "/scanner/scan",
    summary="Scan a folder of code",
    tag="Scans",
    status=202,
    answer=ScanStarted,
    answer_headers={"Location": "The address of the scan's status."},
    body=StartScan,
    refuses=(409,),
)
def start_scan(call: Call) -> Reply:
    """Answers before the work begins; the status can be read at once. One scan of a folder runs at a time."""
    params = call.body.model_dump(exclude_unset=True)
    scan_id, _ = reading.commands().submit(call.identity, CODE_SCAN, params)
    status = reading.snapshot(call.identity, scan_id)["status"]
    message = f"The scan of {call.body.repository_path} has been accepted. Follow it as task {scan_id}."
    data = {"scan_id": scan_id, "status": status, "message": message}
    return Reply(data, {"Location": f"{PREFIX}/scans/{scan_id}"})


@operation(
    "GET",
    "/scanner/repositories",
    summary="List what can be scanned",
    tag="Scans",
    answer=RepositoryPage,
    query=RepositorySource,
)
def list_local_repositories(call: Call) -> dict[str, Any]:  # noqa: ARG001
    """The scan roots and the folders right below them."""
    roots = extensions.current().config.scan_roots
    return {"items": extensions.offload(sources.local_repositories, roots), "next_cursor": None}


@operation(
    "GET", "/scanner/environment", summary="See what this installation can scan", tag="Scans", answer=Environment
)
def show_environment(call: Call) -> dict[str, Any]:  # noqa: ARG001
    """Whether it runs in a container, has folders to scan, and may fetch from git hosts."""
    config = extensions.current().config
    in_container = any(mark.exists() for mark in CONTAINER_MARKS)
    return {
        "environment": "docker" if in_container else "host",
        "is_docker": in_container,
        "supports_local_repos": bool(config.scan_roots),
        "supports_cloud_repos": bool(config.git_hosts),
        "local_repos_path": str(config.scan_roots[0]) if config.scan_roots else None,
    }


@operation("GET", "/scans/{scan_id}", summary="See where a scan is", tag="Scans", answer=ScanStatus)
def show_scan(call: Call) -> dict[str, Any]:
    """The state of the scan, with its progress in files."""
    task = reading.snapshot(call.identity, call.path["scan_id"])
    if not scans.is_scan(task["kind"]):
        raise NotFound(reading.NO_TASK)
    return scan_status(task)


def scan_status(task: Mapping[str, Any]) -> dict[str, Any]:
    """A scan's snapshot in the words of `/scans`."""
    is_completed = task["status"] == State.COMPLETED
    return {
        "scanId": task["task_id"],
        "scan_id": task["task_id"],
        "kind": task["kind"],
        "status": task["status"],
        "phase": task["phase"],
        "progress": task["progress_percent"],
        "message": task["error"] or task["current_step"] or None,
        "metadata": scans.metadata(task["details"]),
        "result": scans.result(task["results"] or {}, task["duration_ms"]) if is_completed else None,
        "error": task["error"],
        "created_at": task["created_at"],
        "started_at": task["started_at"],
        "finished_at": task["finished_at"],
        "timestamp": task["timestamp"],
    }
