"""The queue and its workers: what waits and for what, who works; pausing, maintenance and draining."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from flask import redirect, render_template, request
from redis.exceptions import RedisError
from werkzeug.wrappers import Response

import extensions
from admin import asked as requests
from admin.frame import blueprint
from admin.job_words import clock_moment
from database import utc_now
from monitoring.queue_view import REASONS
from monitoring.workers import order_drain
from tasks import lifecycle
from tasks import words as said
from tasks.errors import TaskroomError, Unavailable
from tasks.registry import all_jobs

log = logging.getLogger("taskroom.admin")

ADDRESS = "/admin/queue"
REASON_WORDS = {
    "maintenance": "the end of maintenance",
    "queue": "the queue to be resumed",
    "kind": "their kind to be resumed",
    "retry": "the time of their next attempt",
    "user_limit": "a place within their owner's limit",
    "all_limit": "a place within the limit of all",
    "worker": "a free worker",
    "no_worker": "any worker: none runs",
    "sending": "nothing: they are sent right now",
}
WORKER_WORDS = {
    "idle": "Idle",
    "running": "Working",
    "draining": "Draining",
    "silent": "Silent",
    "stopped": "Stopped",
}
WORKER_BADGES = {
    "idle": "unsure", "running": "running", "draining": "cancelling", "silent": "silent", "stopped": "cancelled",
}  # fmt: skip
GONE = ("silent", "stopped")


@blueprint.get("/queue")
def queue() -> str:
    """What waits, what for, and who works."""
    return _page()


@blueprint.post("/queue/pause")
def pause() -> Response:
    """Pause the queue, or one kind of job."""
    kinds = _known_kinds()
    if kinds or not request.form.getlist("kind"):
        lifecycle.pause(requests.database(), requests.actor(), requests.reason(), kinds)
    return _told()


@blueprint.post("/queue/resume")
def resume() -> Response:
    """Resume the queue, or one kind of job."""
    kinds = request.form.getlist("kind")[:100]
    lifecycle.resume(requests.database(), requests.actor(), requests.reason(), kinds)
    return _told()


@blueprint.post("/queue/maintenance")
def maintenance() -> Response:
    """Begin or end it."""
    change = lifecycle.begin_maintenance if request.form.get("on") == "true" else lifecycle.end_maintenance
    change(requests.database(), requests.actor(), requests.reason())
    return _told()


@blueprint.post("/queue/drain")
def drain() -> Response | tuple[str, int]:
    """Have one worker end its task and exit."""
    room, name = extensions.current(), request.form.get("worker", "")[:200]
    try:
        order_drain(room.redis, room.config.redis_prefix, room.database, name, requests.actor())
    except RedisError:
        away = Unavailable("Redis is away: no worker can be reached now.")
        return _page(away), away.status
    except TaskroomError as error:
        return _page(error), error.status
    return redirect(ADDRESS, code=303)


def _page(error: TaskroomError | None = None) -> str:
    now = utc_now()
    look = extensions.current().queue_view.look()
    found = look["queue"]
    jobs = all_jobs()
    return render_template(
        "admin/queue.html",
        error=error,
        queue=found,
        lines=[_line(name, line, now) for name, line in found["by_priority"].items()],
        reasons=[(name, REASON_WORDS[name], found["waits_for"][name]) for name in REASONS],
        reason_words=REASON_WORDS,
        oldest=[{**each, "waits": _since(each["queued_at"], now)} for each in found["oldest"]],
        workers=None if look["workers"] is None else [_worker(each, now) for each in look["workers"]],
        worker_words=WORKER_WORDS,
        worker_badges=WORKER_BADGES,
        blank=_worker({"name": "", "host": "", "state": "idle", "wants_drain": False}, now),
        kinds=[(job.kind, job.title, found["paused_kinds"].get(job.kind)) for job in jobs],
        clock=lambda at: clock_moment(at, now),
        now=now,
    )


def _line(name: str, line: dict[str, Any], now: datetime) -> dict[str, Any]:
    return {
        "name": name,
        "waiting": line["waiting"],
        "since": line["oldest_at"],
        "longest": _since(line["oldest_at"], now),
    }


def _worker(worker: dict[str, Any], now: datetime) -> dict[str, Any]:
    """A worker as its row says it."""
    task, memory, cpu = worker.get("task"), worker.get("memory_bytes"), worker.get("cpu_percent")
    return {
        **worker,
        "task": task,
        "up": _up(worker, now),
        "lease": _since(task["lease_renewed_at"], now) if task else said.UNKNOWN,
        "memory": said.UNKNOWN if memory is None else f"{memory / 1e6:,.0f} MB",
        "cpu": said.UNKNOWN if cpu is None else f"{cpu:.0f} %",
        "can_drain": worker["state"] in ("idle", "running") and not worker["wants_drain"],
        "draining": worker["wants_drain"] and worker["state"] in ("idle", "running"),
    }


def _up(worker: dict[str, Any], now: datetime) -> str:
    """For how long it has been up, or when it was heard last."""
    if worker["state"] in GONE:
        seen = said.parse_time(worker.get("seen_at"))
        return f"seen {said.ago(seen, now)}" if seen else said.UNKNOWN
    return _since(worker.get("started_at"), now)


def _since(at: str | None, now: datetime) -> str:
    """For how long, in whole units; "–" for no time."""
    since = said.parse_time(at)
    return said.duration((now - since).total_seconds() * 1000) if since else said.UNKNOWN


def _known_kinds() -> list[str]:
    known = {job.kind for job in all_jobs()}
    return [kind for kind in request.form.getlist("kind") if kind in known]


def _told() -> Response:
    """Tell everybody what holds now, and go back to where the order was given."""
    try:
        extensions.current().status.announce()
    except RedisError:
        log.warning("other web processes find out by themselves that the queue's control has changed")
    wanted = request.form.get("next", "")
    is_ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return redirect(wanted if is_ours else ADDRESS, code=303)
