"""Every failure of a request as the one error shape (JSON) or the error page: a sentence, never a trace or a path.

What nobody foresaw gets a reference, which is the request's id: it is shown to the person and logged with the trace.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, g, jsonify, make_response, redirect, render_template, request
from flask_login import AnonymousUserMixin, current_user
from flask_wtf.csrf import CSRFError
from markupsafe import Markup
from redis.exceptions import RedisError
from sqlalchemy.exc import InterfaceError, OperationalError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

import extensions
from accounts import AccountError, Actor
from accounts.refused import note_refused
from database import DatabaseBusy
from tasks.errors import TaskroomError

log = logging.getLogger(__name__)

_CODES = {
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    429: "rate_limited",
    503: "unavailable",
}
_TITLES = {
    400: "This could not be done",
    401: "Sign in first",
    403: "You may not do this",
    404: "There is no such page, or you may not see it",
    405: "This address does not take that",
    409: "This is not possible now",
    410: "This link has ended",
    413: "This is too large",
    429: "Too many tries",
    500: "This page could not be made",
    503: "A part of the server does not answer",
}
_MESSAGES = {
    400: "The request does not have the expected form.",
    401: "Sign in, or send a valid API token.",
    403: "Your account has not the right to do this.",
    404: "Check the address, or ask the person who sent it to share the task.",
    405: "This address exists, but not for this kind of request.",
    413: "The request is larger than this server accepts.",
    415: "Send JSON as Content-Type: application/json.",
    429: "Wait a little, then go on.",
}
_STALE_FORM = "This form is out of date or came from another site. Open its page again and repeat it."


@dataclass(frozen=True, slots=True)
class Problem:
    """A failed request in the words of the wire contract."""

    status: int
    code: str
    message: str
    details: dict[str, Any] | None = None
    retry_after_s: float | None = None
    unaffected: str = ""
    reference: str | None = None
    allow: str | None = None


def handle_errors(app: Flask) -> None:
    """Have every exception of a view, and every unknown address, answered by this module."""
    app.register_error_handler(Exception, _answer)


def is_api_request() -> bool:
    """Whether the asker is a program below /api."""
    return request.path.startswith("/api/")


def wants_json() -> bool:
    """Whether to answer in JSON: always below /api, elsewhere when the asker prefers it to a page."""
    accepted = request.accept_mimetypes
    return is_api_request() or accepted["application/json"] > accepted["text/html"]


def sign_in_first() -> BaseResponse:
    """Send a person to the sign-in page and back afterwards."""
    here = request.full_path.rstrip("?") if request.method == "GET" else "/"
    return redirect("/login" if here == "/" else f"/login?next={quote(here, safe='/')}")


def _answer(error: Exception) -> BaseResponse:
    if isinstance(error, HTTPException) and (error.response is not None or (error.code or 500) < 400):
        return make_response(error.get_response())
    if isinstance(error, TaskroomError) and error.refused:
        _note_refused(error.refused)
    problem = _describe(error)
    if problem.status >= 500:
        reference = g.get("request_id", "")
        problem = replace(problem, reference=reference)
        log.error("%s: %s %r failed", reference, request.method, _path(), exc_info=error)
    if problem.code == "unauthenticated" and not wants_json():
        return sign_in_first()
    response = _as_json(problem) if wants_json() else _as_page(problem)
    if problem.retry_after_s is not None:
        response.headers["Retry-After"] = str(max(1, round(problem.retry_after_s)))
    if problem.allow:
        response.headers["Allow"] = problem.allow
    return response


def _note_refused(subject: str) -> None:
    """Keep in the audit log what somebody who is signed in has no right to."""
    identity = getattr(current_user, "identity", None)
    if identity is not None:
        actor = Actor(identity.username, identity.user_id, request.remote_addr, g.get("request_id"))
        note_refused(extensions.current().database, subject, actor)


def _path() -> str:
    """Where the request went, without what opens a shared page."""
    return "/shared/…" if request.path.startswith("/shared/") else request.path


def _describe(error: Exception) -> Problem:
    if isinstance(error, TaskroomError | AccountError):
        return Problem(error.status, error.code, error.message, error.details, error.retry_after_s)
    if isinstance(error, CSRFError):
        return Problem(400, "invalid_payload", _STALE_FORM)
    if isinstance(error, HTTPException):
        status = error.code or 500
        code = _CODES.get(status, "invalid_payload" if status < 500 else "internal")
        return Problem(
            status, code, _MESSAGES.get(status, _MESSAGES[400]), allow=dict(error.get_headers()).get("Allow")
        )
    if isinstance(error, OperationalError | InterfaceError | DatabaseBusy):
        g._login_user = AnonymousUserMixin()  # the error page must not ask the database who is looking
        return Problem(
            503, "unavailable", "The database does not answer.", retry_after_s=5, unaffected="Running tasks go on."
        )
    if isinstance(error, RedisError):
        return Problem(503, "unavailable", "Redis does not answer.", retry_after_s=5, unaffected="Running tasks go on.")
    return Problem(
        500, "internal", "The server failed while answering this request.", unaffected="Running tasks are not affected."
    )


def _as_json(problem: Problem) -> Response:
    error: dict[str, Any] = {"code": problem.code, "message": problem.message}
    optional = {"details": problem.details, "reference": problem.reference, "retry_after_s": problem.retry_after_s}
    error |= {name: value for name, value in optional.items() if value is not None}
    response = jsonify(error=error)
    response.status_code = problem.status
    return response


def _as_page(problem: Problem) -> Response:
    title = _TITLES.get(problem.status, _TITLES[400])
    try:
        page = render_template(
            "error.html",
            status=problem.status,
            title=title,
            message=problem.message,
            unaffected=problem.unaffected,
            reference=problem.reference,
            retry_after_s=problem.retry_after_s,
        )
    except Exception:
        # The frame of the page itself may be what fails: then a page without it still gives the sentence.
        log.exception("%s: the error page failed", problem.reference)
        page = _bare_page(title, problem)
    return make_response(page, problem.status)


def _bare_page(title: str, problem: Problem) -> str:
    return Markup(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><h1>{title}</h1><p>{text}</p>'
        '<p>Reference: {reference}</p><p><a href="/">Go to home</a></p></html>'
    ).format(title=title, text=f"{problem.message} {problem.unaffected}", reference=problem.reference or "none")
