"""The list of all jobs and the queue in a real browser: rows live in place, orders wait and can be undone."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.by_hand import TaskByHand
from tests.browser.conftest import Visitor
from tests.browser.test_live_page import WRITE_DOWN_SHIFTS
from tests.fixtures.product import Server

pytestmark = [pytest.mark.slow, pytest.mark.req("H3", "H5")]

UNDO_S = 6.5


@pytest.mark.req("F1", "F10")
def test_rows_change_in_place_new_ones_wait_and_an_undone_order_is_never_sent(
    shared_server: Server, visit: Callable[..., Visitor], make_task: Callable[..., TaskByHand]
) -> None:
    admin = visit(shared_server, shared_server.admin())
    mark = secrets.token_hex(4)
    first, second = (make_task(admin, title=f"{mark} {name}") for name in ("one", "two"))
    sent: list[str] = []
    page = admin.open(f"/admin/jobs?q={mark}")
    page.on("request", lambda request: request.method == "POST" and sent.append(request.post_data or ""))
    expect(page.locator("[data-connection]")).to_have_text("Live")
    page.evaluate(WRITE_DOWN_SHIFTS)
    row = page.locator("tr[data-task]", has_text=first.title)
    first.claim()
    first.to(20)
    expect(row.locator("[data-badge-word]")).to_have_text("Running")
    expect(row.locator("[data-percent]")).not_to_have_text("–")
    make_task(admin, title=f"{mark} three")
    expect(page.locator("[data-newer]")).to_have_text(re.compile("newer job"))
    expect(page.locator("tr[data-task]")).to_have_count(2)

    page.get_by_role("link", name=second.title, exact=True).focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name=first.title, exact=True)).to_be_focused()
    page.keyboard.press("x")
    page.get_by_label(f"Select {second.title}").check()
    bar = page.get_by_role("form", name="What to do with the ticked jobs")
    expect(bar).to_contain_text("2 selected")
    bar.get_by_role("button", name="Cancel 2 jobs").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 running will be told to stop, 1 waiting will be cancelled.")
    dialog.get_by_role("button", name="Cancel 2 jobs").click()
    toast = page.locator("[data-toast]", has_text="Not sent yet")
    expect(toast).to_contain_text(re.compile(r"Cancelling 2 jobs in \d s"))
    toast.get_by_role("button", name="Undo").click()
    undone_s = time.monotonic()
    expect(page.locator("tr[data-task]", has_text=second.title).locator("[data-badge-word]")).to_have_text("Queued")

    page.get_by_label(f"Select {second.title}").check()
    page.get_by_label(f"Select {second.title}").press("c")
    dialog.get_by_label("Reason").fill("the release")
    dialog.get_by_role("button", name="Cancel 1 job").click()
    page.get_by_role("button", name="Do it now").click()
    expect(page.locator("[data-toasts]")).to_contain_text("1 cancelled.")
    expect(page.locator("tr[data-task]", has_text=second.title).locator("[data-badge-word]")).to_have_text("Cancelled")
    assert page.evaluate("window.shifts.filter(([, where]) => where.some((each) => /<t[rdh]|tbody/.test(each)))") == []
    page.wait_for_timeout(max(0.0, 1000 * (undone_s + UNDO_S - time.monotonic())))
    [order] = [json.loads(each) for each in sent if '"dry_run":true' not in each]
    assert (order["ids"], order["reason"]) == ([second.id], "the release"), "what was undone was never sent"
    first.complete()


def test_a_pause_shows_to_everybody_at_once_and_the_task_that_waits_says_so(
    shared_server: Server, visit: Callable[..., Visitor], make_task: Callable[..., TaskByHand]
) -> None:
    root = shared_server.admin()
    admin, somebody = visit(shared_server, root), visit(shared_server)
    watched = somebody.open(make_task(somebody).path)
    expect(watched.locator("[data-connection]")).to_have_text("Live")
    desk = admin.open("/admin/queue")
    try:
        desk.get_by_label("Why it is paused").fill("a new disk")
        desk.get_by_role("button", name="Pause the queue").click()
        banner = watched.locator("[data-banner]")
        expect(banner).to_contain_text("The queue is paused.")
        expect(banner).to_contain_text("“a new disk”")
        expect(banner.get_by_role("button")).to_have_count(0)
        sentence = watched.locator("[data-sentence]")
        expect(sentence).to_have_text("The queue is paused. This task waits until it is resumed.")
        watched.reload()
        expect(banner).to_contain_text("The queue is paused.")
        desk.locator("[data-banner]").get_by_role("button", name="Resume the queue").click()
        expect(banner).to_have_count(0)
        expect(sentence).not_to_contain_text("paused")
    finally:
        shared_server.api("POST", "/api/v1/admin/queue/resume", token=root.token, json={})
