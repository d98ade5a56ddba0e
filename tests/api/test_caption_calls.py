"""Captions by program: the list, decisions, undo and downloads, for the owner and admins alone."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from database import utc_now
from jobs.caption_images.models import CaptionImage
from tests.api.room import Caller, Room

pytestmark = pytest.mark.req("B9", "B15", "J5")
SETTINGS = {
    "max_posts_per_run": 50,
    "max_caption_length": 500,
    "optimal_min_length": 80,
    "optimal_max_length": 200,
    "reprocess_existing": False,
    "processing_delay_s": 1.0,
}


@pytest.fixture
def task_id(room: Room, ada: Caller) -> str:
    """A caption task of ada's with three images."""
    (room.config.scan_roots[0] / "photos").mkdir()
    body = {"kind": "caption_images", "params": {"path": "photos", "max_caption_length": 300}}
    found: str = ada.post("/tasks", body).json["task_id"]
    with room.database.write() as session:
        for position in range(3):
            row = CaptionImage(
                task_id=found,
                owner_id=1,
                position=position,
                name=f"shop/{position}.jpg",
                digest="d" * 64,
                status="review",
                caption="A lake.",
                drafted="A lake.",
                is_decorative=False,
                captioner="ollama",
                model="llava",
                size=9,
                facts={"width": 3, "height": 2, "format": "JPEG"},
                revision=1,
                made_at=utc_now(),
            )
            session.add(row)
    return found


def test_captions_are_listed_page_by_page_with_their_counts(ada: Caller, task_id: str) -> None:
    first = ada.get(f"/tasks/{task_id}/captions?limit=2").json
    assert [each["name"] for each in first["items"]] == ["shop/0.jpg", "shop/1.jpg"]
    assert first["counts"] == {"review": 3, "approved": 0, "rejected": 0, "failed": 0, "total": 3}
    rest = ada.get(f"/tasks/{task_id}/captions?limit=2&cursor={first['next_cursor']}").json
    assert [each["name"] for each in rest["items"]] == ["shop/2.jpg"]
    assert rest["next_cursor"] is None
    assert ada.get(f"/tasks/{task_id}/captions?status=approved").json["items"] == []
    assert ada.get(f"/tasks/{task_id}/captions?cursor=x").status_code == 400
    assert ada.get(f"/tasks/{task_id}/captions?status=x").status_code == 422


def test_a_decision_is_made_refused_when_late_and_taken_back(ada: Caller, task_id: str) -> None:
    [first, second, _] = ada.get(f"/tasks/{task_id}/captions").json["items"]
    path = f"/tasks/{task_id}/captions/{first['image_id']}/decision"
    done = ada.post(path, {"action": "approve", "caption": "A lake with boats.", "revision": 1})
    assert (done.json["status"], done.json["caption"], done.json["revision"]) == ("approved", "A lake with boats.", 2)
    assert ada.post(path, {"action": "reject", "revision": 1}).status_code == 409
    assert ada.post(path, {"action": "save", "caption": "x" * 301}).status_code == 422
    assert ada.post(path, {"action": "explode"}).status_code == 422
    ada.post(f"/tasks/{task_id}/captions/{second['image_id']}/decision", {"action": "decorative"})
    packed = ada.get(f"/tasks/{task_id}/captions/export.zip")
    with zipfile.ZipFile(io.BytesIO(packed.data)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "shop/0.txt": b"A lake with boats.\n",
            "shop/1.txt": b"",
        }
    assert ada.post(f"/tasks/{task_id}/captions/undo").json["name"] == "shop/1.jpg"
    assert ada.post(f"/tasks/{task_id}/captions/undo").json["caption"] == "A lake."
    assert ada.post(f"/tasks/{task_id}/captions/undo").status_code == 404
    assert json.loads(ada.get(f"/tasks/{task_id}/captions/export.json").data)["captions"] == []
    assert ada.get(f"/tasks/{task_id}/captions/export.csv?status=all").data.count(b"\r\n") == 4


@pytest.mark.req("D2")
def test_others_find_nothing_and_who_may_watch_is_refused(
    room: Room, ada: Caller, bob: Caller, admin: Caller, task_id: str
) -> None:
    paths = [f"/tasks/{task_id}/captions{end}" for end in ("", "/export.json", "/export.csv", "/export.zip")]
    assert {bob.get(path).status_code for path in paths} == {404}
    assert bob.post(f"/tasks/{task_id}/captions/1/decision", {"action": "reject"}).status_code == 404
    assert bob.post(f"/tasks/{task_id}/captions/undo").status_code == 404
    assert {admin.get(path).status_code for path in paths} == {200}
    shared = ada.post("/tasks", {"kind": "test_count", "visibility": "everyone"}).json["task_id"]
    assert bob.get(f"/tasks/{shared}/captions").status_code == 403
    assert ada.get(f"/tasks/{shared}/captions").status_code == 404


def test_settings_are_kept_for_each_person_and_their_lengths_have_to_fit(ada: Caller, bob: Caller) -> None:
    assert ada.get("/captions/settings").json == SETTINGS
    kept = ada.call("PUT", "/captions/settings", json={"max_posts_per_run": 9}).json
    assert kept == SETTINGS | {"max_posts_per_run": 9} == ada.get("/captions/settings").json
    assert bob.get("/captions/settings").json == SETTINGS
    wrong = ada.call("PUT", "/captions/settings", json={"optimal_min_length": 200})
    assert wrong.status_code == 422
    assert list(wrong.json["error"]["details"]["fields"]) == ["optimal_max_length"]
