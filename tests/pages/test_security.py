"""What every request passes: cross-site refusals, CSRF, content types, headers, proxies, and errors without a trace."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

import pytest
from flask import Flask

import accounts
from accounts import COMMAND_LINE
from config import Config
from database import Database
from tests.pages.session_app import PASSWORD, Visitor, add_user, make_app

REFERENCE = re.compile(r"tr-[2-9A-Z]{6}-\d{4}")


@pytest.fixture
def app(config: Config, database: Database) -> Flask:
    return make_app(config, database)


@pytest.fixture
def ada(app: Flask, database: Database) -> Visitor:
    """A browser in which ada is signed in."""
    add_user(database, "ada")
    visitor = Visitor(app.test_client())
    assert visitor.sign_in().status_code == 303
    return visitor


@pytest.fixture
def bearer(database: Database) -> dict[str, str]:
    """The header of an API token of bob's."""
    user = add_user(database, "bob")
    return {"Authorization": f"Bearer {accounts.create_token(database, user.id, 'ci', COMMAND_LINE)[1]}"}


def code(answer: object) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["error"]["code"]  # type: ignore[attr-defined]


# Forms and other sites


@pytest.mark.req("D10")
@pytest.mark.parametrize(
    "path",
    [
        "/login",
        "/logout",
        "/setup",
        "/account/password",
        "/account/tokens",
        "/account/sessions/1/end",
        "/theme",
        "/api/v1/probe",
    ],
)
def test_a_form_without_the_csrf_token_changes_nothing(ada: Visitor, path: str) -> None:
    without = ada.client.post(path, data={"username": "ada", "password": PASSWORD})
    wrong = ada.client.post(path, data={"csrf_token": "made-up"})

    assert (without.status_code, wrong.status_code) == (400, 400)
    assert ada.is_signed_in()


@pytest.mark.req("D10")
def test_a_script_of_the_page_sends_the_token_in_a_header(ada: Visitor) -> None:
    token = ada.csrf("/account")
    assert ada.client.post("/api/v1/probe", json={"a": 1}, headers={"X-CSRFToken": token}).status_code == 200
    assert code(ada.client.post("/api/v1/probe", json={"a": 1})) == (400, "invalid_payload")


@pytest.mark.req("D10")
def test_anothers_csrf_token_does_not_fit(ada: Visitor, app: Flask) -> None:
    stranger = Visitor(app.test_client()).csrf()
    assert ada.client.post("/api/v1/probe", json={}, headers={"X-CSRFToken": stranger}).status_code == 400


@pytest.mark.req("D4", "D10")
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:81"},
        {"Origin": "http://evil.example", "X-Forwarded-Host": "evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
@pytest.mark.parametrize("path", ["/login", "/logout", "/api/v1/probe"])
def test_another_site_is_refused_even_with_a_csrf_token(ada: Visitor, path: str, headers: dict[str, str]) -> None:
    fields = {"csrf_token": ada.csrf("/account")}
    assert ada.client.post(path, data=fields, headers=headers).status_code == 400
    assert ada.is_signed_in()


@pytest.mark.req("D4")
def test_the_own_origin_and_the_allowed_ones_pass(
    make_config: Callable[..., Config], sqlite_url: str, redis_url: str, database: Database
) -> None:
    config = make_config(DATABASE_URL=sqlite_url, REDIS_URL=redis_url, ALLOWED_ORIGINS="https://tasks.example.org")
    visitor = Visitor(make_app(config, database).test_client())
    add_user(database)
    for origin in ("http://localhost", "https://tasks.example.org"):
        fields = {"username": "ada", "password": PASSWORD}
        assert visitor.post("/login", fields, headers={"Origin": origin}).status_code == 303
        visitor.post("/logout", form="/account")


@pytest.mark.req("D10")
@pytest.mark.parametrize("with_token", [True, False])
def test_json_that_says_it_is_plain_text_is_refused(ada: Visitor, bearer: dict[str, str], with_token: bool) -> None:
    headers = bearer if with_token else {"X-CSRFToken": ada.csrf("/account")}
    answer = ada.client.post("/api/v1/probe", data='{"a": 1}', content_type="text/plain", headers=headers)
    assert code(answer) == (400, "invalid_payload")
    assert "application/json" in answer.get_json()["error"]["message"]


# API tokens


@pytest.mark.req("D8")
def test_a_program_with_a_token_needs_no_csrf(app: Flask, bearer: dict[str, str]) -> None:
    answer = app.test_client().post("/api/v1/probe", json={"a": 1}, headers=bearer)
    assert answer.get_json() == {"user": "bob", "json": {"a": 1}}
    assert "Set-Cookie" not in answer.headers


@pytest.mark.req("D8")
@pytest.mark.parametrize("token", ["", "x", "tr_wrong", "tr_" + "x" * 500])
def test_beside_a_wrong_token_the_cookie_counts_for_nothing(ada: Visitor, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    assert code(ada.client.post("/api/v1/probe", json={}, headers=headers)) == (401, "unauthenticated")
    assert code(ada.client.get("/api/v1/probe", headers=headers)) == (401, "unauthenticated")


@pytest.mark.req("D8")
def test_beside_a_right_token_the_token_counts_and_not_the_cookie(ada: Visitor, bearer: dict[str, str]) -> None:
    assert ada.client.get("/api/v1/probe", headers=bearer).get_json()["user"] == "bob"


@pytest.mark.req("D8")
def test_without_any_login_the_api_answers_unauthenticated(app: Flask) -> None:
    client = app.test_client()
    assert code(client.get("/api/v1/probe")) == (401, "unauthenticated")
    assert code(client.post("/api/v1/probe", json={})) == (401, "unauthenticated")


# Headers and proxies


@pytest.mark.req("D7")
@pytest.mark.parametrize("path", ["/", "/account", "/api/v1/probe"])
def test_what_somebody_saw_is_not_kept_by_the_browser(ada: Visitor, path: str) -> None:
    assert ada.get(path).headers["Cache-Control"] == "no-store"


@pytest.mark.req("D9")
@pytest.mark.parametrize("path", ["/login", "/boom", "/no-such-page", "/api/v1/probe", "/static/css/tokens.css"])
def test_every_answer_carries_the_strict_headers(app: Flask, path: str) -> None:
    answer = app.test_client().get(path)
    headers = answer.headers
    answer.close()
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))

    assert policy["default-src"] == "'none'" and policy["script-src"] == "'self'" and policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'" and policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.req("D9")
