"""What a task has left behind: its events, its log as JSON and as text, its results and its files."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any
from urllib.parse import quote

import orjson
from flask import Response, send_file

from api import reading
from api.operations import JSON, PREFIX, Call, operation
from api.task_inputs import EventRange, LogRange
from api.task_shapes import ArtifactPage, EventPage, LogPage, Results
from database import Database
from tasks import store
from tasks.errors import Conflict, NotFound
from tasks.models import Task
from tasks.states import State, is_final

LINES_AT_ONCE = 1000
# A file that a job made is somebody else's words: it is downloaded, never shown, and could run nothing if it were.
NEVER_SHOWN = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}


@operation(
    "GET",
    "/tasks/{task_id}/events",
    summary="Read the history of a task",
    tag="History",
    answer=EventPage,
    query=EventRange,
)
def list_events(call: Call) -> dict[str, Any]:
    """Every change of its state, oldest first. Progress between two changes is not kept."""
    asked: EventRange = call.query
    with reading.database().read() as session:
        task, _ = reading.find_task(session, call.path["task_id"], call.identity)
        found = store.history(session, task, asked.after, asked.limit + 1)
    items = found[: asked.limit]
    return {"items": items, "next_cursor": str(items[-1]["id"]) if len(found) > asked.limit else None}


@operation(
    "GET", "/tasks/{task_id}/log", summary="Read the log of a task", tag="History", answer=LogPage, query=LogRange
)
def read_log(call: Call) -> dict[str, Any]:
    """Numbered lines from `from` on; with `q` or `level` only those that fit, and how many there are in all."""
    asked: LogRange = call.query
    with reading.database().read() as session:
        task, _ = reading.find_task(session, call.path["task_id"], call.identity)
        levels = reading.levels_from(asked.level)
        return store.log_lines(session, task, asked.from_, asked.limit, asked.q or None, levels)


@operation(
    "GET", "/tasks/{task_id}/log.txt", summary="Download the log of a task", tag="History", media_type="text/plain"
)
def download_log(call: Call) -> Response:
    """All lines that there are now, as text, also while the task runs."""
    with reading.database().read() as session:
        task, _ = reading.find_task(session, call.path["task_id"], call.identity)
    response = Response(_text_lines(reading.database(), task), mimetype="text/plain")
    response.headers["Content-Disposition"] = f'attachment; filename="log-{task.id[:8]}.txt"'
    return response


@operation("GET", "/tasks/{task_id}/results", summary="Read the results", tag="History", answer=Results, refuses=(409,))
def read_results(call: Call) -> Response:
    """What the job returned, once it has completed."""
    with reading.database().read() as session:
        task, _ = reading.find_task(session, call.path["task_id"], call.identity)
    if task.state != State.COMPLETED or task.results is None:
        ended = f"This task has ended without results: it is {task.state}."
        raise Conflict(ended if is_final(task.state) else "This task has not completed yet, so it has no results.")
    return Response(orjson.dumps(task.results, option=orjson.OPT_INDENT_2), mimetype=JSON)


@operation("GET", "/tasks/{task_id}/artifacts", summary="List the files of a task", tag="History", answer=ArtifactPage)
def list_artifacts(call: Call) -> dict[str, Any]:
    """Every file that the job has made so far."""
    with reading.database().read() as session:
        task, _ = reading.find_task(session, call.path["task_id"], call.identity)
        names = store.artifact_names(session, task)
    address = f"{PREFIX}/tasks/{task.id}/artifacts"
    items = [{"name": n, "content_type": kind, "size": size, "url": f"{address}/{quote(n)}"} for n, kind, size in names]
    return {"items": items, "next_cursor": None}


@operation(
    "GET",
    "/tasks/{task_id}/artifacts/{name}",
    summary="Download a file of a task",
    tag="History",
    media_type="application/octet-stream",
)
def download_artifact(call: Call) -> Response:
    """The file as the job made it, always as a download."""
    with reading.database().read() as session:
        task, _ = reading.find_task(session, call.path["task_id"], call.identity)
        if "\0" in call.path["name"]:
            raise NotFound("This task has no file of that name.")
        found = store.artifact(session, task, call.path["name"])
    response = send_file(
        BytesIO(found.content), found.content_type, as_attachment=True, download_name=found.name.rpartition("/")[2]
    )
    response.headers.update(NEVER_SHOWN)
    return response


def _text_lines(database: Database, task: Task) -> Iterator[str]:
    """The lines up to the newest one of now, each page read in a transaction of its own."""
    after = 0
    while after < task.log_total:
        with database.read() as session:
            lines = store.log_lines(session, task, after + 1, LINES_AT_ONCE)["lines"]
        if not lines:
            return
        after = lines[-1]["n"]
        yield "".join(map(store.text_line, lines))
