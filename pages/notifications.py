"""The inbox: what this person was told, what of it is unread, and what they want to be told. All without JavaScript."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import Blueprint, redirect, render_template, request
from flask_login import current_user, login_required
from werkzeug.wrappers import Response

import extensions
from delivery.notices import Notices
from pages import format as words
from pages import reading
from pages.frame import own_address
from tasks.errors import Conflict, InvalidPayload
from tasks.notices import MUTABLE_TYPES, Notification, following, inbox
from tasks.registry import Job, all_jobs, jobs_for

blueprint = Blueprint("notifications", __name__)
INBOX = "/notifications"
SETTINGS = f"{INBOX}/settings"
ROWS = 50
MAX_ID = 2**53
TYPE_WORDS = {
    "finished": ("Finished", "A task of yours, or one that you follow, is done."),
    "failed": ("Failed", "It failed, and no further attempt follows."),
    "cancelled": ("Cancelled", "Somebody else cancelled it."),
    "needs_review": ("Needs review", "It left something for you to decide, such as captions."),
    "alert": ("Alerts", "Something is wrong with this installation. For admins."),
    "test": ("Tests", ""),
}
LOOKS = {
    "finished": ("completed", "ok"),
    "failed": ("failed", "fail"),
    "cancelled": ("cancelled", ""),
    "needs_review": ("image", ""),
    "alert": ("silent", "warn"),
    "test": ("bell", ""),
}
"""The icon and the tone of each type; static/js/notices.js has the same ones"""


@dataclass(frozen=True, slots=True)
class NoticeView:
    """One entry as the inbox shows it."""

    id: int
    icon: str
    tone: str
    title: str
    text: str
    href: str
    about: str
    is_read: bool
    at: words.Moment | None


@blueprint.get(INBOX)
@login_required
def inbox_page() -> str:
    """The newest first, filtered by the address."""
    user_id, now = current_user.identity.user_id, reading.now()
    asked = {name: request.args[name][:100] for name in ("unread", "type", "kind") if request.args.get(name)}
    filters = inbox.Filters(bool(asked.get("unread")), asked.get("type"), asked.get("kind"))
    with reading.database().read() as session:
        rows, following_cursor = inbox.listed(session, user_id, filters, request.args.get("cursor") or None, ROWS)
        kinds = inbox.kinds_in(session, user_id)
        unread = inbox.unread_count(session, user_id)
    titles = {job.kind: job.title for job in all_jobs()}
    return render_template(
        "pages/notifications.html",
        rows=[_view(row, titles, now) for row in rows],
        newest_id=max((row.id for row in rows), default=0),
        unread=unread,
        asked=asked,
        is_first=not request.args.get("cursor"),
        here=_href({**asked, "cursor": request.args.get("cursor")}),
        seg=[("All", _href({**asked, "unread": None})), ("Unread", _href({**asked, "unread": "1"}))],
        chips=[
            _chip("Type", "type", asked, {key: said for key, (said, _) in TYPE_WORDS.items()}),
            _chip("Job", "kind", asked, {kind: titles.get(kind, kind) for kind in kinds}),
        ],
        next_href=_href({**asked, "cursor": following_cursor}) if following_cursor else "",
    )


@blueprint.post(f"{INBOX}/read")
@login_required
def mark() -> Response:
    """Mark one entry as read or unread, or all up to one as read, and go back to where that was asked."""
    which, up_to = request.form.get("id"), request.form.get("up_to")
    user_id = current_user.identity.user_id
    if which is not None:
        notices().mark(user_id, [_number(which)], read=request.form.get("read") != "0")
    else:
        notices().mark_up_to(user_id, _number(up_to) if up_to else None)
    return redirect(own_address(request.form.get("next") or INBOX), code=303)


@blueprint.get(SETTINGS)
@login_required
def settings() -> str:
    """What is muted, by type and by job."""
    return _settings_page()


@blueprint.post(SETTINGS)
@login_required
def keep_settings() -> Response:
    """Keep what is ticked as what is told; the rest is muted. Jobs that are not shown stay as they were."""
    told_types, told_kinds = set(request.form.getlist("type")), set(request.form.getlist("kind"))
    user_id = current_user.identity.user_id
    with reading.database().write() as session:
        before = inbox.preferences(session, user_id)
        shown_types, shown_kinds = set(_types_shown()), {job.kind for job in _jobs_shown()}
        types = (shown_types - told_types) | (set(before.muted_types) - shown_types)
        kinds = (shown_kinds - told_kinds) | (set(before.muted_kinds) - shown_kinds)
        inbox.keep_preferences(session, user_id, inbox.Preferences(tuple(types), tuple(kinds)))
    return redirect(f"{SETTINGS}?saved=1", code=303)


@blueprint.post("/tasks/<uuid:task_id>/follow")
@login_required
def follow(task_id: UUID) -> Response:
    """Be told of this task's end, or not. Where it has ended meanwhile, its page says how."""
    wants = request.form.get("wants") == "1"
    try:
        following.follow(reading.database(), current_user.identity, str(task_id), wants)
    except Conflict:
        pass
    return redirect(f"/tasks/{task_id}", code=303)


