"""What every request passes: its id, checks for cross-site requests, CSRF and token scopes; and the answer's headers.

Its rule: a cookie alone never changes anything. A change needs the CSRF token of the same login, or an API token in
the Authorization header, which no other site can make a browser send; with such a header the cookie counts for nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Request, Response, g, request
from flask.sessions import SecureCookieSessionInterface
from flask_login import current_user
from werkzeug.middleware.proxy_fix import ProxyFix

from accounts.sessions import ABSOLUTE_LIFETIME
from config import Config
from extensions import csrf
from pages import problems
from tasks.errors import Forbidden, InvalidPayload

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
MAX_BODY_BYTES = 1024 * 1024
SIGNED_LINKS = frozenset({"/mail/confirm", "/mail/unsubscribe"})
MAX_FORM_AROUND_FILES = 1024 * 1024
UPLOAD_PATHS = frozenset({"/captions/uploads", "/start/caption_images"})
_REFERENCE_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def protect(app: Flask, config: Config) -> None:
    """Put all of this module around the app's views. Call it before blueprints are registered."""
    app.secret_key = config.secret_key
    app.session_interface = _SessionCookie()
    app.config.update(
        SESSION_COOKIE_NAME="taskroom_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=ABSOLUTE_LIFETIME,
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        # Checked below, so that API tokens are exempt; the token lives as long as the login it belongs to.
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,
    )
    csrf.init_app(app)
    app.before_request(_name_request)
    app.before_request(lambda: _check_change(config.allowed_origins))
    app.before_request(_check_scope)
    app.after_request(_add_headers)
    problems.handle_errors(app)


def trust_proxies(app: Flask, hops: int) -> None:
    """Believe the X-Forwarded headers of that many proxies; of none unless configured. Call it after all middleware."""
    if hops:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]


def is_upload(environ: Mapping[str, Any]) -> bool:
    """Whether this request brings a form with files, which `pages.uploading` reads bit by bit."""
    is_form = environ.get("CONTENT_TYPE", "").lower().startswith("multipart/form-data")
    return is_form and environ["REQUEST_METHOD"] == "POST" and environ.get("PATH_INFO") in UPLOAD_PATHS


def longest_upload(environ: Mapping[str, Any], files_bytes: int) -> int:
    """How many bytes a form with files may bring; 0 for every other request."""
    return files_bytes + MAX_FORM_AROUND_FILES if is_upload(environ) else 0


def bearer_token(of: Request) -> str | None:
    """The token in `Authorization: Bearer …`, "" when it is malformed, None without such a header."""
    scheme, _, token = of.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


class _SessionCookie(SecureCookieSessionInterface):
    """Flask's signed cookie, marked Secure whenever the request came over https."""

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002
        return request.is_secure


def _name_request() -> None:
    """`tr-8H2KQ4-1405`: short enough to read out, and the time of day helps to find it in the log."""
    word = "".join(secrets.choice(_REFERENCE_ALPHABET) for _ in range(6))
    g.request_id = f"tr-{word}-{datetime.now(UTC):%H%M}"


def _check_change(allowed_origins: tuple[str, ...]) -> None:
    if request.method in SAFE_METHODS:
        return
    if request.mimetype == "text/plain" and _has_body():
        # The one type of JSON body that another site's form can send without asking first.
        raise InvalidPayload("Send JSON as Content-Type: application/json, not as text/plain.")
    if bearer_token(request) is not None:
        return
    _check_origin(allowed_origins)
    if problems.is_api_request() and not current_user.is_authenticated:
        return  # no authority to protect; the view answers `unauthenticated`
    if is_upload(request.environ):
        return  # whoever reads the form meets its token before the first file, and checks it there
    if request.path in SIGNED_LINKS:
        return  # the signed token in it is the authority, not the cookie: mail programs post without one
    csrf.protect()


def _has_body() -> bool:
    """Whether anything is sent. The server names a request without body or type text/plain by itself."""
    return bool(request.content_length) or "Transfer-Encoding" in request.headers


def _check_origin(allowed_origins: tuple[str, ...]) -> None:
    origin = request.headers.get("Origin")
    is_foreign = origin is not None and origin not in allowed_origins and urlsplit(origin).netloc != request.host
    if is_foreign or request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise InvalidPayload(
            "This request came from another site, so it was refused. Behind a proxy, an admin must set ALLOWED_ORIGINS."
        )


def _check_scope() -> None:
    """An API token may only read unless it has the scope `write`; what needs `admin` is refused by its view."""
    if bearer_token(request) is None or not current_user.is_authenticated:
        return
    scope = "read" if request.method in SAFE_METHODS else "write"
    if not current_user.identity.can(scope):
        raise Forbidden(f"This API token has not the scope {scope}.")


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "static":
        # Going back to a page asks the server again: after signing out nothing is shown, and nothing shown is stale.
        is_kept = not problems.is_api_request() and response.mimetype != "text/html"
        response.headers.setdefault("Cache-Control", "private, no-cache" if is_kept else "no-store")
    if request_id := g.get("request_id"):
        response.headers.setdefault("X-Request-Id", request_id)
    return response
