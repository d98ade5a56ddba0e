"""Flask-login's side of accounts: who the current user is, told by the cookie's session token or by an API token.

`current_user.identity` is the `accounts.Identity`; views and the socket edge need nothing else of it.
"""

from __future__ import annotations

from flask import Flask, g, request, session
from flask_login import UserMixin, current_user, login_user
from werkzeug.wrappers import Response

import extensions
from accounts import Actor, Browser, Identity, SignedIn, authenticate_session, authenticate_token
from database import Database
from extensions import login_manager
from pages.problems import sign_in_first, wants_json
from pages.security import bearer_token
from tasks.errors import Unauthenticated


class CurrentUser(UserMixin):
    """What flask-login hands out. Its id is the random session token: the cookie names a login, never a user."""

    def __init__(self, identity: Identity, session_token: str = "") -> None:
        self.identity = identity
        self._session_token = session_token

    def get_id(self) -> str:
        return self._session_token


def prepare(app: Flask) -> None:
    """Teach flask-login where logins come from and what to answer without one."""
    login_manager.session_protection = None  # the session lives on the server; the address may change on a train
    login_manager.user_loader(_from_cookie)
    login_manager.request_loader(lambda _request: _from_bearer())
    login_manager.unauthorized_handler(_refuse)
    login_manager.init_app(app)


def database() -> Database:
    """The database of the app that answers this request."""
    db: Database = extensions.current().database
    return db


def browser() -> Browser:
    """Where this request comes from, for the audit log and the list of sessions."""
    return Browser(request.remote_addr or "", request.user_agent.string, g.get("request_id"))


def actor() -> Actor:
    """The signed-in person as the audit log names them."""
    identity: Identity = current_user.identity
    return Actor(identity.username, identity.user_id, request.remote_addr, g.get("request_id"))


def remember(signed_in: SignedIn) -> None:
    """Put a new login into the cookie, in place of whatever an earlier one or a stranger left there."""
    session.clear()
    session.permanent = True
    identity = authenticate_session(database(), signed_in.token)
    if identity is None:
        raise Unauthenticated("This login has ended already. Sign in again.")
    login_user(CurrentUser(identity, signed_in.token))


def forget() -> None:
    """Empty the cookie."""
    session.clear()
    g.pop("_login_user", None)


def _from_cookie(session_token: str) -> CurrentUser | None:
    if bearer_token(request) is not None:
        return _from_bearer()
    identity = authenticate_session(database(), session_token)
    return CurrentUser(identity, session_token) if identity else None


def _from_bearer() -> CurrentUser | None:
    token = bearer_token(request)
    identity = authenticate_token(database(), token) if token else None
    return CurrentUser(identity) if identity else None


def _refuse() -> Response:
    if wants_json():
        raise Unauthenticated("Sign in, or send a valid API token.")
    return sign_in_first()
