"""The page of a shared task, and how it is shared: without JavaScript."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from accounts.models import AuditEntry, User
from database import utc_now
from tasks.sharing import ShareLink
from tests.pages.html_checks import Page, faults
from tests.pages.task_app import House, half_way

SECRETS = ("/srv/acme", "worker-1@atlas", "ben", "/tasks", "/account", "tr-SECRET", "not for strangers", "private note")


def share(house: House, task_id: str, username: str = "ben", **form: str) -> str:
    """Share the task as a person does without scripts; the path of the page."""
    answer = house.post(f"/tasks/{task_id}/share", form, username)
    assert answer.status_code == 200, answer.text
    assert faults(answer.text) == []
    found = re.search(r'value="http://localhost(/shared/[^"]+)"', answer.text)
    assert found
    return unescape(found.group(1))


def look(house: House, path: str, **options: Any) -> TestResponse:
    """What a stranger gets."""
    return house.client(None).get(path, **options)


@pytest.mark.req("F1", "F10")
def test_whoever_has_the_link_sees_the_running_task_and_nothing_else(house: House) -> None:
    task_id = house.task("running", log=[("info", "10 files listed"), ("warning", "a.py is odd")], schedule_id="s-1")
    answer = look(house, share(house, task_id))
    assert answer.status_code == 200
    assert faults(answer.text) == []
    page = Page(answer.text)
    assert page.words_of("percent") == "61.4%"
    assert page.words_of("phase-title") == "Read"
    assert page.words_of("stats") == "Nodes found21,764"
    assert "10 files listed" in answer.text
    assert [secret for secret in SECRETS if secret in answer.text] == []
    assert page.find("a", href="/") == []
    assert page.find("nav") == []
    assert [each for each, attributes in page.elements if each == "form" and attributes.get("method") == "post"] == []
    assert "csrf" not in answer.text
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in answer.headers


@pytest.mark.req("F1")
@pytest.mark.parametrize("state", ["completed", "failed", "cancelled", "queued"])
def test_a_task_in_any_state_is_shown_without_people_machines_and_references(house: House, state: str) -> None:
    ended = {
        "completed": {"results": {"files_scanned": 8340, "argv": ["private note"], "scan_id": 7, "found": {"a": 1}}},
        "failed": {"error": "The disk is full.", "reference": "tr-SECRET", "category": "job", "retryable": True},
        "cancelled": {"cancelled_by": "ben", "cancel_reason": "not for strangers", "forced": False},
        "queued": {},
    }[state]
    answer = look(house, share(house, house.task(state, **ended)))
    assert faults(answer.text) == []
    assert [secret for secret in SECRETS if secret in answer.text] == []
    said = {"completed": "8,340", "failed": "The disk is full.", "cancelled": "Cancelled by somebody"}
    assert said.get(state, "Queued") in answer.text


@pytest.mark.req("D11")
def test_the_servers_own_directories_are_cut_off_the_paths_in_texts(house: House) -> None:
    root = house.app.extensions["taskroom"].config.scan_roots[0]
    progress = half_way(current_step=f"{root}/shop/api.py")
    task_id = house.task("running", progress=progress, title=f"Scan of {root}", log=[("info", f"read {root}/a.py")])
    path = share(house, task_id)
    for part in ("", "/task", "/log", "/log.txt"):
        assert str(root) not in look(house, path + part).text
    assert "…/shop/api.py" in look(house, path).text


@pytest.mark.req("F11")
def test_the_log_can_be_read_searched_and_downloaded_by_link(house: House) -> None:
    lines = [("info", f"line {number}") for number in range(1, 31)] + [("warning", "odd"), ("error", "bad\x1b[2J")]
    path = share(house, house.task("running", log=lines))
    found = look(house, f"{path}/log?from=5&limit=3").json
    assert [line["n"] for line in found["lines"]] == [5, 6, 7]
    assert found["total_lines"] == 32
    assert look(house, f"{path}/log?level=warning").json["matches"] == 2
    assert look(house, f"{path}/log?q=line+2").json["matches"] == 11
    assert "11 found" in look(house, f"{path}?q=line+2").text
    assert look(house, f"{path}/log?from=x&limit=-1&level=none").status_code == 200
    text = look(house, f"{path}/log.txt")
    assert text.headers["Content-Type"].startswith("text/plain")
    assert "attachment" in text.headers["Content-Disposition"]
    assert "\x1b" not in text.text
    assert len(text.text.splitlines()) == 32
    assert set(look(house, f"{path}/task").json) >= {"status", "progress_percent", "log_total"}


@pytest.mark.req("D2")
def test_every_token_that_does_not_hold_gets_the_same_answer(house: House) -> None:
    task_id = house.task("running")
    expired, revoked, disabled = (share(house, task_id) for _ in range(3))
    good = share(house, task_id)
    with house.database.write() as session:
        links = list(session.scalars(select(ShareLink).order_by(ShareLink.id)))
        links[0].expires_at = utc_now() - timedelta(seconds=1)
        links[1].revoked_at = utc_now()
    wrong = [expired, revoked, f"{good}x", good.partition(".")[0], "/shared/x", f"/shared/{'é' * 50}"]
    wrong.append(f"/shared/{'a' * 5000}")
    answers = [look(house, path) for path in wrong]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert "has ended, or never was one" in answers[0].text
    assert look(house, f"{expired}/task").status_code == look(house, f"{expired}/log.txt").status_code == 404
    assert look(house, good).status_code == look(house, disabled).status_code == 200
    with house.database.write() as session:
        session.get_one(User, house.people["ben"].id).is_active = False
    assert look(house, good).status_code == 404, "whoever made it may not share any more"


@pytest.mark.req("D6")
def test_an_address_that_tries_many_tokens_has_to_wait_and_others_do_not(house: House) -> None:
    path = share(house, house.task("running"))
    answers = [look(house, f"/shared/guess-{number}") for number in range(35)]
    assert answers[0].status_code == 404
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert look(house, path, environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 200


@pytest.mark.req("F1", "D2")
def test_its_owner_sees_who_made_links_how_often_they_were_opened_and_ends_them(house: House) -> None:
    task_id = house.task("running")
    path = share(house, task_id, expires_in_s="3600")
    share(house, task_id, "ada")
    for _ in range(2):
        look(house, path)
    look(house, path, headers={"Sec-Fetch-Dest": "empty"})
    page = house.get(f"/tasks/{task_id}/share")
    assert "2 times" in page.text
    assert "by ada" in page.text
    assert path.rpartition("/")[2] not in page.text, "a link cannot be shown again"
    revoke = re.findall(r"/tasks/[^/]+/share/\d+/revoke", page.text)
    assert len(revoke) == 2
    assert "The link is revoked" in house.post(revoke[1], {}).text
    assert look(house, path).status_code == 404
    with house.database.read() as session:
        told = [(each.action, each.subject, each.actor_name) for each in session.scalars(select(AuditEntry))]
        stored = session.scalar(select(ShareLink.token_hash))
    assert ("share.created", f"task:{task_id}", "ada") in told
    assert ("share.revoked", f"task:{task_id}", "ben") in told
    assert path.rpartition("/")[2] != stored


@pytest.mark.req("D2")
def test_only_the_owner_and_admins_may_share(house: House) -> None:
    seen, hidden = house.task("running", visibility="everyone"), house.task("running")
    for task_id, status in ((seen, 403), (hidden, 404)):
        assert house.get(f"/tasks/{task_id}/share", "eve").status_code == status
        assert house.post(f"/tasks/{task_id}/share", {}, "eve").status_code == status
        assert house.post(f"/tasks/{task_id}/share/1/revoke", {}, "eve").status_code == status
    assert 'data-action="share"' in house.get(f"/tasks/{seen}").text
    assert 'data-action="share"' not in house.get(f"/tasks/{seen}", "eve").text
    other = house.task("running", owner="eve")
    share(house, other, "eve")
    assert house.post(f"/tasks/{seen}/share/1/revoke", {}).status_code == 404, "a link belongs to its task"


@pytest.mark.req("D9")
def test_nothing_of_a_shared_task_becomes_markup_and_a_signed_in_reader_is_nobody_there(house: House) -> None:
    hostile = '"><script>alert(1)</script>'
    path = share(house, house.task("running", title=hostile, log=[("info", hostile)]))
    text = look(house, path).text
    assert "<script>alert" not in text
    assert faults(text) == []
    client: FlaskClient = house.client("ada")
    page = Page(client.get(path).text)
    assert page.find("body")[0]["data-user-id"] == ""
    assert page.find("nav") == []


@pytest.mark.req("D13")
def test_a_failure_of_the_page_writes_no_link_into_the_log(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = share(house, house.task("running"))
    monkeypatch.setattr("pages.shared.task_view", lambda *_: 1 / 0)
    assert look(house, path).status_code == 500
    assert "ZeroDivisionError" in caplog.text
    assert path.rpartition("/")[2] not in caplog.text
