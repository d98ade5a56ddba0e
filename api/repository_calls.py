"""Registered repositories: what is registered, scanning one by its name, and its scans by commit."""

from __future__ import annotations

from typing import Any

import extensions
from api import reading
from api.operations import PREFIX, Call, Reply, operation
from api.repository_shapes import (
    HistoryQuery,
    NewRepository,
    RegisteredPage,
    RepositoryScanStarted,
    RepositoryShape,
    ScanHistory,
)
from database import rfc3339
from jobs.trace_scan import registered, repositories
from tasks.errors import NotFound

ONE = "/repositories/{repository_id}"
NO_REPOSITORY = "There is no repository with this number."
MAX_DIGITS = 9


@operation("GET", "/repositories", summary="List registered repositories", tag="Repositories", answer=RegisteredPage)
def list_repositories(call: Call) -> dict[str, Any]:
    """Everybody who is signed in sees every repository, each with its newest scan that you may see."""
    with reading.database().read() as session:
        found = repositories.listed(session)
        scans = registered.last_scans(session, call.identity, [each["id"] for each in found])
        return {"items": [_shown(each, scans) for each in found], "next_cursor": None}


@operation(
    "POST",
    "/repositories",
    summary="Register a repository",
    tag="Repositories",
    status=201,
    answer=RepositoryShape,
    answer_headers={"Location": "The address of the repository."},
    body=NewRepository,
    refuses=(409,),
)
def register_repository(call: Call) -> Reply:
    """Gives a name to a folder below a scan root or to an allowed git address; nothing is fetched yet."""
    asked: NewRepository = call.body
    room = extensions.current()
    args = (room.database, room.config, asked.name, asked.source, asked.ref, call.identity.user_id)
    made = extensions.offload(repositories.register, *args)
    return Reply(_shown(made, {}), {"Location": f"{PREFIX}/repositories/{made['id']}"})


@operation("GET", ONE, summary="Look at one repository", tag="Repositories", answer=RepositoryShape)
def show_repository(call: Call) -> dict[str, Any]:
    """Where it is, and its newest scan that you may see."""
    with reading.database().read() as session:
        found = repositories.shown(repositories.find(session, _number(call)))
        return _shown(found, registered.last_scans(session, call.identity, [found["id"]]))


@operation("DELETE", ONE, summary="Remove a repository", tag="Repositories", answer=RepositoryShape, refuses=(409,))
def remove_repository(call: Call) -> dict[str, Any]:
    """Removes the registration and answers what it was. Its scans stay. Only for who registered it, and for admins."""
    return _shown(registered.remove(reading.database(), call.identity, _number(call)), {})


@operation(
    "POST",
    f"{ONE}/scan",
    summary="Scan a repository",
    tag="Repositories",
    status=202,
    answer=RepositoryScanStarted,
    answer_headers={"Location": "The address of the scan's status."},
    refuses=(409, 422),
)
def scan_repository(call: Call) -> Reply:
    """Starts a trace scan and answers before it begins. One scan of a repository runs at a time."""
    number = _number(call)
    with reading.database().read() as session:
        repositories.find(session, number)
    scan_id, _ = reading.commands().submit(call.identity, registered.KIND, {"repository_id": number})
    status = reading.snapshot(call.identity, scan_id)["status"]
    data = {"scanId": scan_id, "scan_id": scan_id, "status": status}
    return Reply(data, {"Location": f"{PREFIX}/scans/{scan_id}"})


@operation(
    "GET",
    f"{ONE}/scans",
    summary="See a repository's scans by commit",
    tag="Repositories",
    answer=ScanHistory,
    query=HistoryQuery,
    refuses=(400,),
)
def list_repository_scans(call: Call) -> dict[str, Any]:
    """Finished scans that you may see, newest first. A page may be shorter than asked; a null cursor is the end."""
    asked: HistoryQuery = call.query
    with reading.database().read() as session:
        page = registered.history(session, call.identity, _number(call), asked.cursor or None, asked.limit)
    items = [{"scanId": each["scan_id"], **each} for each in page["items"]]
    return {"items": items, "next_cursor": page["next_cursor"]}


def _number(call: Call) -> int:
    text = call.path["repository_id"]
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise NotFound(NO_REPOSITORY)
    return int(text)


def _shown(repository: dict[str, Any], scans: dict[int, Any]) -> dict[str, Any]:
    task, _ = scans.get(repository["id"], (None, ""))
    last = task and {
        "scanId": task.id,
        "status": task.state,
        "created_at": rfc3339(task.created_at),
        "finished_at": rfc3339(task.finished_at),
    }
    return {**repository, "last_scan": last}
