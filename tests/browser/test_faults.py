"""Between server and page somebody loses, doubles and swaps what the real server sends; the page stays right."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.by_hand import TaskByHand
from tests.browser.conftest import Visitor

pytestmark = pytest.mark.slow

WRITE_DOWN_PERCENT = """() => {
  window.seen = [];
  const value = document.querySelector("[data-percent-value]");
  const note = () => window.seen.push(Number(value.textContent));
  new MutationObserver(note).observe(value, { characterData: true, childList: true, subtree: true });
}"""
EVENT = re.compile(r'^42\["(\w+)",')


class Line:
    """The wire under the page. `fate(name, data)` says how often an event arrives: 0 lost, 1 as sent, 2 doubled."""

    def __init__(self, page: Page) -> None:
        self.fate: Callable[[str, Any], int] = lambda name, data: 1
        self.sent: list[tuple[str, Any]] = []
        page.route_web_socket(re.compile("socket.io"), self._connect)

    def _connect(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        socket.on_message(lambda message: self._to_server(server, message))
        server.on_message(lambda message: self._to_page(socket, message))

    def _to_server(self, server: WebSocketRoute, message: str | bytes) -> None:
        if isinstance(message, str) and message.startswith("42"):
            name, data = json.loads(message[message.index("[") :])
            self.sent.append((name, data))
        server.send(message)

    def _to_page(self, socket: WebSocketRoute, message: str | bytes) -> None:
        found = EVENT.match(message) if isinstance(message, str) else None
        times = self.fate(found[1], json.loads(message[2:])[1]) if found else 1
        for _ in range(times):
            socket.send(message)

    def joins(self) -> list[Any]:
        """What the page asked to join, in order."""
        return [data for name, data in self.sent if name == "join_task"]


@pytest.fixture
def page(visitor: Visitor) -> Page:
    """A tab of the visitor whose wire can be tampered with before it opens anything."""
    return visitor.context.new_page()


def lines_of(page: Page) -> list[int]:
    return page.locator("[data-log-lines] [data-n]").evaluate_all("rows => rows.map(row => Number(row.dataset.n))")


@pytest.mark.req("A8", "A10", "F11")
def test_what_is_lost_on_the_way_is_asked_for_again(page: Page, running: TaskByHand) -> None:
    line = Line(page)
    page.goto(running.url)
    expect(page.locator("[data-fresh]").first).to_have_text(re.compile("^Live"))
    expect(page.locator("[data-percent-value]")).to_have_text("20.0")
    line.sent.clear()
    line.fate = lambda name, data: 0 if name == "task_log" else 1
    running.work.log("lost on the way")
    page.wait_for_timeout(500)
    line.fate = lambda name, data: 1
    running.to(30)
    expect(page.locator("[data-percent-value]")).to_have_text("30.0")
    running.work.log("not lost")
    expect(page.locator("[data-log-lines]")).to_contain_text("lost on the way")
    expect(page.locator("[data-log-lines]")).to_contain_text("not lost")
    assert [name for name, _ in line.sent] == ["get_task_log"], "progress is whole, and the line is known by its number"
    numbers = lines_of(page)
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.req("A8", "A10")
def test_a_hole_before_a_line_is_asked_for_once_and_filled(page: Page, running: TaskByHand) -> None:
    line = Line(page)
    page.goto(running.url)
    expect(page.locator("[data-fresh]").first).to_have_text(re.compile("^Live"))
    expect(page.locator("[data-percent-value]")).to_have_text("20.0")
    joined = len(line.joins())
    line.fate = lambda name, data: 0
    running.to(30)
    running.work.log("lost on the way")
    page.wait_for_timeout(500)
    line.fate = lambda name, data: 1
    running.work.log("not lost")
    expect(page.locator("[data-log-lines]")).to_contain_text("lost on the way")
    expect(page.locator("[data-percent-value]")).to_have_text("30.0")
    assert len(line.joins()) == joined + 1
    assert line.joins()[-1]["epoch"]
    numbers = lines_of(page)
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.req("A8", "A10")
def test_the_end_lost_on_the_way_is_found_out(page: Page, running: TaskByHand) -> None:
    line = Line(page)
    page.goto(running.url)
    expect(page.locator("[data-percent-value]")).to_have_text("20.0")
    line.fate = lambda name, data: 0 if name == "task_completed" else 1
    running.complete(nodes_found=29518)
    page.wait_for_timeout(500)
    line.fate = lambda name, data: 1
    expect(page.locator("[data-badge-word]").first).to_have_text("Completed", timeout=20_000)


@pytest.mark.req("A8", "A10", "F11")
def test_random_losses_and_doubles_leave_a_page_equal_to_the_truth(page: Page, running: TaskByHand) -> None:
    dice = random.Random(7)
    line = Line(page)
    page.goto(running.url)
    expect(page.locator("[data-percent-value]")).to_have_text("20.0")
    page.evaluate(WRITE_DOWN_PERCENT)
    line.fate = lambda name, data: dice.choice((0, 1, 1, 1, 2)) if name in ("progress_update", "task_log") else 1
    for number in range(400):
        running.work.log(f"line {number}")
        running.to(20 + number / 8)
        if number % 10 == 0:
            page.wait_for_timeout(30)
    line.fate = lambda name, data: 1
    running.to(80)
    running.work.log("last")
    expect(page.locator("[data-percent-value]")).to_have_text("80.0", timeout=20_000)
    expect(page.locator("[data-log-range]")).to_have_text(
        re.compile(rf"^Lines 1 to {running.log_total}, none missing"), timeout=20_000
    )
    assert lines_of(page) == list(range(1, running.log_total + 1))
    seen = page.evaluate("window.seen")
    assert seen == sorted(seen)


@pytest.mark.req("A10", "E2")
def test_a_tail_that_is_begun_anew_loses_no_line_and_turns_nothing_back(page: Page, running: TaskByHand) -> None:
    line = Line(page)
    page.goto(running.url)
    for number in range(50):
        running.work.log(f"line {number}")
    running.to(61)
    expect(page.locator("[data-percent-value]")).to_have_text("61.0")
    epochs: set[str] = set()
    line.fate = lambda name, data: epochs.add(data["epoch"]) or 1 if "epoch" in data else 1
    running.to(62)
    expect(page.locator("[data-percent-value]")).to_have_text("62.0")
    running.begin_new_epoch()
    for number in range(50, 100):
        running.work.log(f"line {number}")
    running.to(63)
    expect(page.locator("[data-percent-value]")).to_have_text("63.0")
    expect(page.locator("[data-log-lines]")).to_contain_text("line 99")
    assert len(epochs) == 2
    assert lines_of(page) == list(range(1, running.log_total + 1))
    texts = [text for text in page.locator("[data-log-text]").all_inner_texts() if text.startswith("line ")]
    assert texts == [f"line {number}" for number in range(100)]


@pytest.mark.req("F4", "F2")
def test_without_websockets_the_page_is_live_by_polling(visitor: Visitor, running: TaskByHand) -> None:
    page = visitor.context.new_page()
    page.add_init_script("WebSocket = class { constructor() { throw new Error('blocked on the way'); } };")
    page.goto(running.url)
    expect(page.locator("[data-connection]")).to_have_text("Live", timeout=20_000)
    running.to(44)
    expect(page.locator("[data-percent-value]")).to_have_text("44.0")


@pytest.mark.req("F4", "F2")
def test_a_websocket_that_opens_and_drops_is_replaced_by_polling(visitor: Visitor, running: TaskByHand) -> None:
    page = visitor.context.new_page()
    page.route_web_socket(re.compile("socket.io"), lambda socket: socket.close())
    page.goto(running.url)
    expect(page.locator("[data-connection]")).to_have_text("Live", timeout=20_000)
    running.to(44)
    expect(page.locator("[data-percent-value]")).to_have_text("44.0")
