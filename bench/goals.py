"""What the figures are held against: each goal as a comparison of medians."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

BOUND_MB = 200 * 256 / 1024
"""200 slow readers, each at its bound (delivery/outbox.py, MAX_WAITING_BYTES)"""


@dataclass(frozen=True)
class Limit:
    """One condition: Taskroom's median, divided by that of `beside` where named, `at most` or `at least` a number."""

    number: float
    beside: tuple[str, str] | None = None
    """server, and metric if it is another"""
    is_most: bool = True


@dataclass(frozen=True)
class Goal:
    """One line of the table: a metric of a row, what it is called, its unit, and its limits."""

    row: str
    metric: str
    words: str
    unit: str
    limits: tuple[Limit, ...] = ()
    digits: int = 1


@dataclass(frozen=True)
class Checked:
    """A limit with what was found. `value` is None where something was not measured."""

    limit: Limit
    value: float | None

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is met; None where it is not known."""
        if self.value is None:
            return None
        return self.value <= self.limit.number if self.limit.is_most else self.value >= self.limit.number


def most(number: float, server: str = "", metric: str = "") -> Limit:
    """At most so much, or so many times another's."""
    return Limit(number, (server, metric) if server else None)


def least(number: float, server: str = "", metric: str = "") -> Limit:
    """At least so much, or so many times another's."""
    return Limit(number, (server, metric) if server else None, is_most=False)


GOALS: tuple[Goal, ...] = (
    Goal("fanout_100", "within_50ms", "one room of 100, p99 < 50 ms", "/s", digits=0),
    Goal("fanout_500", "within_50ms", "one room of 500, p99 < 50 ms", "/s", digits=0),
    Goal("fanout_1000", "within_50ms", "one room of 1,000, p99 < 50 ms", "/s", (least(6, "node"),), 0),
    Goal("fanout_2000", "within_50ms", "one room of 2,000, p99 < 50 ms", "/s", digits=0),
    Goal(
        "fanout_1000",
        "within_500ms",
        "one room of 1,000, no growing queue",
        "/s",
        (least(10, "stock"), least(8, "node")),
        0,
    ),
    Goal("steady", "p50_ms", "1,000 members × 10 events/s: p50", "ms"),
    Goal(
        "steady", "p99_ms", "1,000 members × 10 events/s: p99", "ms", (most(0.15, "stock"), most(0.6, "node"), most(20))
    ),
    Goal("steady", "cpu_us", "the same: CPU per delivery", "µs", (most(0.2, "stock"), most(0.6, "node"))),
    Goal("true_path", "p99_ms", "the same through the reporter's script: p99", "ms"),
    Goal(
        "rooms", "cpu_percent", "1,000 rooms of one × 10 events/s: CPU", "%", (most(0.45, "stock"), most(1.2, "node"))
    ),
    Goal("rooms", "p99_ms", "the same: p99", "ms", (most(1, "node"),), 2),
    Goal("unwatched", "cpu_percent", "1,000 unwatched tasks × 10 events/s: CPU of the web process", "%", (most(1),), 2),
    Goal("idle", "rss_kb", "memory of an idle watcher", "KB", (most(30),)),
    Goal("connect", "per_s", "connect and join", "/s", (least(2, "stock"),), 0),
    Goal("idle_many", "connected", "idle watchers on one process, all reached", "", (least(10_000),), 0),
    Goal("idle_many", "rss_kb", "memory of each of them", "KB"),
    Goal("reporter", "advance_us", "reporter call that sends nothing", "µs", (most(1, "tqdm", "update_us"),), 3),
    Goal("reporter", "track_us", "`track(iterable)`, an item", "µs", (most(1.5, "tqdm", "iterate_us"),), 3),
    Goal("reporter", "sends_us", "reporter call after which an event goes", "µs", (most(5),)),
    Goal("reporter", "sends_step_us", "the same with a step and details", "µs", (most(5),)),
    Goal("slow", "rss_growth_mb", "200 that never read: growth of memory", "MB", (most(BOUND_MB),)),
    Goal("slow", "ratio", "the same: p99 of 1,000 healthy ones, with ÷ without", "×", (most(1.2),), 2),
)


def value(rows: Mapping[str, Any], row: str, server: str, metric: str) -> float | None:
    """The median over the rounds, or None where it was not measured."""
    values: Sequence[float] = rows.get(row, {}).get(server, {}).get(metric, ())
    return median(values) if values else None


def checked(rows: Mapping[str, Any], goal: Goal) -> list[Checked]:
    """The goal's limits, each with what was found."""
    own = value(rows, goal.row, "taskroom", goal.metric)
    return [Checked(limit, _found(rows, goal, own, limit)) for limit in goal.limits]


def _found(rows: Mapping[str, Any], goal: Goal, own: float | None, limit: Limit) -> float | None:
    if own is None or limit.beside is None:
        return own
    server, metric = limit.beside
    other = value(rows, goal.row, server, metric or goal.metric)
    return own / other if other else None
