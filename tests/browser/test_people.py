"""People, tokens and the audit log in a browser: axe, rows that open by key, entries that wait, a demotion."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.browser.test_every_page import serious_findings
from tests.fixtures.product import Person, Server

pytestmark = [pytest.mark.slow, pytest.mark.req("H8", "F7")]

SHIFTS = """() => {
  window.shift = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((each) => (window.shift += each.value)))
    .observe({ type: "layout-shift", buffered: false });
}"""


def set_role(server: Server, person: Person, role: str) -> None:
    token = server.admin().token
    found = server.api("GET", f"/api/v1/admin/users?q={person.username}", token=token).json()["items"]
    answer = server.api("PATCH", f"/api/v1/admin/users/{found[0]['id']}", token=token, json={"role": role})
    assert answer.status_code == 200


def live(visitor: Visitor, path: str) -> Page:
    page = visitor.open(path)
    expect(page.locator("[data-connection]")).to_have_text("Live")
    return page


@pytest.mark.req("D3", "F8", "F9")
def test_the_log_grows_behind_a_link_and_a_demoted_admin_loses_it(
    shared_server: Server, visit: Callable[..., Visitor]
) -> None:
    admin = shared_server.person(f"mira-{secrets.token_hex(3)}", "admin")
    other = shared_server.person(f"ada-{secrets.token_hex(3)}")
    visitor = visit(shared_server, admin, reduced_motion="reduce")
    found = {}
    for path in ("/admin/people", "/admin/people/defaults", "/admin/people/new", "/admin/tokens", "/admin/audit"):
        page = live(visitor, path)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            found[path, scheme] = serious_findings(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.close()
    assert {key: value for key, value in found.items() if value} == {}

    page = live(visitor, f"/admin/audit?subject=user:{other.username}")
    page.evaluate(SHIFTS)
    before = page.locator("[data-entry]").count()
    for role in ("admin", "user"):
        set_role(shared_server, other, role)
    set_role(shared_server, shared_server.person("bystander"), "user")  # changes nothing, and is not told
    newer = page.locator("[data-newer]")
    expect(newer).to_have_text("2 newer entries, show them")
    assert page.evaluate("window.shift") == 0
    newer.click()
    expect(page.locator("[data-entry]")).to_have_count(before + 2)
    expect(page.locator("[data-connection]")).to_have_text("Live")
    toggle = page.locator("[data-toggle]").first
    toggle.focus()
    page.keyboard.press("Space")
    expect(toggle).to_have_attribute("aria-expanded", "true")
    more = page.locator(".entry-more").first
    expect(more.locator("del")).to_have_text("admin")
    expect(more.locator("ins")).to_have_text("user")
    expect(page).to_have_url(re.compile(r"subject=user"))
    page.keyboard.press("Enter")
    expect(more).to_be_hidden()

    set_role(shared_server, admin, "user")
    expect(page).to_have_url(re.compile("/login"))
