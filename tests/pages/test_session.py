"""Signing in and out, the first admin and one's own account, through the pages that people use."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask

import accounts
import extensions
from accounts import COMMAND_LINE
from accounts.devices import device_words
from accounts.models import LoginThrottle
from config import Config
from database import Database, utc_now
from tests.pages.session_app import PASSWORD, Visitor, add_user, make_app

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def app(config: Config, database: Database) -> Flask:
    return make_app(config, database)


@pytest.fixture
def visit(app: Flask) -> Callable[[], Visitor]:
    """Open another browser."""
    return lambda: Visitor(app.test_client(), {"User-Agent": FIREFOX})


@pytest.fixture
def ada(visit: Callable[[], Visitor], database: Database) -> Visitor:
    """A browser in which ada, a user, is signed in."""
    add_user(database, "ada")
    visitor = visit()
    assert visitor.sign_in().status_code == 303
    return visitor


# Signing in


@pytest.mark.req("D12")
def test_the_right_password_leads_to_where_the_person_wanted_to_go(
    visit: Callable[[], Visitor], database: Database
) -> None:
    add_user(database)
    visitor = visit()
    asked = visitor.get("/tasks/5?tab=log")
    assert (asked.status_code, asked.location) == (302, "/login?next=/tasks/5%3Ftab%3Dlog")

    form = visitor.get(asked.location or "")
    wanted = re.search(r'name="next" value="([^"]+)"', form.text)
    assert wanted and wanted.group(1) == "/tasks/5?tab=log"
    answer = visitor.sign_in(next=wanted.group(1))

    assert (answer.status_code, answer.location) == (303, "/tasks/5?tab=log")
    assert "ada" in visitor.get("/tasks/5").text


@pytest.mark.req("D12")
@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/%0d%0aSet-Cookie:x=1",
        "evil",
        "http:evil",
        "/login",
        "/logout?x",
        " //evil.example",
    ],
)
def test_nobody_is_led_to_another_site_after_signing_in(
    visit: Callable[[], Visitor], database: Database, target: str
) -> None:
    add_user(database)
    answer = visit().sign_in(next=target)
    assert answer.status_code == 303
    assert answer.location in ("/", "/%0d%0aSet-Cookie:x=1")


@pytest.mark.req("D12")
def test_a_wrong_password_says_so_keeps_the_name_and_sets_no_login(
    visit: Callable[[], Visitor], database: Database
) -> None:
    add_user(database)
    visitor = visit()
    answer = visitor.sign_in(password="not the right one")

    assert answer.status_code == 401
    assert "User name or password is not right." in answer.text
    assert 'value="ada"' in answer.text and "not the right one" not in answer.text
    assert not visitor.is_signed_in()


@pytest.mark.req("D12")
def test_too_many_tries_answer_429_with_the_seconds_to_wait(visit: Callable[[], Visitor], database: Database) -> None:
    visitor = visit()
    for _ in range(5):
        assert visitor.sign_in(username="nobody").status_code == 401
    answer = visitor.sign_in(username="nobody")

    assert answer.status_code == 429
    assert 50 <= int(answer.headers["Retry-After"]) <= 60
    assert re.search(r"Too many tries\. You can go on in (1 min|\d\d s)\.", answer.text)
    as_json = visitor.post("/login", {"username": "nobody", "password": "x"}, headers={"Accept": "application/json"})
    assert as_json.get_json()["error"]["code"] == "rate_limited"
    with database.write() as session:
        assert session.query(LoginThrottle).count() == 2


@pytest.mark.req("D9")
def test_a_name_with_markup_is_shown_as_text(visit: Callable[[], Visitor]) -> None:
    answer = visit().sign_in(username='"><script>alert(1)</script>')
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_who_is_signed_in_skips_the_form(ada: Visitor) -> None:
    assert (ada.get("/login?next=/tasks/9").status_code, ada.get("/login?next=/tasks/9").location) == (302, "/tasks/9")


@pytest.mark.req("D12")
def test_signing_in_puts_a_new_login_into_the_cookie_and_clears_what_was_there(
    visit: Callable[[], Visitor], database: Database
) -> None:
    add_user(database)
    visitor = visit()
    token_before = visitor.csrf()
    planted = visitor.cookie()
    visitor.sign_in()

    assert visitor.cookie() != planted
    assert visitor.client.post("/logout", data={"csrf_token": token_before}).status_code == 400
    assert visitor.is_signed_in()


@pytest.mark.req("D12")
def test_the_cookie_is_http_only_lax_and_secure_over_https(visit: Callable[[], Visitor], database: Database) -> None:
    add_user(database)
    plain = visit().sign_in().headers["Set-Cookie"]
    assert "HttpOnly" in plain and "SameSite=Lax" in plain and "Secure" not in plain

    visitor = visit()
    token = re.search(r'name="csrf-token" content="([^"]+)"', visitor.get("/login", base_url="https://localhost").text)
    assert token
    fields = {"username": "ada", "password": PASSWORD, "csrf_token": token.group(1)}
    secure = visitor.client.post("/login", data=fields, base_url="https://localhost").headers["Set-Cookie"]
    assert "Secure" in secure and "HttpOnly" in secure


@pytest.mark.req("D12")
def test_without_any_account_the_sign_in_page_says_how_to_make_the_first(visit: Callable[[], Visitor]) -> None:
    assert "There is no account yet." in visit().get("/login").text


# Signing out and other ends


@pytest.mark.req("D7")
def test_signing_out_kills_the_cookie_on_the_server(ada: Visitor, visit: Callable[[], Visitor]) -> None:
    stolen = ada.cookie()
    assert stolen
    out = ada.post("/logout", form="/account")
    assert (out.status_code, out.location) == (303, "/login")

    thief = visit()
    thief.client.set_cookie("taskroom_session", stolen)
    assert not ada.is_signed_in() and not thief.is_signed_in()
    assert thief.get("/").location == "/login"
    assert ada.post("/logout").status_code == 303


@pytest.mark.req("D7")
@pytest.mark.parametrize("end", ["disable", "password", "demote", "all"])
def test_taking_rights_away_ends_the_cookie_at_the_next_request(
    visit: Callable[[], Visitor], database: Database, end: str
) -> None:
    add_user(database, "root", role="admin")
    user = add_user(database, "eve", role="admin")
    visitor = visit()
    visitor.sign_in("eve")
    assert visitor.is_signed_in()
    ways: dict[str, Callable[[], object]] = {
        "disable": lambda: accounts.set_active(database, user.id, False, COMMAND_LINE),
        "password": lambda: accounts.set_password(database, user.id, "another good phrase", COMMAND_LINE),
        "demote": lambda: accounts.set_role(database, user.id, "user", COMMAND_LINE),
        "all": lambda: accounts.end_all_sessions(database, user.id, COMMAND_LINE),
    }
    ways[end]()
    assert not visitor.is_signed_in()


@pytest.mark.req("D7")
def test_one_session_of_several_can_be_ended_and_only_ones_own(
    ada: Visitor, visit: Callable[[], Visitor], database: Database
) -> None:
    second = visit()
    second.sign_in()
    page = ada.get("/account").text
    assert "2 sessions" in page and "Firefox on Linux" in page and "this one" in page
    user = accounts.find_user(database, "ada")
    [other] = [row.id for row in accounts.list_sessions(database, user.id) if f"/{row.id}/end" in page][:1]
    eve = add_user(database, "eve")
    stranger = visit()
    stranger.sign_in("eve")
    assert stranger.post(f"/account/sessions/{other}/end", form="/account").status_code == 404

    assert ada.post("/account/sessions/end-others", form="/account").status_code == 303
    assert not second.is_signed_in()
    assert "1 other session ended." in ada.get("/account").text
    assert stranger.is_signed_in() and eve.id != user.id


@pytest.mark.req("D7")
def test_changing_the_password_signs_out_other_browsers_and_keeps_this_one(
    ada: Visitor, visit: Callable[[], Visitor]
) -> None:
    second = visit()
    second.sign_in()
    old_cookie = ada.cookie()
    wrong = ada.post("/account/password", {"current": "nope", "password": "another good phrase"}, form="/account")
    assert wrong.status_code == 401 and "The current password is not right." in wrong.text
    weak = ada.post("/account/password", {"current": PASSWORD, "password": "short"}, form="/account")
    assert weak.status_code == 400 and "at least 10 characters" in weak.text

    done = ada.post("/account/password", {"current": PASSWORD, "password": "another good phrase"}, form="/account")

    assert done.status_code == 303
    assert ada.is_signed_in() and not second.is_signed_in()
    second.client.set_cookie("taskroom_session", old_cookie or "")
    assert not second.is_signed_in()
    assert visit().sign_in(password="another good phrase").status_code == 303


@pytest.mark.req("D7")
def test_every_end_is_announced_to_the_sockets(ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[dict[str, int | None]] = []
    monkeypatch.setattr(extensions, "_revocation_listeners", [lambda **what: heard.append(what)])
    ada.post("/account/password", {"current": PASSWORD, "password": "another good phrase"}, form="/account")
    assert heard[-1]["session_id"] is None
    ada.post("/logout", form="/account")
    assert heard[-1]["session_id"] is not None


# API tokens


@pytest.mark.req("D8")
def test_a_token_is_shown_once_works_and_can_be_revoked(ada: Visitor, visit: Callable[[], Visitor]) -> None:
    made = ada.post("/account/tokens", {"name": "ci", "scope": "read", "expires_in_days": "30"}, form="/account")
    found = re.search(r"tr_[\w-]{43}", made.text)
    assert made.status_code == 200 and found and made.headers["Cache-Control"] == "no-store"
    bearer = {"Authorization": f"Bearer {found.group()}"}
    assert found.group() not in ada.get("/account").text

    program = visit()
    assert program.get("/api/v1/probe", headers=bearer).get_json()["user"] == "ada"
    refused = program.client.post("/api/v1/probe", headers=bearer, json={})
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (403, "forbidden")

    number = re.search(r"/account/tokens/(\d+)/revoke", ada.get("/account").text)
    assert number and ada.post(f"/account/tokens/{number.group(1)}/revoke", form="/account").status_code == 303
    assert program.get("/api/v1/probe", headers=bearer).status_code == 401


@pytest.mark.req("D8")
def test_a_user_cannot_make_an_admins_token_or_one_without_a_name(ada: Visitor) -> None:
    admin = ada.post("/account/tokens", {"name": "ci", "scope": "admin"}, form="/account")
    assert admin.status_code == 400 and "Only an admin&#39;s token can have the scope admin." in admin.text
    nameless = ada.post("/account/tokens", {"name": " ", "scope": "read"}, form="/account")
    assert nameless.status_code == 400 and 'aria-invalid="true"' in nameless.text
    assert "tr_" not in admin.text + nameless.text


@pytest.mark.req("D8")
def test_a_token_cannot_touch_the_account_it_belongs_to(visit: Callable[[], Visitor], database: Database) -> None:
    user = add_user(database, "root", role="admin")
    _row, token = accounts.create_token(database, user.id, "ci", COMMAND_LINE, scopes=["admin"])
    bearer = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    client = visit().client
    answers = [
        client.get("/account", headers=bearer),
        client.post("/account/tokens", headers=bearer, data={"name": "x"}),
    ]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert len(accounts.list_tokens(database, user.id)) == 1


# The first admin


@pytest.mark.req("D12")
def test_the_setup_link_makes_the_first_admin_once(visit: Callable[[], Visitor], database: Database) -> None:
    token = accounts.create_setup_token(database) or ""
    visitor = visit()
    page = visitor.get(f"/setup?token={token}")
    assert page.status_code == 200 and "Make the first admin" in page.text
    # The address holds the token, so no other site may get it; but with `no-referrer` browsers send the form with
    # `Origin: null`, which is refused.
    assert page.headers["Referrer-Policy"] == "same-origin"
    for part in ("Database", "SQLite", "Redis", "http only, fine on this machine"):
        assert part in page.text

    fields = {"token": token, "username": "Ada", "password": PASSWORD}
    weak = visitor.post("/setup", fields | {"password": "password123"}, form=f"/setup?token={token}")
    assert weak.status_code == 400 and "first that are guessed" in weak.text and "password123" not in weak.text
    made = visitor.post("/setup", fields, form=f"/setup?token={token}")

    assert (made.status_code, made.location) == (303, "/")
    assert visitor.is_signed_in()
    assert accounts.find_user(database, "ada").role == "admin"
    stranger = visit()
    assert stranger.get(f"/setup?token={token}").status_code == 410
    assert stranger.post("/setup", fields | {"username": "eve"}).status_code == 410


@pytest.mark.req("D12")
@pytest.mark.parametrize("token", ["", "x", "x" * 5000, "%00"])
def test_a_made_up_setup_link_is_no_way_in(visit: Callable[[], Visitor], database: Database, token: str) -> None:
    accounts.create_setup_token(database)
    assert visit().get(f"/setup?token={token}").status_code == 410
    assert not accounts.has_users(database)


def test_a_session_that_is_used_again_after_minutes_is_noted(ada: Visitor, database: Database) -> None:
    user = accounts.find_user(database, "ada")
    [row] = accounts.list_sessions(database, user.id)
    with database.write() as session:
        stored = session.get_one(accounts.LoginSession, row.id)
        stored.last_seen_at = utc_now() - timedelta(minutes=10)
    assert ada.is_signed_in()
    [row] = accounts.list_sessions(database, user.id)
    assert utc_now() - row.last_seen_at < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537 Chrome/140.0 Safari/537 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19 Mobile Safari/604", "Safari on iPhone"),
        ("curl/8.5.0", "curl"),
        ("", "Unknown browser"),
        ("<script>", "Unknown browser"),
    ],
)
def test_a_session_is_named_by_browser_and_system(agent: str, words: str) -> None:
    assert device_words(agent) == words
