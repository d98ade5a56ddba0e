"""Who may call the API: a token in a header, or a browser's login with its CSRF token."""

from __future__ import annotations

from typing import Any

import pytest

import accounts
from accounts import COMMAND_LINE
from api.operations import Operation, all_operations
from tests.api.room import Caller, Room

OPERATIONS = all_operations()
NEW = {"kind": "test_count"}


def address(each: Operation) -> str:
    return each.path.replace("{name}", "a").replace("{node_id}", "1").replace("{", "").replace("}", "")


@pytest.mark.req("D2", "D8")
def test_nobody_gets_anything(room: Room) -> None:
    client = room.nobody()
    for each in OPERATIONS:
        answer = client.open(address(each), method=each.method, json={} if each.is_change else None)
        assert answer.status_code == 401, each.name
        assert answer.json["error"]["code"] == "unauthenticated"
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="Taskroom"'


@pytest.mark.req("D8")
@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer tr_wrong",
        "Bearer " + "x" * 5000,
        "Basic YTpi",
        "tr_wrong",
        "Bearer tr_é",
        "bearer\ttr_x",
    ],
)
def test_a_token_that_does_not_count_is_unauthenticated(room: Room, header: str) -> None:
    answer = room.nobody().get("/api/v1/me", headers={"Authorization": header})
    assert (answer.status_code, answer.json["error"]["code"]) == (401, "unauthenticated")
    assert "WWW-Authenticate" in answer.headers


@pytest.mark.req("D7", "D8")
def test_a_revoked_token_ends_at_once(room: Room, ada: Caller) -> None:
    assert ada.get("/me").status_code == 200
    assert ada.identity.token_id
    accounts.revoke_token(room.database, ada.identity.token_id, COMMAND_LINE)
    assert ada.get("/me").status_code == 401


@pytest.mark.req("D8")
def test_a_token_that_may_read_changes_nothing(room: Room, ada: Caller) -> None:
    reader = room.caller("ada", ada.identity.user_id, ("read",))
    task_id = ada.start()
    assert reader.get(f"/tasks/{task_id}").status_code == 200
    for each in (each for each in OPERATIONS if each.is_change):
        answer = reader.call(each.method, address(each).replace("task_id", task_id), json=NEW)
        assert (answer.status_code, answer.json["error"]["code"]) == (403, "forbidden"), each.name
    assert ada.get(f"/tasks/{task_id}").json["status"] == "queued"


@pytest.mark.req("D8")
def test_an_admins_token_without_the_scope_sees_what_a_user_sees(room: Room, ada: Caller, admin: Caller) -> None:
    plain = room.caller("root", admin.identity.user_id, ("write",))
    task_id = ada.start()
    assert admin.get(f"/tasks/{task_id}").status_code == 200
    assert plain.get(f"/tasks/{task_id}").status_code == 404


@pytest.mark.req("D10")
def test_a_browser_needs_the_csrf_token_of_its_login_for_every_change(room: Room, ada: Caller) -> None:
    client, token = room.browser("ada")
    assert client.get("/api/v1/tasks").status_code == 200
    for headers in ({}, {"X-CSRFToken": "wrong"}, {"X-CSRFToken": ""}):
        refused = client.post("/api/v1/tasks", json=NEW, headers=headers)
        assert (refused.status_code, refused.json["error"]["code"]) == (400, "invalid_payload")
    assert client.get("/api/v1/tasks").json["items"] == []
    assert client.post("/api/v1/tasks", json=NEW, headers={"X-CSRFToken": token}).status_code == 202


@pytest.mark.req("D10", "D4")
@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_another_site_changes_nothing_with_a_browsers_login(room: Room, ada: Caller, headers: dict[str, str]) -> None:
    client, token = room.browser("ada")
    answer = client.post("/api/v1/tasks", json=NEW, headers={"X-CSRFToken": token} | headers)
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "invalid_payload")


@pytest.mark.req("D8")
def test_a_wrong_token_is_not_saved_by_a_good_cookie(room: Room, ada: Caller) -> None:
    client, _ = room.browser("ada")
    assert client.get("/api/v1/me", headers={"Authorization": "Bearer tr_wrong"}).status_code == 401


@pytest.mark.req("D7")
def test_a_disabled_user_is_out(room: Room, ada: Caller) -> None:
    client, _ = room.browser("ada")
    accounts.set_active(room.database, ada.identity.user_id, False, COMMAND_LINE)
    for answer in (ada.get("/me"), client.get("/api/v1/me")):
        assert answer.status_code == 401


def test_answers_are_never_kept_by_anybody(ada: Caller) -> None:
    for path in ("/me", "/tasks", "/nothing"):
        headers: Any = ada.get(path).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
