"""Signing in and out, and making the first admin. `register(app)` adds these pages, the account page and the logins."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Flask, make_response, redirect, render_template, request
from flask_login import current_user
from werkzeug.wrappers import Response

import accounts
from accounts import AccountError, SetupClosed
from accounts.passwords import MIN_PASSWORD_LENGTH
from database import utc_now
from pages import account, logins, password_link
from pages.frame import own_address
from pages.problems import wants_json
from pages.server_check import check_server

blueprint = Blueprint("session", __name__)


def register(app: Flask) -> None:
    """Add logins, the pages of this module and the account page to `app`."""
    logins.prepare(app)
    app.context_processor(lambda: {"sign_out_href": "/logout"})
    app.register_blueprint(blueprint)
    app.register_blueprint(account.blueprint)
    app.register_blueprint(password_link.blueprint)


@blueprint.get("/login")
def login_page() -> Response:
    """The sign-in form; somebody who is signed in goes on to where they wanted."""
    if current_user.is_authenticated:
        return redirect(_next_address(request.args.get("next")))
    return _login_form(next_address=_next_address(request.args.get("next")))


@blueprint.post("/login")
def login() -> Response:
    """Check the password and set the cookie; wrong or too many tries show the form again with the sentence."""
    next_address = _next_address(request.form.get("next"))
    username = request.form.get("username", "")
    try:
        signed_in = accounts.sign_in(logins.database(), username, request.form.get("password", ""), logins.browser())
    except AccountError as error:
        if wants_json():
            raise
        return _login_form(next_address, username[:200], error)
    logins.remember(signed_in)
    return redirect(next_address, code=303)


@blueprint.post("/logout")
def logout() -> Response:
    """End this login on the server, close its sockets, and empty the cookie. Harmless when there is none."""
    identity = current_user.identity if current_user.is_authenticated else None
    if identity is not None and identity.session_id is not None:
        accounts.end_session(logins.database(), identity.session_id, logins.actor())
    logins.forget()
    return redirect("/login", code=303)


@blueprint.get("/setup")
def setup_page() -> Response:
    """The form for the first admin, for whoever holds the link that the server printed."""
    return _setup_form(request.args.get("token", ""))


@blueprint.post("/setup")
def setup() -> Response:
    """Make the first admin and sign them in."""
    token, username = request.form.get("token", ""), request.form.get("username", "")
    try:
        signed_in = accounts.make_first_admin(
            logins.database(), token, username, request.form.get("password", ""), logins.browser()
        )
    except SetupClosed:
        raise
    except AccountError as error:
        return _setup_form(token, username[:200], error)
    logins.remember(signed_in)
    return redirect("/", code=303)


def _login_form(next_address: str, username: str = "", error: AccountError | None = None) -> Response:
    needs_setup = not accounts.has_users(logins.database())
    page = render_template(
        "session/login.html", next_address=next_address, username=username, error=error, needs_setup=needs_setup
    )
    response = make_response(page, error.status if error else 200)
    if error and error.retry_after_s:
        response.headers["Retry-After"] = str(round(error.retry_after_s))
    return response


def _setup_form(token: str, username: str = "", error: AccountError | None = None) -> Response:
    expires_at = accounts.setup_expires_at(logins.database(), token)
    if expires_at is None:
        raise SetupClosed("This setup link was used or has ended. Start the server again for a new one.")
    page = render_template(
        "session/setup.html",
        token=token,
        username=username,
        error=error,
        until=_until(expires_at, utc_now()),
        checks=check_server(),
        min_length=MIN_PASSWORD_LENGTH,
    )
    return make_response(page, error.status if error else 200)


def _until(moment: datetime, now: datetime) -> str:
    day = "" if moment.date() == now.date() else f"{moment.day} {moment:%b %Y}, "
    return f"{day}{moment:%H:%M} UTC"


def _next_address(target: str | None) -> str:
    address = own_address(target)
    return "/" if address.split("?")[0] in ("/login", "/logout", "/setup") else address
