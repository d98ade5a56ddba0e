"""The log of a task's page: complete, followed or kept in place, searched on the server, with a link to each line."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.by_hand import TaskByHand
from tests.browser.conftest import Visitor
from tests.fixtures.machine import wait_until

pytestmark = pytest.mark.slow

TOP_LINE = """scroller => {
  const box = scroller.getBoundingClientRect();
  return document.elementFromPoint(box.left + 300, box.top + 30).closest("[data-n]").dataset.n;
}"""


def write(task: TaskByHand, many: int, start: int = 1) -> None:
    """Log numbered lines with an error each hundred, and wait until they are stored."""
    for number in range(start, start + many):
        task.work.log(f"parse src/warehouse/file_{number}.py", "error" if number % 100 == 0 else "info")
    task.wait_for_lines()


def scrolled_up(page: Page) -> None:
    page.locator("[data-log-scroller]").hover()
    page.mouse.wheel(0, -400)


@pytest.mark.req("F11")
def test_it_follows_until_somebody_scrolls_up_and_then_keeps_the_place(visitor: Visitor, running: TaskByHand) -> None:
    write(running, 300)
    page = visitor.open(running.path)
    follow = page.get_by_role("button", name="Follow")
    expect(follow).to_have_attribute("aria-pressed", "true")
    scroller = page.locator("[data-log-scroller]")
    wait_until(
        lambda: scroller.evaluate("it => it.scrollHeight - it.clientHeight - it.scrollTop") < 2, 10, "at the end"
    )
    scrolled_up(page)
    expect(follow).to_have_attribute("aria-pressed", "false")
    before = page.locator("[data-log-scroller]").evaluate(TOP_LINE)
    write(running, 128, 301)
    pill = page.locator("[data-log-new]")
    expect(pill).to_contain_text("128 new lines")
    assert page.locator("[data-log-scroller]").evaluate(TOP_LINE) == before
    pill.click()
    expect(follow).to_have_attribute("aria-pressed", "true")
    expect(pill).to_be_hidden()
    expect(page.locator("[data-log-text]").last).to_have_text("parse src/warehouse/file_428.py")


@pytest.mark.req("F11")
def test_a_long_log_keeps_its_last_2000_lines_and_brings_the_rest_on_demand(
    visitor: Visitor, running: TaskByHand
) -> None:
    write(running, 6000)
    page = visitor.open(running.path)
    expect(page.locator("[data-log-range]")).to_have_text("Lines 4,001 to 6,000 of 6,000, none missing", timeout=20_000)
    expect(page.locator("[data-log-lines] [data-n]")).to_have_count(2000)
    page.evaluate("location.hash = '#L42'")
    row = page.locator("#L42")
    expect(row).to_be_in_viewport(timeout=15_000)
    expect(row).to_contain_text("parse src/warehouse/file_42.py")
    expect(row).to_have_attribute("data-current", "")
    expect(page.locator("[data-log-copy]")).to_have_text("Copy link to line 42")
    expect(page.locator("[data-log-lines] [data-n]")).to_have_count(2000)


@pytest.mark.req("F11")
def test_a_link_to_a_line_opens_there(visitor: Visitor, running: TaskByHand) -> None:
    write(running, 3000)
    page = visitor.open(f"{running.path}#L77")
    expect(page.locator("#L77")).to_be_in_viewport(timeout=20_000)
    expect(page.locator("#L77")).to_have_attribute("data-current", "")


@pytest.mark.req("F11")
def test_the_whole_log_is_searched_and_walked_through(visitor: Visitor, running: TaskByHand) -> None:
    write(running, 3000)
    page = visitor.open(running.path)
    search = page.get_by_role("searchbox", name="Search the log")
    search.fill("file_29")
    matches = page.locator("[data-log-matches]")
    expect(matches).to_have_text(re.compile(r"^\d+ of 111$"))
    expect(page.locator("mark[data-current]")).to_have_text("file_29")
    first = matches.inner_text()
    search.press("Enter")
    expect(matches).not_to_have_text(first)
    page.get_by_role("button", name="Previous match").click()
    expect(matches).to_have_text(first)
    search.press("Escape")
    expect(matches).to_be_hidden()
    expect(page.locator("mark")).to_have_count(0)


@pytest.mark.req("F11")
def test_a_level_shows_its_lines_alone_and_new_ones_join(visitor: Visitor, running: TaskByHand) -> None:
    write(running, 500)
    page = visitor.open(running.path)
    page.locator('[data-log-level-filter="error"]').click()
    rows = page.locator("[data-log-lines] [data-n]")
    expect(rows).to_have_count(5)
    running.work.log("another failure", "error")
    expect(rows).to_have_count(6)
    expect(rows.last).to_contain_text("another failure")
    page.locator('[data-log-level-filter="all"]').click()
    expect(rows).to_have_count(running.log_total)


@pytest.mark.req("F7", "F11")
def test_the_log_is_walked_with_arrows_as_one_tab_stop(visitor: Visitor, running: TaskByHand) -> None:
    write(running, 50)
    page = visitor.open(running.path)
    expect(page.locator("[data-log-lines] [data-n]")).to_have_count(running.log_total)
    page.locator("[data-log-scroller]").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    focused = "document.activeElement.closest('[data-n]')?.dataset.n"
    last = running.log_total
    assert page.evaluate(focused) == str(last - 2)
    page.keyboard.press("Home")
    assert page.evaluate(focused) == "1"
    expect(page.locator("[data-log-number][tabindex='0']")).to_have_count(1)
    page.keyboard.press("Tab")
    assert page.evaluate(focused) is None


@pytest.mark.req("D9")
def test_hostile_titles_and_lines_stay_text(visitor: Visitor, make_task: object) -> None:
    hostile = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>"
    task = make_task(visitor, title=hostile).claim()  # type: ignore[operator]
    task.to(20, **{"<b>key</b>": "<i>value</i>"})
    task.work.log(hostile, "error")
    page = visitor.open(task.path)
    task.work.log(f"{hostile} live")
    expect(page.locator("[data-log-lines]")).to_contain_text(f"{hostile} live")
    expect(page.locator("h1")).to_have_text(hostile)
    page.get_by_role("searchbox", name="Search the log").fill("<script>")
    expect(page.locator("[data-log-lines] mark").first).to_have_text("<script>")
    task.fail(hostile)
    expect(page.locator("main")).to_contain_text(hostile)
    assert (
        page.locator("main img, main i, main b, [data-toasts] img").evaluate_all(
            "found => found.filter(one => /x|value|key/.test(one.getAttribute('src') ?? one.textContent)).length"
        )
        == 0
    )
    home = visitor.open("/")
    expect(home.locator("main")).to_contain_text(hostile)
