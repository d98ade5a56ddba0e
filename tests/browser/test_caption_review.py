"""Captions in a real browser on the real product: files with a bar, the job in a worker, a review by keys alone."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.browser.test_every_page import serious_findings
from tests.fixtures.product import Server
from tests.jobs.caption_images.describing import encoded, picture, zipped

JSON = {"Content-Type": "application/json"}
pytestmark = [pytest.mark.slow, pytest.mark.req("B9", "B15")]


def press(page: Page, key: str) -> None:
    """A key that leads to another view."""
    with page.expect_navigation(timeout=30_000):
        page.keyboard.press(key)


@pytest.mark.req("F7", "D9")
def test_images_are_sent_described_by_a_worker_and_reviewed_by_keys_alone(newcomer: Visitor) -> None:
    page = newcomer.open("/start/caption_images")
    rose, leaf = encoded(picture((200, 30, 40)), "PNG"), encoded(picture((30, 160, 60)))
    files = [
        {"name": "lake.jpg", "mimeType": "image/jpeg", "buffer": encoded()},
        {"name": "more.zip", "mimeType": "application/zip", "buffer": zipped({"a/rose.png": rose, "b/leaf.jpg": leaf})},
    ]
    page.locator("[data-upload-input]").set_input_files(files)
    expect(page.locator("[data-upload-words]")).to_have_text(re.compile(r"^3 images, "), timeout=30_000)
    expect(page.locator("[data-term=cli]")).to_contain_text("-p upload_id=")
    assert serious_findings(page) == []
    page.get_by_text("More settings").click()
    page.get_by_label("Pause between images").fill("0")
    page.get_by_role("button", name="Start describing").click()
    expect(page.locator("[data-badge]").first).to_have_attribute("data-state", "completed", timeout=60_000)
    page.get_by_role("link", name="Review 3 captions").click(timeout=30_000)

    page.set_default_timeout(30_000)
    current, did = page.locator("[data-current]"), page.locator("[data-did]")
    expect(current).to_have_attribute("title", "lake.jpg")
    page.wait_for_load_state("load")  # then its scripts listen to keys
    assert serious_findings(page) == []
    press(page, "j")
    expect(current).to_have_attribute("title", "a/rose.png")
    press(page, "k")
    page.keyboard.press("e")
    expect(page.get_by_label("Caption", exact=True)).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("jk, a lake.")
    expect(page.locator("[data-length]")).to_have_attribute("data-length", "short")
    expect(page.locator("[data-length-text]")).to_have_text("11 characters, short")
    expect(page.locator("[data-unsaved]")).to_be_visible()
    press(page, "Control+Enter")
    expect(did).to_have_text("Approved: lake.jpg.")
    expect(page.locator('[data-live="polite"]')).to_have_text("Approved: lake.jpg.")
    press(page, "x")
    press(page, "d")
    expect(page.get_by_text("Nothing is left to review")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Undo")).click()
    expect(did).to_have_text("Taken back: b/leaf.jpg.")
    page.get_by_role("button", name="Turn them off").click()
    page.keyboard.press("x")
    expect(page.locator("h1")).to_be_visible()
    expect(current).to_have_attribute("title", "b/leaf.jpg")
    shown = page.locator(".cap-frame img")
    assert shown.evaluate("image => image.naturalWidth") == 240
    assert shown.get_attribute("alt", timeout=1000).startswith("Draft: ")  # type: ignore[union-attr]


@pytest.mark.req("D5", "D10", "D11")
def test_what_is_refused_is_said_and_large_bodies_pass_the_door_only_with_a_login(
    shared_server: Server, newcomer: Visitor
) -> None:
    server, headers = shared_server, newcomer.person.headers
    address = f"{server.url}/captions/uploads"

    def send(size: int, name: str = "a.jpg", content: bytes = b"\xff\xd8\xff", **options: Any) -> requests.Response:
        body = {"files": (name, content + b"\0" * size)}
        return requests.post(address, files=body, timeout=60, allow_redirects=False, **options)

    kept = send(8 * 2**20, headers=headers)
    assert (kept.status_code, kept.json()["images"]) == (201, 1)
    for response in (send(8 * 2**20, "a.txt", b"text", headers=headers), send(45 * 2**20, headers=headers)):
        assert response.status_code == 422
        assert response.json()["error"]["message"].endswith(("of them.", "for one image."))
    assert send(8 * 2**20).status_code == 302
    with requests.Session() as browser:
        browser.cookies.update({each["name"]: each["value"] for each in newcomer.context.cookies()})
        forged = browser.post(address, files={"files": ("a.jpg", encoded())}, timeout=20)
        assert forged.status_code == 400
        assert "came from another site" in forged.json()["error"]["message"]
        elsewhere = browser.post(
            address, files={"files": ("a.jpg", encoded())}, headers={"Origin": "https://evil.example"}, timeout=20
        )
        assert elsewhere.status_code == 400
    other = requests.post(f"{server.url}/api/v1/tasks", data=b"x" * (2 * 2**20), headers=headers | JSON, timeout=20)
    assert other.status_code == 413
