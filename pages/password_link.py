"""Choosing a password with a link from an admin: for whoever was just invited, or has forgotten theirs."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

import accounts
from accounts import AccountError, LinkEnded
from accounts.passwords import MIN_PASSWORD_LENGTH
from database import utc_now
from pages import logins

blueprint = Blueprint("password_link", __name__)


@blueprint.get("/password")
def password_page() -> Response:
    """The form, for whoever holds the link."""
    return _form(request.args.get("token", ""))


@blueprint.post("/password")
def set_password() -> Response:
    """Store the password and sign the person in; every other login of theirs ends."""
    token = request.form.get("token", "")
    try:
        signed_in = accounts.use_link(logins.database(), token, request.form.get("password", ""), logins.browser())
    except LinkEnded:
        raise
    except AccountError as error:
        return _form(token, error)
    logins.remember(signed_in)
    return redirect("/", code=303)


def _form(token: str, error: AccountError | None = None) -> Response:
    link = accounts.open_link(logins.database(), token)
    if link is None:
        raise LinkEnded("This link was used or has ended. Ask an admin for a new one.")
    page = render_template(
        "session/password.html",
        token=token,
        link=link,
        error=error,
        until=_until(link.expires_at, utc_now()),
        min_length=MIN_PASSWORD_LENGTH,
    )
    return make_response(page, error.status if error else 200)


def _until(moment: datetime, now: datetime) -> str:
    day = "" if moment.date() == now.date() else f"{moment.day} {moment:%b %Y}, "
    return f"{day}{moment:%H:%M} UTC"
