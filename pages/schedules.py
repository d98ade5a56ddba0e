"""Schedules: the list with one chosen beside it, and what can be done to them. All of it works without JavaScript."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import Blueprint, redirect, render_template, request
from flask_login import current_user, login_required
from werkzeug.wrappers import Response

import extensions
from pages import logins, reading
from pages import schedule_words as said
from pages.view import task_view
from tasks import listing
from tasks.errors import Conflict, TaskroomError
from tasks.registry import jobs_for
from tasks.schedules import recipes
from tasks.schedules.recipes import Schedules

blueprint = Blueprint("schedules", __name__)
LIST = "/schedules"
ROWS = 50
RUNS_IN_ROW = 10
LAST_RUNS = 5
FILTERS = ("q", "kind", "status", "active")


@blueprint.get("/schedules")
@login_required
def schedule_list() -> str:
    """The schedules that this person may see."""
    return _page(None)


@blueprint.get("/schedules/<uuid:schedule_id>")
@login_required
def schedule(schedule_id: UUID) -> str:
    """The same list, with this one beside it."""
    return _page(str(schedule_id))


@blueprint.post("/schedules/<uuid:schedule_id>/run")
@login_required
def run(schedule_id: UUID) -> Response | tuple[str, int]:
    """Start its task now, and show it; where one is under way already, show that."""
    try:
        task_id = commands().run_now(current_user.identity, str(schedule_id), logins.actor())
    except Conflict as error:
        if not (error.details and "task_id" in error.details):
            return _page(str(schedule_id), error), error.status
        task_id = error.details["task_id"]
    except TaskroomError as error:
        if error.status in (403, 404):
            raise
        return _page(str(schedule_id), error), error.status
    return redirect(f"/tasks/{task_id}", code=303)


@blueprint.post("/schedules/<uuid:schedule_id>/active")
@login_required
def switch(schedule_id: UUID) -> Response | tuple[str, int]:
    """Pause it, or let it run again."""
    wished = {"active": request.form.get("active") == "true"}
    try:
        commands().change(current_user.identity, str(schedule_id), wished, logins.actor())
    except TaskroomError as error:
        if error.status in (403, 404):
            raise
        return _page(str(schedule_id), error), error.status
    return redirect(f"{LIST}/{schedule_id}", code=303)


@blueprint.get("/schedules/<uuid:schedule_id>/remove")
@login_required
def ask_remove(schedule_id: UUID) -> str:
    """The question before a removal."""
    with reading.database().read() as session:
        found, owner = recipes.find_changeable(session, str(schedule_id), current_user.identity)
        shown = recipes.shown(session, found, owner, reading.now())
        runs = listing.count_tasks(session, current_user.identity, listing.Filters(schedule_id=found.id))
    return render_template("pages/schedule_remove.html", schedule=shown, runs=runs)


@blueprint.post("/schedules/<uuid:schedule_id>/remove")
@login_required
def remove(schedule_id: UUID) -> Response:
    """Remove it; its tasks stay."""
    commands().remove(current_user.identity, str(schedule_id), logins.actor())
    return redirect(LIST, code=303)


def commands() -> Schedules:
    """What may be done to schedules."""
    room = extensions.current()
    return Schedules(room.database, room.tasks)


def _page(chosen_id: str | None, error: TaskroomError | None = None) -> str:
    identity, now = current_user.identity, reading.now()
    asked = {name: request.args[name][:200] for name in FILTERS if request.args.get(name)}
    with reading.database().read() as session:
        cursor = request.args.get("cursor") or None
        items, following = recipes.listed(session, identity, _filters(asked), cursor, ROWS)
        last = recipes.last_runs(session, identity, [each["id"] for each in items], RUNS_IN_ROW)
        total, active, next_at = recipes.counts(session, identity)
        chosen = None
        if chosen_id or items:
            found, owner = recipes.find(session, chosen_id or items[0]["id"], identity)
            chosen = recipes.shown(session, found, owner, now)
            runs = listing.list_tasks(session, identity, listing.Filters(schedule_id=found.id), limit=LAST_RUNS)
            chosen |= {
                "may": _is_mine(chosen),
                "times": [said.moment(each, chosen["timezone"], now) for each in chosen["next_times"]],
                "clock_note": said.clock_note(chosen, now),
                "last": said.moment(chosen["last_run_at"], "UTC", now),
                "last_runs": [task_view(reading.snapshot_of(session, *each), now) for each in runs.items],
                "outcome": said.OUTCOMES.get(chosen["last_status"] or ""),
            }
    jobs = jobs_for(identity.is_admin)
    return render_template(
        "pages/schedules.html",
        rows=[said.row(each, last[each["id"]], _is_mine(each), now) for each in items],
        chosen=chosen,
        is_chosen=bool(chosen_id),
        titles={job.kind: job.title for job in jobs},
        jobs=jobs,
        asked=asked,
        chips=_chips(asked, {job.kind: job.title for job in jobs}),
        count_words=said.count_words(total, active, next_at),
        total=total,
        error=error,
        next_href=_href({**asked, "cursor": following}) if following else "",
    )


def _filters(asked: Mapping[str, str]) -> recipes.Filters:
    active = {"yes": True, "no": False}.get(asked.get("active", ""))
    status = asked.get("status") if asked.get("status") in recipes.LAST_STATUSES else None
    return recipes.Filters(asked.get("kind"), active, status, asked.get("q"))


def _is_mine(shown: Mapping[str, Any]) -> bool:
    return bool(current_user.identity.is_admin or shown["owner"]["id"] == current_user.identity.user_id)


def _href(query: Mapping[str, str | None]) -> str:
    set_ones = {name: value for name, value in query.items() if value}
    return f"{LIST}?{urlencode(set_ones)}" if set_ones else LIST


def _chips(asked: Mapping[str, str], titles: Mapping[str, str]) -> list[dict[str, Any]]:
    statuses = {each: said.OUTCOMES.get(each, each.capitalize()) for each in recipes.LAST_STATUSES}
    return [
        _chip("Job", "kind", asked, titles),
        _chip("Last status", "status", asked, statuses),
        _chip("Active", "active", asked, {"yes": "Yes", "no": "No, paused"}),
    ]


def _chip(title: str, name: str, asked: Mapping[str, str], options: Mapping[str, str]) -> dict[str, Any]:
    if name in asked:
        value = options.get(asked[name], asked[name])
        clear_href = _href({key: each for key, each in asked.items() if key != name})
        return {"title": title, "set": True, "value": value[:1].lower() + value[1:], "clear_href": clear_href}
    choices = [{"title": words, "href": _href({**asked, name: key})} for key, words in options.items()]
    return {"title": title, "set": False, "options": choices}
