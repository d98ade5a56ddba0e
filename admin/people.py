"""People: the list with one chosen beside it, their sessions and tokens, and what can be done to an account.

All of it works without JavaScript. Every change accepts a reason and is kept in the audit log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from flask import flash, redirect, render_template, request
from flask_login import current_user
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

import accounts
import extensions
from accounts import AccountError, User, password_links
from accounts.passwords import NO_PASSWORD
from admin import asked
from admin import people_view as view
from admin.frame import blueprint
from database import utc_now
from tasks import people, words
from tasks.administration import Action, Administration, Order, result_words
from tasks.models import Task
from tasks.people import PeopleFilters
from tasks.schedules.models import Schedule
from tasks.states import ACTIVE

LIST = "/admin/people"
ROWS = 50
LAST_TASKS = 5
MAX_CANCELLED = 1000
FILTERS: asked.Choices = {
    "state": ("State", {"active": "Active", "disabled": "Disabled", "invited": "Invited"}),
    "role": ("Role", {"admin": "Admin", "user": "Member"}),
    "limits": ("Limits", {"own": "Own", "default": "The defaults"}),
    "seen": (
        "Last seen",
        {"day": "Within a day", "week": "Within a week", "month": "Within 30 days", "never": "Never"},
    ),
}


@blueprint.get("/people")
def people_list() -> str:
    """Everybody, by name."""
    return people_page(None)


@blueprint.get("/people/<int:user_id>")
def chosen_person(user_id: int) -> str:
    """The same list, with this one beside it."""
    return people_page(user_id)


@blueprint.route("/people/new", methods=["GET", "POST"])
def new_person() -> str | tuple[str, int]:
    """Make a person; the page after it shows the link with which they choose a password."""
    error = None
    if request.method == "POST":
        name, role = request.form.get("username", ""), request.form.get("role", "user")
        try:
            user, token = password_links.invite(asked.database(), name, asked.actor(), role=role, reason=asked.reason())
            return people_page(user.id, link=_link(token))
        except AccountError as refused:
            error = refused
    page = render_template("admin/people_new.html", error=error, typed=request.form, roles=view.ROLE_WORDS)
    return (page, error.status) if error else page


@blueprint.post("/people/<int:user_id>/password-link")
def password_link(user_id: int) -> str | tuple[str, int]:
    """Make a link for a new password and show it, this once."""
    try:
        token = password_links.make_link(asked.database(), user_id, asked.actor(), reason=asked.reason())
    except AccountError as error:
        if error.status == 404:
            raise
        return people_page(user_id, error=error), error.status
    return people_page(user_id, link=_link(token))


@blueprint.post("/people/<int:user_id>/sessions/end")
def end_sessions(user_id: int) -> Response | tuple[str, int]:
    """End every login of this person."""

    def change() -> str:
        ended = accounts.end_all_sessions(asked.database(), user_id, asked.actor(), reason=asked.reason())
        return f"{words.plural(ended, 'session')} ended."

    return do(user_id, change)


@blueprint.post("/people/<int:user_id>/sessions/<int:session_id>/end")
def end_session(user_id: int, session_id: int) -> Response | tuple[str, int]:
    """End one login."""

    def change() -> str:
        accounts.end_session(asked.database(), session_id, asked.actor(), owner_id=user_id, reason=asked.reason())
        return "That session has ended."

    return do(user_id, change)


@blueprint.post("/people/<int:user_id>/tokens/<int:token_id>/revoke")
def revoke_persons_token(user_id: int, token_id: int) -> Response | tuple[str, int]:
    """End one API token of this person."""

    def change() -> str:
        accounts.revoke_token(asked.database(), token_id, asked.actor(), owner_id=user_id, reason=asked.reason())
        return "The token is revoked."

    return do(user_id, change)


@blueprint.get("/people/<int:user_id>/disable")
def ask_disable(user_id: int) -> str:
    """The question before an account is disabled."""
    return _disable_page(user_id)


@blueprint.post("/people/<int:user_id>/disable")
def disable(user_id: int) -> Response | tuple[str, int]:
    """Disable the account; where it was asked for, cancel what runs or waits, too."""
    try:
        accounts.change_user(asked.database(), user_id, asked.actor(), is_active=False, reason=asked.reason())
    except AccountError as error:
        if error.status == 404:
            raise
        return _disable_page(user_id, error), error.status
    flash("The account is disabled.")
    if request.form.get("cancel_tasks"):
        flash(f"Tasks: {_cancel_tasks(user_id)}")
    return redirect(f"{LIST}/{user_id}", code=303)


@blueprint.post("/people/<int:user_id>/enable")
def enable(user_id: int) -> Response | tuple[str, int]:
    """Let a disabled account in again."""

    def change() -> str:
        accounts.change_user(asked.database(), user_id, asked.actor(), is_active=True, reason=asked.reason())
        return "The account is enabled. Its API tokens work again; the person signs in anew."

    return do(user_id, change)


def do(user_id: int, change: Callable[[], str]) -> Response | tuple[str, int]:
    """Do it, and show the person with what became of it."""
    try:
        flash(change())
    except AccountError as error:
        if error.status == 404:
            raise
        return people_page(user_id, error=error), error.status
    return redirect(f"{LIST}/{user_id}", code=303)


def people_page(user_id: int | None, link: str = "", error: AccountError | None = None) -> str:
    """The list, with the chosen person or the first one at its side. `error` is that of the form that was sent."""
    now, filters, query = utc_now(), asked.chosen_filters(FILTERS), asked.words()
    kept = filters | {"q": query}
    narrowed, cursor = PeopleFilters(text=query, **filters), request.args.get("cursor", "")[:1000]
    with asked.database().read() as session:
        found = people.list_people(session, narrowed, now, asked.configured_running(), cursor, ROWS)
        total, matching = (people.count_people(session, each, now) for each in (PeopleFilters(), narrowed))
        chosen_id = user_id if user_id is not None else next((each["id"] for each in found[0]), None)
        chosen = None if chosen_id is None else _chosen(session, chosen_id, now, error)
    return render_template(
        "admin/people.html",
        rows=[view.row(each, now, current_user.identity.user_id) for each in found[0]],
        chosen=chosen,
        is_chosen=user_id is not None,
        asked=kept,
        keep=asked.href("", kept),
        chips=asked.chips(LIST, FILTERS, kept),
        count_words=view.count_words(matching, total),
        next_href=asked.href(LIST, {**kept, "cursor": found[1]}) if found[1] else "",
        is_first=not cursor,
        link=link,
        error=error,
        roles=view.ROLE_WORDS,
    )


def _chosen(session: Session, user_id: int, now: datetime, error: AccountError | None) -> dict[str, Any]:
    person, me = people.person(session, user_id, now, asked.configured_running()), current_user.identity
    columns = (Task.id, Task.title, Task.state, Task.created_at)
    newest = select(*columns).where(Task.owner_id == user_id).order_by(Task.created_at.desc()).limit(LAST_TASKS)
    icon, word = view.state_words(person, now)
    fields = view.limit_fields(person["own_limits"], person["default_limits"], person)
    return person | {
        "fields": view.with_typed(fields, request.form, error),
        "differing": view.differing_words(person["own_limits"]),
        "last_tasks": view.task_rows(session.execute(newest).all(), now),
        "since": words.moment(person["created_at"], now),
        "is_me": user_id == me.user_id,
        "has_password": session.get_one(User, user_id).password_hash != NO_PASSWORD,
        "state_icon": icon,
        "state_word": word,
        "logins": [
            view.session_row(each, now, me.session_id)
            for each in accounts.list_sessions(asked.database(), user_id, now)
        ],
        "keys": [view.token_row(each, now) for each in accounts.list_tokens(asked.database(), user_id)],
    }


def _disable_page(user_id: int, error: AccountError | None = None) -> str:
    mine = (Schedule.owner_id == user_id, Schedule.active.is_(True))
    with asked.database().read() as session:
        person: Mapping[str, Any] = people.person(session, user_id, utc_now(), asked.configured_running())
        schedules = session.scalar(select(func.count()).select_from(Schedule).where(*mine)) or 0
    return render_template(
        "admin/people_disable.html",
        person=person,
        active=person["running"] + person["queued"],
        sentences=view.disabling(person, schedules),
        error=error,
    )


def _cancel_tasks(user_id: int) -> str:
    room = extensions.current()
    with asked.database().read() as session:
        active = select(Task.id).where(Task.owner_id == user_id, Task.state.in_(ACTIVE)).limit(MAX_CANCELLED)
        found = list(session.scalars(active))
    order = Order(Action.CANCEL, asked.reason() or "The account was disabled.")
    results = Administration(room.database, room.tasks).act(current_user.identity, asked.actor(), found, order)
    return result_words(results)


def _link(token: str) -> str:
    return f"{request.url_root}password?token={token}"
