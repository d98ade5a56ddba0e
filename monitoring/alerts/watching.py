"""What only time tells: workers that renew no lease, web processes that say nothing, a disk that fills."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from datetime import datetime, timedelta

from monitoring.alerts import words
from monitoring.alerts.findings import Finding
from monitoring.alerts.measuring import LiveParts, Running
from monitoring.alerts.thresholds import Threshold

LEASE_SHARE = 0.7
"""of the lease time, by which a silent worker is told at the latest: before its task is taken from it"""
WEB_SILENT_S = 8.0
RATE_OVER_S = 1800.0
RATE_EACH_S = 15.0


class Unchanged:
    """Since when things have kept a value, by this process's monotonic clock. A clock that jumps changes nothing."""

    def __init__(self) -> None:
        self._seen: dict[Hashable, tuple[object, float]] = {}

    def for_s(self, name: Hashable, value: object, now_s: float) -> float:
        """For how long it has had this value, as far as this process has seen; 0 for a new one."""
        known = self._seen.get(name)
        if known is None or known[0] != value:
            self._seen[name] = (value, now_s)
            return 0.0
        return now_s - known[1]

    def keep(self, names: Collection[Hashable]) -> None:
        """Forget all others."""
        self._seen = {name: seen for name, seen in self._seen.items() if name in names}

    def forget(self) -> None:
        """Begin again: nobody could change anything for a while."""
        self._seen.clear()


class SilentWorkers:
    """Workers that hold a task and do not renew its lease."""

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._leases = Unchanged()

    def forgive(self) -> None:
        """The database took no writes: nobody could renew a lease."""
        self._leases.forget()

    def find(self, found: Sequence[Running], limit: Threshold, now: datetime, now_s: float) -> list[Finding]:
        """One finding for each silent worker."""
        self._leases.keep([(each.task_id, each.attempt) for each in found])
        most_s = min(limit["silent_s"], self._lease_s * LEASE_SHARE)
        silent: dict[str, tuple[Running, float]] = {}
        for each in found:
            silent_s = self._leases.for_s((each.task_id, each.attempt), each.lease, now_s)
            if silent_s >= most_s:
                silent[each.worker] = (each, silent_s)
        return [self._finding(worker, each, silent_s, now) for worker, (each, silent_s) in silent.items()]

    def _finding(self, worker: str, task: Running, silent_s: float, now: datetime) -> Finding:
        seen = words.clock(now - timedelta(seconds=silent_s))
        moves = words.clock(now + timedelta(seconds=max(0.0, self._lease_s - silent_s)))
        text = f"Last sign of life at {seen}. Its task “{task.title[:200]}” is taken from it at about {moves}."
        facts = (("Last sign of life", seen), ("Its task is taken at about", moves), ("Task", task.title[:200]))
        return Finding(
            "worker_silent", worker, f"{worker.rpartition(':')[0] or worker} is silent", text, facts, task.task_id
        )


class BlockedWebs:
    """Web processes whose loop was held, or that have not said anything for a while."""

    def __init__(self) -> None:
        self._beats = Unchanged()

    def find(self, parts: LiveParts, limit: Threshold, now_s: float) -> list[Finding] | None:
        """One finding for each; None while Redis does not say, or has just come back and knows of none."""
        if not parts.webs:
            self._beats.forget()
            return None
        self._beats.keep([each["name"] for each in parts.webs])
        found = []
        for each in parts.webs:
            name, held_ms = str(each["name"]), each["figures"].get("loop_delay_max_ms")
            silent_s = self._beats.for_s(name, each["seen_at"], now_s)
            if silent_s >= WEB_SILENT_S:
                text = f"It has not said anything since {each['seen_at'][11:19]} UTC. Its connections wait."
                found.append(
                    Finding(
                        "loop_blocked",
                        name,
                        f"{name} does not answer",
                        text,
                        (("Silent since", each["seen_at"][11:19]),),
                    )
                )
            elif held_ms is not None and held_ms >= limit["blocked_ms"]:
                text = (
                    f"Its loop was held for {held_ms:,.0f} ms within a minute, the limit is {limit['blocked_ms']:,} ms."
                )
                facts = (("Held for", f"{held_ms:,.0f} ms"), ("Limit", f"{limit['blocked_ms']:,} ms"))
                found.append(Finding("loop_blocked", name, f"{name} was blocked", text, facts))
        return found


class DiskRate:
    """How fast the disk fills, by the free space of the last half hour."""

    def __init__(self) -> None:
        self._free: list[tuple[float, int]] = []

    def full_in_s(self, free: int, now_s: float) -> float | None:
        """When nothing is left at this rate; None while it does not fill, or less than half of the time is known."""
        if not self._free or now_s - self._free[-1][0] >= RATE_EACH_S:
            self._free.append((now_s, free))
            self._free = [each for each in self._free if now_s - each[0] <= RATE_OVER_S]
        known_s = now_s - self._free[0][0]
        if known_s < RATE_OVER_S / 2:
            return None
        slope = _slope(self._free)
        return free / -slope if slope < 0 else None


def _slope(points: Sequence[tuple[float, int]]) -> float:
    """The line through these points that misses them least, as its rise per second."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
