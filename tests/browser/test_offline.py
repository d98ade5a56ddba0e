"""The network goes and comes back: what is shown is dated, what was missed arrives, nothing jumps back."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.by_hand import TaskByHand
from tests.browser.conftest import Visitor
from tests.fixtures.product import Server

pytestmark = pytest.mark.slow

RECORD = """
() => {
  window.seen = [];
  const value = document.querySelector("[data-percent-value]");
  const note = () => window.seen.push(Number(value.textContent));
  new MutationObserver(note).observe(value, { characterData: true, childList: true, subtree: true });
}
"""

TIME_RETURNS = """
() => {
  window.returns = [];
  let back = null;
  addEventListener("online", () => { back = performance.now(); });
  const words = document.querySelector("[data-connection]");
  new MutationObserver(() => {
    if (back === null || words.textContent !== "Live") return;
    window.returns.push(performance.now() - back);
    back = null;
  }).observe(words, { characterData: true, childList: true, subtree: true });
}
"""


def record(page: Page) -> None:
    expect(page.locator("[data-connection]")).to_have_text("Live")
    page.evaluate(RECORD)


def assert_never_back(page: Page) -> None:
    seen = page.evaluate("window.seen")
    assert seen == sorted(seen), seen


class Wall:
    """Lets everything of a tab through but its Socket.IO connection, once it is put up."""

    def __init__(self, page: Page) -> None:
        self.is_up = False
        self._open: list[WebSocketRoute] = []
        page.route("**/socket.io/**", lambda route: route.abort() if self.is_up else route.continue_())
        page.route_web_socket(re.compile("socket.io"), self._connect)

    def put_up(self) -> None:
        """Cut what is open and refuse what comes."""
        self.is_up = True
        for socket in self._open:
            socket.close()

    def _connect(self, socket: WebSocketRoute) -> None:
        if self.is_up:
            socket.close()
            return
        socket.connect_to_server()
        self._open.append(socket)


@pytest.mark.req("F2", "F4", "A10", "E2")
def test_both_tabs_are_right_after_a_while_without_network(visitor: Visitor, running: TaskByHand) -> None:
    pages = [visitor.open(running.path), visitor.open(running.path)]
    running.work.log("before")
    for page in pages:
        record(page)
        expect(page.locator("[data-log-lines]")).to_contain_text("before")
    visitor.context.set_offline(True)
    for page in pages:
        expect(page.locator("[data-connection]")).to_have_text(re.compile(r"^Reconnecting \d of 10$"))
        expect(page.locator("[data-fresh]").first).to_have_text(re.compile(r"^As of \d\d:\d\d:\d\d$"))
        expect(page.locator("[data-badge-word]").first).to_have_text(re.compile(r"^Was running at "))
        expect(page.locator("[data-bar]").first).to_have_attribute("data-mode", "stale")
        expect(page.locator("[data-banner]")).to_contain_text("Next try in")
        expect(page.get_by_role("button", name="Try now")).to_be_visible()
    for number in range(600):
        running.work.log(f"missed {number}")
        running.to(25 + number / 20)
    visitor.context.set_offline(False)
    for page in pages:
        expect(page.locator("[data-percent-value]")).to_have_text("54.9")
        expect(page.locator("[data-connection]")).to_have_text("Live")
        expect(page.locator("[data-banner]")).to_contain_text("Live again.")
        expect(page.locator("[data-badge-word]").first).to_have_text("Running")
        expect(page.locator("[data-log-range]")).to_have_text(re.compile(r"^Lines 1 to 60\d, none missing$"))
        texts = page.locator("[data-log-text]").all_inner_texts()
        assert [text for text in texts if text.startswith("missed")] == [f"missed {number}" for number in range(600)]
        assert_never_back(page)


@pytest.mark.req("A10", "F1")
def test_an_end_that_was_missed_is_there_after_the_return(visitor: Visitor, running: TaskByHand) -> None:
    page = visitor.open(running.path)
    record(page)
    visitor.context.set_offline(True)
    expect(page.locator("[data-connection]")).to_have_text(re.compile("^Reconnecting"))
    running.work.log("the last line")
    running.complete(nodes_found=29518)
    visitor.context.set_offline(False)
    expect(page.locator("[data-badge-word]").first).to_have_text("Completed")
    expect(page.locator("[data-log-lines]")).to_contain_text("the last line")
    expect(page.locator("[data-results]")).to_contain_text("29,518")


@pytest.mark.req("F4", "A10")
def test_each_return_of_the_network_is_used_at_once(visitor: Visitor, running: TaskByHand) -> None:
    """The first try after a break begins with polling, and leaves it while the answers to it still wait."""
    page = visitor.open(running.path)
    record(page)
    page.evaluate(TIME_RETURNS)
    for percent in range(30, 36):
        visitor.context.set_offline(True)
        expect(page.locator("[data-connection]")).to_have_text(re.compile("^Reconnecting"))
        running.to(percent)
        visitor.context.set_offline(False)
        expect(page.locator("[data-percent-value]")).to_have_text(f"{percent}.0")
        expect(page.locator("[data-connection]")).to_have_text("Live")
    took_ms = page.evaluate("window.returns")
    print(f"live again after {[round(ms) for ms in took_ms]} ms")
    assert len(took_ms) == 6
    assert min(took_ms) < 1_000
    assert_never_back(page)


@pytest.mark.req("F4")
def test_a_lost_connection_says_so_refreshes_labelled_and_stops_when_live_again(
    visit: Callable[..., Visitor], make_server: Callable[..., Server], make_task: Callable[..., TaskByHand]
) -> None:
    visitor = visit(make_server({"POLL_FALLBACK_SECONDS": "2"}))
    running = make_task(visitor).claim()
    running.to(20)
    page = visitor.context.new_page()
    wall = Wall(page)
    page.clock.install()
    page.goto(running.url)
    page.clock.resume()
    expect(page.locator("[data-connection]")).to_have_text("Live")
    wall.put_up()
    expect(page.locator("[data-connection]")).to_have_text(re.compile("^Reconnecting"))
    for _ in range(60):
        if page.locator("[data-connection]").inner_text() == "Not connected":
            break
        page.clock.run_for(5_000)
        page.wait_for_timeout(100)
    expect(page.locator("[data-connection]")).to_have_text("Not connected")
    banner = page.locator("[data-banner]")
    expect(banner).to_have_attribute("role", "alert")
    expect(banner).to_contain_text("10 tries failed since")
    expect(banner).to_contain_text("This page now refreshes itself every 2 s")
    expect(page.get_by_role("button", name="Refresh now")).to_be_visible()
    running.to(50)
    expect(page.locator("[data-percent-value]")).to_have_text("50.0")
    expect(page.locator("[data-fresh]").first).to_have_text(re.compile(r"^Refreshed .* ago|^Refreshed just now"))
    expect(page.locator("[data-bar]").first).to_have_attribute("data-mode", "stale")
    wall.is_up = False
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("[data-connection]")).to_have_text("Live")
    running.to(60)
    expect(page.locator("[data-percent-value]")).to_have_text("60.0")
    page.wait_for_load_state("networkidle")
    before = len([request for request in visitor.requests if "/api/v1/tasks/" in request.url])
    page.wait_for_timeout(5_000)
    assert len([request for request in visitor.requests if "/api/v1/tasks/" in request.url]) == before


@pytest.mark.req("D7", "A15")
def test_signing_out_ends_the_other_tab_and_it_says_so(newcomer: Visitor, make_task: Callable[..., TaskByHand]) -> None:
    running = make_task(newcomer).claim()
    running.to(20)
    page = newcomer.open(running.path)
    expect(page.locator("[data-connection]")).to_have_text("Live")
    other = newcomer.open("/")
    other.locator("[data-menu] summary").first.click()
    other.get_by_role("button", name="Sign out").click()
    expect(page.locator("[data-connection]")).to_have_text("Not connected", timeout=15_000)
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(page.locator("[data-badge-word]").first).to_have_text(re.compile("^Was running at "))


@pytest.mark.req("E7", "C2", "F4")
def test_a_restarted_server_is_joined_again_by_itself(
    visit: Callable[..., Visitor], server: Server, make_task: Callable[..., TaskByHand]
) -> None:
    visitor = visit(server)
    page = visitor.open("/")
    expect(page.locator("[data-connection]")).to_have_text("Live")
    server.restart()
    expect(page.locator("[data-connection]")).to_have_text("Live", timeout=30_000)
    running = make_task(visitor).claim()
    running.to(20)
    second = visitor.open(running.path)
    expect(second.locator("[data-percent-value]")).to_have_text("20.0")
