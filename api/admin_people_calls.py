"""People, their limits and sessions. All of it is for admins: see `api.dispatch`."""

from __future__ import annotations

from typing import Any

from flask import request

import accounts
import extensions
from accounts import password_links
from accounts.limits import BUILT_IN, FIELDS, as_fields, default_limits, set_defaults, set_limits
from accounts.limits import SETTINGS as LIMIT_SETTINGS
from api import admin_people_shapes as shapes
from api import reading
from api.admin_audit_calls import whole_number
from api.admin_audit_shapes import BecauseQuery, Ended
from api.operations import PREFIX, Call, Reply, operation
from database import Database, rfc3339, utc_now
from server_settings import settings_below
from tasks import people

USERS = "/admin/users"
ONE = f"{USERS}/{{user_id}}"


@operation("GET", USERS, summary="List people", tag="Admin", answer=shapes.PeoplePage, query=shapes.PeopleQuery)
def list_users(call: Call) -> dict[str, Any]:
    """By name, each with how much of their limits they use."""
    asked: shapes.PeopleQuery = call.query
    filters = people.PeopleFilters(asked.q, asked.role, asked.state, asked.limits, asked.seen)
    with reading.database().read() as session:
        items, cursor = people.list_people(session, filters, utc_now(), _running(), asked.cursor, asked.limit)
    return {"items": items, "next_cursor": cursor}


@operation(
    "POST",
    USERS,
    summary="Make a person",
    tag="Admin",
    status=201,
    answer=shapes.MadePerson,
    answer_headers={"Location": "The address of the person."},
    body=shapes.NewPerson,
    refuses=(409,),
)
def create_user(call: Call) -> Reply:
    """Without a password, the answer holds a link with which the person chooses one: once, within three days."""
    asked: shapes.NewPerson = call.body
    if asked.password is None:
        user, token = password_links.invite(_db(), asked.username, call.actor, role=asked.role, reason=asked.reason)
        link = _link(token)
    else:
        user = accounts.create_user(
            _db(), asked.username, asked.password, call.actor, role=asked.role, reason=asked.reason
        )
        link = None
    return Reply(_person(user.id) | {"password_link": link}, {"Location": f"{PREFIX}{USERS}/{user.id}"})


@operation("GET", ONE, summary="Look at a person", tag="Admin", answer=shapes.PersonShape)
def show_user(call: Call) -> dict[str, Any]:
    """With limits, and how much of them is used."""
    return _person(whole_number(call, "user_id"))


@operation(
    "PATCH",
    ONE,
    summary="Change a person",
    tag="Admin",
    answer=shapes.PersonShape,
    body=shapes.ChangePerson,
    refuses=(409,),
)
def change_user(call: Call) -> dict[str, Any]:
    """Role, disabled or not, a new password. What takes rights away closes what is open under them within a second.

    The last active admin can be neither demoted nor disabled.
    """
    asked: shapes.ChangePerson = call.body
    user_id = whole_number(call, "user_id")
    accounts.change_user(
        _db(),
        user_id,
        call.actor,
        role=asked.role,
        is_active=asked.active,
        password=asked.password,
        reason=asked.reason,
    )
    return _person(user_id)


@operation(
    "POST",
    f"{ONE}/password-link",
    summary="Make a link for a new password",
    tag="Admin",
    status=201,
    answer=shapes.PasswordLinkShape,
    body=shapes.Because,
    body_required=False,
)
def make_password_link(call: Call) -> dict[str, Any]:
    """For whoever has forgotten theirs. The old password holds until the link is used; an older link ends."""
    asked: shapes.Because = call.body
    return _link(password_links.make_link(_db(), whole_number(call, "user_id"), call.actor, reason=asked.reason))


