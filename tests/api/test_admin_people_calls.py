"""People, limits, sessions, tokens and the audit log over HTTP: for admins, exact, and every change in the log."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import jsonschema_rs
import pytest

import accounts
from accounts import COMMAND_LINE, AuditEntry, audit, token_list
from database import utc_now
from tests.api.room import PASSWORD, Caller, Room

pytestmark = pytest.mark.req("H8")

HOSTILE = '<img src=x onerror="alert(1)">'


def entries(admin: Caller, **filters: str) -> list[dict[str, Any]]:
    answer = admin.get("/admin/audit", query_string=filters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json["items"]
    return found


def make(admin: Caller, username: str, **wished: Any) -> dict[str, Any]:
    answer = admin.post("/admin/users", {"username": username} | wished)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json
    return made


@pytest.mark.req("D2", "D3", "H5")
def test_a_refused_call_is_kept_by_its_pattern_and_a_lesser_token_of_an_admin_is_refused_too(
    room: Room, admin: Caller
) -> None:
    ada = room.person("ada")
    lesser = room.caller("root", admin.identity.user_id, ("write",))
    for caller in (ada, lesser):
        for number in (1, 2, 3):
            assert caller.call("PATCH", f"/admin/users/{number}", json={}).status_code == 403
        assert caller.get("/admin/audit").status_code == 403
    for actor in ("ada", "root"):
        found = entries(admin, actor=actor, action="access.refused")
        assert sorted(each["subject"] for each in found) == [
            "api:/api/v1/admin/audit",
            "api:/api/v1/admin/users/{user_id}",
        ]


def test_people_are_listed_with_how_much_of_their_limits_they_use(room: Room, admin: Caller) -> None:
    ada, bob = room.person("ada"), room.person("bob")
    room.claim(ada.start())
    ada.start()
    bob.start()
    room.browser("ada")
    admin.call("PUT", f"/admin/users/{ada.identity.user_id}/limits", json={"max_running": 2})
    items = admin.get("/admin/users").json["items"]
    assert [each["username"] for each in items] == ["ada", "bob", "root"]
    first = items[0]
    assert (first["running"], first["queued"], first["started_today"]) == (1, 1, 2)
    assert (first["sessions"], first["tokens"], first["state"]) == (1, 1, "active")
    assert first["limits"]["max_running"] == 2
    assert first["own_limits"]["max_running"] == 2
    assert first["default_limits"]["max_running"] == items[1]["limits"]["max_running"] == room.config.max_user_tasks
    assert first["last_seen_at"] is not None
    assert admin.get(f"/admin/users/{ada.identity.user_id}").json == first


def test_people_are_filtered_searched_and_paged(any_room: Room) -> None:
    room, admin = any_room, any_room.person("root", role="admin")
    for name in ("ada", "Adam", "eve"):
        room.person(name)
    make(admin, "ivy")
    eve = admin.get("/admin/users?q=eve").json["items"][0]["id"]
    admin.call("PATCH", f"/admin/users/{eve}", json={"active": False})

    def names(query: str) -> list[str]:
        return [each["username"] for each in admin.get(f"/admin/users?{query}").json["items"]]

    assert names("q=AD") == ["ada", "Adam"]
    assert names("q=%25") == []
    assert names("role=admin") == ["root"]
    assert names("state=disabled") == ["eve"]
    assert names("state=invited") == ["ivy"]
    assert names("state=active") == ["ada", "Adam", "root"]
    assert names("seen=never") == ["ivy"]
    assert names("seen=day") == ["ada", "Adam", "eve", "root"]
    admin.call("PUT", f"/admin/users/{eve}/limits", json={"tasks_per_day": 3})
    with room.database.read() as session:
        assert token_list.figures(session, utc_now()) == {"active": 3, "no_end": 3, "never_used": 0}
    assert names("limits=own") == ["eve"]
    assert "eve" not in names("limits=default")
    first = admin.get("/admin/users?limit=3").json
    rest = admin.get("/admin/users", query_string={"limit": 3, "cursor": first["next_cursor"]}).json
    assert [each["username"] for each in (*first["items"], *rest["items"])] == ["ada", "Adam", "eve", "ivy", "root"]
    assert rest["next_cursor"] is None
    assert admin.get("/admin/users?state=sleeping").status_code == 422
    assert admin.get("/admin/users/none").status_code == admin.get("/admin/users/4294967296").status_code == 404


@pytest.mark.req("D12")
def test_a_person_is_made_with_a_link_that_sets_their_password_once(room: Room, admin: Caller) -> None:
    made = make(admin, HOSTILE, role="admin", reason="joins the team")
    assert (made["state"], made["role"], made["username"]) == ("invited", "admin", HOSTILE)
    url = urlsplit(made["password_link"]["url"])
    visitor = room.nobody()
    page = visitor.get(f"{url.path}?{url.query}")
    assert page.status_code == 200
    assert HOSTILE not in page.text
    token = url.query.removeprefix("token=")
    with room.database.read() as session:
        assert token not in str([row.after for row in session.query(AuditEntry)])
    user = accounts.find_user(room.database, HOSTILE)
    with pytest.raises(accounts.WrongLogin):
        accounts.sign_in(room.database, HOSTILE, "!", accounts.Browser())
    with pytest.raises(accounts.WeakPassword):
        accounts.use_link(room.database, token, "short", accounts.Browser())
    signed_in = accounts.use_link(room.database, token, PASSWORD, accounts.Browser())
    assert signed_in.user_id == user.id
    with pytest.raises(accounts.LinkEnded):
        accounts.use_link(room.database, token, PASSWORD, accounts.Browser())
    assert visitor.get(f"{url.path}?{url.query}").status_code == 410
    assert [each["action"] for each in entries(admin, subject=f"user:{HOSTILE}")] == [
        "session.started", "user.password_changed", "session.refused", "user.password_link_made", "user.created",
    ]  # fmt: skip


def test_a_link_for_a_new_password_replaces_the_older_and_ends_with_the_account(room: Room, admin: Caller) -> None:
    ada = room.person("ada")
    path = f"/admin/users/{ada.identity.user_id}"
    first, second = (admin.post(f"{path}/password-link").json["url"].split("token=")[1] for _ in range(2))
    assert accounts.open_link(room.database, first) is None
    opened = accounts.open_link(room.database, second)
    assert opened is not None
    assert not opened.is_first
    assert room.browser("ada"), "the old password holds until then"
    admin.call("PATCH", path, json={"active": False})
    assert accounts.open_link(room.database, second) is None
    assert admin.post(f"{path}/password-link").status_code == 400
    admin.call("PATCH", path, json={"active": True})
    assert accounts.open_link(room.database, second) is None, "an end is an end"


def test_a_person_is_made_with_a_password_where_one_is_given(room: Room, admin: Caller) -> None:
    made = make(admin, "ada", password=PASSWORD)
    assert (made["state"], made["password_link"]) == ("active", None)
    room.browser("ada")
    assert admin.post("/admin/users", {"username": "ADA"}).status_code == 409
    weak = admin.post("/admin/users", {"username": "bob", "password": "short"})
    assert (weak.status_code, list(weak.json["error"]["details"]["fields"])) == (400, ["password"])
    assert admin.post("/admin/users", {"username": "b\u202eob"}).status_code == 400
    assert admin.post("/admin/users", {"username": "bob", "role": "root"}).status_code == 422


@pytest.mark.req("H5", "D7")
def test_changes_are_all_or_none_and_the_log_says_who_why_from_where_and_what(room: Room, admin: Caller) -> None:
    ada = room.person("ada")
    path = f"/admin/users/{ada.identity.user_id}"
    client, _ = room.browser("ada")
    wrong = admin.call("PATCH", path, json={"role": "admin", "password": "short"})
    assert wrong.status_code == 400
    assert admin.get(path).json["role"] == "user"
    changed = admin.call("PATCH", path, json={"role": "admin", "password": "another-staple-9", "reason": "on call"})
    assert changed.json["role"] == "admin"
    assert client.get("/account").status_code == 302, "the old cookie is dead"
    role, password = (entries(admin, action=action)[0] for action in ("user.role_changed", "user.password_changed"))
    assert (role["before"], role["after"]) == ({"role": "user"}, {"role": "admin"})
    assert (role["actor"], role["reason"], role["subject"]) == (
        {"id": admin.identity.user_id, "username": "root"},
        "on call",
        "user:ada",
    )
    assert role["address"] == "127.0.0.1"
    assert role["request_id"] == password["request_id"] == changed.headers["X-Request-Id"]


def test_the_last_active_admin_stays_one(room: Room, admin: Caller) -> None:
    path = f"/admin/users/{admin.identity.user_id}"
    for change in ({"role": "user"}, {"active": False}):
        refused = admin.call("PATCH", path, json=change)
        assert refused.status_code == 409
        assert "only active admin" in refused.json["error"]["message"]
    other = room.person("eve", role="admin")
    assert admin.call("PATCH", path, json={"role": "user"}).json["role"] == "user"
    assert other.get(path).json["role"] == "user"
    assert admin.get("/admin/users").status_code == 403


def test_sessions_end_one_by_one_or_all_at_once(room: Room, admin: Caller) -> None:
    ada = room.person("ada")
    path = f"/admin/users/{ada.identity.user_id}/sessions"
    clients = [room.browser("ada")[0] for _ in range(3)]
    found = admin.get(path).json["items"]
    assert len(found) == 3
    assert admin.call("DELETE", f"{path}/{found[0]['id']}?reason=lost+laptop").json == {"ended": 1}
    assert admin.call("DELETE", f"{path}/{found[0]['id']}").status_code == 404
    mine = f"/admin/users/{admin.identity.user_id}/sessions/{found[1]['id']}"
    assert admin.call("DELETE", mine).status_code == 404, "that is not this person's session"
    assert [client.get("/account").status_code for client in clients].count(200) == 2
    assert admin.call("DELETE", path).json == {"ended": 2}
    assert [client.get("/account").status_code for client in clients] == [302] * 3
    assert entries(admin, action="session.ended")[0]["reason"] == "lost laptop"


def test_limits_are_set_whole_and_fall_back_on_defaults_that_are_set_too(room: Room, admin: Caller) -> None:
    ada = room.person("ada")
    path = f"/admin/users/{ada.identity.user_id}/limits"
    wished = {"max_running": 1, "timeout_s": 600, "highest_priority": "normal", "may_retry": False}
    assert admin.call("PUT", path, json=wished).json["limits"] == {
        "max_running": 1, "tasks_per_day": None, "timeout_s": 600, "highest_priority": "normal", "may_cancel": True,
        "may_retry": False,
    }  # fmt: skip
    refused = ada.post("/tasks", {"kind": "test_count", "priority": "urgent"})
    assert (refused.status_code, refused.json["error"]["code"]) == (403, "forbidden")
    answer = admin.call("PUT", "/admin/limits", json={"tasks_per_day": 1, "reason": "busy week"}).json
    assert (answer["limits"]["tasks_per_day"], answer["defaults"]["tasks_per_day"]) == (1, None)
    assert admin.call("PUT", path, json={}).json["own"] == dict.fromkeys(answer["own"])
    task_id = ada.start()
    late = ada.post("/tasks", {"kind": "test_count"})
    assert (late.status_code, late.json["error"]["code"]) == (429, "rate_limited")
    assert 0 < int(late.headers["Retry-After"]) <= 86_400
    assert admin.call("PUT", path, json={"max_running": 0}).status_code == 422
    assert admin.call("PUT", path, json={"may_retry": "no"}).status_code == 422
    admin.call("PUT", path, json={"may_cancel": False})
    assert ada.get(f"/tasks/{task_id}").json["may"]["cancel"] is False
    assert ada.get("/tasks").json["items"][0]["may"]["cancel"] is False
    assert ada.post(f"/tasks/{task_id}/cancel").status_code == 403
    changed = entries(admin, action="setting.changed")
    assert [(each["subject"], each["reason"]) for each in changed] == [
        ("setting:limits.default.tasks_per_day", "busy week")
    ]


@pytest.mark.req("D8")
def test_everybodys_tokens_are_listed_and_revoked(room: Room, admin: Caller) -> None:
    ada = room.person("ada")
    row, _ = accounts.create_token(
        room.database, ada.identity.user_id, HOSTILE, COMMAND_LINE, scopes=("read",), expires_in_days=30
    )
    found = admin.get("/admin/tokens?owner=ada").json["items"]
    assert [(each["name"], each["scopes"], each["care"]) for each in found] == [
        (HOSTILE, ["read"], ["never_used"]),
        ("tests", ["read", "write"], ["no_end"]),
    ]
    assert found[1]["hint"] in ada.headers["Authorization"]
    assert [each["id"] for each in admin.get("/admin/tokens?care=never_used").json["items"]] == [row.id]
    assert admin.call("DELETE", f"/admin/tokens/{found[1]['id']}?reason=leaked").status_code == 200
    assert ada.get("/me").status_code == 401
    assert [each["name"] for each in admin.get("/admin/tokens?state=revoked").json["items"]] == ["tests"]
    assert entries(admin, action="token.revoked")[0]["reason"] == "leaked"
    admin.call("PATCH", f"/admin/users/{ada.identity.user_id}", json={"active": False})
    assert [each["name"] for each in admin.get("/admin/tokens?state=asleep").json["items"]] == [HOSTILE]
    first = admin.get("/admin/tokens?limit=2").json
    rest = admin.get(f"/admin/tokens?limit=2&cursor={first['next_cursor']}").json
    assert len({each["id"] for each in (*first["items"], *rest["items"])}) == 3
    assert admin.get("/admin/tokens?cursor=x").status_code == 400


@pytest.mark.req("H5")
def test_the_audit_log_is_filtered_and_paged_from_new_to_old(any_room: Room) -> None:
    admin = any_room.person("root", role="admin")
    with any_room.database.write() as session:
        for number in range(5):
            audit.record(session, "test.done", f"thing:{number}", COMMAND_LINE, after={"word": f"Needle {number}%"})
    found = entries(admin, subject="thing")
    assert [each["subject"] for each in found] == [f"thing:{number}" for number in (4, 3, 2, 1, 0)]
    assert [each["subject"] for each in entries(admin, q="needle 3%")] == ["thing:3"]
    [one] = entries(admin, subject="thing:3", action="test.done", actor="command line")
    assert one["after"] == {"word": "Needle 3%"}
    assert entries(admin, subject="thing:") == []
    assert entries(admin, until="2000-01-01T00:00:00Z") == []
    assert len(entries(admin, since="2000-01-01T00:00:00Z", subject="thing")) == 5
    first = admin.get("/admin/audit?limit=3&subject=thing").json
    rest = admin.get(f"/admin/audit?limit=3&subject=thing&cursor={first['next_cursor']}").json
    assert [each["id"] for each in (*first["items"], *rest["items"])] == [each["id"] for each in found]
    for wrong in ("cursor=abc", "cursor=0"):
        assert admin.get(f"/admin/audit?{wrong}").status_code == 400
    for wrong in ("since=yesterday", "since=12", "until=2026-01-01T00:00:00", "colour=red"):
        assert admin.get(f"/admin/audit?{wrong}").status_code == 422


@pytest.mark.req("D2")
def test_who_asks_for_somebody_elses_task_leaves_one_entry_a_minute(room: Room, admin: Caller) -> None:
    ada, eve = room.person("ada"), room.person("eve")
    task_id = ada.start()
    for _ in range(3):
        for path in (f"/tasks/{task_id}", f"/tasks/{task_id}/log"):
            assert eve.get(path).status_code == 404
        assert eve.post(f"/tasks/{task_id}/cancel").status_code == 404
        assert eve.get("/tasks/00000000-0000-4000-8000-000000000000").status_code == 404
    [entry] = entries(admin, action="access.refused")
    assert (entry["actor"]["username"], entry["subject"]) == ("eve", f"task:{task_id}")
    assert entry["address"] == "127.0.0.1"
    assert entry["request_id"]


@pytest.mark.req("J5")
def test_what_comes_is_what_is_described(room: Room, admin: Caller) -> None:
    document = admin.get("/openapi.json").json
    ada = room.person("ada")
    room.browser("ada")

    def check(path: str, method: str, answer: Any) -> None:
        described = document["paths"][f"/api/v1{path}"][method]["responses"][str(answer.status_code)]
        schema = described["content"][answer.mimetype]["schema"]
        jsonschema_rs.validate(schema | {"components": document["components"]}, answer.json)

    one, number = "/admin/users/{user_id}", str(ada.identity.user_id)
    of_one = (one, f"{one}/sessions", f"{one}/limits")
    for path in ("/admin/users", *of_one, "/admin/limits", "/admin/tokens", "/admin/audit"):
        check(path, "get", admin.get(path.replace("{user_id}", number)))
    check("/admin/users", "post", admin.post("/admin/users", {"username": "bob"}))
    check("/admin/users", "post", admin.post("/admin/users", {"username": "bob"}))
    check(one, "patch", admin.call("PATCH", f"/admin/users/{number}", json={"role": "admin"}))
    check(f"{one}/limits", "put", admin.call("PUT", f"/admin/users/{number}/limits", json={"timeout_s": 5}))
    check(f"{one}/password-link", "post", admin.post(f"/admin/users/{number}/password-link"))
    check("/admin/users", "get", ada.get("/admin/users?x=1"))
