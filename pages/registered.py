"""Registered repositories: the list with the state of each one's last scan, adding, scanning, removing, and history.

All of it works without JavaScript; with it, the last scan's row changes in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import Blueprint, redirect, render_template, request
from flask_login import current_user, login_required
from werkzeug.wrappers import Response

from extensions import offload
from jobs.trace_scan import registered, repositories
from pages import format as words
from pages import reading
from pages.outcome import in_a_row
from pages.repositories import repositories_below
from pages.view import task_view
from tasks.errors import Conflict, InvalidParams, RateLimited, TaskroomError

blueprint = Blueprint("registered", __name__)
LIST = "/repositories"
HISTORY = 50
NUMBERS = (
    ("requirements", "Requirements"),
    ("traced", "Traced"),
    ("links", "Links"),
    ("broken_links", "Broken"),
    ("missing_links", "Missing"),
)
FIELDS = ("name", "source", "ref")


@blueprint.get("/repositories")
@login_required
def repository_list() -> str:
    """Every registered repository, by name, and the form that adds one."""
    return _list_page()


@blueprint.post("/repositories")
@login_required
def add() -> Response | tuple[str, int]:
    """Register a repository; what is wrong is said at its field, with everything typed still there."""
    typed = {name: request.form.get(name, "").strip() for name in FIELDS}
    settings = reading.config()
    args = (reading.database(), settings, typed["name"], typed["source"], typed["ref"], current_user.identity.user_id)
    try:
        made = offload(repositories.register, *args)
    except InvalidParams as error:
        return _list_page(typed, error.problems), error.status
    except Conflict as error:
        return _list_page(typed, {"name": error.message}), error.status
    return redirect(f"{LIST}#repository-{made['id']}", code=303)


@blueprint.get("/repositories/<int(max=2147483647):number>")
@login_required
def repository(number: int) -> str:
    """One repository: where it is, its last scan, and every scan by its commit."""
    return _one_page(number)


@blueprint.post("/repositories/<int(max=2147483647):number>/scan")
@login_required
def scan(number: int) -> Response | tuple[str, int]:
    """Start a scan and go back to where it was asked for; where one is under way already, that one shows there."""
    with reading.database().read() as session:
        repositories.find(session, number)
    try:
        reading.submit(current_user.identity, registered.KIND, {"repository_id": number})
    except Conflict as error:
        if not _is_seen(number):
            return _refused(number, error)
    except (InvalidParams, RateLimited) as error:
        return _refused(number, error)
    there = LIST if request.form.get("from") == "list" else f"{LIST}/{number}"
    return redirect(f"{there}#repository-{number}", code=303)


@blueprint.get("/repositories/<int(max=2147483647):number>/remove")
@login_required
def ask_remove(number: int) -> Response | str:
    """The question before a removal; it names what stays and what goes."""
    with reading.database().read() as session:
        found = repositories.shown(repositories.find(session, number))
        scans = registered.history(session, current_user.identity, number, limit=1)["total"]
    if not registered.may_remove(found, current_user.identity):
        return redirect(f"{LIST}/{number}", code=303)
    return render_template("pages/repository_remove.html", repository=found, scans=scans)


@blueprint.post("/repositories/<int(max=2147483647):number>/remove")
@login_required
def remove(number: int) -> Response | tuple[str, int]:
    """Remove the registration; its scans stay."""
    try:
        registered.remove(reading.database(), current_user.identity, number)
    except Conflict as error:
        return _refused(number, error)
    return redirect(LIST, code=303)


def _list_page(typed: Mapping[str, str] | None = None, problems: Mapping[str, str] | None = None) -> str:
    identity, now = current_user.identity, reading.now()
    with reading.database().read() as session:
        found = repositories.listed(session)
        scans = registered.last_scans(session, identity, [each["id"] for each in found])
        snapshots = {number: reading.snapshot_of(session, *pair) for number, pair in scans.items()}
    settings = reading.config()
    return render_template(
        "pages/repositories.html",
        rows=[_row(each, snapshots.get(each["id"]), now) for each in found],
        typed=typed or {},
        problems=problems or {},
        known=offload(repositories_below, settings.scan_roots),  # a slow disk must not hold the loop
        git_hosts=settings.git_hosts,
    )


def _one_page(number: int, error: TaskroomError | None = None) -> str:
    identity, now = current_user.identity, reading.now()
    with reading.database().read() as session:
        found = repositories.shown(repositories.find(session, number))
        last = registered.last_scans(session, identity, [number]).get(number)
        snapshot = reading.snapshot_of(session, *last) if last else None
        names = registered.names_of(session, [found["created_by"]])
        page = registered.history(session, identity, number, request.args.get("cursor") or None, HISTORY)
    cursor = page["next_cursor"]
    return render_template(
        "pages/repository.html",
        row=_row(found, snapshot, now),
        added=words.moment(found["created_at"], now),
        added_by=names.get(found["created_by"] or 0, ""),
        history=[_past(each, now) for each in page["items"]],
        numbers=NUMBERS,
        error=error,
        next_href=f"{LIST}/{number}?cursor={cursor}" if cursor else "",
    )


def _row(found: dict[str, Any], snapshot: Mapping[str, Any] | None, now: datetime) -> dict[str, Any]:
    return {
        **found,
        "may_remove": registered.may_remove(found, current_user.identity),
        "last": task_view(snapshot, now) if snapshot else None,
        "result": in_a_row(snapshot) if snapshot else "",
        "commit": ((snapshot or {}).get("results") or {}).get("commit"),
    }


def _past(each: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    return {
        "scan_id": each["scan_id"],
        "commit": each["commit"],
        "finished": words.moment(each["finished_at"], now),
        "took": words.measured(each["duration_ms"]),
        "counts": [words.count(each["counters"][name]) for name, _ in NUMBERS],
        "changed": each["counters"]["changed_files"],
        "is_broken": each["counters"]["broken_links"] > 0,
    }


def _is_seen(number: int) -> bool:
    """Whether the scan that is under way shows on this person's page."""
    with reading.database().read() as session:
        last = registered.last_scans(session, current_user.identity, [number]).get(number)
    return last is not None and last[0].finished_at is None


def _refused(number: int, error: TaskroomError) -> tuple[str, int]:
    return _one_page(number, error), error.status