@operation("GET", f"{ONE}/sessions", summary="List a person's sessions", tag="Admin", answer=shapes.SessionPage)
def list_user_sessions(call: Call) -> dict[str, Any]:
    """Where the person is signed in."""
    user_id = whole_number(call, "user_id")
    _person(user_id)
    rows = accounts.list_sessions(_db(), user_id)
    items = [
        {
            "id": row.id,
            "created_at": rfc3339(row.created_at),
            "last_seen_at": rfc3339(row.last_seen_at),
            "expires_at": rfc3339(row.expires_at),
            "address": row.address,
            "user_agent": row.user_agent,
        }
        for row in rows
    ]
    return {"items": items, "next_cursor": None}


@operation(
    "DELETE",
    f"{ONE}/sessions",
    summary="End all of a person's sessions",
    tag="Admin",
    answer=Ended,
    query=BecauseQuery,
)
def end_user_sessions(call: Call) -> dict[str, Any]:
    """Every cookie of theirs is dead and every socket of it closes."""
    user_id = whole_number(call, "user_id")
    return {"ended": accounts.end_all_sessions(_db(), user_id, call.actor, reason=call.query.reason or None)}


@operation(
    "DELETE",
    f"{ONE}/sessions/{{session_id}}",
    summary="End one session",
    tag="Admin",
    answer=Ended,
    query=BecauseQuery,
)
def end_user_session(call: Call) -> dict[str, Any]:
    """One that has ended already is not found."""
    user_id, session_id = whole_number(call, "user_id"), whole_number(call, "session_id")
    accounts.end_session(_db(), session_id, call.actor, owner_id=user_id, reason=call.query.reason or None)
    return {"ended": 1}


@operation("GET", f"{ONE}/limits", summary="See a person's limits", tag="Admin", answer=shapes.LimitsShape)
def show_limits(call: Call) -> dict[str, Any]:
    """What holds, what was set for this person, and the defaults."""
    return _limits(whole_number(call, "user_id"))


@operation(
    "PUT",
    f"{ONE}/limits",
    summary="Set a person's limits",
    tag="Admin",
    answer=shapes.LimitsShape,
    body=shapes.NewLimits,
)
def change_limits(call: Call) -> dict[str, Any]:
    """All of them: what is left out is the default again."""
    user_id = whole_number(call, "user_id")
    set_limits(_db(), user_id, _wished(call.body), call.actor, reason=call.body.reason)
    return _limits(user_id)


@operation("GET", "/admin/limits", summary="See the default limits", tag="Admin", answer=shapes.LimitsShape)
def show_default_limits(call: Call) -> dict[str, Any]:  # noqa: ARG001
    """What holds for whoever has none of their own; `defaults` is what is built in and configured."""
    return _defaults()


@operation(
    "PUT",
    "/admin/limits",
    summary="Set the default limits",
    tag="Admin",
    answer=shapes.LimitsShape,
    body=shapes.NewLimits,
)
def change_default_limits(call: Call) -> dict[str, Any]:
    """All of them: what is left out is what is built in and configured."""
    set_defaults(_db(), _wished(call.body), call.actor, reason=call.body.reason)
    return _defaults()


def _db() -> Database:
    return reading.database()


def _running() -> int:
    configured: int = extensions.current().config.max_user_tasks
    return configured


def _person(user_id: int) -> dict[str, Any]:
    with _db().read() as session:
        return people.person(session, user_id, utc_now(), _running())


def _limits(user_id: int) -> dict[str, Any]:
    shown = _person(user_id)
    return {"limits": shown["limits"], "own": shown["own_limits"], "defaults": shown["default_limits"]}


def _defaults() -> dict[str, Any]:
    with _db().read() as session:
        known = settings_below(session, LIMIT_SETTINGS)
        limits = as_fields(default_limits(session), _running())
    own = {name: known.get(name) for name in FIELDS}
    return {"limits": limits, "own": own, "defaults": as_fields(BUILT_IN, _running())}


def _wished(body: shapes.NewLimits) -> dict[str, Any]:
    return {name: getattr(body, name) for name in FIELDS}


def _link(token: str) -> dict[str, Any]:
    made = password_links.open_link(_db(), token)
    url = f"{request.url_root}password?token={token}"
    return {"url": url, "expires_at": rfc3339(made.expires_at if made else None)}
