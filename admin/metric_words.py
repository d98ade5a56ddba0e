"""The metrics in words, one text for each figure of the overview. `metric_words.js` says the same ones live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks import words

UNKNOWN = "unknown"
GB = 1e9
FIGURES = {
    "running": "active_jobs",
    "queued": "queued_jobs",
    "finished": "finished_last_hour",
    "completed": "completed_today",
    "failed": "failed_jobs",
    "cancelled": "cancelled_today",
    "connections": "connections",
    "users": "users",
    "rooms": "rooms",
    "admins": "admins",
    "web": "web_processes",
    "slow": "slow_readers",
    "peak": "connections_peak_today",
}
SHARES = {"success": "success_rate", "error": "error_rate", "cpu": "cpu_percent", "memory": "memory_percent"}


def figures(metrics: Mapping[str, Any], limit: int | None = None) -> dict[str, str]:
    """The text of each `data-figure`. `limit` is how many tasks may run at once."""
    return {
        **{name: number(metrics.get(key)) for name, key in FIGURES.items()},
        **{name: share(metrics.get(key)) for name, key in SHARES.items()},
        "running_unit": slots(metrics, limit),
        "queued_unit": waiting(metrics),
        "finished_unit": "in the last hour" if known(metrics, "finished_last_hour") else "",
        "latency": one_digit(metrics.get("delivery_p50_ms"), words.UNKNOWN),
        "latency_unit": "ms median" if known(metrics, "delivery_p50_ms") else "nothing delivered for a minute",
        "connections_unit": f"of {number(metrics.get('connection_limit'))} allowed"
        if known(metrics, "connections", "connection_limit")
        else "",
        "events": rate(metrics.get("events_per_s")),
        "events_unit": "a second" if known(metrics, "events_per_s") else "",
        "loop": one_digit(metrics.get("loop_delay_max_ms")),
        "loop_unit": "ms at worst" if known(metrics, "loop_delay_max_ms") else "",
        "disk": gigabytes(metrics.get("disk_free")),
        "disk_unit": f"GB of {gigabytes(metrics.get('disk_total'))}" if known(metrics, "disk_free") else "",
        "average": words.measured(metrics["avg_processing_time_ms"])
        if known(metrics, "avg_processing_time_ms")
        else UNKNOWN,
        "load": f"{metrics['system_load']:.2f}" if known(metrics, "system_load") else UNKNOWN,
        "database": state(metrics, "database"),
        "redis": state(metrics, "redis"),
        "workers": workers(metrics),
    }


def known(metrics: Mapping[str, Any], *names: str) -> bool:
    """Whether all of these were measured."""
    return all(metrics.get(name) is not None for name in names)


def number(value: float | None) -> str:
    """1842 → "1,842"."""
    return UNKNOWN if value is None else words.count(value)


def share(value: float | None) -> str:
    """61.44 → "61.4 %"."""
    return UNKNOWN if value is None else words.percent(value)


def rate(value: float | None) -> str:
    """Per second; one decimal below 100, none for 0."""
    return UNKNOWN if value is None else "0" if value == 0 else words.rate_number(value)


def one_digit(value: float | None, unknown: str = UNKNOWN) -> str:
    """6.13 → "6.1", 80.4 → "80": a digit after the point where it says something."""
    return unknown if value is None else f"{value:.1f}" if 0 < value < 10 else words.count(value)


def gigabytes(value: float | None) -> str:
    """Bytes in GB: "18.4", "200"."""
    return UNKNOWN if value is None else f"{value / GB:.1f}" if value < 100 * GB else words.count(value / GB)


def slots(metrics: Mapping[str, Any], limit: int | None) -> str:
    """How many more could run now."""
    if not known(metrics, "active_jobs", "workers"):
        return "" if metrics.get("active_jobs") is None else "at once"
    allowed = metrics["workers"] if limit is None else min(metrics["workers"], limit)
    free = max(0, allowed - metrics["active_jobs"])
    return f"and {words.plural(free, 'free slot')}" if free else "and no free slot"


def waiting(metrics: Mapping[str, Any]) -> str:
    """ "tasks, oldest 41 s"."""
    if metrics.get("queued_jobs") is None:
        return ""
    noun = "task" if metrics["queued_jobs"] == 1 else "tasks"
    oldest_s = metrics.get("oldest_queued_s")
    return noun if oldest_s is None else f"{noun}, oldest {words.duration(oldest_s * 1000)}"


def state(metrics: Mapping[str, Any], part: str) -> str:
    """How fast a part answers, or that it does not."""
    if metrics.get(part) != "ok":
        return "unavailable" if metrics.get(part) else UNKNOWN
    took_ms = metrics.get(f"{part}_ms")
    return "ok" if took_ms is None else f"{one_digit(took_ms)} ms"


def workers(metrics: Mapping[str, Any]) -> str:
    """ "4 of 6": how many live of those that are known."""
    states = metrics.get("workers_by_state")
    if metrics.get("workers") is None or states is None:
        return UNKNOWN
    missing = states.get("silent", 0)
    return f"{metrics['workers']} of {metrics['workers'] + missing}" if missing else words.count(metrics["workers"])
