"""The pages of alerts as an admin without JavaScript meets them, and as one who watches does."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect
from werkzeug.test import TestResponse

import admin
from config import Config
from database import Database, rfc3339, utc_now
from monitoring import samples
from monitoring.alerts import thresholds
from monitoring.alerts.models import Alert
from monitoring.alerts.rules import RULES
from tests.api.test_admin_alert_calls import raised
from tests.browser.conftest import sign_in
from tests.browser.test_live_page import WRITE_DOWN_SHIFTS
from tests.fixtures.product import Server
from tests.pages.html_checks import Page, faults
from tests.pages.task_app import House, build

pytestmark = pytest.mark.req("H4")


@pytest.fixture
def house(config: Config, database: Database) -> House:
    """Pages with the dashboard's; ada is an admin."""
    made = build(config, database)
    admin.register(made.app)
    return made


def opened(answer: TestResponse, status: int = 200) -> str:
    assert answer.status_code == status, answer.text
    assert faults(answer.text) == []
    return " ".join(" ".join(Page(answer.text).text).split())


def stored(house: House, alert_id: int) -> Alert:
    with house.database.read() as session:
        return session.get_one(Alert, alert_id)


def raise_one(house: House, subject: str = "atlas:/srv", **fields: Any) -> int:
    return raised(house, subject, **fields)  # type: ignore[arg-type]  # of a room it needs the database alone


@pytest.mark.req("D3")
def test_nobody_else_sees_that_there_are_alerts(house: House) -> None:
    alert_id = raise_one(house)
    for path in ("/admin/alerts", f"/admin/alerts/{alert_id}", "/admin/alerts/thresholds"):
        assert house.get(path, "ben").status_code == 404
    assert house.post(f"/admin/alerts/{alert_id}/resolve", {}, "ben").status_code == 404
    assert stored(house, alert_id).state == "active"


def test_without_alerts_the_page_says_so_and_whether_anybody_judges(house: House) -> None:
    assert "No scheduler judges. None has measured yet." in opened(house.get("/admin/alerts", "ada"))
    for age_s, words in ((30, "None has measured since"), (0, "")):
        at = utc_now() - timedelta(seconds=age_s)
        with house.database.write() as session:
            samples.store(session, at, {"sampled_at": rfc3339(at)})
        text = opened(house.get("/admin/alerts", "ada"))
        assert ("No scheduler judges." in text) == bool(words)
        assert words in text
    assert "No alert is open." in text
    assert "No alert is over" in text


def test_open_alerts_come_first_the_gravest_first_then_what_is_over(house: House) -> None:
    mild = raise_one(house)
    grave = raise_one(house, "redis", type="redis_lost", severity="critical", title="Redis does not answer", count=4)
    over = raise_one(house, "old:/srv", state="resolved", resolved_at=stored(house, mild).last_at, resolved_by="ada")
    answer = house.get("/admin/alerts", "ada")
    text = opened(answer)
    order = [int(each) for each in re.findall(r'data-alert="(\d+)"', answer.text)]
    assert order == [grave, mild, over]
    assert "2 open, 2 not acknowledged" in text
    assert "seen 4 times" in text
    assert "Resolved by ada" in text
    only = house.get("/admin/alerts?severity=critical&state=open", "ada").text
    assert re.findall(r'data-alert="(\d+)"', only) == [str(grave)]
    assert "No alert matches" in opened(house.get("/admin/alerts?state=acknowledged", "ada"))
    nonsense = house.get("/admin/alerts?state=x&severity=%00&type=<b>", "ada").text
    assert len(re.findall(r'data-alert="(\d+)"', nonsense)) == 3
    assert house.get("/admin/alerts?cursor=x", "ada").status_code == 400


