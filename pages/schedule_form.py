"""The form of a schedule: the job's own form, and when it is to run. For a new one, a copy, or a change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from flask import Blueprint, redirect, render_template, request
from flask_login import current_user, login_required
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from extensions import offload
from pages import logins, reading
from pages.forms import SENT_BY_PAGE, read_params, start_form
from pages.repositories import repositories_below
from pages.schedules import LIST, commands
from pages.start import find_startable, own_form
from tasks.cron import Cron, time_zones
from tasks.errors import InvalidParams, NotFound
from tasks.registry import jobs_for
from tasks.schedules import recipes

blueprint = Blueprint("schedule_form", __name__)
EVERY_MORNING = "0 6 * * *"
BEGIN = {"cron": EVERY_MORNING, "timezone": "UTC", "active": True, "catch_up": True, "overlap": "skip"}
OWN = ("name", "cron", "timezone", "overlap", "priority")


@blueprint.get("/schedules/new")
@login_required
def choose() -> str:
    """Which job?"""
    return render_template("pages/schedule_choose.html", jobs=jobs_for(current_user.identity.is_admin))


@blueprint.get("/schedules/new/<kind>")
@login_required
def new(kind: str) -> Response | str:
    """An empty form, or one filled in like another schedule (`?from=<id>`) or by the address (`?p.<name>=…`).

    Where there is something to choose first, its page comes first: what is chosen there can be scheduled from there.
    """
    own = own_form(kind, request.args)
    if own and own.template and not request.args.get("from"):
        return redirect(f"/start/{kind}", code=303)
    values: dict[str, Any] = {"params": read_params(find_startable(kind), request.args, _schema(kind, request.args))}
    if request.args.get("from"):
        with reading.database().read() as session:
            found, owner = recipes.find(session, request.args["from"], current_user.identity)
            values = recipes.shown(session, found, owner, reading.now())
            values["name"] = f"{values['name']} (copy)"
    return _form_page(kind, values)


@blueprint.post("/schedules/begin/<kind>")
@login_required
def begin(kind: str) -> str:
    """The form with what was filled in to start the job once."""
    sent = request.form
    values = {**_read(kind, sent), "name": sent.get("title", "").strip()}
    return _form_page(kind, {**values, **BEGIN})


@blueprint.post("/schedules/new/<kind>")
@login_required
def create(kind: str) -> Response | tuple[str, int]:
    """Make it; what is wrong is said at its field, with everything typed still there."""
    values = _read(kind, request.form)
    try:
        made = commands().create(current_user.identity, {**values, "kind": kind}, logins.actor())
    except InvalidParams as error:
        return _form_page(kind, values, error), error.status
    return redirect(f"{LIST}/{made['id']}", code=303)


@blueprint.get("/schedules/<uuid:schedule_id>/edit")
@login_required
def edit(schedule_id: UUID) -> str:
    """The form with what it is."""
    shown = _shown(schedule_id)
    return _form_page(shown["kind"], shown, schedule_id=str(schedule_id))


@blueprint.post("/schedules/<uuid:schedule_id>/edit")
@login_required
def change(schedule_id: UUID) -> Response | tuple[str, int]:
    """Store what was changed."""
    kind = _shown(schedule_id)["kind"]
    values = _read(kind, request.form)
    try:
        commands().change(current_user.identity, str(schedule_id), values, logins.actor())
    except InvalidParams as error:
        return _form_page(kind, values, error, str(schedule_id)), error.status
    return redirect(f"{LIST}/{schedule_id}", code=303)


def _shown(schedule_id: UUID) -> dict[str, Any]:
    with reading.database().read() as session:
        found, owner = recipes.find_changeable(session, str(schedule_id), current_user.identity)
        return recipes.shown(session, found, owner, reading.now())


def _schema(kind: str, asked: Mapping[str, str]) -> Mapping[str, Any] | None:
    own = own_form(kind, asked)
    return own.schema if own else None


def _read(kind: str, sent: MultiDict[str, str]) -> dict[str, Any]:
    """What a sent form holds."""
    values: dict[str, Any] = {name: sent[name].strip() for name in OWN if name in sent}
    values["params"] = read_params(find_startable(kind), sent, _schema(kind, sent))
    values["visibility"] = sent.get("visibility") or ("private" if SENT_BY_PAGE in sent else None)
    return {**values, "active": sent.get("active") == "true", "catch_up": sent.get("catch_up") == "true"}


def _form_page(
    kind: str, values: Mapping[str, Any], error: InvalidParams | None = None, schedule_id: str = ""
) -> str:
    job = find_startable(kind)
    settings = reading.config()
    params = values.get("params") or {}
    own = own_form(kind, {f"p.{name}": value for name, value in params.items() if isinstance(value, str)})
    if own and own.template:
        raise NotFound("Fill in the form that starts this job once, and schedule it from there.")
    problems = dict(error.problems) if error else {}
    own_problems = {name: problems.pop(name) for name in OWN if name in problems}
    known = offload(repositories_below, settings.scan_roots)  # a slow disk must not hold the loop
    form = start_form(
        job,
        params,
        known,
        {name.removeprefix("params."): words for name, words in problems.items()},
        {"priority": values.get("priority") or "normal", "visibility": values.get("visibility") or "private"},
        settings.default_visibility,
        own.schema if own else None,
    )
    title = replace(
        form.title_field,
        name="name",
        label="Name",
        input_name="name",
        value=values.get("name", ""),
        required=True,
        error=own_problems.get("name", ""),
        help="What the schedule and its tasks are called.",
    )
    return render_template(
        "pages/schedule_form.html",
        job=job,
        # Files are sent once; what runs again and again reads a folder.
        form=replace(form, title_field=title, fields=tuple(each for each in form.fields if each.widget != "upload")),
        values={**BEGIN, **values},
        problems=own_problems,
        zones=sorted(time_zones()),
        reading=_reading_of(values),
        schedule_id=schedule_id,
    )


def _reading_of(values: Mapping[str, Any]) -> str:
    try:
        cron = Cron.parse(str(values.get("cron") or EVERY_MORNING), str(values.get("timezone") or "UTC"))
    except InvalidParams:
        return ""
    return cron.reading
