"""Webhooks and mail as a person without JavaScript meets them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from werkzeug.test import TestResponse

from config import Mail
from outbound import deliveries, letters
from outbound.models import Delivery, MailAddress
from outbound.posting import Outcome
from tests.pages.html_checks import Page, faults
from tests.pages.task_app import House

pytestmark = pytest.mark.req("I2")

URL = "https://hooks.example.org/taskroom?key=abc"
LIST = "/account/webhooks"


def opened(answer: TestResponse, status: int = 200) -> str:
    assert answer.status_code == status, answer.text
    assert faults(answer.text) == []
    return " ".join(" ".join(Page(answer.text).text).split())


def made(house: House, **changes: Any) -> str:
    answer = house.post(f"{LIST}/new", {"url": URL, "types": ["failed", "finished"], "active": "true"} | changes)
    assert answer.status_code == 200, answer.text
    [hook_id] = set(re.findall(rf"{LIST}/([0-9a-f-]{{36}})/test", answer.text))
    return hook_id


@pytest.fixture
def mailing(house: House) -> House:
    room = house.app.extensions["taskroom"]
    mail = Mail("localhost", 25, None, None, "none", "taskroom@example.org")
    room.config = replace(room.config, mail=mail, public_url="https://tasks.example.org")
    return house


def test_an_empty_list_says_what_a_webhook_is_and_leads_to_the_first(house: House) -> None:
    text = opened(house.get(LIST))
    assert "Nothing is posted anywhere" in text
    assert "This server sends no mail" in text
    assert LIST in house.get("/notifications/settings").text
    assert "None ticked means all" in opened(house.get(f"{LIST}/new"))


def test_a_webhook_is_made_with_a_secret_that_is_shown_once(house: House) -> None:
    answer = house.post(f"{LIST}/new", {"url": URL, "name": "Chat <b>", "types": "failed", "active": "true"})
    assert "whsec_" in opened(answer)
    [hook_id] = set(re.findall(rf"{LIST}/([0-9a-f-]{{36}})/test", answer.text))
    text = opened(house.get(f"{LIST}/{hook_id}"))
    assert "whsec_" not in text
    assert ("Chat <b>" in text, "Failed" in text, "Nothing was posted yet" in text) == (True, True, True)
    assert "hooks.example.org" in opened(house.get(LIST))
    assert "whsec_" in opened(house.post(f"{LIST}/{hook_id}/secret", {"overlap_s": "3600"}))
    assert "The old secret signs as well until" in opened(house.get(f"{LIST}/{hook_id}"))


def test_a_refused_form_keeps_what_was_typed_and_says_what_to_correct(house: House) -> None:
    answer = house.post(f"{LIST}/new", {"url": "https://10.0.0.1/x", "name": "Mine"})
    text = opened(answer, 422)
    assert "10.0.0.1 is a private address" in text
    assert "Choose what is to be told" in text
    assert 'value="https://10.0.0.1/x"' in answer.text
    assert 'value="Mine"' in answer.text
    hook_id = made(house)
    assert house.post(f"{LIST}/{hook_id}/edit", {"url": "ftp://x"}).status_code == 422
    changed = house.post(f"{LIST}/{hook_id}/edit", {"url": URL, "name": "New name", "types": "alert"})
    assert changed.status_code == 303
    assert "New name" in opened(house.get(f"{LIST}/{hook_id}"))


def test_the_log_shows_every_try_with_the_answer_as_text(house: House) -> None:
    hook_id = made(house)
    assert house.post(f"{LIST}/{hook_id}/test", {}).status_code == 303
    assert "Waiting" in opened(house.get(f"{LIST}/{hook_id}"))
    with house.database.read() as session:
        [row] = session.query(Delivery).all()
    [claimed] = deliveries.claim(house.database, [row.id])
    assert "Being sent" in opened(house.get(f"{LIST}/{hook_id}"))
    assert "being sent at this moment" in opened(house.post(f"{LIST}/{hook_id}/deliveries/{row.id}/again", {}), 409)
    outcome = Outcome(500, 1081, "The receiver answered 500.", "<script>alert(1)</script>")
    with house.database.write() as session:
        deliveries.finish(session, claimed, "waiting", outcome, 5)
    answer = house.get(f"{LIST}/{hook_id}")
    text = opened(answer)
    assert "Next try" in text
    assert "The receiver answered 500." in text
    assert "1,081 ms" in text
    assert "&lt;script&gt;alert(1)" in answer.text
    assert house.post(f"{LIST}/{hook_id}/deliveries/{row.id}/again", {}).status_code == 303
    assert house.post(f"{LIST}/{hook_id}/active", {"active": "false"}).status_code == 303
    assert "switched off" in opened(house.post(f"{LIST}/{hook_id}/test", {}), 409)
    assert "Paused" in opened(house.get(LIST))
    assert "Remove this webhook?" in opened(house.get(f"{LIST}/{hook_id}/remove"))
    assert house.post(f"{LIST}/{hook_id}/remove", {}).status_code == 303
    assert house.get(f"{LIST}/{hook_id}").status_code == 404


@pytest.mark.req("D2")
def test_somebody_elses_webhook_is_not_there(house: House) -> None:
    hook_id = made(house)
    for path in ("", "/edit", "/remove"):
        assert house.get(f"{LIST}/{hook_id}{path}", "eve").status_code == 404
    for path in ("/test", "/secret", "/active", "/remove"):
        assert house.post(f"{LIST}/{hook_id}{path}", {}, "eve").status_code == 404
    assert "Nothing is posted anywhere" in opened(house.get(LIST, "eve"))
    assert house.get(LIST, None).status_code == 302


def test_an_address_is_confirmed_and_given_up_by_links_without_a_login(mailing: House) -> None:
    assert "No address yet" in opened(mailing.get(LIST))
    wrong = mailing.post("/account/mail", {"address": "ben", "types": "failed"})
    assert "not a mail address" in opened(wrong, 422)
    assert mailing.post("/account/mail", {"address": "ben@example.org", "types": "failed"}).status_code == 303
    assert "waits for its confirmation" in opened(mailing.get("/account/mail"))
    config = mailing.app.extensions["taskroom"].config
    with mailing.database.read() as session:
        row = session.get_one(MailAddress, mailing.people["ben"].id)
    link = letters.link(config, "confirm", row).removeprefix("https://tasks.example.org")
    anybody = mailing.client(None)
    assert "Confirm" in opened(anybody.get(link))
    with mailing.database.read() as session:
        assert session.get_one(MailAddress, row.user_id).confirmed_at is None, "looking is not confirming"
    assert "mailed to this address from now on" in opened(anybody.post(link))
    assert "is told of: failed" in opened(mailing.get(LIST))
    stop = letters.link(config, "unsubscribe", row).removeprefix("https://tasks.example.org")
    one_click = anybody.post(stop, data={"List-Unsubscribe": "One-Click"})
    assert "Nothing more is mailed" in opened(one_click)
    assert "is told of: nothing" in opened(mailing.get(LIST))
    assert "has ended" in opened(anybody.post("/mail/confirm", data={"token": "nonsense"}), 404)
    assert mailing.post("/account/mail/remove", {}).status_code == 303
    assert "has ended" in opened(anybody.post(stop), 404)
