"""Starting a job: its form, and what happens when the form is sent. Works without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, redirect, render_template, request
from flask_login import current_user, login_required
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from extensions import offload
from pages import reading
from pages.forms import SENT_BY_PAGE, read_params, start_form
from pages.repositories import repositories_below
from pages.terminal import terminal
from pages.uploading import sent_form
from pages.view import task_view
from tasks.errors import Conflict, InvalidParams, InvalidPayload, NotFound, RateLimited, TaskroomError
from tasks.registry import Job, find_job

blueprint = Blueprint("start", __name__)
LAST_RUNS = 5
KEEP = "keep_settings"

Defaults = Callable[[int], dict[str, Any]]
Keep = Callable[[int, dict[str, Any]], None]
_own: dict[str, tuple[Defaults, Keep]] = {}


def begin_with(kind: str, defaults: Defaults, keep: Keep) -> None:
    """Have this job's form begin with `defaults(user_id)`, and give it a switch for `keep(user_id, params)`."""
    _own[kind] = (defaults, keep)


@blueprint.get("/start/<kind>")
@login_required
def form(kind: str) -> str:
    """The form, with what the address says already filled in (`?p.repository_path=…`)."""
    job = _job(kind)
    own = _own[kind][0](current_user.identity.user_id) if kind in _own else {}
    return _page(job, own | read_params(job, request.args), {})


@blueprint.post("/start/<kind>")
@login_required
def submit(kind: str) -> Response | tuple[str, int]:
    """Start the job and go to its page; what is wrong is said at its field, with everything typed still there."""
    job = _job(kind)
    sent, problems = sent_form()
    params = read_params(job, sent)
    if problems:
        return _page(job, params, problems, sent), InvalidParams.status
    try:
        task_id = reading.submit(
            current_user.identity,
            job.kind,
            params,
            title=sent.get("title", "").strip()[:300] or None,
            priority=sent.get("priority", "normal"),
            visibility=_visibility(sent),
            idempotency_key=sent.get("idempotency_key", "")[:200] or None,
        )
    except InvalidParams as error:
        return _page(job, params, error.problems, sent), error.status
    except (Conflict, RateLimited, InvalidPayload) as error:
        return _page(job, params, {"": error.message}, sent, error), error.status
    if sent.get(KEEP) and kind in _own:
        _own[kind][1](current_user.identity.user_id, params)
    return redirect(f"/tasks/{task_id}", code=303)


def _job(kind: str) -> Job:
    job = find_job(kind)
    if job.admin_only and not current_user.identity.is_admin:
        raise NotFound("There is no such page, or you may not see it.")
    return job


def _visibility(sent: MultiDict[str, str]) -> str | None:
    """What the switch says; None, the installation's default, where a button elsewhere sent the form without one."""
    return sent.get("visibility") or ("private" if SENT_BY_PAGE in sent else None)


def _page(
    job: Job,
    params: dict[str, Any],
    problems: dict[str, str],
    sent: MultiDict[str, str] | None = None,
    error: TaskroomError | None = None,
) -> str:
    config = reading.config()
    asked = {key: sent[key] for key in ("title", "priority", "visibility", "idempotency_key") if sent and key in sent}
    if sent is not None and "visibility" not in asked:
        asked["visibility"] = "private"
    now = reading.now()
    known = offload(repositories_below, config.scan_roots)  # a slow disk must not hold the loop
    return render_template(
        "pages/start.html",
        job=job,
        base_url=request.url_root.rstrip("/"),
        form=start_form(job, params, known, problems, asked, config.default_visibility),
        terminal=terminal(job, params, request.url_root.rstrip("/")),
        keeps_settings=job.kind in _own,
        is_kept=bool(sent and sent.get(KEEP)),
        queue_words=reading.queue_words(),
        last_runs=[task_view(task, now) for task in reading.last_runs(current_user.identity, job.kind, LAST_RUNS)],
        conflicting=(error.details or {}).get("task_id", "") if error else "",
    )
