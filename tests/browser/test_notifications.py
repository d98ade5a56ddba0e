"""Being told, in real browsers: once a person over all tabs and devices, with one count everywhere, and not twice."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.by_hand import TaskByHand
from tests.browser.conftest import Visitor
from tests.fixtures.machine import wait_until
from tests.fixtures.product import Server

pytestmark = [pytest.mark.slow, pytest.mark.req("F5", "I1", "G7")]


def live(visitor: Visitor, path: str) -> Page:
    page = visitor.open(path)
    expect(page.locator("[data-connection]")).to_have_text("Live")
    return page


def expect_unread(pages: list[Page], count: int) -> None:
    said = f"Notifications, {count} unread" if count else "Notifications"
    for page in pages:
        expect(page.locator("[data-bell-link]")).to_have_attribute("aria-label", said)


def toasts(pages: list[Page]) -> list[str]:
    return [toast for page in pages for toast in page.locator("[data-toast-title]").all_inner_texts()]


def test_one_toast_a_person_over_all_tabs_and_devices_and_read_everywhere_at_once(
    shared_server: Server, newcomer: Visitor, visit: Callable[..., Visitor], make_task: Callable[..., TaskByHand]
) -> None:
    desk, phone = newcomer, visit(shared_server, newcomer.person)
    task = make_task(desk, title="Scan of acme/warehouse", visibility="everyone")
    bob = visit(shared_server)
    his = live(bob, task.path)
    his.get_by_role("button", name="Tell me when done").click()
    expect(his.get_by_role("button", name="Tell me when done")).to_have_attribute("aria-pressed", "true")
    his.goto(f"{shared_server.url}/tasks")
    expect(his.locator("[data-connection]")).to_have_text("Live")
    before = int(his.locator("[data-bell]").get_attribute("data-unread") or 0)
    tabs = [live(desk, "/"), live(desk, "/tasks"), live(phone, "/schedules")]
    task.claim().fail("The disk is full.")
    expect_unread(tabs, 1)
    expect_unread([his], before + 1)
    wait_until(lambda: len(toasts([*tabs, his])) >= 2 or his.wait_for_timeout(20), 10, "both are told")
    his.wait_for_timeout(1_500)
    assert toasts(tabs) == toasts([his]) == ["Scan of acme/warehouse failed"]
    expect(tabs[0]).to_have_title("(1) Home · Taskroom")

    quiet = next(tab for tab in tabs if not tab.locator("[data-toast]").count())
    quiet.locator("[data-bell-link]").click()
    panel = quiet.get_by_role("dialog", name="Notifications")
    expect(panel.locator("[data-notice]")).to_have_count(1)
    panel.get_by_role("button", name="Mark all as read").click()
    expect_unread(tabs, 0)
    wait_until(lambda: toasts(tabs) == [] or quiet.wait_for_timeout(20), 5, "what was read elsewhere goes")
    expect_unread([his], before + 1)
    expect(tabs[0]).to_have_title("Home · Taskroom")
    quiet.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    expect(quiet.locator("[data-bell-link]")).to_be_focused()

    watched = make_task(desk, title="Watched")
    onlooker = live(desk, watched.path)
    watched.claim().to(20)
    expect(onlooker.locator("[data-percent-value]")).to_have_text("20.0")
    watched.complete()
    expect(onlooker.locator("[data-badge-word]").first).to_have_text("Completed")
    inbox = live(phone, "/notifications")
    expect(inbox.get_by_role("button", name="Mark as unread: Watched is done")).to_be_visible()
    onlooker.wait_for_timeout(1_500)
    assert toasts([*tabs, onlooker, inbox]) == []
    inbox.get_by_role("button", name="Mark as unread: Watched is done").click()
    expect_unread([*tabs, onlooker, inbox], 1)


def test_a_tab_that_was_offline_has_the_right_count_again_and_asks_for_nothing_meanwhile(
    newcomer: Visitor, make_task: Callable[..., TaskByHand]
) -> None:
    page = live(newcomer, "/notifications")
    expect(page.locator("main")).to_contain_text("Nobody has told you anything yet")
    first = make_task(newcomer, title="Missed")
    newcomer.context.set_offline(True)
    expect(page.locator("[data-connection]")).not_to_have_text("Live", timeout=30_000)
    first.claim().complete()
    newcomer.context.set_offline(False)
    expect(page.locator("[data-connection]")).to_have_text("Live", timeout=30_000)
    expect_unread([page], 1)
    second = make_task(newcomer, title="Seen")
    asked = len(newcomer.requests)
    second.claim().complete()
    expect_unread([page], 2)
    expect(page.locator("[data-newer-text]")).to_have_text(re.compile("newer, show|1 newer one, show it"))
    for count in range(3):
        make_task(newcomer, title=f"More {count}").claim().complete()
    expect(page.locator("[data-toasts-more]")).to_have_text("1 more in the inbox")
    assert [request.url for request in newcomer.requests[asked:]] == []
    page.locator("[data-newer] a").click()
    expect(page.locator("[data-notice]")).to_have_count(5)
