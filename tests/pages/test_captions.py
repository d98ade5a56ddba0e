"""The pages of captions without JavaScript: sending images with the form, reviewing, undoing, and who may not."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from jobs.caption_images import bounds
from jobs.caption_images.models import CaptionImage
from tasks.models import Task
from tests.jobs.caption_images.describing import describe, encoded, fill, picture, rows
from tests.jobs.code_scan.scanning import Recorder
from tests.pages.html_checks import faults
from tests.pages.task_app import House

pytestmark = pytest.mark.req("B9", "B15")
MARKUP = "<img src=x onerror=alert(1)>.jpg"


@pytest.fixture
def described(house: House, tmp_path: Path) -> tuple[str, list[CaptionImage]]:
    """(task id, its images) of a finished run of ben's, one of which failed."""
    photos = fill(tmp_path / "photos", lake_jpg=encoded(), rose_png=encoded(picture((200, 30, 40)), "PNG"), z_jpg=b"no")
    (photos / MARKUP).write_bytes(encoded(picture((30, 160, 60))))
    task_id = house.task("running", kind="caption_images", title="Captions for photos", params={"path": "photos"})
    config = house.app.extensions["taskroom"].config
    results, _ = describe(config, house.database, Recorder(config, house.database, task_id), path="photos")
    with house.database.write() as session:
        task = session.get_one(Task, task_id)
        task.results, task.state = results, "completed"
    return task_id, rows(house.database, task_id)


def send(house: House, path: str, files: list[tuple[str, bytes]], username: str = "ben", **fields: str) -> TestResponse:
    """A form with files, as a browser sends it."""
    data: dict[str, Any] = {**fields, "p.upload_id.files": [(io.BytesIO(content), name) for name, content in files]}
    return house.client(username).post(path, data=data, content_type="multipart/form-data")


def test_the_form_sends_its_files_itself_and_starts_the_job(house: House) -> None:
    page = house.get("/start/caption_images").text
    assert faults(page) == []
    assert 'enctype="multipart/form-data"' in page
    assert page.index('name="csrf_token"') < page.index('type="file"')
    settings = {"form": "1", "p.max_posts_per_run": "7", "p.processing_delay_s": "0", "keep_settings": "true"}
    answer = send(house, "/start/caption_images", [("a.jpg", encoded()), ("b.jpg", encoded())], **settings)
    assert answer.status_code == 303, answer.text
    with house.database.read() as session:
        task = session.get_one(Task, answer.headers["Location"].rpartition("/")[2])
    assert task.params["upload_id"].startswith(f"{house.people['ben'].id}-")
    assert task.params["max_posts_per_run"] == 7
    mine, others = house.get("/start/caption_images").text, house.get("/start/caption_images", "eve").text
    assert re.search(r'name="p\.max_posts_per_run"[^>]*value="7"', mine)
    assert re.search(r'name="p\.max_posts_per_run"[^>]*value="50"', others)


@pytest.mark.req("D5", "D11")
def test_files_that_are_not_taken_are_said_at_their_field_and_nothing_typed_is_lost(house: House) -> None:
    files = [("notes.txt", b"text"), ("a.jpg", encoded())]
    answer = send(house, "/start/caption_images", files, form="1", title="My holiday", **{"p.max_posts_per_run": "9"})
    assert answer.status_code == 422
    assert "notes.txt is not an image" in answer.text
    assert 'value="My holiday"' in answer.text
    assert re.search(r'name="p\.max_posts_per_run"[^>]*value="9"', answer.text)
    assert faults(answer.text) == []


def test_files_that_were_taken_are_still_there_when_another_field_is_wrong(house: House) -> None:
    answer = send(house, "/start/caption_images", [("a.jpg", encoded())], form="1", **{"p.max_posts_per_run": "900"})
    assert answer.status_code == 422
    kept = re.search(r'name="p\.upload_id" value="([^"]+)"', answer.text)
    assert kept
    assert "1 image, " in answer.text
    again = house.post("/start/caption_images", {"form": "1", "p.upload_id": kept[1], "p.processing_delay_s": "0"})
    assert again.status_code == 303