@pytest.mark.parametrize("path", ["/login", "/account", "/boom"])
def test_no_page_has_inline_script_or_style(ada: Visitor, app: Flask, path: str) -> None:
    visitor = Visitor(app.test_client()) if path == "/login" else ada
    page = visitor.get(path).text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:|https?://(?!www\.w3\.org)", page)


FORGED = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}


@pytest.mark.req("D4")
def test_forwarded_headers_are_believed_only_from_configured_proxies(
    app: Flask, make_config: Callable[..., Config], sqlite_url: str, redis_url: str, database: Database
) -> None:
    plain = app.test_client().get("/secure", headers=FORGED).get_json()
    assert plain == {"secure": False, "address": "127.0.0.1", "host": "localhost"}

    config = make_config(DATABASE_URL=sqlite_url, REDIS_URL=redis_url, TRUSTED_PROXIES="1")
    chain = FORGED | {"X-Forwarded-For": "1.1.1.1, 203.0.113.9"}
    behind = make_app(config, database).test_client().get("/secure", headers=chain).get_json()
    assert behind == {"secure": True, "address": "203.0.113.9", "host": "evil.example"}


# Errors


@pytest.mark.req("D10")
@pytest.mark.parametrize("path", ["/boom", "/api/v1/boom"])
def test_an_unforeseen_error_shows_a_reference_that_is_in_the_log_and_nothing_else(
    ada: Visitor, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = ada.get(path)

    shown = REFERENCE.search(answer.text)
    assert answer.status_code == 500 and shown
    assert answer.headers["X-Request-Id"] == shown.group()
    assert "hidden.py" not in answer.text and "Traceback" not in answer.text and "RuntimeError" not in answer.text
    assert shown.group() in caplog.text and "hidden.py" in caplog.text
    if path.startswith("/api"):
        assert answer.get_json()["error"]["reference"] == shown.group()


@pytest.mark.req("D10")
def test_a_database_that_is_away_is_said_so_without_its_address(ada: Visitor) -> None:
    answer = ada.get("/database-gone")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "The database does not answer. Running tasks go on." in answer.text
    assert "hunter2" not in answer.text and "SELECT" not in answer.text


@pytest.mark.req("D10")
def test_unknown_addresses_and_methods_have_the_error_shape(ada: Visitor) -> None:
    page = ada.get("/no-such-page")
    assert page.status_code == 404 and "There is no such page, or you may not see it" in page.text
    assert code(ada.get("/api/v1/nothing")) == (404, "not_found")
    assert code(ada.get("/no-such-page", headers={"Accept": "application/json"})) == (404, "not_found")
    wrong_method = ada.client.delete("/api/v1/probe", headers={"X-CSRFToken": ada.csrf("/account")})
    assert code(wrong_method) == (405, "invalid_payload") and "POST" in wrong_method.headers["Allow"]


@pytest.mark.req("D5")
def test_a_body_that_is_too_large_is_refused_by_its_length(ada: Visitor) -> None:
    headers = {"X-CSRFToken": ada.csrf("/account")}
    answer = ada.client.post("/account/tokens", data=b"x" * 1_100_000, headers=headers)
    assert answer.status_code == 413


@pytest.mark.req("D10")
def test_when_even_the_error_page_fails_a_plain_one_is_shown(ada: Visitor, app: Flask) -> None:
    app.jinja_env.globals["url_for"] = None
    answer = ada.get("/boom")
    assert answer.status_code == 500
    assert REFERENCE.search(answer.text) and "hidden.py" not in answer.text
