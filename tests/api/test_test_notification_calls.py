"""The test notification over HTTP: for admins, a real task ahead of what waits, and its way as far as it is known."""

from __future__ import annotations

import pytest

from tasks.models import Task
from tests.api.room import Room

pytestmark = pytest.mark.req("I4")


def test_an_admin_sends_one_and_follows_it(room: Room) -> None:
    root = room.person("root", role="admin")
    sent = root.post("/admin/test-notification")
    assert sent.status_code == 202, sent.text
    task_id = sent.json["task_id"]
    path = f"/admin/test-notification/{task_id}"
    assert sent.headers["Location"] == f"/api/v1{path}"
    with room.database.read() as session:
        task = session.get_one(Task, task_id)
    assert (task.kind, task.priority) == ("test_notification", "urgent")
    shown = root.get(path).json
    assert (shown["status"], shown["missing"], shown["trouble"]) == ("queued", "began", None)
    assert [each["ms"] for each in shown["hops"]] == [None] * 6
    queued_ms = task.queued_at.timestamp() * 1000
    results = {"notification_id": 1, "host": "elsewhere", "began_ms": queued_ms + 5, "stored_ms": queued_ms + 6}
    room.complete(task_id, results | {"published_ms": queued_ms + 8})
    shown = root.get(path).json
    assert [each["ms"] for each in shown["hops"]][:4] == [5, 1, 2, None]
    assert shown["missing"] == "web"
    assert [each["type"] for each in root.get("/notifications").json["items"]] == [], "its end is not told as well"


@pytest.mark.req("D3")
def test_it_is_for_admins_and_about_test_notifications_alone(room: Room) -> None:
    ada, root = room.person("ada"), room.person("root", role="admin")
    other = root.start()
    assert ada.post("/admin/test-notification").status_code == 403
    assert ada.get(f"/admin/test-notification/{other}").status_code == 403
    assert root.get(f"/admin/test-notification/{other}").status_code == 404
    assert root.get("/admin/test-notification/nonsense").status_code == 404
