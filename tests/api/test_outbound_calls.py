"""Webhooks over HTTP: made, changed, tested, sent again and removed by their owner, and nobody's but theirs."""

from __future__ import annotations

from typing import Any

import pytest

from outbound import deliveries
from outbound.models import Delivery
from outbound.posting import Outcome
from tests.api.room import Caller, Room

pytestmark = pytest.mark.req("I2")

URL = "https://hooks.example.org/taskroom?key=abc"


def made(caller: Caller, **wished: Any) -> dict[str, Any]:
    answer = caller.post("/webhooks", {"url": URL} | wished)
    assert answer.status_code == 201, answer.text
    hook: dict[str, Any] = answer.json
    assert answer.headers["Location"] == f"/api/v1/webhooks/{hook['id']}"
    return hook


def test_a_webhook_is_made_and_its_secret_shown_once(ada: Caller) -> None:
    hook = made(ada)
    assert hook.pop("secret").startswith("whsec_")
    assert (hook["name"], hook["url"], hook["active"], hook["kinds"]) == ("hooks.example.org", URL, True, [])
    assert hook["types"] == ["finished", "failed", "cancelled", "needs_review", "alert"]
    path = f"/webhooks/{hook['id']}"
    assert ada.get(path).json == hook
    assert ada.get("/webhooks").json == {"items": [hook]}
    changed = ada.call("PATCH", path, json={"name": "Chat", "types": ["failed"], "kinds": ["test_count"]}).json
    assert (changed["name"], changed["types"], changed["kinds"], changed["url"]) == (
        "Chat", ["failed"], ["test_count"], URL,
    )  # fmt: skip
    assert ada.call("PATCH", path, json={"kinds": []}).json["kinds"] == []
    first, second = (ada.post(f"{path}/secret", body).json for body in (None, {"overlap_s": 0}))
    assert first["secret"] != second["secret"]
    assert first["old_secret_until"]
    assert second["old_secret_until"] is None
    assert ada.call("DELETE", path).json["name"] == "Chat"
    assert ada.get(path).status_code == 404


def test_each_wrong_field_is_named(ada: Caller) -> None:
    for wrong, field in (
        ({"url": "http://hooks.example.org/"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"types": ["nonsense"]}, "types.0"),
        ({"types": []}, "types"),
        ({"secret": "mine"}, "secret"),
        ({"name": "x" * 101}, "name"),
    ):
        answer = ada.post("/webhooks", {"url": URL} | wrong)
        assert (answer.status_code, field in answer.json["error"]["details"]["fields"]) == (422, True), answer.text
    hook = made(ada)
    assert ada.post(f"/webhooks/{hook['id']}/secret", {"overlap_s": -1}).status_code == 422
    assert ada.get(f"/webhooks/{hook['id']}/deliveries?cursor=nonsense").status_code == 400


def test_the_log_tells_every_try_and_a_delivery_can_be_sent_again(room: Room, ada: Caller) -> None:
    hook = made(ada)
    path = f"/webhooks/{hook['id']}"
    delivery_id = ada.post(f"{path}/test").json["delivery_id"]
    [waiting] = ada.get(f"{path}/deliveries").json["items"]
    assert (waiting["id"], waiting["state"], waiting["attempts"], waiting["tries"]) == (delivery_id, "waiting", 0, [])
    [claimed] = deliveries.claim(room.database, [delivery_id])
    assert ada.get(f"{path}/deliveries").json["items"][0]["next_try_at"] is None
    assert ada.post(f"{path}/deliveries/{delivery_id}/again").status_code == 409
    with room.database.write() as session:
        outcome = Outcome(502, 81, "The receiver answered 502.", "<script>alert(1)</script>")
        deliveries.finish(session, claimed, "waiting", outcome, 5.0)
    [tried] = ada.get(f"{path}/deliveries").json["items"]
    assert tried["next_try_at"]
    [one] = tried["tries"]
    assert (one["status"], one["duration_ms"], one["answer"]) == (502, 81, "<script>alert(1)</script>")
    assert ada.get(path).json["last_try"] == one
    assert ada.post(f"{path}/deliveries/{delivery_id}/again").status_code == 202
    with room.database.read() as session:
        assert session.get_one(Delivery, delivery_id).round_began == 1
    assert ada.call("PATCH", path, json={"active": False}).status_code == 200
    assert ada.post(f"{path}/test").status_code == 409


def test_lists_are_paged(room: Room, ada: Caller) -> None:
    path = f"/webhooks/{made(ada)['id']}"
    sent = [ada.post(f"{path}/test").json["delivery_id"] for _ in range(5)]
    first = ada.get(f"{path}/deliveries?limit=3").json
    rest = ada.get(f"{path}/deliveries?limit=3&cursor={first['next_cursor']}").json
    assert {each["id"] for each in (*first["items"], *rest["items"])} == set(sent)
    assert rest["next_cursor"] is None


@pytest.mark.req("D2")
def test_a_webhook_is_its_owners_alone(room: Room, ada: Caller) -> None:
    bob, root = room.person("bob"), room.person("root", role="admin")
    hook = made(ada)
    path = f"/webhooks/{hook['id']}"
    sent = ada.post(f"{path}/test").json["delivery_id"]
    calls = [("GET", path), ("DELETE", path), ("POST", f"{path}/test"), ("POST", f"{path}/secret"),
             ("GET", f"{path}/deliveries"), ("POST", f"{path}/deliveries/{sent}/again")]  # fmt: skip
    for other in (bob, root):
        assert [other.call(method, address).status_code for method, address in calls] == [404] * 6
        assert other.call("PATCH", path, json={"active": False}).status_code == 404
        assert other.get("/webhooks").json == {"items": []}
    bobs = made(bob)
    assert bob.post(f"/webhooks/{bobs['id']}/deliveries/{sent}/again").status_code == 404
    assert ada.get("/webhooks/not-an-id").status_code == 404
    assert ada.post(f"{path}/deliveries/not-an-id/again").status_code == 404
    reader = room.caller("ada", ada.identity.user_id, ("read",))
    assert reader.post("/webhooks", {"url": URL}).status_code == 403
