"""Metrics, their history and connections over HTTP: for admins, and true."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from accounts import AuditEntry
from database import utc_now
from delivery import orders
from delivery.sockets import Connected
from monitoring import samples
from monitoring.presence import Presence
from tests.api.room import Caller, Room
from tests.api.test_openapi import check

CALLS = ("/admin/metrics", "/admin/metrics/history", "/admin/connections")


@pytest.mark.req("D3", "H1")
def test_nobody_but_admins_learns_anything(room: Room, ada: Caller) -> None:
    for path in CALLS:
        assert ada.get(path).status_code == 403
        assert room.nobody().get(f"/api/v1{path}").status_code == 401
    assert ada.post("/admin/connections/some-sid/disconnect", {}).status_code == 403


@pytest.mark.req("H2", "J5")
def test_the_answers_are_what_is_described_and_what_is_in_the_database(room: Room, admin: Caller, ada: Caller) -> None:
    task_id = ada.start()
    room.complete(task_id)
    document: Any = admin.get("/openapi.json").json
    for path in CALLS:
        answer = admin.get(path)
        assert answer.status_code == 200, answer.text
        check(document, path, "get", answer)
    found: Any = admin.get("/admin/metrics").json
    assert (found["completed_today"], found["active_jobs"], found["connections"]) == (1, 0, None)


@pytest.mark.req("H7")
def test_a_history_has_the_steps_of_its_range(room: Room, admin: Caller) -> None:
    now = utc_now()
    with room.database.write() as session:
        for age_s in (30, 600, 1200):
            samples.store(session, now - timedelta(seconds=age_s), {"queued_jobs": age_s, "finished": 1})
    found: Any = admin.get("/admin/metrics/history?range=1h").json
    assert [value for value in found["series"]["queued_jobs"] if value] == [1200, 600, 30]
    assert found["to"] - found["from"] == 3600 and found["step_s"] == 15
    assert found["peaks"]["queued_jobs"]["value"] == 1200
    assert admin.get("/admin/metrics/history?range=1y").status_code == 422


def _connect(room: Room, caller: Caller, sid: str, address: str = "10.0.0.7") -> None:
    room.sockets.by_sid[sid] = Connected(sid, caller.identity, address)


@pytest.mark.req("H6")
def test_connections_are_listed_searched_and_ended_with_an_audit_entry(
    room: Room, admin: Caller, ada: Caller
) -> None:
    _connect(room, ada, "sid-1")
    _connect(room, ada, "sid-2", "10.0.0.8")
    _connect(room, admin, "sid-3")
    everybody: Any = admin.get("/admin/connections").json
    assert everybody["matching"] == 3 and everybody["missing"] == []
    assert {each["username"]: each["sockets"] for each in everybody["by_user"]} == {"ada": 2, admin.username: 1}
    assert everybody["by_address"][0] == {"address": "10.0.0.7", "sockets": 2}
    for text, sids in (("ADA", {"sid-1", "sid-2"}), ("0.0.8", {"sid-2"}), ("sid-3", {"sid-3"}), ("%", set())):
        answer: Any = admin.get("/admin/connections", query_string={"q": text}).json
        assert {each["sid"] for each in answer["sockets"]} == sids
    assert len(admin.get("/admin/connections?limit=1").json["sockets"]) == 1  # type: ignore[index]

    ended = admin.post("/admin/connections/sid-2/disconnect", {"reason": "It reconnects in a loop."})
    assert ended.status_code == 200 and ended.json["username"] == "ada"  # type: ignore[index]
    assert set(room.sockets.by_sid) == {"sid-1", "sid-3"}
    assert admin.post("/admin/connections/sid-2/disconnect").status_code == 404
    with room.database.read() as session:
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.action == "connection.ended")).all()
    assert (entry.subject, entry.reason, entry.actor_name) == ("user:ada", "It reconnects in a loop.", admin.username)
    assert entry.before is not None and entry.before["address"] == "10.0.0.8"


@pytest.mark.req("H6", "E4")
def test_a_process_that_does_not_answer_is_named(
    room: Room, admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("delivery.roll_call.ANSWER_WITHIN_S", 0.05)
    other = Presence(room.redis, room.config.redis_prefix, "web")
    other.name = "web@elsewhere:2"
    other.beat({})
    found: Any = admin.get("/admin/connections").json
    assert found["missing"] == ["web@elsewhere:2"]


@pytest.mark.req("D5", "H6")
@pytest.mark.parametrize(
    "order",
    [
        orders.roll_call("short", "", 10),
        orders.roll_call("x" * 20 + "\n", "", 10),
        orders.roll_call("x" * 20, "a" * 300, 10),
        orders.roll_call("x" * 20, "", 10**9),
        orders.roll_call("x" * 20, "", 0),
        {**orders.end_socket("sid"), "user_id": 1},
        {"end_socket": {"sid": ["everybody"]}},
        {"end_socket": {"sid": ""}},
        {"roll_call": None},
        ["end_socket"],
        None,
    ],
)
def test_orders_of_another_form_are_none(order: Any) -> None:
    assert not orders.is_about_sockets(orjson.loads(orjson.dumps(order)))
    assert orders.is_about_sockets(orders.roll_call("x" * 22, "ada", 100))
    assert orders.is_about_sockets(orders.end_socket("sid"))
