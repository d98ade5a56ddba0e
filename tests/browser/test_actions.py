"""What a person does on the pages: cancel, be told once, and all of it with the keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect

from tests.browser.by_hand import TaskByHand
from tests.browser.conftest import Visitor
from tests.fixtures.machine import ROOT, wait_until

pytestmark = pytest.mark.slow


@pytest.mark.req("C3", "F1", "A5")
def test_cancelling_is_shown_as_a_wish_until_it_is_done(visitor: Visitor, running: TaskByHand) -> None:
    page = visitor.open(running.path)
    second = visitor.open(running.path)
    expect(page.locator("[data-percent-value]")).to_have_text("20.0")
    page.locator("[data-action=cancel]").click()
    dialog = page.get_by_role("dialog", name="Cancel this task?")
    expect(dialog.get_by_role("button", name="Keep running")).to_be_focused()
    dialog.get_by_label("Reason").fill("wrong branch")
    dialog.get_by_role("button", name="Cancel the task").click()
    expect(dialog).to_be_hidden()
    for tab in (page, second):
        expect(tab.locator("[data-badge-word]").first).to_have_text("Cancelling")
        expect(tab.locator("[data-bar]").first).to_have_attribute("data-mode", "cancelling")
    running.confirm_cancel()
    for tab in (page, second):
        expect(tab.locator("[data-badge-word]").first).to_have_text("Cancelled")
        expect(tab.locator("main")).to_contain_text("wrong branch")
        expect(tab).to_have_title(re.compile("^Cancelled · "))


@pytest.mark.req("F1")
def test_a_cancel_that_came_too_late_says_so_in_place(visitor: Visitor, running: TaskByHand) -> None:
    page = visitor.open(running.path)
    expect(page.locator("[data-percent-value]")).to_have_text("20.0")
    page.locator("[data-action=cancel]").click()
    running.complete()
    expect(page.locator("[data-badge-word]").first).to_have_text("Completed")
    late = page.get_by_role("button", name="Cancel the task")
    expect(late).to_be_disabled()
    expect(late).to_have_attribute("title", "It has ended meanwhile: completed.")
    page.get_by_role("button", name="Keep running").click()
    expect(page.get_by_role("button", name="Run again")).to_be_visible()


def toasts(pages: list[Page]) -> int:
    return sum(page.locator("[data-toast]").count() for page in pages)


@pytest.mark.req("F5", "G7")
def test_one_toast_over_three_tabs_and_success_goes_by_itself(visitor: Visitor, running: TaskByHand) -> None:
    pages = [visitor.open("/schedules"), visitor.open("/"), visitor.open("/tasks")]
    for page in pages:
        expect(page.locator("[data-connection]")).to_have_text("Live")
    running.complete()
    wait_until(lambda: toasts(pages) > 0 or pages[0].wait_for_timeout(20), 10, "a toast")
    pages[0].wait_for_timeout(1_500)
    assert toasts(pages) == 1
    shown = next(page for page in pages if page.locator("[data-toast]").count())
    expect(shown.locator("[data-toast]")).to_contain_text(f"{running.title} is done")
    expect(shown.locator("[data-toast]")).to_have_attribute("role", "status")
    expect(shown.locator("[data-toast]")).to_have_count(0, timeout=12_000)


@pytest.mark.req("F5")
def test_a_failure_stays_until_it_is_closed(visitor: Visitor, running: TaskByHand) -> None:
    page = visitor.open("/")
    expect(page.locator("[data-connection]")).to_have_text("Live")
    running.fail("The disk is full.")
    toast = page.locator("[data-toast]")
    expect(toast).to_contain_text("The disk is full.")
    expect(toast).to_have_attribute("role", "alert")
    page.wait_for_timeout(7_000)
    expect(toast).to_have_count(1)
    toast.get_by_role("button", name="Close").click()
    expect(toast).to_have_count(0)


@pytest.mark.req("F5")
def test_title_and_favicon_show_progress_and_the_end(visitor: Visitor, running: TaskByHand) -> None:
    page = visitor.open(running.path)
    icon = page.locator("[data-favicon]")
    running.to(61.4)
    expect(page).to_have_title(f"61 % · {running.title} · Taskroom")
    expect(icon).to_have_attribute("href", re.compile(r"^data:image/svg.*width%3D%2212%22"))
    running.complete()
    expect(page).to_have_title(f"Done · {running.title} · Taskroom")
    expect(icon).to_have_attribute("href", re.compile(r"^data:image/svg.*%236fcf8f"))


@pytest.mark.req("F7")
def test_phases_tenths_and_the_end_are_announced_sparingly(
    visitor: Visitor, make_task: Callable[..., TaskByHand]
) -> None:
    task = make_task(visitor, title="Scan of acme/warehouse").claim()
    page = visitor.context.new_page()
    page.add_init_script(
        "window.said = []; addEventListener('DOMContentLoaded', () => {"
        " for (const region of document.querySelectorAll('[data-live]'))"
        " new MutationObserver(() => window.said.push([region.dataset.live, region.textContent, performance.now()]))"
        ".observe(region, { childList: true, characterData: true, subtree: true }); });"
    )
    page.goto(task.url)
    expect(page.locator("[data-fresh]").first).to_have_text(re.compile("^Live"))
    assert page.evaluate("window.said") == []
    task.to(15)
    expect(page.locator("[data-live=polite]")).to_have_text("Phase 3 of 4, Parse.")
    page.wait_for_timeout(3_200)
    task.to(31)
    expect(page.locator("[data-live=polite]")).to_have_text(re.compile("^30 percent"))
    task.complete()
    expect(page.locator("[data-live=assertive]")).to_have_text(re.compile("^Scan of acme/warehouse completed in "))
    times = [at for region, _, at in page.evaluate("window.said") if region == "polite"]
    assert all(later - earlier > 2_900 for earlier, later in pairwise(times))


@pytest.mark.req("F7")
def test_a_task_is_cancelled_with_the_keyboard_alone(visitor: Visitor, running: TaskByHand) -> None:
    page = visitor.open(running.path)
    expect(page.locator("[data-fresh]").first).to_have_text(re.compile("^Live"))
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.action") == "cancel":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Keep running")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Cancel the task")).to_be_focused()
    running.to(30)
    expect(page.locator("[data-percent-value]")).to_have_text("30.0")
    expect(page.get_by_role("button", name="Cancel the task")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("[data-badge-word]").first).to_have_text("Cancelling")


@pytest.mark.req("F1", "J1")
def test_a_scan_is_started_from_its_form(visitor: Visitor) -> None:
    page = visitor.open("/start/code_scan")
    command = page.locator("[data-term=cli]")
    expect(page.locator("[data-term=curl]")).to_be_hidden()
    page.get_by_label("Folder on this server").fill(str(ROOT / "tasks"))
    page.get_by_label("File types").fill(".py,")
    expect(page.get_by_role("button", name="Remove .py")).to_be_visible()
    expect(command).to_contain_text("-p file_types=")
    expect(command).to_contain_text(f"-p repository_path={ROOT / 'tasks'}")
    page.reload()
    expect(page.get_by_label("Folder on this server")).to_have_value(str(ROOT / "tasks"))
    expect(page.get_by_role("button", name="Remove .py")).to_be_visible()
    page.locator("[data-submit]").click()
    page.wait_for_url(re.compile("/tasks/[0-9a-f-]{36}"))
    expect(page.locator("[data-badge-word]").first).to_have_text("Completed", timeout=120_000)
    expect(page.locator("[data-log-range]")).to_have_text(re.compile("none missing"))
