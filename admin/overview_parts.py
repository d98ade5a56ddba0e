"""The parts of the overview below its graphs as its template takes them: workers, queue, health, rooms, delivery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from admin.metric_words import UNKNOWN, figures, number, one_digit, rate
from tasks import words
from tasks.states import Priority

MOST_WORKERS = 12
MOST_BLOCKS = 12
MOST_ROOMS = 8
SHOWN_BUCKETS = 9
MOST_LABELS = 11
HISTOGRAM = (300, 112, 86)  # width, height, ground
WORKER_STATES = {
    "idle": ("unsure", "Idle", ""),
    "running": ("running", "Running", ""),
    "draining": ("paused", "Draining", ""),
    "silent": ("silent", "Silent", "warn"),
    "stopped": ("stop", "Stopped", ""),
}
WARNS = ("silent", "warn")
Past = Mapping[str, Any]


def worker_rows(known: Sequence[Mapping[str, Any]] | None, now: datetime) -> list[dict[str, Any]]:
    """Each worker, those in trouble or at work first; of one that was started again only its newest life."""
    lives = {_short(each["name"]) for each in known or () if each["state"] != "stopped"}
    order = {"silent": 0, "running": 1, "draining": 2, "idle": 3, "stopped": 4}
    kept = [each for each in known or () if each["state"] != "stopped" or _short(each["name"]) not in lives]
    found = sorted(kept, key=lambda each: (order.get(each["state"], 5), each["name"]))
    return [worker_row(each, now) for each in found[:MOST_WORKERS]]


def worker_row(worker: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """One worker: `name` without the process id, state, task, and what it uses, unknown where it fell silent."""
    icon, word, ink = WORKER_STATES.get(worker["state"], ("unsure", worker["state"].title(), ""))
    seen = words.parse_time(worker["seen_at"]) if worker["seen_at"] else None
    is_gone = worker["state"] == "stopped"
    nothing = words.UNKNOWN if is_gone else UNKNOWN
    is_known = worker["state"] in ("idle", "running", "draining")
    return {
        "name": worker["name"],
        "short": _short(worker["name"]),
        "state": worker["state"],
        "icon": icon,
        "word": word,
        "ink": ink,
        "task": worker.get("task"),
        "cpu": f"{worker['cpu_percent']:.0f} %" if is_known and worker["cpu_percent"] is not None else nothing,
        "memory": words.size(worker["memory_bytes"]) if is_known and worker["memory_bytes"] else nothing,
        "heard": words.UNKNOWN if seen is None or is_gone else words.measured((now - seen).total_seconds() * 1000),
    }


def _short(name: str) -> str:
    """worker-1@atlas:4711 → worker-1@atlas."""
    return name.partition(":")[0]


def workers_words(known: Sequence[Mapping[str, Any]] | None) -> str:
    """ "3 running, 1 silent"."""
    if known is None:
        return "Redis is away: nothing is known of the workers."
    counted = {name: sum(each["state"] == name for each in known) for name in WORKER_STATES}
    return ", ".join(f"{count} {name}" for name, count in counted.items() if count) or "none has been heard of"


def queue_rows(queue: Mapping[str, Any], now: datetime) -> list[dict[str, Any]]:
    """Each line: how many wait, as blocks and as a number, and for how long the oldest has."""
    found = []
    for priority in Priority:
        line = queue["by_priority"][priority]
        oldest = words.parse_time(line["oldest_at"]) if line["oldest_at"] else None
        age = words.duration((now - oldest).total_seconds() * 1000) if oldest else words.UNKNOWN
        blocks = list(range(0, 20 * min(line["waiting"], MOST_BLOCKS), 20))
        found.append(
            {"key": priority.value, "title": priority.title(), "waiting": number(line["waiting"]), "oldest": age}
            | {"blocks": blocks}
        )
    return found


def health(metrics: Mapping[str, Any]) -> list[dict[str, str]]:
    """Database and Redis: how fast they answer, or that they do not; workers and web processes: how many live."""
    texts = figures(metrics)
    silent = (metrics.get("workers_by_state") or {}).get("silent", 0)
    looks = {
        "database": ("Database", _look(metrics.get("database") == "ok", metrics.get("database") is not None)),
        "redis": ("Redis", _look(metrics.get("redis") == "ok", metrics.get("redis") is not None)),
        "workers": ("Workers", WARNS if silent else _look(bool(metrics.get("workers")), metrics.get("workers") == 0)),
        "web": ("Web processes", _look(bool(metrics.get("web_processes")), metrics.get("web_processes") == 0)),
    }
    return [
        {"key": key, "title": title, "text": texts[key], "icon": icon, "ink": ink}
        for key, (title, (icon, ink)) in looks.items()
    ]


def _look(is_well: bool, is_ill: bool) -> tuple[str, str]:
    return ("completed", "ok") if is_well else ("failed", "fail") if is_ill else ("unsure", "quiet")


def room_rows(metrics: Mapping[str, Any]) -> list[dict[str, str]]:
    """The fullest rooms."""
    return [
        {
            "task_id": room["task_id"],
            "title": room["title"] or f"Task {room['task_id'][:8]}",
            "members": number(room["members"]),
            "rate": rate(room["events_per_s"]),
        }
        for room in (metrics.get("top_rooms") or [])[:MOST_ROOMS]
    ]


def other_rooms(metrics: Mapping[str, Any]) -> str:
    """How many watched tasks have no row of their own."""
    rooms = metrics.get("rooms")
    return number(None if rooms is None else max(0, rooms - len((metrics.get("top_rooms") or [])[:MOST_ROOMS])))


def rooms_words(metrics: Mapping[str, Any], past: Past) -> str:
    """ "147 now, 163 peak today, 0 refused"."""
    refused = sum(filter(None, past["counts"]["series"]["refused"]))
    now, peak = number(metrics.get("connections")), number(metrics.get("connections_peak_today"))
    return f"{now} now, {peak} peak today, {number(refused)} refused"


def feeds(metrics: Mapping[str, Any]) -> str:
    """How many people's feeds there are."""
    users = metrics.get("users")
    return "Personal feeds" if users is None else words.plural(users, "personal feed")


