"""What every call of the API passes, in this order: address limit, login, user limit, input, handler, answer.

Cookies' CSRF tokens, the scopes of API tokens, body size and the one error shape are guarded for the whole app, before
this (see pages.security and pages.problems).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request
from flask_login import current_user

from accounts import Identity
from api import parsing
from api.operations import JSON, Call, Operation, Reply, all_operations
from api.rate_limits import RateLimits
from config import Config
from delivery.quick_redis import QuickRedis
from tasks import events
from tasks.errors import Forbidden, Unauthenticated

CHALLENGE = 'Bearer realm="Taskroom"'


@dataclass(frozen=True, slots=True)
class ApiState:
    """What the API keeps per process: its own quick way to Redis, and the buckets."""

    quick: QuickRedis
    limits: RateLimits


def prepare(app: Flask, config: Config) -> None:
    """Give `app` the state that the operations share."""
    quick = QuickRedis(config.redis_url, config.redis_prefix)
    app.extensions["taskroom_api"] = ApiState(quick, RateLimits(quick))


def state() -> ApiState:
    """The state of the app that answers this request."""
    found: ApiState = current_app.extensions["taskroom_api"]
    return found


def make_blueprint() -> Blueprint:
    """All operations of the table as views."""
    blueprint = Blueprint("api", __name__)
    for each in all_operations():
        blueprint.add_url_rule(_rule(each.path), each.name, _view(each), methods=[each.method])
    blueprint.after_request(_challenge)
    return blueprint


def asker() -> Identity:
    """Who asks. Raises Unauthenticated for nobody."""
    identity: Identity | None = getattr(current_user, "identity", None)
    if identity is None:
        raise Unauthenticated("Sign in, or send a valid API token as Authorization: Bearer.")
    return identity


def as_json(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON that every client can read: no NaN, no Infinity."""
    return Response(events.encode(data), status, dict(headers or {}), mimetype=JSON)


def _rule(path: str) -> str:
    """Flask's notation. A file's name may hold slashes, every other part may not."""
    return path.replace("{name}", "<path:name>").replace("{", "<").replace("}", ">")


def _view(each: Operation) -> Callable[..., Response]:
    def view(**path: str) -> Response:
        if each.is_change:
            state().limits.count_address(request.remote_addr or "")
        identity = asker()
        if each.is_change:
            state().limits.count_user(identity.user_id)
        if each.is_for_admins and not identity.is_admin:
            raise Forbidden("Only admins may do this, and API tokens with the scope admin.", refused=f"api:{each.path}")
        answer = each.handler(_call(each, identity, path))
        if isinstance(answer, Response):
            return answer
        if isinstance(answer, Reply):
            return as_json(answer.data, each.status, answer.headers)
        return as_json(answer, each.status)

    return view


def _call(each: Operation, identity: Identity, path: Mapping[str, str]) -> Call:
    if each.query is None:
        parsing.refuse_query(request.args)
    return Call(
        identity,
        path,
        query=parsing.read_query(each.query, request.args) if each.query else None,
        headers=parsing.read_headers(each.headers, request) if each.headers else None,
        body=parsing.read_body(each.body, request, each.body_required) if each.body else None,
    )


def _challenge(response: Response) -> Response:
    if response.status_code == 401:
        response.headers.setdefault("WWW-Authenticate", CHALLENGE)
    return response
