"""A task's page in every state, and its tabs.

A task that the person may not see answers exactly as an unknown one does: `NotFound`, which is the error page 404.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from flask import Blueprint, render_template, request
from flask_login import current_user, login_required

from pages import format as words
from pages import reading
from pages.details import param_facts
from pages.log_view import asked_log, log_view
from pages.notifications import about_task
from pages.outcome import outcome
from pages.progress import LABELS, LEFT_OUT_DETAILS, PhaseView, Snapshot, phase_views
from pages.results import plain_results, result_templates, results_page, tab_items
from pages.view import TaskView, task_view
from tasks.errors import NotFound
from tasks.registry import all_jobs
from tasks.states import ACTIVE

blueprint = Blueprint("tasks", __name__)


@blueprint.get("/tasks/<uuid:task_id>")
@login_required
def task_page(task_id: UUID) -> str:
    """The task as it is now, whatever its state; finished, its results."""
    return _render(str(task_id), "overview")


@blueprint.get("/tasks/<uuid:task_id>/<tab>")
@login_required
def task_tab(task_id: UUID, tab: str) -> str:
    """One of the further parts of a task: its log, its details, or a part of its results."""
    return _render(str(task_id), tab)


def _render(task_id: str, tab: str) -> str:
    task = reading.task(task_id, current_user.identity)
    if task["status"] in ACTIVE and not task.get("details"):
        task = {**task, "details": dict.fromkeys(reading.usual_details(task["kind"]))}
    now = reading.now()
    view = task_view(task, now)
    own_tabs = {each.name for each in results_page(task["kind"]).tabs} if task.get("results") else set()
    if tab not in {"overview", "log", "details", *own_tabs}:
        raise NotFound("There is no such page, or you may not see it.")
    job = next((each for each in all_jobs() if each.kind == task["kind"]), None)
    asked = asked_log(request.args)
    shows_log = not view.is_final or tab == "log" or (tab == "overview" and not task.get("results"))
    log = log_view(task, asked, *reading.log_lines(task, asked)) if shows_log else None
    return render_template(
        "pages/task.html",
        task=view,
        tab=tab,
        job=job,
        log=log,
        outcome=outcome(task),
        page_title=page_title(view),
        can_act=reading.can_act(task, current_user.identity),
        tab_items=tab_items(task, tab),
        detail_labels=LABELS,
        left_out_details=LEFT_OUT_DETAILS,
        empty_phase=empty_phase(task, now),
        param_facts=param_facts,
        plain_results=plain_results,
        **about_task(task, view.is_final),
        **_results(task, tab),
    )


def _results(task: Snapshot, tab: str) -> dict[str, object]:
    """The variables of the results' template; its context may add to them and replace none."""
    page = results_page(task["kind"])
    results = task.get("results")
    is_asked = bool(results or page.always) and tab not in ("log", "details")
    further = page.context(task, tab, request.args) if page.context and is_asked else {}
    templates = result_templates(task["kind"], tab) if results else ["results/any.html"]
    brought = {"result_styles": page.styles, "result_scripts": page.scripts}
    return {**further, **brought, "results": results, "results_templates": templates, "raw": task}


def page_title(view: TaskView) -> str:
    """The title of the tab: how far, or how it ended, and what."""
    said = {"completed": "Done", "failed": "Failed", "cancelled": "Cancelled"}.get(view.status, "")
    percent = view.percent if view.percent != words.UNKNOWN else ""
    if view.percent.endswith(" %") and view.status != "completed":
        percent = f"{view.percent_value.split('.')[0]} %"
    return " · ".join(part for part in (said or percent, view.title) if part)


def empty_phase(task: Snapshot, now: datetime) -> PhaseView:
    """A phase without words, for the template that JavaScript clones."""
    blank = {"name": "", "title": "", "weight": 1, "state": "pending"}
    view = next(iter(phase_views({**task, "phases": [blank]}, now, is_moving=False)))
    return replace(view, note="")
