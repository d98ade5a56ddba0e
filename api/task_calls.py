"""Starting, listing, watching, cancelling and retrying tasks; and the jobs there are to start."""

from __future__ import annotations

from typing import Any

from flask import request

from api import reading
from api.operations import PREFIX, Call, Reply, operation
from api.task_inputs import CancelTask, Nothing, StartHeaders, StartTask, TaskFilters
from api.task_shapes import JobPage, Snapshot, TaskPage
from tasks import listing, registry
from tasks.registry import Job

TASK_LOCATION = {"Location": "The address of the task."}


@operation("GET", "/jobs", summary="List the jobs that you may start", tag="Tasks", answer=JobPage)
def list_jobs(call: Call) -> dict[str, Any]:
    """Each with its parameters as JSON Schema."""
    items = [job_shape(job) for job in registry.jobs_for(call.identity.is_admin)]
    return {"items": items, "next_cursor": None}


@operation(
    "POST",
    "/tasks",
    summary="Start a task",
    tag="Tasks",
    status=202,
    answer=Snapshot,
    answer_headers=TASK_LOCATION,
    body=StartTask,
    headers=StartHeaders,
    refuses=(404, 409),
)
def start_task(call: Call) -> Reply:
    """Answers as soon as the task is stored; a worker takes it then. A repeated `Idempotency-Key` starts nothing."""
    asked: StartTask = call.body
    task_id, _ = reading.commands().submit(
        call.identity,
        asked.kind,
        asked.params,
        title=asked.title,
        priority=asked.priority,
        visibility=asked.visibility,
        notify=asked.notify,
        idempotency_key=call.headers.idempotency_key,
        address=request.remote_addr,
    )
    return _accepted(call, task_id)


@operation("GET", "/tasks", summary="List tasks", tag="Tasks", answer=TaskPage, query=TaskFilters, refuses=(400,))
def list_tasks(call: Call) -> dict[str, Any]:
    """The tasks that you may see, as the database has them. A cursor goes on in the sorting that gave it out."""
    asked: TaskFilters = call.query
    filters = listing.Filters(
        states=asked.state,
        kind=asked.kind or None,
        text=asked.q or None,
        mine=asked.mine,
        owner=asked.owner or None,
        schedule_id=asked.schedule_id or None,
        since=asked.from_,
        until=asked.to,
    )
    sort = listing.Sort(asked.sort)
    items, cursor = reading.list_aside(call.identity, filters, asked.cursor or None, asked.limit, sort)
    return {"items": items, "next_cursor": cursor}


@operation("GET", "/tasks/{task_id}", summary="Show a task", tag="Tasks", answer=Snapshot)
def show_task(call: Call) -> dict[str, Any]:
    """The whole state of the task now. A task that you may not see is not found."""
    return reading.snapshot(call.identity, call.path["task_id"])


@operation(
    "POST",
    "/tasks/{task_id}/cancel",
    summary="Cancel a task",
    tag="Tasks",
    status=202,
    answer=Snapshot,
    body=CancelTask,
    body_required=False,
    refuses=(409,),
)
def cancel_task(call: Call) -> dict[str, Any]:
    """A queued task is cancelled at once. A running one is asked to stop: it is cancelled once `status` says so."""
    task_id = reading.task_id(call.path["task_id"])
    reading.commands().cancel(call.identity, task_id, call.body.reason)
    return reading.snapshot(call.identity, task_id)


@operation(
    "POST",
    "/tasks/{task_id}/retry",
    summary="Run a task again",
    tag="Tasks",
    status=202,
    answer=Snapshot,
    answer_headers=TASK_LOCATION,
    body=Nothing,
    body_required=False,
    refuses=(409,),
)
def retry_task(call: Call) -> Reply:
    """Starts a new task from the parameters of one that has ended; the two name each other."""
    task_id = reading.task_id(call.path["task_id"])
    return _accepted(call, reading.commands().retry(call.identity, task_id, request.remote_addr))


def job_shape(job: Job) -> dict[str, Any]:
    """A job as people and programs that want to start it see it."""
    return {
        "kind": job.kind,
        "title": job.title,
        "description": job.description,
        "icon": job.icon,
        "verb": job.verb,
        "params": job.schema(),
        "phases": [{"name": each.name, "title": each.title, "weight": each.weight} for each in job.phases],
        "timeout_s": job.timeout_s,
        "retry": {"max_attempts": job.retry.max_attempts, "backoff_s": job.retry.backoff_s},
    }


def _accepted(call: Call, task_id: str) -> Reply:
    return Reply(reading.snapshot(call.identity, task_id), {"Location": f"{PREFIX}/tasks/{task_id}"})
