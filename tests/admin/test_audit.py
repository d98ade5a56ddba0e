"""The audit log as a page: entries in words, filters in the address, rows that open, exports safe for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from accounts import COMMAND_LINE, audit
from accounts.audit_log import EXPORT_CHUNK
from admin.audit_view import changes
from tests.admin.conftest import Desk

pytestmark = pytest.mark.req("H5", "H8")

FORMULA = '=HYPERLINK("http://evil.example","x")'
HOSTILE = "<script>alert(1)</script>"


def written(desk: Desk, count: int = 1, **entry: object) -> None:
    with desk.room.database.write() as session:
        for number in range(count):
            audit.record(session, "test.done", f"thing:{number}", COMMAND_LINE, **entry)  # type: ignore[arg-type]


def test_an_entry_says_who_did_what_to_whom_why_and_what_changed(desk: Desk) -> None:
    ada = desk.room.person("ada")
    path = f"/admin/users/{ada.identity.user_id}"
    desk.caller.call("PUT", f"{path}/limits", json={"timeout_s": 1800, "may_retry": False, "reason": "long batches"})
    text = desk.text("/admin/audit?action=user.limits_changed")
    assert "root changed limits ada “long batches” 127.0.0.1" in text
    assert "Time limit none 30 min" in text
    assert "May run tasks again none no" in text
    assert re.search(r"request tr-\w{6}-\d{4}", text)


def test_what_stayed_comes_last_and_values_read_as_words() -> None:
    found = changes({"a": 1, "role": "user", "timeout_s": 90}, {"a": 1, "role": "admin", "tags": ["x"]})
    assert [(each["field"], each["before"], each["after"], each["same"]) for each in found] == [
        ("Role", "user", "admin", False),
        ("Time limit", "1 min 30 s", "", False),
        ("Tags", "", '["x"]', False),
        ("A", "1", "1", True),
    ]


def test_filters_are_in_the_address_and_count_what_they_leave(desk: Desk) -> None:
    written(desk, 3, reason="Needle")
    assert "3 of 6 entries" in desk.text("/admin/audit?subject=thing")
    assert "1 of 6 entries" in desk.text("/admin/audit?subject=thing:1&q=needle&when=today&actor=command+line")
    page = desk.get("/admin/audit?action=test.done&when=day")
    assert "Action is <b" in page
    assert "No entry matches" in desk.text("/admin/audit?actor=nobody")
    assert "6 entries" in desk.text("/admin/audit?when=never&cursor=x&open=x")


def test_pages_go_from_new_to_old_and_back_to_the_newest(desk: Desk) -> None:
    written(desk, 60)
    page = desk.get("/admin/audit?subject=thing")
    assert "data-newest" in page
    [older] = re.findall(r'href="([^"]+)" rel="next"', page)
    rest = desk.get(older.replace("&amp;", "&"))
    assert "data-newest" not in rest
    numbers = [int(each) for text in (page, rest) for each in re.findall(r'data-entry="(\d+)"', text)]
    assert len(numbers) == len(set(numbers)) == 60
    assert numbers == sorted(numbers, reverse=True)


def test_a_row_opens_without_scripts_by_its_address(desk: Desk) -> None:
    written(desk, after={"word": "inside"})
    page = desk.get("/admin/audit?subject=thing")
    [number] = re.findall(r'data-entry="(\d+)"', page)
    assert f'id="d{number}" hidden' in page
    opened = desk.get(f"/admin/audit?subject=thing&open={number}")
    assert f'id="d{number}">' in opened
    assert 'aria-expanded="true"' in opened


@pytest.mark.req("D9", "B15")
def test_exports_hold_everything_and_no_cell_is_a_formula(desk: Desk) -> None:
    written(desk, EXPORT_CHUNK + 10, reason=FORMULA, before={"a": HOSTILE})
    with desk.room.database.write() as session:
        audit.record(session, "@evil", "+thing:1", audit.Actor("-1+1\r\n=2"), reason="\t=3")
    answer = desk.client.get("/admin/audit/export.csv")
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="audit-')
    rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True), newline="")))
    assert len(rows) == EXPORT_CHUNK + 10 + 1 + 3
    assert [int(row["id"]) for row in rows] == list(range(len(rows), 0, -1))
    assert not [cell for row in rows for cell in row.values() if cell[:1] in "=+-@\t\r" and cell]
    assert json.loads(rows[1]["before"].removeprefix("'")) == {"a": HOSTILE}
    lines = desk.client.get("/admin/audit/export.jsonl?subject=thing:1").text.splitlines()
    [entry] = [json.loads(line) for line in lines]
    assert (entry["reason"], entry["before"]) == (FORMULA, {"a": HOSTILE})


@pytest.mark.req("D9")
def test_hostile_words_are_text(desk: Desk) -> None:
    written(desk, reason=HOSTILE, before={HOSTILE: HOSTILE}, after={HOSTILE: [HOSTILE]})
    with desk.room.database.write() as session:
        audit.record(session, HOSTILE[:60], f"task:{HOSTILE}", audit.Actor(HOSTILE, address=HOSTILE))
    page = desk.get("/admin/audit")
    assert HOSTILE not in page
    assert page.count("alert(1)") > 5
    assert desk.get(f"/admin/audit?q={HOSTILE}&actor={HOSTILE}&action={HOSTILE}&subject={HOSTILE}")


def test_a_log_that_was_committed_is_told_once_and_one_that_was_rolled_back_never(desk: Desk) -> None:
    told: list[str] = []
    audit.tell_of_entries(lambda entry: told.append(entry.subject))
    try:
        written(desk, 2)
        with pytest.raises(ZeroDivisionError), desk.room.database.write() as session:
            audit.record(session, "test.done", "thing:9", COMMAND_LINE)
            session.flush()
            raise ZeroDivisionError
        written(desk)
    finally:
        audit.tell_of_entries(None)
    assert told == ["thing:0", "thing:1", "thing:0"]
