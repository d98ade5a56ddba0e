"""The test notification: sent the whole way from a worker to whoever asks, and what is known of its way."""

from __future__ import annotations

from typing import Any, Literal

from flask import request

import extensions
from api import reading
from api.operations import PREFIX, Call, Reply, operation
from api.task_shapes import Answer, TaskId
from database import utc_now
from jobs.test_notification.hops import HOPS, known
from jobs.test_notification.job import KIND
from tasks.errors import NotFound

Hop = Literal["began", "stored", "published", "web", "browser", "acknowledged"]


class TestSent(Answer):
    """The task that carries it."""

    __test__ = False

    task_id: TaskId


class HopShape(Answer):
    """`browser` is the way from the web process to the browser and back; unknown is null."""

    name: Hop
    ms: float | None


class TestShape(Answer):
    """As far as the database and the web process that answers know. `missing` is the first hop that has not come."""

    __test__ = False

    task_id: TaskId
    status: str
    hops: list[HopShape]
    missing: Hop | None
    trouble: str | None


@operation(
    "POST",
    "/admin/test-notification",
    summary="Send a test notification",
    tag="Admin",
    status=202,
    answer=TestSent,
    answer_headers={"Location": "Where its way is told."},
)
def send_test_notification(call: Call) -> Reply:
    """A real task in a real worker, ahead of what waits. It comes to your own open tabs and your inbox."""
    tasks = extensions.current().tasks
    # Its end is told by the page that waits for it, and not once more.
    task_id, _ = tasks.submit(call.identity, KIND, {}, priority="urgent", notify=False, address=request.remote_addr)
    return Reply({"task_id": task_id}, {"Location": f"{PREFIX}/admin/test-notification/{task_id}"})


@operation(
    "GET",
    "/admin/test-notification/{task_id}",
    summary="Follow a test notification",
    tag="Admin",
    answer=TestShape,
)
def show_test_notification(call: Call) -> dict[str, Any]:
    """Milliseconds from hop to hop, and after some seconds a sentence on what is broken."""
    task = reading.snapshot(call.identity, call.path["task_id"])
    if task["kind"] != KIND:
        raise NotFound("This task is no test notification.")
    arrived, round_trip_ms = extensions.current().test_trace.about(task["task_id"])
    found = known(task, arrived, round_trip_ms, utc_now())
    return {
        "task_id": task["task_id"],
        "status": task["status"],
        "hops": [{"name": name, "ms": found.ms[name]} for name in HOPS],
        "missing": found.missing,
        "trouble": found.trouble,
    }
