"""Alerts over HTTP: for admins alone; acknowledged, resolved and noted with an audit entry; thresholds with ranges."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from accounts.models import AuditEntry
from database import utc_now
from monitoring.alerts.models import Alert, AlertEvent
from tests.api.room import Caller, Room

pytestmark = pytest.mark.req("H4")


def raised(room: Room, subject: str = "atlas:/srv", **fields: Any) -> int:
    """An alert as the engine stores it; its id."""
    now = utc_now()
    values = {"type": "disk_low", "subject": subject, "severity": "warning", "state": "active", "count": 1}
    values |= {"title": "Disk is running low on atlas", "text": "18.4 GB of 200.0 GB (9.2 %) free on /srv."}
    values |= {"facts": [["Free", "18.4 GB"]], "first_at": now - timedelta(minutes=13), "last_at": now}
    with room.database.write() as session:
        alert = Alert(**(values | fields))
        session.add(alert)
        session.flush()
        session.add(AlertEvent(alert_id=alert.id, at=now, what="raised", severity="warning", text=alert.text))
        return alert.id


def audited(room: Room, subject: str) -> list[AuditEntry]:
    with room.database.read() as session:
        return list(session.scalars(select(AuditEntry).where(AuditEntry.subject == subject).order_by(AuditEntry.id)))


@pytest.mark.req("D3")
def test_nobody_but_admins_learns_of_alerts(room: Room, ada: Caller) -> None:
    alert_id = raised(room)
    person = room.person("writer", role="admin", scopes=("write",))
    for caller in (ada, person):
        for path in ("/admin/alerts", f"/admin/alerts/{alert_id}", "/admin/alerts/thresholds"):
            assert caller.get(path).status_code == 403
        assert caller.post(f"/admin/alerts/{alert_id}/resolve").status_code == 403
        assert caller.call("PUT", "/admin/alerts/thresholds", json={"thresholds": {}}).status_code == 403


def test_alerts_are_listed_filtered_and_paged(room: Room, admin: Caller) -> None:
    ids = [raised(room, f"host-{number}:/srv") for number in range(3)]
    ids.append(raised(room, "redis", type="redis_lost", severity="critical"))
    ids.append(raised(room, "old:/srv", state="resolved", resolved_at=utc_now(), resolved_by="root"))
    first = admin.get("/admin/alerts?limit=3").json
    rest = admin.get(f"/admin/alerts?limit=3&cursor={first['next_cursor']}").json
    assert [each["id"] for each in (*first["items"], *rest["items"])] == ids[::-1]
    assert rest["next_cursor"] is None
    assert len(admin.get("/admin/alerts?state=open").json["items"]) == 4
    assert [each["id"] for each in admin.get("/admin/alerts?severity=critical").json["items"]] == [ids[3]]
    assert [each["id"] for each in admin.get("/admin/alerts?type=disk_low&state=resolved").json["items"]] == [ids[4]]
    assert admin.get("/admin/alerts?cursor=-1").status_code == 400
    assert admin.get("/admin/alerts?state=closed").status_code == 422


def test_an_alert_is_acknowledged_noted_and_resolved_and_each_is_audited(any_room: Room) -> None:
    admin = any_room.person("root", role="admin")
    alert_id = raised(any_room)
    path = f"/admin/alerts/{alert_id}"
    known = admin.post(f"{path}/acknowledge", {"note": "Looking."}).json
    assert (known["state"], known["acknowledged_by"]) == ("acknowledged", "root")
    assert admin.post(f"{path}/acknowledge").json["acknowledged_at"] == known["acknowledged_at"]
    assert admin.post(f"{path}/notes", {"text": "Old uploads."}).status_code == 201
    over = admin.post(f"{path}/resolve").json
    assert (over["state"], over["resolved_by"]) == ("resolved", "root")
    assert admin.post(f"{path}/acknowledge").status_code == 409
    shown = admin.get(path).json
    assert [(each["what"], each["by"]) for each in shown["events"]] == [
        ("resolved", "root"),
        ("note", "root"),
        ("acknowledged", "root"),
        ("raised", None),
    ]
    assert shown["step"].startswith("Free some space")
    entries = audited(any_room, f"alert:{alert_id}")
    assert [each.action for each in entries] == ["alert.acknowledged", "alert.noted", "alert.resolved"]
    assert (entries[0].reason, entries[0].before["state"], entries[0].after["state"]) == (
        "Looking.",
        "active",
        "acknowledged",
    )
    assert entries[0].request_id
    assert raised(any_room), "there may be one open alert again"


def test_what_an_admin_does_is_told_to_open_pages(room: Room, admin: Caller) -> None:
    alert_id = raised(room)
    with room.redis.pubsub() as listening:
        listening.subscribe(room.log.admin_channel)
        assert listening.get_message(timeout=5)
        admin.post(f"/admin/alerts/{alert_id}/acknowledge")
        told = listening.get_message(timeout=5)
    assert told["data"].startswith(b'2["admin_alert",{"type":"alert","alert":{"id":')
    assert b'"state":"acknowledged"' in told["data"]


@pytest.mark.parametrize("alert_id", ["0", "999", "-1", "1e3", "99999999999999999999", "%00", "thresholds2"])
def test_an_alert_that_is_not_there_is_not_found(admin: Caller, alert_id: str) -> None:
    assert admin.get(f"/admin/alerts/{alert_id}").status_code == 404
    assert admin.post(f"/admin/alerts/{alert_id}/resolve").status_code == 404


def test_thresholds_are_set_within_their_ranges_and_brought_back(room: Room, admin: Caller) -> None:
    path = "/admin/alerts/thresholds"
    wished = {"disk_low": {"free_percent": 12, "severity": "high", "on": False}, "redis_lost": {"after_s": 30}}
    answer = admin.call("PUT", path, json={"thresholds": wished, "reason": "A small disk."})
    assert answer.status_code == 200, answer.text
    disk = next(each for each in admin.get(path).json["items"] if each["type"] == "disk_low")
    assert (disk["on"], disk["severity"], disk["default_severity"]) == (False, "high", "warning")
    assert disk["numbers"][0] | {"value": 12, "default": 10, "low": 1, "high": 90} == disk["numbers"][0]
    assert disk["changed"] == ["on", "severity", "free_percent"]
    (entry,) = audited(room, "setting:alerts.disk_low.free_percent")
    assert (entry.reason, entry.after) == ("A small disk.", {"value": 12})

    back = {"thresholds": {"disk_low": {"free_percent": None, "severity": None, "on": True}}}
    disk = next(each for each in admin.call("PUT", path, json=back).json["items"] if each["type"] == "disk_low")
    assert disk["changed"] == []


@pytest.mark.parametrize(
    ("wished", "field"),
    [
        ({"disk_low": {"free_percent": 0}}, "thresholds.disk_low.free_percent"),
        ({"disk_low": {"free_percent": True}}, "thresholds.disk_low.free_percent"),
        ({"disk_low": {"free_percent": "12"}}, "thresholds.disk_low.free_percent"),
        ({"disk_low": {"severity": "fatal"}}, "thresholds.disk_low.severity"),
        ({"disk_low": {"on": 1}}, "thresholds.disk_low.on"),
        ({"disk_low": {"full_percent": 3}}, "thresholds.disk_low.full_percent"),
        ({"disk_low": {"full_percent": None}}, "thresholds.disk_low.full_percent"),
        ({"no_such_rule": {"on": True}}, "thresholds.no_such_rule"),
    ],
)
def test_nonsense_is_refused_with_a_sentence_and_nothing_is_set(
    room: Room, admin: Caller, wished: dict[str, Any], field: str
) -> None:
    good = {"redis_lost": {"after_s": 30}}
    answer = admin.call("PUT", "/admin/alerts/thresholds", json={"thresholds": good | wished})
    assert answer.status_code == 422
    assert list(answer.json["error"]["details"]["fields"]) == [field]
    assert answer.json["error"]["details"]["fields"][field].endswith(".")
    assert audited(room, "setting:alerts.redis_lost.after_s") == []
