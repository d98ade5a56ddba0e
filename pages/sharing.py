"""The links to a task, for those who may share it: a page that the task's own page shows as a dialog."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, make_response, render_template, request
from flask_login import current_user, login_required
from werkzeug.wrappers import Response

import extensions
from pages import format as words
from pages import logins, reading
from pages.view import task_view
from tasks.errors import Conflict
from tasks.sharing import Sharing

blueprint = Blueprint("sharing", __name__)

LIFETIMES = {3600: "1 hour", 86_400: "1 day", 7 * 86_400: "7 days", 30 * 86_400: "30 days"}
DEFAULT = 7 * 86_400


@blueprint.get("/tasks/<uuid:task_id>/share")
@login_required
def links(task_id: UUID) -> Response:
    """Every link to the task, and the form that makes one."""
    return _page(str(task_id))


@blueprint.post("/tasks/<uuid:task_id>/share")
@login_required
def make(task_id: UUID) -> Response:
    """Make a link and show it, this once."""
    asked = request.form.get("expires_in_s", "")
    lasts_s = int(asked) if asked in {str(each) for each in LIFETIMES} else DEFAULT
    try:
        made, token = _sharing().make(current_user.identity, str(task_id), lasts_s, logins.actor())
    except Conflict as error:
        return _page(str(task_id), problem=error.message, status=error.status)
    return _page(str(task_id), made=made, url=f"{request.host_url}shared/{token}")


@blueprint.post("/tasks/<uuid:task_id>/share/<int:link_id>/revoke")
@login_required
def revoke(task_id: UUID, link_id: int) -> Response:
    """End a link now."""
    revoked = _sharing().revoke(current_user.identity, str(task_id), min(link_id, 2**31 - 1), logins.actor())
    return _page(str(task_id), revoked=revoked)


def _sharing() -> Sharing:
    found: Sharing = extensions.current().sharing
    return found


def _page(task_id: str, status: int = 200, **said: Any) -> Response:
    identity, now = current_user.identity, reading.now()
    with reading.database().read() as session:
        listed = _sharing().listed(session, identity, task_id)
    page = render_template(
        "pages/share.html",
        task=task_view(reading.task(task_id, identity), now),
        links=[_row(link, now) for link in listed if link["active"]],
        ended=sum(not link["active"] for link in listed),
        lifetimes=LIFETIMES,
        default_lifetime=DEFAULT,
        **{"made": None, "url": "", "revoked": None, "problem": ""} | said,
    )
    return make_response(page, status)


def _row(link: dict[str, Any], now: datetime) -> dict[str, Any]:
    moments = {
        name: words.moment(link[f"{name}_at"] and words.parse_time(link[f"{name}_at"]), now)
        for name in ("created", "expires", "last_used")
    }
    left = words.parse_time(link["expires_at"])
    return {**link, **moments, "left": words.duration(words.between_ms(now, left)) if left else ""}
