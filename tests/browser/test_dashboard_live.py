"""The overview of the dashboard in a browser: graphs with their past, live numbers, one crosshair, tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from database import rfc3339, utc_now
from monitoring import samples
from tests.browser.conftest import Visitor
from tests.browser.test_live_page import WRITE_DOWN_SHIFTS
from tests.fixtures.product import Server

pytestmark = pytest.mark.slow

PAINTED = """key => {
  const canvas = document.querySelector(`[data-graph=${key}] canvas`);
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.some((value) => value > 0);
}"""


@pytest.mark.req("H1", "H7", "F3", "F7")
def test_graphs_have_their_past_and_go_on_live_without_any_request(
    shared_server: Server, visit: Callable[..., Visitor]
) -> None:
    now, database = utc_now(), shared_server.database()
    with database.write() as session:
        for age_s in range(3000, 600, -30):
            at = now - timedelta(seconds=age_s)
            samples.store(session, at, {"sampled_at": rfc3339(at), "queued_jobs": 7, "finished": 1, "failed": 0})
    visitor = visit(shared_server, shared_server.admin())
    page = visitor.open("/admin")
    page.wait_for_function(PAINTED, arg="queued_jobs")
    expect(page.locator("[data-measured]")).to_have_attribute("data-state", "live", timeout=40_000)
    asked = len(visitor.requests)
    page.evaluate(WRITE_DOWN_SHIFTS)

    before = page.locator("[data-measured-words]").get_attribute("datetime") or ""
    page.wait_for_function(
        "before => document.querySelector('[data-measured-words]').dateTime > before", arg=before, timeout=40_000
    )
    shifts = page.evaluate("window.shifts")
    assert sum(shift[0] for shift in shifts) < 0.0002, f"more than a digit has moved: {shifts}"
    assert [each.url for each in visitor.requests[asked:] if "socket.io" not in each.url] == []

    graph = page.locator('[data-graph="queued_jobs"]')
    graph.locator("[data-graph-area]").focus()
    page.keyboard.press("Home")
    expect(graph.locator("[data-graph-note]")).to_contain_text(": 7 waiting")
    expect(page.locator('[data-graph="finished"] [data-graph-note]')).to_contain_text("completed")
    page.keyboard.press("End")
    expect(graph.locator("[data-graph-note]")).to_contain_text(": 0 waiting")
    page.keyboard.press("Escape")
    expect(graph.locator("[data-graph-note]")).to_contain_text("peak 7")

    page.get_by_role("button", name="Show as table").click()
    table = graph.get_by_role("table")
    expect(table.locator("tbody tr").last).to_contain_text("7 waiting")
    expect(table.locator("tbody tr").first).to_contain_text("0 waiting")
    page.get_by_role("button", name="Show as table").click()
    assert page.evaluate(PAINTED, "queued_jobs")
    assert visitor.errors == []
