"""What stands beside the graphs of the overview: notes, the lines where alerts begin, each graph in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from admin.metric_words import gigabytes, number, one_digit, rate
from monitoring.alerts.thresholds import Threshold
from monitoring.history import Span
from tasks import words

DELIVERY_TARGET_MS = 50
Past = Mapping[str, Any]


def limits(rules: Mapping[str, Threshold], metrics: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The lines that graphs show, `{value, name}` by the graph's key: where alerts begin, the target of delivery."""
    found = {"delivery": {"value": DELIVERY_TARGET_MS, "name": f"target {DELIVERY_TARGET_MS} ms"}}
    if rules["queue_backup"].on:
        tasks = rules["queue_backup"]["tasks"]
        found["queued_jobs"] = {"value": tasks, "name": f"alert from {number(tasks)}"}
    if rules["loop_blocked"].on:
        blocked = rules["loop_blocked"]["blocked_ms"]
        found["loop_delay_max_ms"] = {"value": blocked, "name": f"alert from {number(blocked)} ms"}
    if rules["disk_low"].on and metrics.get("disk_total"):
        least = metrics["disk_total"] * rules["disk_low"]["free_percent"] / 100
        found["disk_free"] = {"value": least, "name": f"alert below {gigabytes(least)} GB"}
    return found


def notes(past: Past, metrics: Mapping[str, Any], lines: Mapping[str, Any], span: Span) -> dict[str, str]:
    """What stands beside the label of each tile."""
    finished, failed = (sum(filter(None, past["counts"]["series"][name])) for name in ("finished", "failed"))
    each = words.limit(span.count_step_s)
    judged = finished + failed
    failing = f", {words.percent(100 * failed / judged)} failed" if judged and failed else ""
    refused = sum(filter(None, past["counts"]["series"]["refused"]))
    return {
        "active_jobs": _peak(past, "active_jobs", span),
        "queued_jobs": _peak(past, "queued_jobs", span) or lines.get("queued_jobs", {}).get("name", ""),
        "finished": f"each {each}{failing}",
        "delivery": "dashed: 99th percentile",
        "connections": f"peak {number(metrics.get('connections_peak_today'))} today, {number(refused)} refused",
        "events_per_s": missing(past),
        "loop_delay_max_ms": lines.get("loop_delay_max_ms", {}).get("name", ""),
        "disk_free": filling(past),
    }


def _peak(past: Past, metric: str, span: Span) -> str:
    peak = past["peaks"][metric]
    return f"peak {number(peak['value'])} at {_clock(peak['at'], span)}" if peak and peak["value"] else ""


def _clock(at: int, span: Span) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%d %b %H:%M" if span.name == "7d" else "%H:%M").lstrip("0")


def missing(past: Past) -> str:
    """The longest hole between two samples: "no data 13:25 to 13:29", "no data for 2 h 5 min"."""
    times, step_s = past["times"], past["step_s"]
    holes = [(later - earlier, earlier + step_s, later) for earlier, later in pairwise(times)]
    wide_s, begin, end = max(holes, default=(0, 0, 0))
    if wide_s <= 2 * step_s:
        return ""
    if past["range"] != "1h":
        return f"no data for {words.duration((end - begin) * 1000)}"
    first, last = (datetime.fromtimestamp(at, UTC).strftime("%H:%M") for at in (begin, end))
    return f"no data {first} to {last}"


def filling(past: Past) -> str:
    """When the disk is full at the rate of this range; nothing while it does not shrink."""
    column = past["series"]["disk_free"]
    known = [(at, free) for at, free in zip(past["times"], column, strict=True) if free is not None]
    if len(known) < 10:
        return ""
    (begin, most), (end, least) = known[0], known[-1]
    per_s = (most - least) / max(1, end - begin)
    left_s = least / per_s if per_s > 0 else None
    if left_s is None or left_s > 7 * 86_400:
        return ""
    return f"full in about {words.duration(left_s * 1000)}"


def summaries(past: Past, span: str) -> dict[str, str]:
    """Each graph in one sentence."""
    series = past["series"]
    said = {
        "active_jobs": _range(series["active_jobs"], number, "tasks running"),
        "queued_jobs": _range(series["queued_jobs"], number, "tasks waiting"),
        "connections": _range(series["connections"], number, "connections"),
        "events_per_s": _range(series["events_per_s"], rate, "events a second"),
        "loop_delay_max_ms": _range(series["loop_delay_max_ms"], one_digit, "ms at worst"),
        "disk_free": _range(series["disk_free"], gigabytes, "GB free"),
    }
    latency = past["latency"]
    said["delivery"] = (
        f"Median {one_digit(latency['p50_ms'])} ms, 99th percentile {one_digit(latency['p99_ms'])} ms"
        if latency["p50_ms"] is not None
        else "Nothing was delivered"
    )
    done, failed = (sum(filter(None, past["counts"]["series"][name])) for name in ("finished", "failed"))
    said["finished"] = f"{number(done)} completed, {number(failed)} failed"
    return {key: f"{text} in {span}." if text else f"Nothing was measured in {span}." for key, text in said.items()}


def _range(column: Sequence[float | None], write: Any, what: str) -> str:
    values = [value for value in column if value is not None]
    if not values:
        return ""
    low, high = write(min(values)), write(max(values))
    return f"{low} {what}" if low == high else f"{low} to {high} {what}"
