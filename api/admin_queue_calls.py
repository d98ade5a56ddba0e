"""What admins do to everybody's tasks, to the queue and to its workers."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import RedisError

import extensions
from api import reading
from api.admin_queue_shapes import (
    AllTasksPage,
    BulkAction,
    BulkAnswer,
    JobFilters,
    Maintenance,
    NotePage,
    Pause,
    QueueShape,
    Selection,
    Status,
    Worker,
    WorkerPage,
)
from api.operations import Call, operation
from api.task_inputs import Nothing
from database import rfc3339, utc_now
from delivery import server_status
from monitoring.workers import order_drain
from tasks import administration, job_list, lifecycle, notes
from tasks.administration import MAX_AT_ONCE, Action, Administration, Order
from tasks.errors import InvalidParams, Unavailable
from tasks.registry import all_jobs
from tasks.states import Priority

log = logging.getLogger("taskroom.api")

NO_REDIS = "Redis is away: nothing is known of the workers now."


@operation(
    "GET",
    "/admin/tasks",
    summary="List everybody's tasks",
    tag="Admin",
    answer=AllTasksPage,
    query=JobFilters,
    refuses=(400,),
)
def list_all_tasks(call: Call) -> dict[str, Any]:
    """As the database has them, sorted as you ask, with the number of all that match."""
    asked: JobFilters = call.query
    room, now = extensions.current(), utc_now()
    filters = _filters(asked)

    def read() -> job_list.JobPage:
        with room.analysis.read() as session:
            return job_list.list_jobs(session, filters, now, asked.sort, asked.cursor, asked.limit)

    page = extensions.offload_read(read)
    with room.database.read() as session:
        items = reading.shown(session, call.identity, page.items)
    return {"items": items, "total": page.total, "next_cursor": page.next_cursor}


@operation(
    "POST",
    "/admin/tasks/bulk",
    summary="Act on many tasks",
    tag="Admin",
    answer=BulkAnswer,
    body=BulkAction,
)
def act_on_tasks(call: Call) -> dict[str, Any]:
    """One task after the other, each in a transaction of its own with its entry in the audit log. What a task has
    become meanwhile decides: `outcome` says what happened to it.
    """
    asked: BulkAction = call.body
    order, as_of = _order(asked), utc_now()
    ids, matched = _selected(asked, as_of)
    room = extensions.current()
    orders = Administration(room.database, room.tasks, lambda: time.sleep(0))
    if asked.dry_run:
        results, words = orders.preview(ids, order), administration.preview_words
    else:
        results, words = orders.act(call.identity, call.actor, ids, order), administration.result_words
    return {
        "dry_run": asked.dry_run,
        "matched": matched,
        "as_of": rfc3339(as_of),
        "summary": words(results),
        "results": [asdict(each) for each in results],
    }


@operation("GET", "/admin/tasks/{task_id}/notes", summary="Read the notes on a task", tag="Admin", answer=NotePage)
def list_task_notes(call: Call) -> dict[str, Any]:
    """What admins have noted on it, newest first."""
    with reading.database().read() as session:
        task, _ = reading.find_task(session, call.path["task_id"], call.identity)
        return {"items": notes.notes_of(session, task.id), "next_cursor": None}


@operation("GET", "/admin/queue", summary="See the queue", tag="Admin", answer=QueueShape)
def show_queue(_call: Call) -> dict[str, Any]:
    """How many tasks wait in which line since when, and for what."""
    found: dict[str, Any] = extensions.current().queue_view.look()["queue"]
    return found


@operation("POST", "/admin/queue/pause", summary="Pause the queue", tag="Admin", answer=Status, body=Pause)
def pause_queue(call: Call) -> dict[str, Any]:
    """From the answer on no task begins, or none of these kinds. Running ones go on, new ones wait."""
    asked: Pause = call.body
    unknown = sorted(set(asked.kinds) - {job.kind for job in all_jobs()})
    if unknown:
        raise InvalidParams({"kinds": f"There is no job {unknown[0][:100]!r}."})
    lifecycle.pause(reading.database(), call.actor, asked.reason, asked.kinds)
    return _told()


@operation(
    "POST",
    "/admin/queue/resume",
    summary="Resume the queue",
    tag="Admin",
    answer=Status,
    body=Pause,
    body_required=False,
)
def resume_queue(call: Call) -> dict[str, Any]:
    """Of what was paused by its kind, only what you name."""
    asked: Pause = call.body
    lifecycle.resume(reading.database(), call.actor, asked.reason, asked.kinds)
    return _told()


@operation("GET", "/admin/workers", summary="List the workers", tag="Admin", answer=WorkerPage)
def list_workers(_call: Call) -> dict[str, Any]:
    """What each does and uses. Those that ended or fell silent stay for ten minutes."""
    found = extensions.current().queue_view.look()["workers"]
    if found is None:
        raise Unavailable(NO_REDIS)
    return {"items": found, "next_cursor": None}


@operation(
    "POST",
    "/admin/workers/{name}/drain",
    summary="Drain a worker",
    tag="Admin",
    status=202,
    answer=Worker,
    body=Nothing,
    body_required=False,
    refuses=(409,),
)
def drain_worker(call: Call) -> dict[str, Any]:
    """It ends its task, takes no more, and exits; `serve` and `worker --concurrency` start a fresh one in its place."""
    room = extensions.current()
    name, actor = call.path["name"], call.actor
    try:
        return {**order_drain(room.redis, room.config.redis_prefix, room.database, name, actor), "task": None}
    except RedisError:
        raise Unavailable(NO_REDIS) from None


@operation(
    "POST", "/admin/maintenance", summary="Begin or end maintenance", tag="Admin", answer=Status, body=Maintenance
)
def set_maintenance(call: Call) -> dict[str, Any]:
    """During maintenance no new task is taken (503) and none begins; running ones end, schedules wait. When
    `maintenance.running` is 0, nothing is lost by a restart.
    """
    asked: Maintenance = call.body
    change = lifecycle.begin_maintenance if asked.on else lifecycle.end_maintenance
    change(reading.database(), call.actor, asked.reason)
    return _told()


def _told() -> dict[str, Any]:
    """Tell everybody what holds now."""
    room = extensions.current()
    try:
        room.status.announce()
    except RedisError:
        log.warning("other web processes find out by themselves that the queue's control has changed")
    with room.database.read() as session:
        return server_status.shown(session)


def _order(asked: BulkAction) -> Order:
    if asked.action == "priority" and asked.priority is None:
        raise InvalidParams({"priority": "Say which priority."})
    note = (asked.note or "").strip()
    if asked.action == "note" and not note:
        raise InvalidParams({"note": "Write what is to be noted."})
    reason = " ".join((asked.reason or "").split()) or None
    return Order(Action(asked.action), reason, Priority(asked.priority or "normal"), note)


def _selected(asked: BulkAction, as_of: datetime) -> tuple[list[str], int]:
    if (asked.ids is None) == (asked.filter is None):
        raise InvalidParams({"ids": "Give either ids or a filter."})
    if asked.ids is not None:
        ids = list(dict.fromkeys(reading.task_id(each) for each in asked.ids))
        return ids, len(ids)
    filters, room = _filters(asked.filter), extensions.current()

    def read() -> tuple[list[str], int]:
        with room.analysis.read() as session:
            return job_list.matching_ids(session, filters, as_of, MAX_AT_ONCE)

    return extensions.offload_read(read)


def _filters(asked: JobFilters | Selection | None) -> job_list.JobFilters:
    assert asked is not None
    return job_list.JobFilters(
        ids=asked.id if isinstance(asked, JobFilters) else (),
        states=asked.state,
        kind=asked.kind or None,
        owner=asked.owner or None,
        priority=asked.priority or None,
        worker=asked.worker or None,
        age=asked.age or None,
        text=asked.q or None,
        as_of=_moment(asked.as_of) if isinstance(asked, Selection) and asked.as_of else None,
    )


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidParams({"filter.as_of": "Write a moment such as 2026-11-21T14:02:10.402Z."}) from None
