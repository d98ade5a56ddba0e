"""Everything that a measurement needs, running: Valkey, servers, load generator, publisher; and one step.

A step sends events at a rate for some seconds and counts what arrives. It is valid only if each member got each event,
in order; and it says when the load generator or the publisher was the limit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.contenders import Contender, Node, Stock, Taskroom, Valkey
from bench.machine import Partner, cpu_s, tree_cpu_s, waited_s
from bench.stats import median

BUSY = 0.85
"""share of a core above which the load generator may be the limit"""
LATE = 1.05
"""how much longer than asked the publisher may take"""
ADDRESSES = [f"127.0.0.{number}" for number in range(1, 17)]


@dataclass(frozen=True)
class Step:
    """What one step showed. Times in ms, processor time per delivery in µs; `expected` is sent × members.

    `rate` is in deliveries a second, as achieved by the publisher.
    """

    rate: float
    expected: int
    received: int
    disorder: int
    closed: int
    p50_ms: float
    p99_ms: float
    early_ms: float
    late_ms: float
    cpu_us: float
    tree_cpu_us: float
    cpu_share: float
    server_waited: float
    load_busy: float
    publisher_share: float

    @property
    def is_valid(self) -> bool:
        """Whether each member got each event, once and in order."""
        return self.received == self.expected and not self.disorder and not self.closed

    def holds(self, p99_ms: float) -> bool:
        """Whether p99 stayed below this and the queue did not grow: the second half was about as fast as the first."""
        is_steady = self.late_ms <= 2 * self.early_ms + 25
        return self.is_valid and is_steady and self.p99_ms < p99_ms and not self.is_publisher_late

    @property
    def is_load_busy(self) -> bool:
        """Whether the load generator may have been the limit."""
        return self.load_busy > BUSY

    @property
    def is_publisher_late(self) -> bool:
        """Whether the publisher could not keep the rate."""
        return self.publisher_share > LATE


@dataclass
class Results:
    """Every value by row, server and metric, one a round; and what has to be said about them."""

    rows: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)

    def add(self, row: str, server: str, **metrics: float | None) -> None:
        """One round's values; None is left out."""
        kept = self.rows.setdefault(row, {}).setdefault(server, {})
        for name, value in metrics.items():
            if value is not None and math.isfinite(value):
                kept.setdefault(name, []).append(float(value))

    def flag(self, words: str) -> None:
        """Something that a reader of the figures has to know, once."""
        if words not in self.flags:
            self.flags.append(words)


class Stage:
    """The running parts."""

    def __init__(self, folder: Path, servers: Sequence[str], checkout: Path) -> None:
        self.results = Results()
        self.folder = folder
        self.valkey = Valkey(folder)
        self.load = Partner("bench.load")
        self.publisher = Partner("bench.publisher", "127.0.0.1", str(self.valkey.port))
        known: dict[str, Contender] = {}
        if "taskroom" in servers:
            known["taskroom"] = Taskroom(self.valkey.url, folder, checkout)
        if "stock" in servers:
            known["stock"] = Stock(self.valkey.url, folder)
        if "node" in servers:
            known["node"] = Node(self.valkey.url, folder)
        self.contenders = known
        self._number = 0
        self._waits: list[float] = []

    def start(self) -> None:
        """Start the servers."""
        for contender in self.contenders.values():
            contender.start()

    def stop(self) -> None:
        """End everything."""
        for contender in self.contenders.values():
            contender.close()
        for part in (self.load, self.publisher, self.valkey):
            part.stop()

    def open(
        self, contender: Contender, count: int, rooms: Sequence[str], group: str = "all", **options: Any
    ) -> dict[str, Any]:
        """Let clients join these rooms in turn. Raises RuntimeError when not all are let in."""
        opened: dict[str, Any] = self.load.ask(
            do="open",
            group=group,
            port=contender.port,
            count=count,
            rooms=list(rooms),
            tokens=contender.tokens(),
            addresses=ADDRESSES,
            **options,
        )
        if opened["failed"]:
            raise RuntimeError(f"{contender.title} let {opened['failed']} of {count} not in: {opened['reason']}")
        return opened

    @property
    def server_waited(self) -> float:
        """The share of its busy time for which the server's core was taken by others: the median over all steps."""
        return median(self._waits) if self._waits else 0.0

    def close(self, group: str = "all") -> None:
        """Close the clients, and give the server a moment to notice."""
        self.load.ask(do="close", group=group)
        time.sleep(0.5)

    def use_routes(self, routes: Sequence[dict[str, Any]]) -> None:
        """Where the next steps' events go."""
        self.publisher.ask(routes=list(routes))

    def aim(self, contender: Contender, acks: dict[str, Any], padding: int = 0) -> None:
        """Let the next steps' events go to the rooms that were joined."""
        self.use_routes([contender.route(room, ack, padding) for room, ack in acks.items()])

    def step(
        self,
        contender: Contender,
        events_per_s: float,
        seconds: float,
        members: int,
        timeout_s: float = 5.0,
        rooms: int = 1,
    ) -> Step:
        """Send, count, and say what was seen. `members` get each event."""
        self._number = self._number % 9999 + 1
        each = max(1, round(events_per_s * seconds / rooms))
        closed = self.load.ask(do="begin", step=self._number, half=each // 2) and self.load.ask(do="figures")["closed"]
        began, used, tree, waited = (
            time.monotonic(),
            cpu_s(contender.pid),
            tree_cpu_s(contender.pid),
            waited_s(contender.pid),
        )
        sent = self.publisher.ask(step=self._number, rate=events_per_s, seconds=seconds)
        share = self.load.ask(do="pause")
        server_share = (cpu_s(contender.pid) - used) / (time.monotonic() - began)
        server_waited = (waited_s(contender.pid) - waited) / (time.monotonic() - began)
        expected = sent["sent"] * members
        self._waits.append(server_waited / max(0.001, server_waited + server_share))
        seen = self.load.ask(do="finish", expected=expected, timeout_s=timeout_s)
        received = max(1, seen["received"])
        infinite = float("inf")
        return Step(
            rate=sent["sent"] * members / max(seconds, sent["seconds"]),
            expected=expected,
            received=seen["received"],
            disorder=seen["disorder"],
            closed=seen["closed"] - closed,
            p50_ms=infinite if seen["p50_ms"] is None else seen["p50_ms"],
            p99_ms=infinite if seen["p99_ms"] is None else seen["p99_ms"],
            early_ms=infinite if seen["early_ms"] is None else seen["early_ms"],
            late_ms=infinite if seen["late_ms"] is None else seen["late_ms"],
            cpu_us=(cpu_s(contender.pid) - used) / received * 1e6,
            tree_cpu_us=(tree_cpu_s(contender.pid) - tree) / received * 1e6,
            cpu_share=server_share,
            server_waited=server_waited,
            load_busy=share["cpu"] + share["waited"],
            publisher_share=sent["seconds"] / seconds,
        )
