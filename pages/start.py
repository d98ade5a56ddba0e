"""Starting a job: its form, and what happens when the form is sent. Works without JavaScript."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, redirect, render_template, request
from flask_login import current_user, login_required
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from accounts import Identity
from extensions import offload
from pages import reading
from pages.forms import SENT_BY_PAGE, read_params, start_form
from pages.repositories import repositories_below
from pages.terminal import terminal
from pages.uploading import sent_form
from pages.view import task_view
from tasks.errors import (
    Conflict,
    Forbidden,
    InvalidParams,
    InvalidPayload,
    NotFound,
    RateLimited,
    TaskroomError,
    Unavailable,
)
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


@dataclass(frozen=True, slots=True)
class OwnForm:
    """The form of one start, for a job that does not ask everybody for the same: its JSON Schema, heading and text.

    With `template`, a page to show instead of a form: there is something to choose first. `about` is for the page.
    """

    schema: Mapping[str, Any] | None = None
    title: str = ""
    text: str = ""
    template: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)


_forms: dict[str, Callable[[Mapping[str, str], Identity], OwnForm]] = {}


def register_own_form(kind: str, find: Callable[[Mapping[str, str], Identity], OwnForm]) -> None:
    """Have the form of this job found by what the address or the sent form says, and by who asks."""
    _forms[kind] = find


def own_form(kind: str, asked: Mapping[str, str]) -> OwnForm | None:
    """The form that this job has for what is asked, if it does not ask everybody for the same."""
    return _forms[kind](asked, current_user.identity) if kind in _forms else None


@blueprint.get("/start/<kind>")
@login_required
def form(kind: str) -> str:
    """The form, with what the address says already filled in (`?p.repository_path=…`)."""
    job = find_startable(kind)
    own = own_form(kind, request.args)
    if own and own.template:
        return render_template(own.template, job=job, **own.about)
    begun = _own[kind][0](current_user.identity.user_id) if kind in _own else {}
    return _page(job, begun | read_params(job, request.args, own.schema if own else None), {}, own=own)


@blueprint.post("/start/<kind>")
@login_required
def submit(kind: str) -> Response | tuple[str, int]:
    """Start the job and go to its page; what is wrong is said at its field, with everything typed still there."""
    job = find_startable(kind)
    sent, problems = sent_form()
    own = own_form(kind, sent)
    if own and own.template:
        return render_template(own.template, job=job, **own.about), InvalidParams.status
    params = read_params(job, sent, own.schema if own else None)
    if problems:
        return _page(job, params, problems, sent, own=own), InvalidParams.status
    try:
        task_id = reading.submit(
            current_user.identity,
            job.kind,
            params,
            title=sent.get("title", "").strip()[:300] or None,
            priority=sent.get("priority", "normal"),
            visibility=_visibility(sent),
            idempotency_key=sent.get("idempotency_key", "")[:200] or None,
            address=request.remote_addr,
        )
    except InvalidParams as error:
        return _page(job, params, error.problems, sent, own=own), error.status
    except (Conflict, Forbidden, RateLimited, InvalidPayload, Unavailable) as error:
        return _page(job, params, {"": error.message}, sent, error, own), error.status
    if sent.get(KEEP) and kind in _own:
        _own[kind][1](current_user.identity.user_id, params)
    return redirect(f"/tasks/{task_id}", code=303)


def find_startable(kind: str) -> Job:
    """The job, if this person may start it. Raises NotFound."""
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
    own: OwnForm | None = None,
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
        own=own,
        form=start_form(job, params, known, problems, asked, config.default_visibility, own.schema if own else None),
        terminal=terminal(job, params, request.url_root.rstrip("/"), own.schema if own else None),
        keeps_settings=job.kind in _own,
        is_kept=bool(sent and sent.get(KEEP)),
        queue_words=reading.queue_words(),
        last_runs=[task_view(task, now) for task in reading.last_runs(current_user.identity, job.kind, LAST_RUNS)],
        conflicting=(error.details or {}).get("task_id", "") if error else "",
    )
