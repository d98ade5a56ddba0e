"""What a person does to a task without JavaScript: cancel it, run it again. Each answers with a redirect (303)."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from flask import Blueprint, redirect, render_template, request
from flask_login import current_user, login_required
from werkzeug.wrappers import Response

from pages import format as words
from pages import reading
from pages.states import FINAL
from pages.view import TaskView, task_view
from tasks.errors import Conflict

blueprint = Blueprint("task_actions", __name__)
MAX_REASON = 500


@blueprint.get("/tasks/<uuid:task_id>/cancel")
@login_required
def ask_cancel(task_id: UUID) -> Response | str:
    """The question before a cancel, as a page of its own; with JavaScript it is a dialog."""
    task = reading.task(str(task_id), current_user.identity)
    if task["status"] in FINAL or not reading.can_act(task, current_user.identity):
        return redirect(f"/tasks/{task_id}", code=303)
    return render_template("pages/cancel.html", task=task_view(task, reading.now()))


@blueprint.post("/tasks/<uuid:task_id>/cancel")
@login_required
def cancel(task_id: UUID) -> Response:
    """Ask for the cancel. The page then shows it as asked for; only the job's end confirms it.

    Where the task has ended meanwhile, its page says how.
    """
    reason = request.form.get("reason", "").strip()[:MAX_REASON] or None
    with suppress(Conflict):
        reading.cancel(current_user.identity, str(task_id), reason)
    return redirect(f"/tasks/{task_id}", code=303)


@blueprint.post("/tasks/<uuid:task_id>/retry")
@login_required
def retry(task_id: UUID) -> Response:
    """Start a new task from the same parameters and go to its page; a second click goes to the one of the first."""
    try:
        new_id = reading.retry(current_user.identity, str(task_id), request.remote_addr)
    except Conflict as error:
        if not (error.details and "task_id" in error.details):
            raise
        new_id = error.details["task_id"]
    return redirect(f"/tasks/{new_id}", code=303)


@blueprint.app_template_global("cancel_words")
def cancel_words(view: TaskView) -> str:
    """The consequence of a cancel, with this task's numbers."""
    if view.status == "queued":
        return "It has not started. It leaves the queue and will not run."
    percent = f" and is at {view.percent}" if view.percent != words.UNKNOWN else ""
    span = f"It has run for {view.elapsed.removeprefix('running for ')}{percent}. " if view.elapsed else ""
    return (
        f"{span}The job stops at its next checkpoint, usually within 2 s; what it found so far is not kept as a result."
    )
