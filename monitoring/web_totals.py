"""What all web processes tell, added up. A process that does not tell a figure makes the sum unknown, not smaller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from delivery.refusals import Reason

MOST_ROOMS = 20
Processes = dict[str, Mapping[str, Any]]
"""the figures of each web process (`web_figures`), by its name"""

WEB_METRICS = (
    "web_processes",
    "connections",
    "connection_limit",
    "users",
    "rooms",
    "top_rooms",
    "admins",
    "events_per_s",
    "slow_readers",
    "loop_delay_ms",
    "loop_delay_max_ms",
    "refused_by_reason",
    "refused",
    "rate_limited",
    "slow_readers_ended",
    "replays",
    "snapshots",
    "latency",
    "delivery_p50_ms",
    "delivery_p99_ms",
)


def totals(processes: Processes, before: Processes | None) -> dict[str, Any]:
    """The metrics of WEB_METRICS but for the percentiles.

    `before` are all processes as they were last seen up to the sample before; None at first, when no gain is known.
    """
    told = list(processes.values())
    by_reason = _merged(told, "refused")
    return {
        "web_processes": len(told),
        **{name: _sum(told, name) for name in ("connections", "connection_limit", "admins", "slow_readers")},
        "users": _distinct(told, "users", "user_ids"),
        "rooms": _rooms(told),
        "top_rooms": _top_rooms(told),
        "events_per_s": _rounded(_sum(told, "events_per_s")),
        "loop_delay_ms": _most(told, "loop_delay_ms"),
        "loop_delay_max_ms": _most(told, "loop_delay_max_ms"),
        "refused_by_reason": by_reason,
        "refused": _gained(processes, before, lambda one: sum(one["refused"].values())),
        "rate_limited": _gained(processes, before, lambda one: one["refused"].get(Reason.RATE_LIMITED.value, 0)),
        "slow_readers_ended": _gained(processes, before, lambda one: one["slow_readers_total"]),
        "replays": _gained(processes, before, lambda one: one["replays_total"]),
        "snapshots": _gained(processes, before, lambda one: one["snapshots_total"]),
        "latency": _histogram(processes, before),
    }


def _known(told: Iterable[Mapping[str, Any]], name: str) -> list[Any] | None:
    values = [one.get(name) for one in told]
    return values if values and all(value is not None for value in values) else None


def _sum(told: Iterable[Mapping[str, Any]], name: str) -> Any:
    values = _known(told, name)
    return None if values is None else sum(values)


def _most(told: Iterable[Mapping[str, Any]], name: str) -> Any:
    values = _known(told, name)
    return None if values is None else max(values)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _merged(told: Iterable[Mapping[str, Any]], name: str) -> dict[str, int] | None:
    values = _known(told, name)
    if values is None:
        return None
    return dict(sum((Counter(value) for value in values), Counter()))


def _distinct(told: list[Mapping[str, Any]], count: str, ids: str) -> int | None:
    """People who are connected to several processes count once."""
    if len(told) == 1:
        return told[0].get(count)
    values = _known(told, ids)
    return None if values is None else len(set().union(*values))


def _top_rooms(told: list[Mapping[str, Any]]) -> list[dict[str, Any]] | None:
    """The fullest rooms over all processes; an event counts once, however many processes pass it on."""
    values = _known(told, "top_rooms")
    if values is None:
        return None
    rooms: dict[str, dict[str, Any]] = {}
    for task_id, members, per_s in (room for value in values for room in value):
        room = rooms.setdefault(task_id, {"task_id": task_id, "title": None, "members": 0, "events_per_s": 0.0})
        room["members"] += members
        room["events_per_s"] = max(room["events_per_s"], per_s)
    return sorted(rooms.values(), key=lambda room: (-room["members"], room["task_id"]))[:MOST_ROOMS]


def _rooms(told: list[Mapping[str, Any]]) -> int | None:
    """Tasks that somebody watches; of many in several processes at least so many."""
    counts, tops = _known(told, "rooms"), _known(told, "top_rooms")
    if counts is None or tops is None:
        return None
    distinct = len({room[0] for top in tops for room in top})
    return max(distinct, *counts) if len(counts) > 1 else int(counts[0])


def _gained(processes: Processes, before: Processes | None, count: Callable[[Mapping[str, Any]], int]) -> int | None:
    """How much a count of all processes has grown; a process that has begun since then began with nothing."""
    if before is None or not processes:
        return None
    try:
        return sum(
            max(0, count(one) - (count(before[name]) if name in before else 0)) for name, one in processes.items()
        )
    except (KeyError, TypeError, AttributeError):
        return None


def _histogram(processes: Processes, before: Processes | None) -> list[int] | None:
    counts = None if before is None else _known(processes.values(), "latency")
    if before is None or counts is None or len({len(each) for each in counts}) != 1:
        return None
    earlier = [before.get(name, {}).get("latency") or [0] * len(counts[0]) for name in processes]
    return [
        sum(max(0, now[place] - then[place]) for now, then in zip(counts, earlier, strict=True))
        for place in range(len(counts[0]))
    ]
