"""The inbox over HTTP: one's own and nobody else's, read and unread, muted and followed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from database import utc_now
from tasks.notices import Notification
from tests.api.room import Caller, Room

pytestmark = pytest.mark.req("I1")


def inbox(caller: Caller, query: str = "") -> dict[str, Any]:
    answer = caller.get(f"/notifications{query}")
    assert answer.status_code == 200, answer.text
    return answer.json  # type: ignore[no-any-return]


def ended(room: Room, caller: Caller, number: int = 1, **asked: Any) -> list[str]:
    """So many tasks that have just ended well; their ids."""
    ids = [caller.start(title=f"Count {n}", **asked) for n in range(number)]
    for task_id in ids:
        room.complete(task_id)
    return ids


def test_a_person_who_was_away_for_a_day_finds_what_they_missed_in_order(room: Room, ada: Caller, bob: Caller) -> None:
    ids = ended(room, ada, 3)
    failed = ada.start(title="Count in vain")
    room.fail(failed)
    ended(room, bob)
    with room.database.write() as session:
        session.execute(update(Notification).values(created_at=utc_now() - timedelta(days=1)))
    found = inbox(ada)
    assert [each["task_id"] for each in found["items"]] == [failed, *reversed(ids)]
    assert (found["unread_count"], found["next_cursor"]) == (4, None)
    newest = found["items"][0]
    assert (newest["type"], newest["level"], newest["title"]) == ("failed", "error", "Count in vain failed")
    assert newest["text"] == "The shelf is empty. Fill it first."
    assert (newest["href"], newest["kind"], newest["read_at"]) == (f"/tasks/{failed}", "test_count", None)


def test_the_inbox_is_filtered_and_paged_without_a_gap(room: Room, ada: Caller) -> None:
    ended(room, ada, 5)
    room.fail(ada.start())
    first = inbox(ada, "?limit=4")
    rest = inbox(ada, f"?limit=4&cursor={first['next_cursor']}")
    numbers = [each["id"] for each in (*first["items"], *rest["items"])]
    assert numbers == sorted(numbers, reverse=True)
    assert (len(numbers), rest["next_cursor"]) == (6, None)
    assert len(inbox(ada, "?type=failed")["items"]) == 1
    assert inbox(ada, "?kind=code_scan")["items"] == []
    ada.post("/notifications/read", {"up_to": numbers[2]})
    assert [each["id"] for each in inbox(ada, "?unread=true")["items"]] == numbers[:2]


def test_reading_one_some_and_all_answers_what_is_left(room: Room, ada: Caller) -> None:
    ended(room, ada, 4)
    ids = [each["id"] for each in inbox(ada)["items"]]
    assert ada.post("/notifications/read", {"ids": ids[:1]}).json["unread_count"] == 3
    first_read_at = inbox(ada)["items"][0]["read_at"]
    assert ada.post("/notifications/read", {"ids": ids[:2]}).json["unread_count"] == 2
    assert inbox(ada)["items"][0]["read_at"] == first_read_at
    assert ada.post("/notifications/read", {"ids": ids[:1], "read": False}).json["unread_count"] == 3
    answer = ada.post("/notifications/read", {"all": True}).json
    assert answer["unread_count"] == 0
    assert isinstance(answer["revision"], int)


@pytest.mark.req("D2")
def test_what_is_anothers_is_not_found_and_marks_nothing(room: Room, ada: Caller, bob: Caller) -> None:
    ended(room, ada, 2)
    ended(room, bob)
    [mine] = inbox(bob)["items"]
    hers = inbox(ada)["items"][0]["id"]
    answer = bob.post("/notifications/read", {"ids": [mine["id"], hers]})
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "not_found")
    assert inbox(bob)["unread_count"] == 1
    bob.post("/notifications/read", {"up_to": hers + 100})
    assert (inbox(ada)["unread_count"], inbox(bob)["unread_count"]) == (2, 0)


@pytest.mark.parametrize(
    "body",
    [
        {}, {"ids": []}, {"ids": [1], "all": True}, {"all": False}, {"up_to": -1}, {"ids": ["1"]}, {"ids": [0]},
        {"ids": [2**60]}, {"ids": list(range(1, 300))}, {"all": True, "read": False}, {"ids": [1], "more": 1},
        {"up_to": 1.5}, {"up_to": 2**70},
    ],
)  # fmt: skip
@pytest.mark.req("D5")
def test_nonsense_is_refused_in_a_sentence(ada: Caller, body: dict[str, Any]) -> None:
    answer = ada.post("/notifications/read", body)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json["error"]["message"].endswith(".")


@pytest.mark.req("D5")
def test_wrong_filters_and_cursors_are_refused(ada: Caller) -> None:
    for query, status in (
        ("?type=gossip", 422), ("?unread=perhaps", 422), ("?limit=0", 422), ("?limit=900", 422), ("?cursor=x", 400),
        ("?cursor=-1", 400), ("?cursor=9999999999999999999", 400), ("?user_id=1", 422),
    ):  # fmt: skip
        assert ada.get(f"/notifications{query}").status_code == status, query


@pytest.mark.req("I2")
def test_what_is_muted_stays_away_from_the_inbox(room: Room, ada: Caller) -> None:
    assert ada.get("/notifications/preferences").json == {"muted_types": [], "muted_kinds": []}
    wished = {"muted_types": ["finished"], "muted_kinds": ["code_scan"]}
    assert ada.call("PUT", "/notifications/preferences", json=wished).json == wished
    ended(room, ada)
    room.fail(ada.start())
    assert [each["type"] for each in inbox(ada)["items"]] == ["failed"]
    ended(room, ada, notify=True)
    room.fail(ada.start(notify=False))
    assert [each["type"] for each in inbox(ada)["items"]] == ["finished", "failed"]
    for wrong in (
        {"muted_types": ["test"], "muted_kinds": []}, {"muted_types": [], "muted_kinds": ["no_such_job"]},
        {"muted_types": []}, {"muted_types": "finished", "muted_kinds": []},
    ):  # fmt: skip
        assert ada.call("PUT", "/notifications/preferences", json=wrong).status_code == 422
    assert ada.get("/notifications/preferences").json == wished


def test_anybody_who_may_see_a_task_can_follow_it(room: Room, ada: Caller, bob: Caller) -> None:
    shown, hidden = ada.start(visibility="everyone"), ada.start()
    assert bob.post(f"/tasks/{shown}/follow").json == {"task_id": shown, "following": True}
    assert bob.post(f"/tasks/{hidden}/follow").status_code == 404
    assert bob.post("/tasks/x/follow").status_code == 404
    assert ada.call("DELETE", f"/tasks/{shown}/follow").json["following"] is False
    room.complete(shown)
    assert [each["task_id"] for each in inbox(bob)["items"]] == [shown]
    assert inbox(ada)["items"] == []
    late = bob.call("DELETE", f"/tasks/{shown}/follow")
    assert (late.status_code, late.json["error"]["details"]) == (409, {"state": "completed"})


@pytest.mark.req("D1")
def test_nobody_without_a_login_has_an_inbox(room: Room, ada: Caller) -> None:
    stranger = room.nobody()
    assert stranger.get("/api/v1/notifications").status_code == 401
    assert stranger.post("/api/v1/notifications/read", json={"all": True}).status_code == 401
    reader = room.caller("ada", ada.identity.user_id, ("read",))
    assert reader.get("/notifications").status_code == 200
    assert reader.post("/notifications/read", {"all": True}).status_code == 403
