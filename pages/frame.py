"""What every page's frame needs, whoever renders it: navigation, theme, filters. And the theme switch itself."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from flask import Blueprint, Flask, current_app, redirect, request
from flask_login import current_user
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response

from database import DatabaseBusy
from pages import format as words
from pages import house
from pages.log_view import breakable
from pages.view import task_view
from tasks.notices import inbox

blueprint = Blueprint("frame", __name__)
THEMES = ("auto", "light", "dark")
THEME_COOKIE = "theme"
ONE_YEAR_S = 365 * 86400

# The order of the navigation. An entry shows once a page answers at its address.
PLACES = (
    ("home", "Home", "/", "home"),
    ("tasks", "Tasks", "/tasks", "tasks"),
    ("repositories", "Repositories", "/repositories", "repository"),
    ("schedules", "Schedules", "/schedules", "schedules"),
    ("captions", "Captions", "/captions", "captions"),
    ("admin", "Admin", "/admin", "admin"),
)
ADMIN_PLACES = frozenset({"admin"})


def prepare(app: Flask) -> None:
    """Add filters and the variables of base.html to `app`, for the templates of every blueprint."""
    app.jinja_env.filters.update(
        initials=words.initials,
        count=words.count,
        percent=words.percent,
        duration=words.duration,
        measured=words.measured,
        size=words.size,
        humanise=words.humanise,
        plural=words.plural,
        breakable=breakable,
        limit=words.limit,
    )
    app.jinja_env.globals["task_view"] = task_view
    app.context_processor(_frame)


def _frame() -> dict[str, object]:
    addresses = {rule.rule.rstrip("/") or "/" for rule in current_app.url_map.iter_rules()}
    theme = request.cookies.get(THEME_COOKIE, "auto") if request else "auto"
    told = house.status(current_app.extensions["taskroom"].database) if current_user.is_authenticated else None
    return {
        "server_status": told,
        "unread_count": _unread_count(),
        "house_banner": house.banner(told),
        "navigation": _navigation(addresses),
        "chosen_theme": theme if theme in THEMES else "auto",
        "poll_fallback_s": current_app.extensions["taskroom"].config.poll_fallback_seconds,
        "account_href": "/account" if "/account" in addresses else "",
        "fresh_key": secrets.token_urlsafe,
    }


def _unread_count() -> int | None:
    """How many notifications the person has not read; None for nobody, and while the database does not answer."""
    if not current_user.is_authenticated:
        return None
    try:
        with current_app.extensions["taskroom"].database.read() as session:
            return inbox.unread_count(session, current_user.identity.user_id)
    except (SQLAlchemyError, DatabaseBusy):
        return None


def _navigation(addresses: set[str]) -> list[dict[str, str]]:
    identity = getattr(current_user, "identity", None)
    is_admin = identity is not None and identity.is_admin
    shown = (place for place in PLACES if place[2] in addresses and (is_admin or place[0] not in ADMIN_PLACES))
    return [{"key": key, "title": title, "href": href, "icon": icon} for key, title, href, icon in shown]


@blueprint.post("/theme")
def choose_theme() -> Response:
    """Keep the chosen theme in a cookie of this browser and go back to where the choice was made."""
    asked = request.form.get("theme", "auto")
    theme = asked if asked in THEMES else "auto"
    response = redirect(own_address(request.form.get("next")), code=303)
    response.set_cookie(THEME_COOKIE, theme, max_age=ONE_YEAR_S, samesite="Lax", secure=request.is_secure)
    return response


def own_address(target: str | None) -> str:
    """`target` when it is a path of this server, else "/": a link from outside must not lead people elsewhere."""
    if not target or not target.startswith("/") or target[1:2] in ("/", "\\") or any(ord(c) < 32 for c in target):
        return "/"
    parts = urlsplit(target)
    return "/" if parts.scheme or parts.netloc else target
