"""A task is shared in its page's dialog, and somebody without an account follows it live to its end."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.by_hand import TaskByHand
from tests.browser.conftest import Visitor

pytestmark = pytest.mark.slow


@pytest.fixture
def stranger(make_context: Callable[..., BrowserContext]) -> BrowserContext:
    """A browser without a login, on a phone."""
    return make_context(viewport={"width": 390, "height": 844})


def made_link(page: Page) -> str:
    """A link, made in the dialog."""
    page.get_by_role("button", name="Share").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("1 hour").click()
    dialog.get_by_role("button", name=re.compile("Make a")).click()
    expect(dialog.get_by_role("button", name="Copy")).to_be_visible()
    return dialog.get_by_label("The link", exact=True).input_value()


@pytest.mark.req("F1", "F3", "F10", "D2")
def test_a_shared_page_follows_the_task_to_its_end_and_says_when_its_link_has_ended(
    visitor: Visitor, running: TaskByHand, stranger: BrowserContext
) -> None:
    errors: list[str] = []
    stranger.on("weberror", lambda error: errors.append(str(error.error)))
    owner = visitor.open(running.path)
    url = made_link(owner)
    page = stranger.new_page()
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(url)
    expect(page.locator("[data-connection]")).to_have_text("Live")
    page.evaluate("window.isTheSamePage = true")
    running.to(61.4, nodes_found=21764, current_file="secret.py")
    running.work.log("parse src/units.py")
    expect(page.locator("[data-percent-value]")).to_have_text("61.4")
    expect(page.locator('[data-stat="nodes_found"] [data-stat-value]')).to_have_text("21,764")
    expect(page.locator("[data-log-lines]")).to_contain_text("parse src/units.py")
    assert "secret.py" not in page.content()
    assert page.locator("a[href='/'], nav[aria-label=Main], form[method=post]").count() == 0

    running.complete(files_scanned=8340, root="/srv/hidden")
    expect(page.locator("[data-outcome]")).to_contain_text("Completed")
    expect(page.locator("[data-results]")).to_contain_text("8,340")
    assert "/srv/hidden" not in page.content()
    assert page.evaluate("window.isTheSamePage") is True

    revoked = stranger.new_page()
    revoked.goto(made_link_again(owner))
    expect(revoked.locator("[data-connection]")).to_have_text("Live")
    owner.get_by_role("dialog").get_by_role("button", name=re.compile("Revoke")).first.click()
    expect(revoked.locator("[data-banner-title]")).to_have_text("This link has ended.")
    revoked.reload()
    expect(revoked.get_by_role("heading", name="This link shows nothing")).to_be_visible()
    revoked.close()
    assert errors == []


def made_link_again(page: Page) -> str:
    """Another link, in the dialog that is open."""
    dialog = page.get_by_role("dialog")
    first = dialog.get_by_label("The link", exact=True).input_value()
    dialog.get_by_role("button", name="Make another link").click()
    expect(dialog.get_by_label("The link", exact=True)).not_to_have_value(first)
    return dialog.get_by_label("The link", exact=True).input_value()
