"""The inbox as a person without JavaScript meets it: read, marked, filtered, muted, and asked for on a task's page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from tasks import registry
from tasks.notices import MUTABLE_TYPES, Notice, Notification, TaskFollower, inbox, notify
from tests.fixtures.machine import ROOT
from tests.pages.html_checks import Page, faults
from tests.pages.task_app import KIND, House

pytestmark = pytest.mark.req("I1")


def opened(answer: TestResponse, status: int = 200) -> str:
    assert answer.status_code == status, answer.text
    assert faults(answer.text) == []
    return " ".join(" ".join(Page(answer.text).text).split())


def tell(house: House, title: str = "Probe of acme is done", who: str = "ben", **fields: Any) -> int:
    notice = Notice(**({"type": "finished", "level": "success", "title": title, "kind": KIND} | fields))
    with house.database.write() as session:
        told = notify(session, house.people[who].id, notice)
        assert told is not None
        return told.id


def unread(house: House, who: str = "ben") -> int:
    with house.database.read() as session:
        return inbox.unread_count(session, house.people[who].id)


def test_an_empty_inbox_says_what_it_is_for(house: House) -> None:
    answer = house.get("/notifications")
    text = opened(answer)
    assert "Nobody has told you anything yet" in text
    assert "Nothing unread" in text
    assert 'aria-label="Notifications"' in answer.text
    assert "<title>Notifications · Taskroom</title>" in answer.text


def test_the_inbox_and_the_bell_of_every_page_say_the_same_count(house: House) -> None:
    task_id = house.task("completed")
    tell(house, text="8,340 files. Took 3 min 4 s.", href=f"/tasks/{task_id}", task_id=task_id)
    tell(house, "Disk is running low", type="alert", level="warning", kind=None)
    tell(house, "Hers", who="eve")
    answer = house.get("/notifications")
    text = opened(answer)
    assert "2 unread" in text
    assert text.index("Disk is running low") < text.index("Probe of acme is done , unread")
    assert "8,340 files. Took 3 min 4 s. Probe a folder" in text
    assert f'href="/tasks/{task_id}" data-notice-link' in answer.text
    assert "Hers" not in text
    for path in ("/notifications", "/tasks", "/notifications/settings"):
        page = house.get(path)
        opened(page)
        assert 'aria-label="Notifications, 2 unread"' in page.text
        assert "<title>(2) " in page.text
    task = house.get(f"/tasks/{task_id}").text
    assert re.search(r"<title>Done · ", task), "a task's page says how its task is"
    assert re.search(r'data-unread-ids="\d+"', task)


def test_one_is_marked_read_and_unread_and_then_all(house: House) -> None:
    first, second = tell(house), tell(house, "Another is done")
    back = "/notifications?unread=1"
    answer = house.post("/notifications/read", {"id": first, "read": "1", "next": back})
    assert (answer.status_code, answer.headers["Location"], unread(house)) == (303, back, 1)
    assert "Mark as unread: Probe of acme is done" in house.get("/notifications").text
    assert "Probe of acme is done" not in opened(house.get(back))
    house.post("/notifications/read", {"id": first, "read": "0"})
    assert unread(house) == 2
    third = tell(house, "Came while the page was open")
    house.post("/notifications/read", {"up_to": second})
    assert unread(house) == 1
    house.post("/notifications/read", {"up_to": third, "next": "//evil.example"})
    assert unread(house) == 0
    assert "Everything is read" in opened(house.get(back))


@pytest.mark.req("D2", "D5")
def test_anothers_is_not_found_and_nonsense_refused(house: House) -> None:
    hers = tell(house, who="eve")
    assert house.post("/notifications/read", {"id": hers}).status_code == 404
    for wrong in ("x", "-1", "0", "9" * 40, "1.5", ""):
        assert house.post("/notifications/read", {"id": wrong}).status_code == 400
    assert house.get("/notifications?cursor=x").status_code == 400
    assert house.post("/notifications/read", {"up_to": hers}).status_code == 303
    assert unread(house, "eve") == 1


def test_filters_narrow_the_inbox_and_pages_follow_one_another(house: House) -> None:
    for number in range(52):
        tell(house, f"Probe {number} is done")
    tell(house, "Probe of nothing failed", type="failed", level="error")
    first = house.get("/notifications")
    assert first.text.count("data-notice-form") == 50
    [older] = re.findall(r'href="(/notifications\?cursor=\d+)"', first.text)
    assert house.get(older).text.count("data-notice-form") == 3
    only = house.get("/notifications?type=failed")
    assert "Type is failed" in opened(only)
    assert only.text.count("data-notice-form") == 1
    assert "No notification matches" in opened(house.get("/notifications?kind=code_scan"))


@pytest.mark.req("D9")
def test_hostile_words_and_addresses_stay_text(house: House) -> None:
    tell(house, "<script>alert(1)</script>", text="<img src=x>", href="javascript:alert(1)")
    tell(house, "Elsewhere", href="//evil.example/x")
    answer = house.get("/notifications")
    opened(answer)
    assert "&lt;script&gt;alert(1)" in answer.text
    assert "javascript:" not in answer.text
    assert "evil.example" not in answer.text


@pytest.mark.req("I2")
def test_what_is_switched_off_is_muted_and_the_rest_stays(house: House) -> None:
    page = house.get("/notifications/settings")
    text = opened(page)
    assert "Probe a folder" in text
    assert "Alerts" not in text, "they are for admins"
    assert "Alerts" in opened(house.get("/notifications/settings", "ada"))
    kinds = [job.kind for job in registry.all_jobs() if job.kind != KIND]
    answer = house.post("/notifications/settings", {"type": ["failed", "needs_review"], "kind": kinds})
    assert answer.headers["Location"] == "/notifications/settings?saved=1"
    with house.database.read() as session:
        kept = inbox.preferences(session, house.people["ben"].id)
    assert set(kept.muted_types) == {"finished", "cancelled"}
    assert list(kept.muted_kinds) == [KIND]
    assert "Saved." in opened(house.get("/notifications/settings?saved=1"))


def test_a_task_of_somebody_else_can_be_followed_and_left_again(house: House) -> None:
    task_id = house.task("running", owner="eve", visibility="everyone")
    page = house.get(f"/tasks/{task_id}")
    opened(page)
    assert re.search(r'<button class="btn" aria-pressed="false" data-action="follow">', page.text)
    assert house.post(f"/tasks/{task_id}/follow", {"wants": "1"}).headers["Location"] == f"/tasks/{task_id}"
    page = house.get(f"/tasks/{task_id}")
    assert 'aria-pressed="true" data-action="follow"' in page.text
    assert 'name="wants" value="0"' in page.text
    with house.database.read() as session:
        assert session.scalars(select(TaskFollower.wants)).all() == [True]
    mine = house.get(f"/tasks/{house.task('running')}").text
    assert 'aria-pressed="true" data-action="follow"' in mine, "the owner is told by default"
    ended = house.task("completed", owner="eve", visibility="everyone")
    assert 'data-action="follow"' not in house.get(f"/tasks/{ended}").text
    assert house.post(f"/tasks/{ended}/follow", {"wants": "1"}).status_code == 303
    private = house.task("running", owner="eve")
    assert house.post(f"/tasks/{private}/follow", {"wants": "1"}).status_code == 404


def test_every_page_has_a_bell_while_the_inbox_is_unknown(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> int:
        from database import DatabaseBusy

        raise DatabaseBusy("not now")

    monkeypatch.setattr(inbox, "unread_count", away)
    page = house.get("/schedules")
    opened(page)
    assert 'data-unread=""' in page.text


def test_server_and_scripts_show_the_same_icons() -> None:
    from pages.notifications import LOOKS

    script = (ROOT / "static" / "js" / "notices.js").read_text()
    [listed] = re.findall(r"const ICONS = \{(.*?)\}", script)
    assert dict(re.findall(r'(\w+): "(\w+)"', listed)) == {key: icon for key, (icon, _) in LOOKS.items()}
    assert set(MUTABLE_TYPES) < set(LOOKS)


def test_the_table_keeps_what_was_told(house: House) -> None:
    number = tell(house, "x" * 400, text="y" * 5000)
    with house.database.read() as session:
        row = session.get_one(Notification, number)
    assert (len(row.title), len(row.text)) == (300, 2000)
