"""The pages in a real browser: narrow and at twice the text size, in both themes, by keyboard, and as axe sees them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import BrowserContext, Page
from werkzeug.serving import make_server

from tests.fixtures.machine import ROOT, missing
from tests.pages.task_app import KIND, House, half_way, phases

pytestmark = pytest.mark.slow
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
LONG = "a-name-without-a-break-" + "x" * 150
MakeContext = Callable[..., BrowserContext]


@dataclass
class Site:
    """A server with one task in each state; `paths` are the pages to look at."""

    url: str
    headers: dict[str, str]
    paths: dict[str, str]


@pytest.fixture
def site(house: House) -> Iterator[Site]:
    """Every page of tasks, served to a browser that is signed in as ben."""
    log = [("info", f"parse  src/{LONG}/file.py  22 nodes"), ("warning", "skip  x"), ("error", "fail  y")]
    unknown = {"phase": "find", "phases": phases("find"), "progress_percent": None, "done": 3918, "unit": "paths"}
    tasks = {
        "running": house.task("running", log=log),
        "long": house.task("running", title=LONG, params={"folder": f"/{LONG}"}, progress=half_way(current_step=LONG)),
        "unknown": house.task("running", progress=unknown),
        "queued": house.task("queued"),
        "failed": house.task("failed", error=f"The disk is full: {LONG}", reference="tr-8H2KQ4-1405", log=log),
        "completed": house.task("completed", results={"files_scanned": 3, LONG: LONG, "by_type": {LONG: 3}}, log=log),
    }
    paths = {name: f"/tasks/{task_id}" for name, task_id in tasks.items()}
    paths |= {
        "home": "/",
        "list": "/tasks?state=failed",
        "empty list": "/tasks?q=nothing",
        "start": f"/start/{KIND}",
        "log": f"{paths['completed']}/log",
        "details": f"{paths['completed']}/details",
        "cancel": f"{paths['running']}/cancel",
        "statistics": f"/jobs/{KIND}",
        "missing": "/tasks/none",
    }
    server = make_server("127.0.0.1", 0, house.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Site(f"http://127.0.0.1:{server.port}", {"Authorization": f"Bearer {house.tokens['ben']}"}, paths)
    server.shutdown()
    thread.join()
    server.server_close()


WIDEST = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const wide = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > width + 1);
  return wide.slice(0, 3).map((e) => e.outerHTML.slice(0, 120)).concat("…");
}"""


@pytest.mark.req("F9")
def test_no_page_scrolls_sideways_from_320_pixels_on_and_at_twice_the_text_size(
    site: Site, make_context: MakeContext
) -> None:
    for width, text in ((320, "100%"), (320, "200%"), (768, "100%"), (1440, "200%")):
        options = {"viewport": {"width": width, "height": 800}, "java_script_enabled": False}
        page = make_context(**options, extra_http_headers=site.headers).new_page()
        for name, path in site.paths.items():
            page.goto(site.url + path)
            page.evaluate("size => { document.documentElement.style.fontSize = size }", text)
            assert page.evaluate(WIDEST) == [], f"{name} at {width} px and {text}"


@pytest.mark.req("F7", "F9")
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing_serious_on_any_page(site: Site, make_context: MakeContext, theme: str, width: int) -> None:
    source = AXE.read_text() if AXE.exists() else missing("axe-core is not installed: make setup")
    options = {"color_scheme": theme, "viewport": {"width": width, "height": 844}, "extra_http_headers": site.headers}
    page = make_context(**options).new_page()
    found = []
    for name, path in site.paths.items():
        page.goto(site.url + path)
        page.evaluate(source)
        rules = "axe.run().then(result => result.violations.map(v => [v.impact, v.id, v.nodes[0].html]))"
        found += [(name, *each) for each in page.evaluate(rules) if each[0] in ("serious", "critical")]
    assert found == []


@pytest.mark.req("F10", "F1")
def test_without_javascript_a_task_is_started_watched_cancelled_and_run_again(
    site: Site, make_context: MakeContext
) -> None:
    page = make_context(java_script_enabled=False, extra_http_headers=site.headers).new_page()
    page.goto(f"{site.url}/")
    page.get_by_role("link", name="Probe a folder").first.click()
    page.get_by_label("Folder").fill("/srv/acme/new")
    page.get_by_role("button", name="Start the probe").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Probe of /srv/acme/new"
    page.get_by_role("button", name="Cancel").click()
    page.get_by_label("Reason").fill("wrong folder")
    page.get_by_role("button", name="Cancel the task").click()
    assert "Cancelled by ben before it started." in page.inner_text("main")
    page.get_by_role("button", name="Run again").click()
    assert page.locator("[data-badge-word]").inner_text() == "Queued"


@pytest.mark.req("F7")
def test_the_keyboard_reaches_the_content_first_and_then_everything_in_order(
    site: Site, make_context: MakeContext
) -> None:
    page = make_context(java_script_enabled=False, extra_http_headers=site.headers).new_page()
    page.goto(site.url + site.paths["running"])
    page.keyboard.press("Tab")
    assert _focused(page) == "Skip to content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert _focused(page) == "Tasks"


def _focused(page: Page) -> str:
    return page.locator(":focus").inner_text()


@pytest.mark.req("F9")
def test_a_chosen_theme_wins_over_the_systems_and_less_motion_stands_still(
    site: Site, make_context: MakeContext
) -> None:
    context = make_context(
        color_scheme="dark", reduced_motion="reduce", java_script_enabled=True, extra_http_headers=site.headers
    )
    page = context.new_page()
    ground = "getComputedStyle(document.body).backgroundColor"
    page.goto(f"{site.url}/")
    assert page.evaluate(ground) == "rgb(12, 16, 16)"
    context.add_cookies([{"name": "theme", "value": "light", "url": site.url}])
    page.goto(site.url + site.paths["unknown"])
    assert page.evaluate(ground) == "rgb(245, 247, 247)"
    assert page.evaluate("document.getAnimations().length") == 0


@pytest.mark.req("D9", "F6")
def test_no_page_breaks_its_own_content_policy_or_asks_another_host(site: Site, make_context: MakeContext) -> None:
    page = make_context(extra_http_headers=site.headers).new_page()
    complaints: list[str] = []
    page.on(
        "console",
        lambda message: complaints.append(message.text) if "Content Security Policy" in message.text else None,
    )
    page.on("request", lambda request: None if request.url.startswith(site.url) else complaints.append(request.url))
    for path in site.paths.values():
        page.goto(site.url + path)
    assert complaints == []
