"""A task's page while the task runs: live without a reload, true for whoever comes late, in place to the end."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.by_hand import TaskByHand
from tests.browser.conftest import Visitor
from tests.fixtures.machine import wait_until

pytestmark = pytest.mark.slow

LIVE = "Live, updated just now"
WRITE_DOWN_SHIFTS = """() => {
  window.shifts = [];
  const where = ({ node, previousRect: a, currentRect: b }) =>
    `${node?.outerHTML?.slice(0, 120) ?? node?.data}: ${a.x},${a.y} ${a.width} → ${b.x},${b.y} ${b.width}`;
  const note = (list) => list.getEntries().forEach((one) => window.shifts.push([one.value, one.sources.map(where)]));
  new PerformanceObserver(note).observe({ type: "layout-shift", buffered: false });
}"""


def percent(page: Page) -> str:
    return page.locator("[data-percent-value]").inner_text()


def expect_percent(page: Page, number: str) -> None:
    expect(page.locator("[data-percent-value]")).to_have_text(number)


@pytest.mark.req("F1", "F2", "A1")
def test_progress_phase_counters_and_log_come_without_a_reload(visitor: Visitor, running: TaskByHand) -> None:
    page = visitor.open(running.path)
    page.evaluate("window.isTheSamePage = true")
    expect(page.locator("[data-connection]")).to_have_text("Live")
    expect(page.locator("[data-fresh]").first).to_have_text(LIVE)
    running.to(61.4, nodes_found=21764)
    running.work.log("parse src/warehouse/units.py  8 nodes")
    expect_percent(page, "61.4")
    expect(page.locator("[data-phase-title]")).to_have_text("Parse")
    expect(page.locator("[data-phase-line]")).to_have_text("Phase 3 of 4:")
    expect(page.locator("[data-done]")).to_have_text("5,140")
    expect(page.locator('[data-stat="nodes_found"] [data-stat-value]')).to_have_text("21,764")
    bar = page.get_by_role("progressbar", name=running.title)
    expect(bar).to_have_attribute("aria-valuenow", "61.4")
    expect(bar).to_have_attribute("aria-valuetext", "61.4 percent, phase Parse, 5,140 of 7,500 files")
    expect(page.locator('[data-phase="parse"]')).to_have_attribute("aria-current", "step")
    expect(page.locator("[data-log-lines]")).to_contain_text("parse src/warehouse/units.py  8 nodes")
    assert page.evaluate("window.isTheSamePage") is True


@pytest.mark.req("A8", "F1", "F11")
def test_a_tab_that_comes_late_has_everything(visitor: Visitor, running: TaskByHand) -> None:
    first = visitor.open(running.path)
    for number in range(1, 301):
        running.work.log(f"line {number}")
    running.to(45)
    second = visitor.open(running.path)
    for page in (first, second):
        expect_percent(page, "45.0")
        expect(page.locator("[data-log-range]")).to_have_text(re.compile(r"^Lines 1 to 3\d\d, none missing$"))
        numbers = page.locator("[data-log-lines] [data-n]").evaluate_all(
            "rows => rows.map(row => Number(row.dataset.n))"
        )
        assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.req("F1", "A3", "F10")
def test_the_end_arrives_in_place_with_the_results(visitor: Visitor, running: TaskByHand) -> None:
    page = visitor.open(running.path)
    page.evaluate("window.isTheSamePage = true")
    running.work.log("the last line")
    running.complete(files_scanned=8340, nodes_found=29518)
    expect(page.locator("[data-badge-word]").first).to_have_text("Completed")
    expect(page.locator("[data-results]")).to_contain_text("29,518")
    expect(page.get_by_role("button", name="Run again")).to_be_visible()
    expect(page.locator("[data-log-lines]")).to_contain_text("the last line")
    expect(page).to_have_title(re.compile("^Done · "))
    assert page.evaluate("window.isTheSamePage") is True
    fresh = visitor.open(running.path)
    expect(fresh.locator("[data-badge-word]").first).to_have_text("Completed")


@pytest.mark.req("A4", "F1")
def test_a_failure_keeps_the_last_true_value(visitor: Visitor, running: TaskByHand) -> None:
    page = visitor.open(running.path)
    running.to(61.4)
    expect_percent(page, "61.4")
    running.fail("The disk of worker-2 is full. Free some space, then run it again.")
    expect(page.locator("[data-badge-word]").first).to_have_text("Failed")
    expect(page.locator("main")).to_contain_text("The disk of worker-2 is full.")
    bar = page.locator("[data-bar]").first
    expect(bar).to_have_attribute("data-mode", "failed")
    expect(bar.locator("[data-bar-fill]")).to_have_attribute("width", re.compile("^61.4"))
    expect(page).to_have_title(re.compile("^Failed · "))


@pytest.mark.req("C8", "F1")
def test_a_waiting_retry_says_when_and_why_and_then_starts_again(visitor: Visitor, running: TaskByHand) -> None:
    page = visitor.open(running.path)
    running.to(30)
    expect_percent(page, "30.0")
    running.retry_later("git server closed the connection", 3)
    expect(page.locator("[data-badge-word]").first).to_have_text(re.compile("^Retry "))
    expect(page.locator("[data-sentence]")).to_contain_text(
        "Attempt 1 of 3 failed: git server closed the connection. Attempt 2 starts at"
    )
    wait_until(lambda: _claimed(running), 15, "due again")
    running.to(12)
    expect_percent(page, "12.0")
    expect(page.locator("[data-attempt-line]").first).to_have_text("2 of 3")


def _claimed(task: TaskByHand) -> bool:
    try:
        task.claim()
    except AssertionError:
        return False
    return True


@pytest.mark.req("F2")
def test_a_silent_worker_is_not_shown_as_work(visitor: Visitor, running: TaskByHand) -> None:
    page = visitor.open(running.path)
    expect(page.locator("[data-fresh]").first).to_have_text(LIVE)
    running.fall_silent()
    expect(page.locator("[data-fresh]").first).to_have_text(re.compile(r"^Worker silent for 1\d s$"), timeout=20_000)
    expect(page.locator("[data-badge-word]").first).to_have_text(re.compile(r"^Was running at \d\d:\d\d:\d\d$"))
    expect(page.locator("[data-bar]").first).to_have_attribute("data-mode", "halted")
    expect(page.locator("[data-connection]")).to_have_text("Live")


@pytest.mark.req("F3")
def test_a_connected_page_makes_no_request_of_its_own(visitor: Visitor, running: TaskByHand) -> None:
    page = visitor.open(running.path)
    expect(page.locator("[data-fresh]").first).to_have_text(LIVE)
    page.wait_for_load_state("networkidle")
    before = len(visitor.requests)
    for number in range(40):
        running.to(20 + number)
        running.work.log(f"line {number}")
        page.wait_for_timeout(100)
    page.wait_for_timeout(4_000)
    assert [request.url for request in visitor.requests[before:]] == []


@pytest.mark.req("F8")
def test_one_connection_carries_every_row_and_rows_change_in_place(
    newcomer: Visitor, make_task: Callable[..., TaskByHand]
) -> None:
    tasks = [make_task(newcomer, title=f"Task {number}").claim() for number in range(4)]
    for task in tasks:
        task.to(15)
    page = newcomer.context.new_page()
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.goto(newcomer.server.url)
    order = "rows => rows.map(row => row.dataset.task)"
    rows = page.locator("[data-rows=running] [data-task]")
    expect(rows).to_have_count(4)
    before = rows.evaluate_all(order)
    for number, task in enumerate(tasks):
        task.to(40 + number)
    for number, task in enumerate(tasks):
        expect(page.locator(f'[data-task="{task.id}"] [data-percent]')).to_have_text(f"{40 + number}.0 %")
    tasks[0].complete()
    expect(page.locator(f'[data-task="{tasks[0].id}"] [data-badge-word]')).to_have_text("Completed")
    assert rows.evaluate_all(order) == before
    assert len(sockets) == 1


@pytest.mark.req("F1", "G7")
def test_a_newer_task_waits_behind_a_link(newcomer: Visitor, make_task: Callable[..., TaskByHand]) -> None:
    make_task(newcomer).claim().to(20)
    page = newcomer.open("/tasks")
    expect(page.locator("[data-rows=tasks] [data-task]")).to_have_count(1)
    expect(page.locator("[data-connection]")).to_have_text("Live")
    newer = make_task(newcomer, title="A newer one").claim()
    link = page.locator("[data-newer]")
    expect(link).to_contain_text("1 newer task, show it")
    expect(page.locator("[data-rows=tasks] [data-task]")).to_have_count(1)
    page.get_by_text("1 newer task, show it").click()
    expect(page.locator("[data-rows=tasks] [data-task]")).to_have_count(2)
    newer.to(33)
    expect(page.locator(f'[data-task="{newer.id}"] [data-percent]')).to_have_text("33.0 %")
    expect(link).to_be_hidden()


@pytest.mark.req("F1")
def test_nothing_moves_while_it_is_live(visitor: Visitor, running: TaskByHand) -> None:
    page = visitor.open(running.path)
    running.to(21, nodes_found=1000)
    expect(page.locator('[data-stat="nodes_found"]')).to_be_visible()
    expect(page.locator("[data-fresh]").first).to_have_text(LIVE)
    page.evaluate(WRITE_DOWN_SHIFTS)
    for number in range(22, 70):
        running.to(number, nodes_found=1000 + number)
        running.work.log(f"line {number}")
        page.wait_for_timeout(60)
    expect_percent(page, "69.0")
    shifts = page.evaluate("window.shifts")
    assert sum(value for value, _ in shifts) < 0.0005, shifts  # a number that gains a digit moves its unit


@pytest.mark.req("F1", "F11")
def test_selected_text_in_the_log_survives_updates(visitor: Visitor, running: TaskByHand) -> None:
    running.work.log("select src/warehouse/me.py now")
    page = visitor.open(running.path)
    row = page.locator("[data-log-text]", has_text="select src/warehouse/me.py now")
    row.evaluate("element => getSelection().selectAllChildren(element)")
    for number in range(22, 40):
        running.to(number)
        running.work.log(f"line {number}")
    expect_percent(page, "39.0")
    expect(page.locator("[data-log-lines]")).to_contain_text("line 39")
    assert page.evaluate("getSelection().toString()") == "select src/warehouse/me.py now"
