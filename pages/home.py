"""Home: what can be started, what runs, what ended, how many of each, and what needs this person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import Blueprint, render_template, request
from flask_login import current_user, login_required

from accounts import Identity
from config import CHECKOUT, Config
from database import rfc3339
from pages import format as words
from pages import reading, schedule_words
from pages.listing import ListAsked
from pages.outcome import in_a_row
from pages.progress import Snapshot
from pages.view import task_view
from tasks.registry import Job, jobs_for
from tasks.schedules import recipes

blueprint = Blueprint("home", __name__)
RUNNING_SHOWN = 12
RECENT_SHOWN = 10
COMING_SHOWN = 4
FIRST_SCAN = "code_scan"
OWN_CODE = "this server’s own code"


@blueprint.get("/")
@login_required
def home() -> str:
    """The first page: true at this moment, live from then on."""
    identity = current_user.identity
    mine = request.args.get("mine") == "1"
    activity = reading.activity(identity, mine, RUNNING_SHOWN, RECENT_SHOWN)
    now = reading.now()
    jobs = jobs_for(identity.is_admin)
    return render_template(
        "pages/home.html",
        identity=identity,
        mine=mine,
        cards=[_card(job) for job in jobs],
        icons={job.kind: job.icon for job in jobs},
        running=[task_view(task, now) for task in activity.running],
        recent=[(task_view(task, now), in_a_row(task)) for task in activity.recent],
        counters=_counters(activity.counters, mine),
        needs_you=_needs(activity.failed_mine, identity.user_id),
        nothing_yet=not (mine or activity.running or activity.recent or any(activity.counters.values())),
        coming=_coming(identity, now),
        first_scan=_first_scan(jobs, reading.config()),
        idle_words=_idle_words(activity.counters),
        running_words=_running_words(activity.counters["running"], activity.counters["queued"]),
    )


def _card(job: Job) -> dict[str, str]:
    usual = reading.usual_duration(job.kind)
    return {
        "kind": job.kind,
        "icon": job.icon,
        "title": job.title,
        "description": job.description,
        "usual": f"usually {usual}" if usual else "time not known yet",
    }


def _counters(counters: dict[str, int], mine: bool) -> list[dict[str, Any]]:
    whose = "1" if mine else ""
    rows = (
        ("running", "Running", "running", ListAsked().href(state="running", mine=whose)),
        ("queued", "Queued", "queued", ListAsked().href(state="queued", mine=whose)),
        (
            "completed_today",
            "Completed today",
            "completed",
            ListAsked().href(state="completed", since="today", mine=whose),
        ),
        ("failed_today", "Failed today", "failed", ListAsked().href(state="failed", since="today", mine=whose)),
    )
    return [
        {"key": key, "title": title, "icon": icon, "href": href, "value": counters[key]}
        for key, title, icon, href in rows
    ]


def _coming(identity: Identity, now: datetime) -> list[dict[str, Any]]:
    with reading.database().read() as session:
        found = recipes.coming(session, identity, COMING_SHOWN)
    return [
        {
            "id": each.id,
            "name": each.name,
            "at": schedule_words.moment(rfc3339(each.next_run_at), each.timezone, now),
            "timezone": each.timezone,
            "waiting": each.waiting,
        }
        for each in found
    ]


def _needs(failed: Sequence[Snapshot], user_id: int) -> list[dict[str, str]]:
    own = [task for task in failed if (task.get("owner") or {}).get("id") == user_id and not task.get("retried_by")]
    if not own:
        return []
    href = f"/tasks/{own[0]['task_id']}" if len(own) == 1 else ListAsked().href(state="failed", since="today", mine="1")
    title = "1 task of yours failed today" if len(own) == 1 else f"{words.count(len(own))} tasks of yours failed today"
    return [{"title": title, "text": own[0]["title"], "href": href, "icon": "failed", "tone": "ink-fail"}]


def _first_scan(jobs: list[Job], config: Config) -> dict[str, Any] | None:
    """The way from an empty house to a first live page: a scan of the first root, which is this checkout by default."""
    if not config.scan_roots or not any(job.kind == FIRST_SCAN for job in jobs):
        return None
    root = config.scan_roots[0]
    is_own = root == CHECKOUT
    return {
        "kind": FIRST_SCAN,
        "verb": "Scan this repository" if is_own else f"Scan {root.name or root}",
        "fields": [("p.repository_path", str(root))],
        "text": f"Scan {OWN_CODE if is_own else 'it'} to see a live page. It takes a few seconds.",
    }


def _idle_words(counters: dict[str, int]) -> str:
    queued = counters["queued"]
    if queued:
        return f"{words.plural(queued, 'task')} {'waits' if queued == 1 else 'wait'} for a worker."
    return "The queue is empty. What you start shows here at once."


def _running_words(running: int, queued: int) -> str:
    return f"{words.count(running)} running, {words.count(queued)} queued" if queued else words.count(running)
