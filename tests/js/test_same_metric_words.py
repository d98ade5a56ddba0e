"""The overview's first paint and its live words are the same: admin/metric_words.py and metric_words.js."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from admin.metric_words import FIGURES, SHARES, figures

KNOWN: dict[str, Any] = {
    **dict.fromkeys(FIGURES.values(), 1842),
    **dict.fromkeys(SHARES.values(), 61.49),
    "workers": 4, "workers_by_state": {"running": 4, "silent": 2}, "active_jobs": 3, "queued_jobs": 5,
    "oldest_queued_s": 41.7, "delivery_p50_ms": 6.14, "connection_limit": 20_000, "events_per_s": 1840.4,
    "loop_delay_max_ms": 3.2, "disk_free": 18.44e9, "disk_total": 200e9, "avg_processing_time_ms": 42_310,
    "system_load": 1.234, "database": "ok", "database_ms": 1.14, "redis": "ok", "redis_ms": 0.31,
}  # fmt: skip
CASES: dict[str, dict[str, Any]] = {
    "known": {},
    "one of each": dict.fromkeys((*FIGURES.values(), "oldest_queued_s", "workers", "events_per_s"), 1),
    "nothing": dict.fromkeys((*FIGURES.values(), "oldest_queued_s", "events_per_s", "loop_delay_max_ms"), 0),
    "unknown": dict.fromkeys(KNOWN),
    "away": {"database": "unavailable", "redis": "unavailable", "redis_ms": None, "workers": None},
    "large": {"disk_free": 2.4e12, "loop_delay_max_ms": 1173.4, "events_per_s": 99.94, "delivery_p50_ms": 812.0},
    "long": {"avg_processing_time_ms": 7_400_000, "oldest_queued_s": 93_600, "success_rate": 99.97},
}


@pytest.mark.req("H1", "F10")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("limit", [None, 4])
def test_figures_read_the_same_before_and_after_scripts(module_page: Page, case: str, limit: int | None) -> None:
    metrics = KNOWN | CASES[case]
    live = module_page.evaluate(
        "async ([metrics, limit]) => (await import('/admin/static/js/metric_words.js')).figures(metrics, limit)",
        [metrics, limit],
    )
    assert live == figures(metrics, limit)
