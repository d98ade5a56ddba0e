"""The page that tries the API, in a real browser: what it sends arrives, under the strict policy."""

from __future__ import annotations

import os

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.fixtures.machine import ROOT, missing
from tests.fixtures.product import Server

pytestmark = pytest.mark.slow
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"


def open_page(page: Page, server: Server) -> None:
    person = server.person("api-reader")
    page.goto(f"{server.url}/login")
    page.get_by_label("User name").fill(person.username)
    page.get_by_label("Password", exact=True).fill(person.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{server.url}/")
    page.goto(f"{server.url}/api/v1/docs")


@pytest.mark.req("F6", "D9", "D10")
def test_a_call_is_sent_with_this_login_and_its_answer_shown(
    page: Page, page_errors: list[str], shared_server: Server
) -> None:
    open_page(page, shared_server)
    me = page.locator("#show-me")
    me.locator("summary").click()
    me.get_by_role("button", name="Send").click()
    expect(me.get_by_role("status")).to_contain_text("200")
    expect(me.locator("[data-try-text]")).to_contain_text('"username": "api-reader"')

    cancel = page.locator("#cancel-task")
    cancel.locator("summary").click()
    cancel.get_by_label("task_id").fill("00000000-0000-4000-8000-000000000000")
    with page.expect_response(lambda response: response.url.endswith("/cancel")) as sent:
        cancel.get_by_role("button", name="Send").click()
    assert sent.value.status == 404
    expect(cancel.locator("[data-try-text]")).to_contain_text("not_found")

    tasks = page.locator("#list-tasks")
    tasks.locator("summary").click()
    tasks.get_by_label("limit").fill("0")
    tasks.get_by_role("button", name="Send").click()
    expect(tasks.get_by_role("status")).to_contain_text("422")
    assert [error for error in page_errors if "404" not in error and "422" not in error] == []


@pytest.mark.req("F7", "F9")
def test_the_page_holds_on_a_phone_and_axe_finds_nothing_serious(page: Page, shared_server: Server) -> None:
    open_page(page, shared_server)
    page.goto(f"{shared_server.url}/api/v1/docs#list-nodes")
    expect(page.locator("#list-nodes").get_by_label("sureness")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert serious_findings(page.context, page.url) == []
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/api-docs-phone.png")
        page.set_viewport_size({"width": 1280, "height": 900})
        page.screenshot(path=f"{folder}/api-docs.png")


def serious_findings(context: BrowserContext, address: str) -> list[str]:
    """What axe calls serious or critical in the content of the page; its frame is looked at with every page."""
    page = context.new_page()
    page.goto(address)
    page.evaluate(AXE.read_text() if AXE.exists() else missing("axe-core is not installed: make setup"))
    found = page.evaluate(
        "axe.run('main').then(result => result.violations.map(v => [v.impact, v.id, v.nodes[0].html]))"
    )
    return [f"{rule}: {html}" for impact, rule, html in found if impact in ("serious", "critical")]
