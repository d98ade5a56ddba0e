"""The test notification in a real browser, from a real worker: every hop is measured, and a broken one is named."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.fixtures.product import Server

pytestmark = pytest.mark.slow


@pytest.mark.req("I4")
def test_every_hop_shows_its_milliseconds_without_polling(shared_server: Server, visit: Callable[..., Visitor]) -> None:
    visitor = visit(shared_server, shared_server.person("tester", role="admin"))
    page = visitor.open("/admin/test")
    expect(page.locator("[data-connection]")).to_have_attribute("data-state", "live")
    before = len(visitor.requests)
    page.get_by_role("button", name="Send a test notification").click()
    expect(page.locator("[data-test-state]")).to_have_text("It came through.")
    for hop in page.locator("[data-hop-ms]").all():
        expect(hop).to_have_text(re.compile(r"^[\d,]+\.\d ms$"))
    assert page.url.startswith(f"{shared_server.url}/admin/test/")
    asked = [each.url for each in visitor.requests[before:] if "/api/v1/admin/test-notification" in each.url]
    assert len(asked) <= 2, "sent once, and looked up once when it had come"
    page.reload()
    expect(page.locator("[data-test-state]")).to_have_text("It came through")
