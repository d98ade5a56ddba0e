"""The sign-in, setup and account pages in a real browser: what it sends, what its policy allows, what axe finds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from werkzeug.serving import make_server

import accounts
from config import Config
from database import Database
from tests.fixtures.machine import ROOT, missing
from tests.pages.session_app import PASSWORD, add_user, make_app

pytestmark = pytest.mark.slow
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def url(config: Config, database: Database) -> Iterator[str]:
    """The address of a server with only the account pages."""
    server = make_server("127.0.0.1", 0, make_app(config, database), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


def sign_in(page: Page, url: str, password: str = PASSWORD) -> None:
    page.goto(f"{url}/login")
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def serious_findings(context: BrowserContext, address: str) -> list[str]:
    """What axe calls serious or critical on the page at this address, in the state in which the server sends it."""
    page = context.new_page()
    page.goto(address)
    page.evaluate(AXE.read_text() if AXE.exists() else missing("axe-core is not installed: make setup"))
    found = page.evaluate("axe.run().then(result => result.violations.map(v => [v.impact, v.id, v.nodes[0].html]))")
    return [f"{rule}: {html}" for impact, rule, html in found if impact in ("serious", "critical")]


@pytest.mark.req("D12", "D10")
def test_the_printed_link_leads_to_a_signed_in_admin(
    page: Page, page_errors: list[str], url: str, database: Database
) -> None:
    page.goto(f"{url}/setup?token={accounts.create_setup_token(database)}")
    page.get_by_label("User name").fill("ada")
    password = page.get_by_label("Password", exact=True)
    password.fill("short")
    expect(page.get_by_text("5 of at least 10 characters")).to_be_visible()
    password.fill(PASSWORD)
    expect(page.get_by_text(f"{len(PASSWORD)} characters")).to_be_visible()
    page.get_by_role("button", name="Make the account and sign in").click()

    expect(page).to_have_url(f"{url}/")
    assert accounts.find_user(database, "ada").role == "admin"
    assert not [error for error in page_errors if "Content Security Policy" in error or "exception" in error]


@pytest.mark.req("D12", "F7")
def test_signing_in_works_with_the_keyboard_and_a_wrong_password_keeps_the_name(
    page: Page, url: str, database: Database
) -> None:
    add_user(database)
    page.goto(f"{url}/login")
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("not the right one")
    page.keyboard.press("Enter")

    expect(page.get_by_role("alert").first).to_contain_text("User name or password is not right.")
    expect(page.get_by_label("User name")).to_have_value("ada")
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{url}/")


@pytest.mark.req("F7")
def test_a_password_can_be_shown_and_hidden(page: Page, url: str) -> None:
    page.goto(f"{url}/login")
    password = page.get_by_label("Password", exact=True)
    password.fill(PASSWORD)
    page.get_by_role("button", name="Show").click()
    expect(password).to_have_attribute("type", "text")
    page.get_by_role("button", name="Hide").click()
    expect(password).to_have_attribute("type", "password")


@pytest.mark.req("F10")
def test_signing_in_needs_no_javascript(
    make_context: Callable[..., BrowserContext], url: str, database: Database
) -> None:
    add_user(database)
    page = make_context(java_script_enabled=False).new_page()
    sign_in(page, url)
    expect(page).to_have_url(f"{url}/")


@pytest.mark.req("F7", "F9")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [{}, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_serious_and_nothing_scrolls_sideways(
    make_context: Callable[..., BrowserContext], url: str, database: Database, scheme: str, device: dict[str, object]
) -> None:
    context = make_context(color_scheme=scheme, bypass_csp=True, **device)
    setup = f"{url}/setup?token={accounts.create_setup_token(database)}"
    assert serious_findings(context, setup) == []
    add_user(database)
    assert serious_findings(context, f"{url}/login") == []
    page = context.new_page()
    sign_in(page, url)
    expect(page).to_have_url(f"{url}/")
    assert serious_findings(context, f"{url}/account") == []
    assert serious_findings(context, f"{url}/no-such-page") == []
    page.goto(f"{url}/account")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
