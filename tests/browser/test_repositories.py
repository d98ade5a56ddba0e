"""Registered repositories in a real browser: added, scanned with one click, and the result arrives without a reload."""

from __future__ import annotations

import re
import secrets

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.fixtures.machine import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.req("B5", "B15", "F1")
def test_a_repository_is_added_scanned_and_its_matrix_opened_and_searched_in_place(visitor: Visitor) -> None:
    name = f"Checkout {secrets.token_hex(3)}"
    page = visitor.open("/repositories")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Folder or git address").fill(str(ROOT / "tests" / "jobs" / "trace_scan"))
    page.get_by_role("button", name="Add it").click()
    page.get_by_role("button", name=f"Scan now: {name}").click()
    row = page.locator("tr", has_text=name)
    expect(row.locator("[data-badge-word]")).to_have_text("Completed", timeout=60_000)
    expect(row).to_contain_text(re.compile(r"\d+ links"), timeout=20_000)
    expect(row.get_by_role("button")).to_be_enabled()
    row.get_by_role("link", name="Completed").click()
    page.get_by_label("Parts of this task").get_by_role("link", name="Matrix").click()
    expect(page.locator("[data-connection]")).to_have_text("Live")
    opener = page.get_by_role("button", name=re.compile("^Links of REQ-")).first
    opener.press("Space")
    expect(opener).to_have_attribute("aria-expanded", "true")
    expect(opener).to_be_focused()
    expect(page.locator("tr.in")).to_contain_text("Linked")
    page.get_by_role("searchbox").fill("no-such-thing")
    expect(page.get_by_text("No requirement matches")).to_be_visible()
    expect(page).to_have_url(re.compile(r"q=no-such-thing$"))
    expect(page.get_by_role("searchbox")).to_be_focused()