def test_an_alert_is_acknowledged_noted_and_resolved_by_forms(house: House) -> None:
    alert_id = raise_one(house)
    path = f"/admin/alerts/{alert_id}"
    assert "Free some space" in opened(house.get(path, "ada"))
    back = house.post(f"{path}/acknowledge", {"back": "/admin/alerts"}, "ada")
    assert (back.status_code, back.headers["Location"]) == (303, "/admin/alerts")
    house.post(f"{path}/notes", {"text": "<b>Old</b> uploads."}, "ada")
    assert "A note has at most" in opened(house.post(f"{path}/notes", {"text": "x" * 2001}, "ada"), 422)
    assert "Write what others should know." in opened(house.post(f"{path}/notes", {"text": " "}, "ada"), 422)
    assert house.post(f"{path}/resolve", {"back": "https://elsewhere.example"}, "ada").headers["Location"] == path
    page = house.get(path, "ada").text
    assert "&lt;b&gt;Old&lt;/b&gt; uploads." in page
    text = opened(house.get(path, "ada"))
    assert re.search(r"Resolved by ada .* Note by ada .* Acknowledged by ada .* Came", text)
    assert "resolved already" in opened(house.post(f"{path}/acknowledge", {}, "ada"), 409)
    assert house.get("/admin/alerts/99999999999999999999", "ada").status_code == 404


def test_a_threshold_is_set_refused_and_brought_back(house: House) -> None:
    path = "/admin/alerts/thresholds/disk_low"
    form = {"on": "true", "free_percent": "12", "after_s": "10", "escalate_after_s": "900", "severity": "high"}
    assert "Nobody has changed this rule" in opened(house.get(path, "ada"))
    assert house.post(path, form | {"reason": "A small disk"}, "ada").status_code == 303
    text = opened(house.get(path, "ada"))
    assert "Free is less than as it comes → 12 % by ada A small disk" in text
    wrong = house.post(path, form | {"free_percent": "<b>", "after_s": "-1"}, "ada")
    said = opened(wrong, 422)
    assert "Nothing was changed: 2 values are not possible." in said
    assert "Free is less than is a whole number from 1 to 90 %." in said
    assert 'value="&lt;b&gt;"' in wrong.text
    assert house.post(path, {"reset": "default"}, "ada").status_code == 303
    with house.database.read() as session:
        assert thresholds.changed(thresholds.thresholds(session)["disk_low"]) == []
    assert house.post(path, form | {"on": ""}, "ada").status_code == 303
    assert "switched off" in opened(house.get(path, "ada"))
    for name in RULES:
        opened(house.get(f"/admin/alerts/thresholds/{name}", "ada"))
    assert house.get("/admin/alerts/thresholds/no_such", "ada").status_code == 404
    assert house.post("/admin/alerts/thresholds/no_such", {}, "ada").status_code == 404


@pytest.mark.req("F1", "F3")
@pytest.mark.serve_options({"WORKERS": "1", "JOB_MODULES": "tests.sample_jobs", "PYTHONPATH": "."})
def test_a_real_alert_comes_to_an_open_page_and_is_acknowledged_there_from_elsewhere(
    server: Server, make_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    admin_ = server.admin()
    context = make_context()
    sign_in(context, server, admin_)
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(f"{server.url}/admin/alerts")
    expect(page.locator("[data-connection]")).to_have_text("Live")
    page.evaluate(WRITE_DOWN_SHIFTS)
    early = {"queue_backup": {"wait_s": 5, "after_s": 0}}
    server.api("PUT", "/api/v1/admin/alerts/thresholds", token=admin_.token, json={"thresholds": early})
    gate = {"to": 1, "gate": str(tmp_path / "gate")}
    for _ in range(2):
        server.api("POST", "/api/v1/tasks", token=admin_.token, json={"kind": "count", "params": gate})
    expect(page.locator("[data-alerts-newer]")).to_have_text("New: The queue is backed up", timeout=30_000)
    expect(page.locator("[data-open-alerts]")).to_have_text("1")
    assert page.evaluate("window.shifts") == []
    page.locator("[data-alerts-newer]").click()
    row = page.locator("[data-alerts] [data-alert]")
    expect(row.locator("[data-alert-title]")).to_have_text("The queue is backed up")
    expect(page.locator("[data-open-words]")).to_have_text("1 open, 1 not acknowledged")

    found = server.api("GET", "/api/v1/admin/alerts?state=open", token=admin_.token).json()["items"]
    assert [each["type"] for each in found] == ["queue_backup"]
    server.api("POST", f"/api/v1/admin/alerts/{found[0]['id']}/acknowledge", token=admin_.token)
    expect(row.locator("[data-alert-standing]")).to_have_text("Acknowledged")
    expect(row.get_by_role("button")).to_have_count(0)
    expect(page.locator("[data-open-words]")).to_have_text("1 open")
    assert errors == []
    (tmp_path / "gate").touch()
