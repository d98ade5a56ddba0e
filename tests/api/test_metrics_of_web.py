"""What Prometheus is told of a web process: who is connected, what is sent, and how long events take."""

from __future__ import annotations

import re

import pytest

from api.metrics import exposition
from api.probes import Finding
from database import Database
from delivery.latency import BOUNDS_MS, bucket_of

AWAY = {name: Finding(False, "away") for name in ("database", "redis", "workers")}


@pytest.mark.req("J5", "H6")
def test_figures_of_the_web_process_are_told_and_unknown_ones_left_out(database: Database) -> None:
    counts = [0] * (len(BOUNDS_MS) + 1)
    counts[bucket_of(4)], counts[bucket_of(40)], counts[-1] = 7, 2, 1
    web = {"connections": 12, "sent_total": 3456, "replays_total": 0, "slow_readers": None, "latency": counts}
    text = exposition(database, AWAY, web)
    assert re.search(r"^taskroom_connections 12$", text, re.MULTILINE)
    assert re.search(r"^taskroom_events_sent_total 3456$", text, re.MULTILINE)
    assert re.search(r"^taskroom_replays_total 0$", text, re.MULTILINE)
    assert "taskroom_slow_readers" not in text and "taskroom_connected_users" not in text
    buckets = dict(re.findall(r'^taskroom_delivery_seconds_bucket{le="([^"]+)"} (\d+)$', text, re.MULTILINE))
    assert len(buckets) == len(BOUNDS_MS) + 1
    assert [buckets[le] for le in ("0.003", "0.005", "0.05", "10", "+Inf")] == ["0", "7", "9", "9", "10"]
