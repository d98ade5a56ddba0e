"""The overview: every number is the database's before any script, and what nobody knows is said so."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import redis

from database import Database, rfc3339, utc_now
from delivery.latency import BOUNDS_MS, bucket_of
from monitoring import samples
from tests.admin.conftest import Desk
from tests.api.test_admin_alert_calls import raised
from tests.pages.html_checks import Page

pytestmark = pytest.mark.req("H1", "H2")


def _figure(html: str, name: str) -> str:
    found = re.search(rf'data-figure="{name}">([^<]*)<', html)
    assert found, name
    return found.group(1)


def _measure(database: Database, **metrics: object) -> None:
    now = utc_now()
    with database.write() as session:
        for age_s in range(3570, 0, -30):
            if not 1800 < age_s <= 2400:
                at = now - timedelta(seconds=age_s)
                samples.store(session, at, {"sampled_at": rfc3339(at), **metrics})


@pytest.mark.req("F10")
def test_the_first_paint_has_the_numbers_of_the_database(desk: Desk) -> None:
    ada = desk.room.person("ada")
    running = ada.start(title="Scan of acme/warehouse")
    desk.room.claim(running)
    for _ in range(3):
        desk.room.complete(ada.start())
    desk.room.fail(ada.start())
    waiting = ada.start(priority="high")
    html = desk.get("/admin")
    assert [_figure(html, name) for name in ("running", "queued", "completed", "failed")] == ["1", "1", "3", "1"]
    assert (_figure(html, "success"), _figure(html, "finished")) == ("75.0 %", "4")
    assert _figure(html, "queued_unit").startswith("task, oldest ")
    assert re.search(r'data-line="high">.*?data-line-waiting>1<', html, re.DOTALL)
    assert "Scan of acme/warehouse" in html, "whose worker is silent, as far as anybody knows"
    assert waiting and "silent" in html.lower()


def test_what_nobody_knows_is_unknown_and_not_nothing(desk: Desk) -> None:
    html = desk.get("/admin")
    assert [_figure(html, name) for name in ("success", "connections", "events", "loop")] == ["unknown"] * 4
    assert _figure(html, "latency") == "–"
    text = " ".join(Page(html).text)
    assert "Nothing was measured in the last hour." in text
    assert "No worker runs." in text


@pytest.mark.req("E2")
def test_with_redis_away_the_page_says_what_is_not_known(desk: Desk) -> None:
    desk.room.app.extensions["taskroom"].metrics._sampler._client = redis.Redis(port=1, socket_timeout=0.1)
    desk.room.app.extensions["taskroom"].queue_view._client = redis.Redis(port=1, socket_timeout=0.1)
    html = desk.get("/admin")
    assert (_figure(html, "redis"), _figure(html, "workers")) == ("unavailable", "unknown")
    assert "nothing is known of the workers" in html
    assert _figure(html, "running") == "0"


@pytest.mark.req("H7")
def test_each_graph_is_said_in_a_sentence_and_holes_are_named(desk: Desk) -> None:
    counts = [0] * (len(BOUNDS_MS) + 1)
    counts[bucket_of(4)] = 3
    _measure(desk.room.database, active_jobs=4, queued_jobs=12, finished=1, failed=0, refused=2, latency=counts)
    text = desk.text("/admin")
    for words in ("4 tasks running in the last hour.", "12 tasks waiting in the last hour.", "peak 12 at",
                  "99 completed, 0 failed in the last hour.", "no data", "198 refused", "≤ 5 ms"):  # fmt: skip
        assert words in text, words
    assert "the last 7 days" in desk.text("/admin?range=7d")
    assert "the last hour" in desk.text("/admin?range=tomorrow")


@pytest.mark.req("H4")
def test_open_alerts_come_first(desk: Desk) -> None:
    raised(desk.room, "atlas:/srv")
    html = desk.get("/admin")
    assert 0 < html.index("atlas") < html.index("Tasks running")