@pytest.mark.req("D10")
def test_without_the_forms_token_no_file_is_kept(house: House) -> None:
    with house.app.test_client() as client:
        client.post("/login", data={})
        answer = client.post("/captions/uploads", data={"f": (io.BytesIO(encoded()), "a.jpg")})
    assert answer.status_code in (302, 303, 400, 401)
    assert not (house.app.extensions["taskroom"].config.data_dir / "uploads").exists()


def test_a_program_sends_images_ahead(house: House) -> None:
    answer = send(house, "/captions/uploads", [("a.jpg", encoded())])
    assert answer.status_code == 201
    assert answer.json["images"] == 1
    uploads = house.app.extensions["taskroom"].config.data_dir / "uploads" / str(house.people["ben"].id)
    first = answer.json["upload_id"]
    assert send(house, "/captions/uploads", [("b.jpg", encoded())], "eve", replaces=first).status_code == 201
    assert len(list(uploads.iterdir())) == 1
    started = house.post("/start/caption_images", {"form": "1", "p.upload_id": first})
    assert started.status_code == 303
    second = send(house, "/captions/uploads", [("b.jpg", encoded())], replaces=first).json["upload_id"]
    assert len(list(uploads.iterdir())) == 2, "a task has the first"
    send(house, "/captions/uploads", [("c.jpg", encoded())], replaces=second)
    assert len(list(uploads.iterdir())) == 2
    refused = send(house, "/captions/uploads", [("a.svg", b"<svg onload=alert(1)>")])
    assert refused.status_code == 422
    assert "not an image" in refused.json["error"]["message"]
    empty = house.client().post("/captions/uploads", data=b"nonsense", content_type="multipart/form-data; boundary=x")
    assert empty.status_code == 400
    assert set(empty.json["error"]) == {"code", "message"}


@pytest.mark.req("D9", "F7", "F10")
def test_each_view_stands_without_scripts_and_nothing_of_a_file_becomes_markup(
    house: House, described: tuple[str, list[CaptionImage]]
) -> None:
    task_id, _ = described
    pages = {path: house.get(path) for path in ("/captions", f"/captions/{task_id}", f"/tasks/{task_id}")}
    pages |= {show: house.get(f"/captions/{task_id}?show={show}") for show in ("failed", "approved", "rejected", "x")}
    for path, page in pages.items():
        assert page.status_code == 200, path
        assert faults(page.text) == [], path
        assert "<img src=x" not in page.text
    review = pages[f"/captions/{task_id}"].text
    assert "0 of 4 done, 3 to go, 1 failed" in review
    assert "Draft by the built-in captioner." in review
    assert "&lt;img src=x" in review
    assert "damaged" in pages["failed"].text
    assert "No image here" in pages["approved"].text


def test_a_review_goes_on_to_the_next_image_and_can_be_taken_back(
    house: House, described: tuple[str, list[CaptionImage]]
) -> None:
    task_id, images = described
    first, second, third, failed = images
    base = f"/captions/{task_id}"
    answer = house.post(f"{base}/images/{first.id}", {"action": "approve", "caption": "A lake.", "revision": "1"})
    assert answer.status_code == 303
    assert f"image={second.id}" in answer.headers["Location"]
    shown = house.get(answer.headers["Location"])
    assert "Approved: &lt;img" in shown.text
    assert "Undo: Approved" in shown.text
    house.post(f"{base}/images/{second.id}", {"action": "reject"})
    end = house.post(f"{base}/images/{third.id}", {"action": "decorative"})
    done = house.get(end.headers["Location"]).text
    assert "Nothing is left to review" in done
    assert "2 captions approved, 1 rejected, 1 failed." in done
    back = house.post(f"{base}/undo", {})
    assert f"image={third.id}" in back.headers["Location"]
    assert "Taken back: rose.png." in house.get(back.headers["Location"]).text
    assert [row.status for row in rows(house.database, task_id)] == ["approved", "rejected", "review", "failed"]
    assert f"image={failed.id}" in house.get(f"{base}?show=failed").text