def notices() -> Notices:
    """What marks and tells."""
    found: Notices = extensions.current().announcer.notices
    return found


def about_task(task: Mapping[str, Any], is_final: bool) -> dict[str, Any]:
    """For a task's page: whether this person will be told of its end, and what of it they have not read."""
    user_id = current_user.identity.user_id
    with reading.database().read() as session:
        return {
            "told": None if is_final else following.is_told(session, task, user_id),
            "unread_ids": inbox.unread_of_task(session, user_id, task["task_id"]),
        }


def _settings_page() -> str:
    with reading.database().read() as session:
        kept = inbox.preferences(session, current_user.identity.user_id)
    return render_template(
        "pages/notification_settings.html",
        types=[(key, *TYPE_WORDS[key], key not in kept.muted_types) for key in _types_shown()],
        jobs=[(job.kind, job.title, job.icon, job.kind not in kept.muted_kinds) for job in _jobs_shown()],
        is_saved=request.args.get("saved") == "1",
    )


def _types_shown() -> list[str]:
    return [each for each in MUTABLE_TYPES if each != "alert" or current_user.identity.is_admin]


def _jobs_shown() -> list[Job]:
    return sorted(jobs_for(current_user.identity.is_admin), key=lambda job: job.title)


def _view(row: Notification, titles: Mapping[str, str], now: datetime) -> NoticeView:
    icon, tone = LOOKS.get(row.type, ("info", ""))
    return NoticeView(
        id=row.id,
        icon=icon,
        tone={"warning": "warn", "error": "fail"}.get(row.level, tone),
        title=row.title,
        text=row.text,
        href=own_address(row.href) if row.href else "",
        about=titles.get(row.kind or "", row.kind or ""),
        is_read=row.read_at is not None,
        at=words.moment(row.created_at, now),
    )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < MAX_ID):
        raise InvalidPayload("Name a notification by its number.")
    return int(text)


def _href(query: Mapping[str, str | None]) -> str:
    set_ones = {name: value for name, value in query.items() if value}
    return f"{INBOX}?{urlencode(set_ones)}" if set_ones else INBOX


def _chip(title: str, name: str, asked: Mapping[str, str], options: Mapping[str, str]) -> dict[str, Any]:
    if name in asked:
        value = options.get(asked[name], asked[name])
        clear_href = _href({key: each for key, each in asked.items() if key != name})
        return {"title": title, "set": True, "value": value[:1].lower() + value[1:], "clear_href": clear_href}
    choices = [{"title": said, "href": _href({**asked, name: key})} for key, said in options.items()]
    return {"title": title, "set": False, "options": choices}
