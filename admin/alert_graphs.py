"""The graph that explains an alert: which metric, over which range, with the rule's limit drawn in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from monitoring.alerts.models import Alert
from monitoring.alerts.thresholds import Threshold

RANGES = (("1h", timedelta(minutes=55)), ("24h", timedelta(hours=23)), ("7d", timedelta(days=6, hours=20)))
RANGE_WORDS = {"1h": "last hour", "24h": "last 24 hours", "7d": "last 7 days"}
GB = 1e-9
SHAPES: dict[str, dict[str, Any]] = {
    "database_trouble": {"key": "database_ms", "title": "Database answers within", "unit": "ms"},
    "redis_lost": {"key": "redis_ms", "title": "Redis answers within", "unit": "ms"},
    "no_workers": {"key": "workers", "title": "Workers", "unit": "workers", "whole": True},
    "worker_silent": {"key": "workers", "title": "Workers", "unit": "workers", "whole": True},
    "disk_low": {"key": "disk_free", "title": "Disk free", "unit": "GB", "scale": GB},
    "disk_filling": {"key": "disk_free", "title": "Disk free", "unit": "GB", "scale": GB},
    "memory_low": {"key": "memory_percent", "title": "Memory in use", "unit": "%", "top": 100},
    "loop_blocked": {"key": "loop_delay_max_ms", "title": "Web loop held", "unit": "ms"},
    "queue_backup": {"key": "oldest_queued_s", "title": "The oldest task waits", "unit": "s"},
    "repeated_failures": {
        "key": "failed",
        "title": "Finished tasks of all jobs",
        "unit": "",
        "whole": True,
        "bars": True,
    },
}


def graph_of(
    alert: Alert, limit: Threshold | None, newest: Mapping[str, Any] | None, now: datetime
) -> dict[str, Any] | None:
    """What the page's script draws, as JSON; None where no history explains it, or none is kept for so long."""
    shape = SHAPES.get(alert.type)
    name = next((name for name, longest in RANGES if now - alert.first_at <= longest), None)
    if shape is None or name is None:
        return None
    crossed = _limit(alert.type, limit, newest) if limit else None
    return {**shape, "range": name, "range_words": RANGE_WORDS[name], "limit": crossed}


def _limit(type_: str, limit: Threshold, newest: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The limit in the metric's own unit, and its name."""
    if type_ == "disk_low" and newest and newest.get("disk_total"):
        octets = newest["disk_total"] * limit["free_percent"] / 100
        return {"value": octets, "name": f"alert below {octets * GB:.1f} GB"}
    if type_ == "memory_low":
        most = 100 - limit["available_percent"]
        return {"value": most, "name": f"alert above {most} %"}
    if type_ == "loop_blocked":
        return {"value": limit["blocked_ms"], "name": f"alert at {limit['blocked_ms']:,} ms"}
    if type_ == "queue_backup":
        return {"value": limit["wait_s"], "name": f"alert at {limit['wait_s']:,} s"}
    return None
