"""The page of the test notification: which part of the way from a worker to this browser takes how long."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import redirect, render_template, request
from flask_login import current_user
from werkzeug.wrappers import Response

import extensions
from admin.frame import blueprint
from database import utc_now
from jobs.test_notification.hops import HOPS, known
from jobs.test_notification.job import KIND
from tasks.errors import NotFound

WORDS = {
    "began": ("A worker begins", "from the queue to a worker"),
    "stored": ("Stored", "until the database has it"),
    "published": ("Published", "until the worker hands it to Redis"),
    "web": ("Web process has it", "from the worker through Redis to the web process"),
    "browser": ("Browser has it", "from the web process to the browser and back"),
    "acknowledged": ("Acknowledged", "from the browser to the web process and back"),
}


@blueprint.get("/test")
def test_page() -> str:
    """The button, and what each hop is."""
    return _page(None)


@blueprint.get("/test/<uuid:task_id>")
def test_of_task(task_id: UUID) -> str:
    """One test notification, as far as the server knows."""
    return _page(str(task_id))


@blueprint.post("/test")
def send_test() -> Response:
    """Send one; with scripts this is done over the API instead, so that the page stays and hears it come."""
    task_id, _ = extensions.current().tasks.submit(
        current_user.identity, KIND, {}, priority="urgent", notify=False, address=request.remote_addr
    )
    return redirect(f"/admin/test/{task_id}", code=303)


def _page(task_id: str | None) -> str:
    room = extensions.current()
    task: dict[str, Any] | None = None
    ms: dict[str, float | None] = dict.fromkeys(HOPS)
    missing, trouble = None, None
    if task_id is not None:
        task = room.tasks.snapshot(current_user.identity, task_id)
        if task["kind"] != KIND:
            raise NotFound("There is no such page, or you may not see it.")
        arrived, round_trip_ms = room.test_trace.about(task_id)
        found = known(task, arrived, round_trip_ms, utc_now())
        ms, missing, trouble = found.ms, found.missing, found.trouble
    hops = [(name, *WORDS[name], _milliseconds(ms[name])) for name in HOPS]
    return render_template("admin/test_notification.html", task=task, hops=hops, missing=missing, trouble=trouble)


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f} ms"