def latency(past: Mapping[str, Any]) -> dict[str, Any]:
    """The histogram as rectangles, and its figures."""
    bounds, counts = past["bounds_ms"], past["counts"]
    last = max((place for place, count in enumerate(counts) if count), default=0)
    shown = max(SHOWN_BUCKETS, last + 1)
    width, _, ground = HISTOGRAM
    step = (width - 8) / shown
    most = max(counts, default=0) or 1
    bars = []
    for place in range(shown):
        count = counts[place] if place < len(counts) else 0
        tall = max(2.0, 81 * count / most) if count else 0.0
        label = f"≤ {bounds[0]}" if place == 0 else str(bounds[place]) if place < len(bounds) else "more"
        shown_label = label if shown <= MOST_LABELS or place % 2 == 0 else ""
        left = 4 + place * step
        bars.append(
            {"x": round(left, 1), "y": round(ground - tall, 1), "width": round(step - 6, 1), "height": round(tall, 1)}
            | {"middle": round(left + (step - 6) / 2, 1), "label": label, "shown": shown_label, "count": number(count)}
        )
    worst = past["at_most_ms"]
    return {
        "bars": bars,
        "total": sum(counts),
        "p50": one_digit(past["p50_ms"], words.UNKNOWN),
        "p95": one_digit(past["p95_ms"], words.UNKNOWN),
        "p99": one_digit(past["p99_ms"], words.UNKNOWN),
        "worst": words.UNKNOWN if not sum(counts) else f"≤ {number(worst)}" if worst else f"> {number(bounds[-1])}",
    }
