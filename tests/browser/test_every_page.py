"""What holds on every page: no other host, no policy broken, nothing serious for axe, no sideways scrolling."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.by_hand import TaskByHand
from tests.browser.conftest import Visitor
from tests.fixtures.machine import ROOT, missing
from tests.fixtures.product import Server

pytestmark = pytest.mark.slow

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
ADDRESSES = ("/", "/tasks", "/repositories", "/start/code_scan", "running", "silent", "completed", "failed")


def serious_findings(page: Page) -> list[str]:
    """What axe calls serious or critical."""
    if not AXE.exists():
        missing("axe-core is not installed: make setup")
    page.evaluate(AXE.read_text())
    found = page.evaluate(
        "axe.run().then(result => result.violations.map(v => [v.impact, v.id, v.nodes.map(node => node.html)]))"
    )
    return [f"{rule}: {html}" for impact, rule, html in found if impact in ("serious", "critical")]


def open_state(visitor: Visitor, make_task: Callable[..., TaskByHand], name: str) -> Page:
    """The page at an address, or a task's page in the state of this name."""
    if name.startswith("/"):
        make_task(visitor).claim().to(20)
        page = visitor.open(name)
        expect(page.locator("[data-connection]")).to_have_text("Live")
        return page
    task = make_task(visitor).claim()
    task.to(40, nodes_found=12)
    for level in ("debug", "info", "warning", "error"):
        task.work.log(f"a line of level {level}", level)
    page = visitor.open(task.path)
    expect(page.locator("[data-fresh]").first).to_have_text(re.compile("^Live"))
    if name == "silent":
        task.fall_silent()
        expect(page.locator("[data-fresh]").first).to_have_text(re.compile("^Worker silent"), timeout=20_000)
    elif name != "running":
        task.complete(nodes_found=12) if name == "completed" else task.fail("The disk is full.")
        expect(page.locator("[data-badge]").first).to_have_attribute("data-state", name)
        expect(page.get_by_role("button", name="Run again")).to_be_visible()
    return page


@pytest.mark.req("F7", "F9")
@pytest.mark.parametrize("name", ADDRESSES)
def test_axe_finds_nothing_serious_while_it_is_live_in_light_and_dark(
    shared_server: Server, visit: Callable[..., Visitor], make_task: Callable[..., TaskByHand], name: str
) -> None:
    page = open_state(visit(shared_server, reduced_motion="reduce"), make_task, name)
    found = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found[scheme] = serious_findings(page)
    assert found == {"light": [], "dark": []}


@pytest.mark.req("F7", "F9")
@pytest.mark.parametrize("name", ["running", "completed"])
def test_axe_finds_nothing_serious_without_a_connection_and_on_a_phone(
    shared_server: Server, visit: Callable[..., Visitor], make_task: Callable[..., TaskByHand], name: str
) -> None:
    visitor = visit(shared_server, **PHONE)
    page = open_state(visitor, make_task, name)
    visitor.context.set_offline(True)
    expect(page.locator("[data-banner]")).to_be_visible()
    assert serious_findings(page) == []


@pytest.mark.req("F9")
@pytest.mark.parametrize("name", ["/", "/tasks", "running", "completed"])
def test_no_page_scrolls_sideways_while_live(visitor: Visitor, make_task: Callable[..., TaskByHand], name: str) -> None:
    page = open_state(visitor, make_task, name)
    beyond = {}
    for width in (320, 390, 768, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        beyond[width] = page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
    assert all(pixels <= 0 for pixels in beyond.values()), beyond


@pytest.mark.req("F9")
def test_reduced_motion_stands_still(
    shared_server: Server, visit: Callable[..., Visitor], make_task: Callable[..., TaskByHand]
) -> None:
    visitor = visit(shared_server, reduced_motion="reduce")
    page = open_state(visitor, make_task, "running")
    moving = "document.getAnimations().filter(animation => animation.playState === 'running').length"
    assert page.evaluate(moving) == 0


@pytest.mark.req("F6")
def test_nothing_is_asked_of_another_host(visitor: Visitor, make_task: Callable[..., TaskByHand]) -> None:
    for name in ("/", "/tasks", "/start/code_scan", "running", "completed"):
        open_state(visitor, make_task, name)
    hosts = {urlsplit(request.url).netloc for request in visitor.requests if not request.url.startswith("data:")}
    assert hosts == {urlsplit(visitor.server.url).netloc}


@pytest.mark.req("F10")
def test_without_scripts_the_page_is_true_and_of_use(
    shared_server: Server, visit: Callable[..., Visitor], make_task: Callable[..., TaskByHand]
) -> None:
    visitor = visit(shared_server, java_script_enabled=False)
    task = make_task(visitor).claim()
    task.to(40)
    task.work.log("a line")
    task.wait_for_lines()
    page = visitor.open(task.path)
    expect(page.locator("[data-badge-word]").first).to_have_text("Running")
    expect(page.locator("[data-log-lines]")).to_contain_text("a line")
    page.locator("[data-action=cancel]").click()
    page.get_by_role("button", name="Cancel the task").click()
    expect(page.locator("[data-badge-word]").first).to_have_text("Cancelling")


@pytest.mark.req("F9")
def test_the_theme_is_chosen_at_once_and_kept(visitor: Visitor) -> None:
    page = visitor.open("/")
    page.locator("[data-menu] summary").first.click()
    with page.expect_response("**/theme"):
        page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
