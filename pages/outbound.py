"""A person's webhooks: the list, one with its log, and the forms. All of it works without JavaScript."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, redirect, render_template, request
from flask_login import current_user, login_required
from werkzeug.wrappers import Response

import extensions
from outbound import hook_log
from outbound.webhooks import OVERLAP_S, Webhooks
from pages import format as words
from pages import logins, mail, reading
from pages.notifications import TYPE_WORDS
from tasks.errors import Conflict, InvalidParams
from tasks.notices import MUTABLE_TYPES
from tasks.registry import jobs_for

blueprint = Blueprint("outbound", __name__)
LIST = "/account/webhooks"
ROWS = 30
OVERLAPS = {"0": "end now", "3600": "for an hour", str(OVERLAP_S): "for a day", str(7 * OVERLAP_S): "for a week"}
BADGES = {
    "delivered": ("completed", "Delivered"),
    "given_up": ("failed", "Given up"),
    "dropped": ("cancelled", "Dropped"),
}
SWITCHED_OFF = {
    "gone": "Switched off: the receiver answered that it wants nothing more (410).",
    "failing": "Switched off: nothing could be delivered for days.",
}


@blueprint.get(LIST)
@login_required
def hooks_page() -> str:
    """All webhooks, and the mail address."""
    now = reading.now()
    with reading.database().read() as session:
        hooks = hook_log.listed(session, current_user.identity.user_id)
    return render_template(
        "pages/webhooks.html",
        hooks=[_hook(each, now) for each in hooks],
        **mail.about(),
    )


@blueprint.get(f"{LIST}/new")
@login_required
def new_hook() -> str:
    """The form of a new one."""
    return _form({"active": True, "types": MUTABLE_TYPES, "kinds": []})


@blueprint.post(f"{LIST}/new")
@login_required
def create_hook() -> Response | str | tuple[str, int]:
    """Make it, and show its secret, this once."""
    wished = _sent()
    try:
        made, secret = webhooks().create(current_user.identity.user_id, wished, logins.actor())
    except (InvalidParams, Conflict) as error:
        return _form(wished, _problems(error)), error.status
    return _page(made["id"], secret=secret)


@blueprint.get(f"{LIST}/<uuid:webhook_id>")
@login_required
def hook_page(webhook_id: UUID) -> str:
    """One webhook with what was posted to it."""
    return _page(str(webhook_id))


@blueprint.get(f"{LIST}/<uuid:webhook_id>/edit")
@login_required
def edit_hook(webhook_id: UUID) -> str:
    """The form of one that is there."""
    with reading.database().read() as session:
        hook = hook_log.find(session, str(webhook_id), current_user.identity.user_id)
        return _form(hook_log.shown(hook), webhook_id=hook.id)


@blueprint.post(f"{LIST}/<uuid:webhook_id>/edit")
@login_required
def change_hook(webhook_id: UUID) -> Response | tuple[str, int]:
    """Keep what the form says."""
    wished = _sent()
    try:
        webhooks().change(current_user.identity.user_id, str(webhook_id), wished, logins.actor())
    except InvalidParams as error:
        return _form(wished, _problems(error), str(webhook_id)), error.status
    return redirect(f"{LIST}/{webhook_id}", code=303)


@blueprint.post(f"{LIST}/<uuid:webhook_id>/active")
@login_required
def switch_hook(webhook_id: UUID) -> Response:
    """Pause it, or let it run again."""
    wished = {"active": request.form.get("active") == "true"}
    webhooks().change(current_user.identity.user_id, str(webhook_id), wished, logins.actor())
    return redirect(f"{LIST}/{webhook_id}", code=303)


@blueprint.post(f"{LIST}/<uuid:webhook_id>/test")
@login_required
def test_hook(webhook_id: UUID) -> Response | tuple[str, int]:
    """Post an example."""
    return _acted(webhook_id, lambda user_id: webhooks().send_test(user_id, str(webhook_id)))


@blueprint.post(f"{LIST}/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/again")
@login_required
def again(webhook_id: UUID, delivery_id: UUID) -> Response | tuple[str, int]:
    """Try a delivery once more."""
    return _acted(webhook_id, lambda user_id: webhooks().send_again(user_id, str(webhook_id), str(delivery_id)))


@blueprint.post(f"{LIST}/<uuid:webhook_id>/secret")
@login_required
def rotate(webhook_id: UUID) -> str:
    """Another secret, shown this once."""
    asked = request.form.get("overlap_s", "")
    overlap_s = int(asked) if asked in OVERLAPS else OVERLAP_S
    _, secret = webhooks().rotate(current_user.identity.user_id, str(webhook_id), overlap_s, logins.actor())
    return _page(str(webhook_id), secret=secret)


@blueprint.get(f"{LIST}/<uuid:webhook_id>/remove")
@login_required
def ask_remove(webhook_id: UUID) -> str:
    """The question before a removal."""
    with reading.database().read() as session:
        hook = hook_log.find(session, str(webhook_id), current_user.identity.user_id)
        return render_template("pages/webhook_remove.html", hook=hook)


@blueprint.post(f"{LIST}/<uuid:webhook_id>/remove")
@login_required
def remove(webhook_id: UUID) -> Response:
    """Remove it with its log."""
    webhooks().remove(current_user.identity.user_id, str(webhook_id), logins.actor())
    return redirect(LIST, code=303)


def webhooks() -> Webhooks:
    """What may be done to webhooks."""
    room = extensions.current()
    return Webhooks(room.database, room.config)


def _acted(webhook_id: UUID, act: Any) -> Response | tuple[str, int]:
    try:
        act(current_user.identity.user_id)
    except Conflict as error:
        return _page(str(webhook_id), error=error), error.status
    return redirect(f"{LIST}/{webhook_id}", code=303)


def _page(webhook_id: str, secret: str = "", error: Conflict | None = None) -> str:
    now = reading.now()
    with reading.database().read() as session:
        hook = hook_log.find(session, webhook_id, current_user.identity.user_id)
        shown = hook_log.shown(hook)
        items, following = hook_log.log_of(session, hook.id, request.args.get("cursor") or None, ROWS)
    return render_template(
        "pages/webhook.html",
        hook=_hook(shown, now),
        rows=[_delivery(each, now) for each in items],
        next_href=f"{LIST}/{webhook_id}?cursor={following}" if following else "",
        secret=secret,
        error=error,
        overlaps=OVERLAPS,
        default_overlap=str(OVERLAP_S),
    )


def _form(values: Mapping[str, Any], problems: Mapping[str, str] | None = None, webhook_id: str = "") -> str:
    return render_template(
        "pages/webhook_form.html",
        values=values,
        problems=problems or {},
        webhook_id=webhook_id,
        types=[(key, TYPE_WORDS[key][0]) for key in TYPE_WORDS],
        jobs=jobs_for(current_user.identity.is_admin),
    )


def _sent() -> dict[str, Any]:
    form = request.form
    return {
        "name": form.get("name", "")[:200],
        "url": form.get("url", "").strip()[:3000],
        "types": [each[:20] for each in form.getlist("types")],
        "kinds": [each[:100] for each in form.getlist("kinds")],
        "active": form.get("active") == "true",
    }


def _problems(error: InvalidParams | Conflict) -> dict[str, str]:
    return error.problems if isinstance(error, InvalidParams) else {"": error.message}


def _hook(shown: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    titles = {job.kind: job.title for job in jobs_for(is_admin=True)}
    chosen = [TYPE_WORDS[each][0] for each in shown["types"]]
    last = shown["last_try"]
    return {
        **shown,
        "host": shown["url"].split("/")[2],
        "types_words": "Everything" if set(shown["types"]) >= set(MUTABLE_TYPES) else ", ".join(chosen),
        "kinds_words": ", ".join(titles.get(each, each) for each in shown["kinds"]) or "all jobs",
        "off_words": SWITCHED_OFF.get(shown["switched_off"] or "", ""),
        "failing": words.moment(shown["failing_since"], now),
        "overlap": words.moment(shown["old_secret_until"], now),
        "last": None if last is None else _try(last, now),
    }


def _delivery(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    next_at = words.parse_time(row["next_try_at"])
    if row["state"] != "waiting":
        badge = BADGES[row["state"]]
    elif next_at is None:
        badge = ("running", "Being sent")
    elif not row["tries"]:
        badge = ("queued", "Waiting")
    else:
        day = "" if next_at.date() == now.date() else f"{next_at.day} {next_at:%b} "
        badge = ("retrying", f"Next try {day}{next_at:%H:%M:%S} UTC")
    return {
        **row,
        "badge": badge,
        "type_word": TYPE_WORDS.get(row["type"], (row["type"],))[0],
        "at": words.moment(row["created_at"], now),
        "tries": [_try(each, now) for each in reversed(row["tries"])],
        "is_held": row["state"] == "waiting" and next_at is None,
    }


def _try(each: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    is_good = each["status"] is not None and 200 <= each["status"] < 300
    return {**each, "moment": words.moment(each["at"], now), "is_good": is_good}