def test_what_is_refused_keeps_the_text_and_says_why(house: House, described: tuple[str, list[CaptionImage]]) -> None:
    task_id, [first, *_] = described
    action = f"/captions/{task_id}/images/{first.id}"
    long = house.post(action, {"action": "approve", "caption": "word " * 120, "revision": "1"})
    assert long.status_code == 422
    assert "at most 500 are wanted" in long.text
    assert "word word" in long.text
    assert faults(long.text) == []
    house.post(action, {"action": "save", "caption": "Somebody else was here.", "revision": "1"})
    late = house.post(action, {"action": "approve", "caption": "Mine instead.", "revision": "1"})
    assert late.status_code == 409
    assert "changed since you opened it" in late.text
    assert "Mine instead." in late.text
    assert house.post(action, {"action": "explode"}).status_code == 404


@pytest.mark.req("D9")
def test_pictures_are_jpegs_whatever_was_sent_and_are_not_sniffed(
    house: House, described: tuple[str, list[CaptionImage]]
) -> None:
    task_id, images = described
    base = f"/captions/{task_id}/pictures"
    for image in images[:3]:
        answer = house.get(f"{base}/{image.position}/thumb.jpg")
        assert (answer.status_code, answer.mimetype) == (200, "image/jpeg")
        assert answer.data.startswith(b"\xff\xd8\xff")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        again = house.client().get(f"{base}/{image.position}/view.jpg", headers={"If-None-Match": "x"})
        assert again.headers["Cache-Control"] == "private, no-cache"
    etag = house.get(f"{base}/0/view.jpg").headers["ETag"]
    assert house.client().get(f"{base}/0/view.jpg", headers={"If-None-Match": etag}).status_code == 304
    for wrong in ("0/model.jpg", "3/view.jpg", "99/view.jpg", "9999999999/thumb.jpg", "0/..%2f..%2ftaskroom.db"):
        assert house.get(f"{base}/{wrong}").status_code == 404


@pytest.mark.req("D2")
def test_only_the_owner_and_admins_come_to_captions_also_where_everybody_may_watch(
    house: House, described: tuple[str, list[CaptionImage]]
) -> None:
    task_id, [first, *_] = described
    views = (f"/captions/{task_id}", f"/captions/{task_id}/pictures/0/view.jpg")
    changes = (f"/captions/{task_id}/images/{first.id}", f"/captions/{task_id}/undo")
    assert [house.get(path, "eve").status_code for path in views] == [404, 404]
    assert [house.post(path, {}, "eve").status_code for path in changes] == [404, 404]
    with house.database.write() as session:
        session.get_one(Task, task_id).visibility = "everyone"
    assert [house.get(path, "eve").status_code for path in views] == [403, 403]
    assert [house.post(path, {"action": "reject"}, "eve").status_code for path in changes] == [403, 403]
    overview = house.get(f"/tasks/{task_id}", "eve").text
    assert "3 to review, 0 approved" in overview
    assert "/captions/" not in overview
    assert task_id not in house.get("/captions", "eve").text
    assert house.get(views[0], "ada").status_code == 200
    assert house.client(None).get(views[1]).status_code in (302, 303)
    other = house.task("completed", results={"a": 1})
    assert house.get(f"/captions/{other}").status_code == 404


def test_nothing_yet_says_what_to_do(house: House) -> None:
    page = house.get("/captions").text
    assert "No captions yet" in page
    assert 'href="/start/caption_images"' in page
    assert faults(page) == []


def test_the_widget_names_what_the_server_takes(house: House) -> None:
    page = house.get("/start/caption_images").text
    accept = re.search(r'accept="([^"]+)"', page)
    assert accept
    assert set(accept[1].split(",")) == {*bounds.SUFFIXES, ".zip"}
    assert json.loads(re.search(r'data-upload-most="(\d+)"', page)[1]) == 256 * 2**20  # type: ignore[index]
