"""People as an admin without JavaScript meets them: found, limited, signed out, disabled; hostile names are text."""

from __future__ import annotations

import re
from html import unescape

import pytest

import accounts
from accounts import COMMAND_LINE
from accounts.limits import limits_of
from tests.admin.conftest import Desk
from tests.api.room import PASSWORD, csrf_token
from tests.pages.html_checks import faults

pytestmark = pytest.mark.req("H8")

HOSTILE = '<img src=x onerror="alert(1)">'
EMPTY = {
    "role": "user", "max_running": "", "tasks_per_day": "", "timeout_min": "", "highest_priority": "",
    "may_cancel": "", "may_retry": "",
}  # fmt: skip


def limits(desk: Desk, user_id: int) -> dict[str, object]:
    with desk.room.database.read() as session:
        held = limits_of(session, user_id)
    return {name: getattr(held, name) for name in ("max_running", "tasks_per_day", "timeout_s", "may_cancel")}


def last_action(desk: Desk) -> tuple[str, str | None]:
    newest = desk.caller.get("/admin/audit?limit=1").json["items"][0]
    return newest["action"], newest["reason"]


def test_the_list_says_who_uses_how_much_and_the_chosen_one_stands_beside_it(desk: Desk) -> None:
    ada = desk.room.person("ada")
    desk.room.claim(ada.start(title="Count the shelves"))
    ada.start()
    desk.room.browser("ada")
    text = desk.text(f"/admin/people/{ada.identity.user_id}")
    assert "2 people" in text
    assert "ada Member Active 1 of 16 1 waiting 2 1" in text
    assert "Running at once default 16, is at 1 now" in text
    assert "Tasks a day default none, 2 today" in text
    assert "Count the shelves" in text
    assert "Disabling signs out, puts 1 token to sleep, can cancel 2 tasks." in text
    assert desk.client.get("/admin/people/999").status_code == 404


def test_people_are_searched_and_filtered_in_the_address(desk: Desk) -> None:
    for name in ("ada", "eve"):
        desk.room.person(name)
    accounts.invite(desk.room.database, "ivy", COMMAND_LINE)
    assert "1 of 4 people" in desk.text("/admin/people?q=AD")
    assert "ivy Member Invited" in desk.text("/admin/people?state=invited")
    page = desk.get("/admin/people?state=active&role=user&seen=nonsense")
    assert "State is <b" in page
    assert 'href="/admin/people?role=user"' in unescape(page), "each filter can be taken away"
    assert "Nobody matches" in desk.text("/admin/people?q=zzz")


@pytest.mark.req("D12")
def test_whose_name_is_guessed_at_is_shown_as_paused(desk: Desk) -> None:
    desk.room.person("ada")
    for _ in range(6):
        with pytest.raises(accounts.AccountError):
            accounts.sign_in(desk.room.database, "ada", "guessed", accounts.Browser("203.0.113.9"))
    assert re.search(r"ada Member Paused for \d+", desk.text("/admin/people"))


@pytest.mark.req("D12", "D9")
def test_a_person_is_made_with_a_link_that_the_page_shows_once(desk: Desk) -> None:
    desk.get("/admin/people/new")
    wrong = desk.post("/admin/people/new", username="  ", role="user")
    assert wrong.status_code == 400
    assert faults(wrong.text) == []
    made = desk.post("/admin/people/new", username=HOSTILE, role="user", reason="joins")
    assert made.status_code == 200
    assert faults(made.text) == []
    assert HOSTILE not in made.text
    link = unescape(re.search(r'id="link" value="([^"]+)"', made.text)[1])  # type: ignore[index]
    visitor = desk.room.nobody()
    page = visitor.get(link)
    assert faults(page.text) == []
    assert "Welcome" in page.text
    form = {"csrf_token": csrf_token(page.text), "token": link.split("token=")[1]}
    assert visitor.post("/password", data=form | {"password": "short"}).status_code == 400
    done = visitor.post("/password", data=form | {"password": PASSWORD})
    assert (done.status_code, done.headers["Location"]) == (303, "/")
    assert visitor.get("/account").status_code == 200
    assert visitor.post("/password", data=form | {"password": PASSWORD}).status_code in (400, 410)
    assert HOSTILE not in desk.get("/admin/people")
    assert HOSTILE not in desk.get("/admin/audit")


@pytest.mark.req("H5")
def test_limits_are_kept_with_a_reason_and_what_is_wrong_is_said_at_its_field(desk: Desk) -> None:
    ada = desk.room.person("ada").identity.user_id
    path = f"/admin/people/{ada}/limits"
    sent = EMPTY | {"max_running": "2", "timeout_min": "1.5", "may_cancel": "no", "reason": "two are enough"}
    assert desk.post(path, **sent).status_code == 303
    assert limits(desk, ada) == {"max_running": 2, "tasks_per_day": None, "timeout_s": 90, "may_cancel": False}
    assert last_action(desk) == ("user.limits_changed", "two are enough")
    page = desk.get(f"/admin/people/{ada}")
    assert re.search(r'name="timeout_min" value="1.5"', page)
    assert "3 of 6 differ from the defaults" in page
    for wrong in ({"max_running": "many"}, {"tasks_per_day": "-1"}, {"timeout_min": "inf"}, {"max_running": "9" * 12}):
        refused = desk.post(path, **(sent | wrong))
        assert refused.status_code == 400, wrong
        assert faults(refused.text) == []
        assert 'aria-invalid="true"' in refused.text
        assert f'value="{next(iter(wrong.values()))}"' in refused.text, "nothing typed is lost"
    assert desk.post(f"/admin/people/{ada}/defaults").status_code == 303
    assert limits(desk, ada)["max_running"] is None


