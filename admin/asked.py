"""What a request to the dashboard says, and what its pages need to answer: who asks, why, filters in the address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import g, request
from flask_login import current_user
from sqlalchemy.orm import Session

import extensions
from accounts import Actor
from database import Database

T = TypeVar("T")
MAX_REASON = 500
MAX_WORDS = 200

Choices = Mapping[str, tuple[str, Mapping[str, str]]]
"""filters by their name in the address: the title, and what each value is called"""


def database() -> Database:
    """The database of the app that answers this request."""
    found: Database = extensions.current().database
    return found


def read_aside(ask: Callable[[Session], T]) -> T:
    """A longer read in one transaction. SQLite answers in C, so it is waited for beside the loop."""
    analysis: Database = extensions.current().analysis

    def answer() -> T:
        with analysis.read() as session:
            return ask(session)

    return extensions.offload_read(answer) if analysis.is_sqlite else answer()


def configured_running() -> int:
    """How many tasks one person may run at once, as the configuration says."""
    number: int = extensions.current().config.max_user_tasks
    return number


def actor() -> Actor:
    """Who asks, for the audit log."""
    identity = current_user.identity
    return Actor(identity.username, identity.user_id, request.remote_addr, g.get("request_id"))


def reason() -> str | None:
    """Why, as the form says, in one line."""
    return " ".join(request.form.get("reason", "").split())[:MAX_REASON] or None


def chosen_filters(choices: Choices) -> dict[str, str]:
    """The filters of the address; what is not among the choices is none."""
    return {name: request.args[name] for name in choices if request.args.get(name) in choices[name][1]}


def words(name: str = "q") -> str:
    """What is searched for."""
    return request.args.get(name, "").strip()[:MAX_WORDS]


def href(base: str, query: Mapping[str, str]) -> str:
    """An address with these filters."""
    filled = {name: value for name, value in query.items() if value}
    return f"{base}?{urlencode(filled)}" if filled else base


def chips(base: str, choices: Choices, asked: Mapping[str, str]) -> list[dict[str, Any]]:
    """The filters as chips: set ones with the way to clear them, the others with what they can be."""
    found: list[dict[str, Any]] = []
    for name, (title, options) in choices.items():
        if asked.get(name):
            said = options.get(asked[name], asked[name])
            rest = {key: value for key, value in asked.items() if key != name}
            lower = f"{said[:1].lower()}{said[1:]}" if asked[name] in options else said
            found.append({"title": title, "set": True, "value": lower, "clear_href": href(base, rest)})
        elif options:
            links = [{"title": said, "href": href(base, {**asked, name: key})} for key, said in options.items()]
            found.append({"title": title, "set": False, "options": links})
    return found
