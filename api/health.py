"""`/health`, `/health/ready` and `/metrics`: for load balancers and monitoring, outside the API's own rules."""

from __future__ import annotations

import ipaddress
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request
from flask_login import current_user

import extensions
from accounts import Identity
from api.dispatch import CHALLENGE, as_json
from api.metrics import CONTENT_TYPE, exposition
from api.probes import Readiness
from config import Config
from database import Database

blueprint = Blueprint("health", __name__)
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


def prepare(app: Flask, config: Config, database: Database) -> None:
    """Give `app` its probes."""
    app.extensions["taskroom_readiness"] = Readiness(config, database)


@blueprint.get("/health")
def health() -> Response:
    """This process answers. Asks nothing of anybody, so it holds while everything else is away."""
    return as_json({"status": "ok"})


@blueprint.get("/health/ready")
def ready() -> Response:
    """One entry each for database, redis and workers; 503 unless all are there. Answers within a second."""
    findings = _readiness().ask()
    is_ready = all(found.is_ok for found in findings.values())
    parts: dict[str, Any] = {name: found.shape() for name, found in findings.items()}
    return as_json({"status": "ready" if is_ready else "not_ready", **parts}, 200 if is_ready else 503)


@blueprint.get("/metrics")
def metrics() -> Response:
    """Prometheus text, for an API token, an admin's login, or a program on this very machine."""
    if not (_may_read() or came_from_this_machine()):
        words = "Send an API token as Authorization: Bearer, or ask from the machine itself."
        return as_json({"error": {"code": "unauthenticated", "message": words}}, 401, {"WWW-Authenticate": CHALLENGE})
    room = extensions.current()
    web: dict[str, Any] = getattr(room, "about_this_process", dict)()
    text = exposition(room.database, _readiness().ask(), web)
    return Response(text, content_type=CONTENT_TYPE)


def _readiness() -> Readiness:
    found: Readiness = current_app.extensions["taskroom_readiness"]
    return found


def _may_read() -> bool:
    identity: Identity | None = getattr(current_user, "identity", None)
    return identity is not None and (identity.token_id is not None or identity.is_admin)


def came_from_this_machine() -> bool:
    """Whether the connection itself comes from a loopback address and nothing says that it was passed on.

    The peer is what counts, not the address that a proxy names; and a proxy on this machine makes everybody's requests
    look local, so its mark in the headers ends the privilege.
    """
    if any(name in request.headers for name in FORWARDED):
        return False
    original = request.environ.get("werkzeug.proxy_fix.orig", {})
    peer = original.get("REMOTE_ADDR", request.environ.get("REMOTE_ADDR", ""))
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