def test_a_wrong_limit_keeps_the_role_too(desk: Desk) -> None:
    ada = desk.room.person("ada").identity.user_id
    assert (
        desk.post(f"/admin/people/{ada}/limits", **(EMPTY | {"role": "admin", "max_running": "0"})).status_code == 400
    )
    assert accounts.find_user(desk.room.database, "ada").role == "user"
    assert desk.post(f"/admin/people/{ada}/limits", **(EMPTY | {"role": "admin"})).status_code == 303
    assert accounts.find_user(desk.room.database, "ada").role == "admin"


def test_the_defaults_have_an_address_and_a_history(desk: Desk) -> None:
    ada = desk.room.person("ada").identity.user_id
    desk.get("/admin/people/defaults")
    assert (
        desk.post("/admin/people/defaults", **(EMPTY | {"tasks_per_day": "20", "reason": "busy week"})).status_code
        == 303
    )
    text = desk.text("/admin/people/defaults")
    assert "“Tasks a day”: none 20 root" in text
    assert "“busy week”" in text
    assert limits(desk, ada)["tasks_per_day"] == 20
    assert "default 20, 0 today" in desk.text(f"/admin/people/{ada}")
    assert desk.post("/admin/people/defaults", tasks_per_day="x").status_code == 400


@pytest.mark.req("D7", "H5")
def test_disabling_says_what_it_does_and_does_it(desk: Desk) -> None:
    ada = desk.room.person("ada")
    waiting = ada.start()
    client, _ = desk.room.browser("ada")
    path = f"/admin/people/{ada.identity.user_id}"
    text = desk.text(f"{path}/disable")
    assert "ada is signed out of 1 browser within a second and cannot sign in any more." in text
    assert "1 API token sleeps" in text
    assert "1 task goes on unless it is cancelled here." in text
    answer = desk.post(f"{path}/disable", reason="left", cancel_tasks="1")
    assert answer.status_code == 303
    assert client.get("/account").status_code == 302
    assert ada.get("/me").status_code == 401
    assert desk.caller.get(f"/tasks/{waiting}").json["status"] == "cancelled"
    assert "Tasks: 1 cancelled." in desk.text(path)
    assert "ada Member Disabled" in desk.text("/admin/people?state=disabled")
    assert desk.post(f"{path}/enable").status_code == 303
    assert ada.get("/me").status_code == 200


def test_the_last_admin_is_refused_in_a_sentence(desk: Desk) -> None:
    me = desk.caller.identity.user_id
    for path, form in (("disable", {}), ("limits", EMPTY)):
        refused = desk.post(f"/admin/people/{me}/{path}", **form)
        assert refused.status_code == 409
        assert faults(refused.text) == []
        assert "root is the only active admin. Make somebody else an admin first." in refused.text


@pytest.mark.req("D7", "D8")
def test_sessions_end_and_tokens_are_revoked_from_the_page(desk: Desk) -> None:
    ada = desk.room.person("ada")
    clients = [desk.room.browser("ada")[0] for _ in range(3)]
    path = f"/admin/people/{ada.identity.user_id}"
    page = desk.get(path)
    [first, *_] = re.findall(rf'action="{path}(/sessions/\d+/end)"', page)
    [token] = re.findall(rf'action="{path}(/tokens/\d+/revoke)"', page)
    assert desk.post(f"{path}{first}").status_code == 303
    assert [client.get("/account").status_code for client in clients].count(302) == 1
    assert desk.post(f"{path}{first}").status_code == 404
    assert desk.post(f"{path}/sessions/end").status_code == 303
    assert [client.get("/account").status_code for client in clients] == [302] * 3
    assert desk.post(f"{path}{token}").status_code == 303
    assert ada.get("/me").status_code == 401


@pytest.mark.req("D8", "D9")
def test_everybodys_tokens_stand_in_one_list_that_says_which_deserve_a_look(desk: Desk) -> None:
    ada = desk.room.person("ada")
    row, _ = accounts.create_token(
        desk.room.database, ada.identity.user_id, HOSTILE, COMMAND_LINE, scopes=("read",), expires_in_days=30
    )
    page = desk.get("/admin/tokens")
    assert HOSTILE not in page
    text = desk.text("/admin/tokens")
    assert "3 tokens work" in text
    assert "2 tokens never end. 1 token was never used." in text
    assert desk.text("/admin/tokens?care=never_used").count("Revoke") >= 1
    assert desk.post(f"/admin/tokens/{row.id}/revoke").status_code == 303
    assert "onerror" not in desk.text("/admin/tokens")
    assert "Revoked" in desk.text("/admin/tokens?state=revoked")
    assert last_action(desk)[0] == "token.revoked"


@pytest.mark.req("D2", "D3", "D10")
def test_nobody_else_sees_these_pages_and_a_cookie_alone_changes_nothing(desk: Desk) -> None:
    desk.room.person("ada")
    member, token = desk.room.browser("ada")
    me = desk.caller.identity.user_id
    for path in ("people", f"people/{me}", "people/new", "people/defaults", f"people/{me}/disable", "tokens", "audit"):
        assert member.get(f"/admin/{path}").status_code == 404
        assert desk.room.nobody().get(f"/admin/{path}").status_code == 302
    assert member.get("/admin/audit/export.csv").status_code == 404
    assert member.post(f"/admin/people/{me}/disable", data={"csrf_token": token}).status_code == 404
    assert desk.client.post(f"/admin/people/{me}/sessions/end").status_code == 400
    refused = desk.caller.get("/admin/audit?action=access.refused&actor=ada&limit=200").json["items"]
    assert {each["subject"] for each in refused} >= {"page:/admin/people", "page:/admin/audit", "page:/admin/tokens"}
