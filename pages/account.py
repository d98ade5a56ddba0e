"""One's own account: the password, where one is signed in, and API tokens.

Only a login session may do this: an API token that leaked must not be able to make itself successors.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from flask import Blueprint, flash, make_response, redirect, render_template, request
from flask_login import current_user, login_required
from werkzeug.wrappers import Response

import accounts
from accounts import AccountError, ApiToken, Identity, LoginSession
from accounts.devices import device_words
from accounts.passwords import MIN_PASSWORD_LENGTH
from database import utc_now
from pages import format as words
from pages import logins
from tasks.errors import Forbidden

blueprint = Blueprint("account", __name__)

LIFETIMES = {"30": "30 days", "90": "90 days", "365": "1 year", "": "No end"}
DEFAULT_LIFETIME = "90"

View = Callable[..., Response]


def session_only(view: View) -> View:
    """Refuse API tokens, and send people who are not signed in to the sign-in page."""

    @wraps(view)
    @login_required
    def guarded(*args: Any, **kwargs: Any) -> Response:
        if current_user.identity.session_id is None:
            raise Forbidden("An API token cannot change the account. Sign in with the password.")
        return view(*args, **kwargs)

    return guarded


@blueprint.get("/account")
@session_only
def account_page() -> Response:
    """The account with its sessions and tokens."""
    return _page()


@blueprint.post("/account/password")
@session_only
def change_password() -> Response:
    """Change the password; every other login ends, this browser stays signed in with a new one."""
    identity: Identity = current_user.identity
    current, new = request.form.get("current", ""), request.form.get("password", "")
    try:
        signed_in = accounts.change_password(logins.database(), identity, current, new, logins.browser())
    except AccountError as error:
        return _page(error=error, form="password")
    logins.remember(signed_in)
    flash("The password is changed. Every other browser is signed out.")
    return redirect("/account", code=303)


@blueprint.post("/account/sessions/<int:session_id>/end")
@session_only
def end_session(session_id: int) -> Response:
    """End one of one's own logins; ending the present one is signing out."""
    identity: Identity = current_user.identity
    accounts.end_session(logins.database(), session_id, logins.actor(), owner_id=identity.user_id)
    if session_id == identity.session_id:
        logins.forget()
        return redirect("/login", code=303)
    flash("That session has ended.")
    return redirect("/account", code=303)


@blueprint.post("/account/sessions/end-others")
@session_only
def end_other_sessions() -> Response:
    """End every login but this one."""
    identity: Identity = current_user.identity
    ended = accounts.end_all_sessions(
        logins.database(), identity.user_id, logins.actor(), keep_session_id=identity.session_id
    )
    flash(f"{words.plural(ended, 'other session')} ended.")
    return redirect("/account", code=303)


@blueprint.post("/account/tokens")
@session_only
def create_token() -> Response:
    """Make an API token and show it, this once."""
    identity: Identity = current_user.identity
    days = request.form.get("expires_in_days", "")
    try:
        row, token = accounts.create_token(
            logins.database(),
            identity.user_id,
            request.form.get("name", ""),
            logins.actor(),
            scopes=[request.form.get("scope", "write")],
            expires_in_days=int(days) if days.isascii() and days.isdigit() and len(days) < 6 else None,
        )
    except AccountError as error:
        return _page(error=error, form="token")
    return _page(created=row, token=token)


@blueprint.post("/account/tokens/<int:token_id>/revoke")
@session_only
def revoke_token(token_id: int) -> Response:
    """End one of one's own tokens; what it has open is closed."""
    identity: Identity = current_user.identity
    accounts.revoke_token(logins.database(), token_id, logins.actor(), owner_id=identity.user_id)
    flash("The token is revoked.")
    return redirect("/account", code=303)


def _page(
    error: AccountError | None = None, form: str = "", created: ApiToken | None = None, token: str = ""
) -> Response:
    db, now = logins.database(), utc_now()
    identity: Identity = current_user.identity
    page = render_template(
        "session/account.html",
        error=error,
        failed_form=form,
        created=created,
        token=token,
        sessions=[_session_row(row, identity, now) for row in accounts.list_sessions(db, identity.user_id, now)],
        tokens=[_token_row(row, now) for row in accounts.list_tokens(db, identity.user_id)],
        lifetimes=LIFETIMES,
        default_lifetime=DEFAULT_LIFETIME,
        scopes=("read", "write", "admin") if identity.is_admin else ("read", "write"),
        typed=request.form,
        min_length=MIN_PASSWORD_LENGTH,
    )
    response = make_response(page, error.status if error else 200)
    if error and error.retry_after_s:
        response.headers["Retry-After"] = str(round(error.retry_after_s))
    return response


def _session_row(row: LoginSession, identity: Identity, now: datetime) -> dict[str, object]:
    return {
        "id": row.id,
        "device": device_words(row.user_agent),
        "user_agent": row.user_agent,
        "address": row.address or "unknown",
        "started": words.moment(row.created_at, now),
        "seen": words.moment(row.last_seen_at, now),
        "is_this": row.id == identity.session_id,
    }


def _token_row(row: ApiToken, now: datetime) -> dict[str, object]:
    return {
        "id": row.id,
        "name": row.name,
        "hint": row.hint,
        "scopes": row.scopes.replace(" ", ", "),
        "created": words.moment(row.created_at, now),
        "used": words.moment(row.last_used_at, now),
        "ends": f"{row.expires_at.day} {row.expires_at:%b %Y}" if row.expires_at else "",
        "has_ended": row.expires_at is not None and row.expires_at <= now,
    }
