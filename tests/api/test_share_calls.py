"""Sharing a task over HTTP."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from accounts.models import AuditEntry
from api.share_calls import LinkPage, LinkShape, MadeLink
from tests.api.room import Caller, Room


@pytest.mark.req("J5", "F1")
def test_a_link_is_made_listed_without_its_address_and_revoked(any_room: Room) -> None:
    ada = any_room.person("ada")
    path = f"/tasks/{ada.start()}/share"
    answer = ada.post(path, {"expires_in_s": 3600})
    assert answer.status_code == 201
    made = MadeLink.model_validate(answer.json, strict=True)
    assert made.url == answer.headers["Location"] == f"http://localhost/shared/{made.token}"
    assert any_room.nobody().get(f"/shared/{made.token}").status_code == 200
    ada.post(path)
    page = ada.get(path)
    shown = LinkPage.model_validate(page.json, strict=True)
    assert [(link.active, link.uses) for link in shown.items] == [(True, 0), (True, 1)]
    assert made.token not in page.text
    for _ in range(2):
        revoked = LinkShape.model_validate(ada.call("DELETE", f"{path}/{made.id}").json, strict=True)
        assert (revoked.active, revoked.id) == (False, made.id)
    assert any_room.nobody().get(f"/shared/{made.token}").status_code == 404
    with any_room.database.read() as session:
        told = session.scalars(select(AuditEntry.action).where(AuditEntry.action.startswith("share."))).all()
        assert made.token not in str([vars(row) for row in session.scalars(select(AuditEntry))])
    assert told == ["share.created", "share.created", "share.revoked"]


@pytest.mark.req("D2")
def test_others_share_nothing_and_may_not_tell_tasks_apart(ada: Caller, bob: Caller, admin: Caller) -> None:
    hidden, seen = ada.start(), ada.start(visibility="everyone")
    for task_id, status in ((hidden, 404), (seen, 403)):
        assert bob.post(f"/tasks/{task_id}/share").status_code == status
        assert bob.get(f"/tasks/{task_id}/share").status_code == status
        assert bob.call("DELETE", f"/tasks/{task_id}/share/1").status_code == status
    assert admin.post(f"/tasks/{hidden}/share").status_code == 201


@pytest.mark.req("D5")
def test_a_link_lasts_whole_seconds_within_bounds(ada: Caller) -> None:
    path = f"/tasks/{ada.start()}/share"
    for seconds in (59, 0, -1, 30 * 86_400 + 1, 3600.5, "3600", None, True):
        assert ada.post(path, {"expires_in_s": seconds}).status_code == 422, seconds


@pytest.mark.req("D5")
def test_a_link_that_is_none_is_not_found(ada: Caller) -> None:
    path = f"/tasks/{ada.start()}/share"
    for link_id in ("0", "-1", "x", "1e3", "9" * 40, "٣", "%00"):
        assert ada.call("DELETE", f"{path}/{link_id}").status_code == 404, link_id


@pytest.mark.req("D8")
def test_a_token_that_may_only_read_shares_nothing(room: Room, ada: Caller) -> None:
    reader = room.caller("ada", ada.identity.user_id, ("read",))
    assert reader.post(f"/tasks/{ada.start()}/share").status_code == 403
