"""From measurements to what is wrong now, in words that stay true when they are read later: moments, not ages.

Pure, but for what must be watched over time; moments and monotonic seconds are passed in. A limit that has been crossed
counts as crossed until it is left by a tenth, so that a value that trembles at the limit is one alert.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.alerts import words
from monitoring.alerts.measuring import Failures, LiveParts, Machine, Running, Waiting
from monitoring.alerts.thresholds import Threshold
from monitoring.presence import GONE_AFTER_S

MARGIN = 0.1
LEASE_SHARE = 0.7
"""of the lease time, by which a silent worker is told at the latest: before its task is taken from it"""
WEB_SILENT_S = 8.0
RATE_OVER_S = 1800.0
RATE_EACH_S = 15.0

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong now. `occurred` are the moments of what it counts, where it counts events."""

    type: str
    subject: str
    title: str
    text: str
    facts: tuple[tuple[str, str], ...] = ()
    task_id: str | None = None
    occurred: tuple[datetime, ...] = ()

    @property
    def key(self) -> Key:
        """What there is at most one open alert of."""
        return self.type, self.subject


def disk_low(at: Machine, limit: Threshold, known: Collection[Key], full_in_s: float | None) -> list[Finding]:
    """Too little of the disk is free."""
    subject, share = f"{at.host}:{at.disk_path}", 100 * at.disk_free / max(1, at.disk_total)
    least = _below(limit["free_percent"], ("disk_low", subject) in known)
    if share >= least:
        return []
    free, total = words.size(at.disk_free), words.size(at.disk_total)
    limit_words = f"{limit['free_percent']} % ({words.size(at.disk_total * limit['free_percent'] / 100)})"
    text = f"{free} of {total} ({share:.1f} %) free on {at.disk_path}, the limit is {limit_words}."
    if full_in_s is not None:
        text += f" At this rate it is full in about {words.duration(full_in_s)}."
    facts = (("Free", free), ("Size", total), ("Limit", limit_words), ("Folder", at.disk_path))
    return [Finding("disk_low", subject, f"Disk is running low on {at.host}", text, facts)]


def disk_filling(at: Machine, limit: Threshold, known: Collection[Key], full_in_s: float | None) -> list[Finding]:
    """The disk is full soon, if it goes on like this."""
    subject = f"{at.host}:{at.disk_path}"
    most_s = _above(limit["hours"] * 3600, ("disk_filling", subject) in known, upwards=False)
    if full_in_s is None or full_in_s > most_s:
        return []
    free, left = words.size(at.disk_free), words.duration(full_in_s)
    text = f"{free} free on {at.disk_path}. At the rate of the last half hour it is full in about {left}."
    facts = (("Free", free), ("Full in about", left), ("Limit", f"{limit['hours']} h"), ("Folder", at.disk_path))
    return [Finding("disk_filling", subject, f"The disk of {at.host} fills up", text, facts)]


def memory_low(at: Machine, limit: Threshold, known: Collection[Key]) -> list[Finding]:
    """Too little memory is available."""
    share = 100 * at.memory_available / max(1, at.memory_total)
    if share >= _below(limit["available_percent"], ("memory_low", at.host) in known):
        return []
    available, total = words.size(at.memory_available), words.size(at.memory_total)
    text = f"{available} of {total} ({share:.1f} %) is available, the limit is {limit['available_percent']} %."
    facts = (("Available", available), ("Size", total), ("Limit", f"{limit['available_percent']} %"))
    return [Finding("memory_low", at.host, f"Memory is running low on {at.host}", text, facts)]


def redis_lost(parts: LiveParts) -> list[Finding]:
    """Redis does not answer, or takes no writes."""
    if parts.error is None:
        return []
    title = "Redis takes no writes" if parts.answers else "Redis does not answer"
    text = f"It said: {parts.error.rstrip('.')}. Tasks that run go on; pages are not live, and no waiting task begins."
    return [Finding("redis_lost", "redis", title, text, (("Error", parts.error),))]


def no_workers(parts: LiveParts, waiting: Waiting, is_running: bool) -> list[Finding] | None:
    """No worker lives. One that holds a task is judged by its lease instead."""
    if parts.workers is None:
        return None
    if parts.workers or is_running:
        return []
    waits = f"{words.plural(waiting.tasks, 'task')} {'waits' if waiting.tasks == 1 else 'wait'}."
    text = f"None has been heard of for {GONE_AFTER_S} s. {waits if waiting.tasks else 'No task waits.'}"
    return [Finding("no_workers", "workers", "No worker is there", text, (("Tasks that wait", f"{waiting.tasks:,}"),))]


def database_trouble(refused: str | None, took_s: float, limit: Threshold) -> list[Finding]:
    """A write was refused, or took too long."""
    facts: tuple[tuple[str, str], ...]
    if refused is not None:
        facts = (("Why", refused),)
        title, text = "The database takes no writes", f"{refused} No task begins, ends or is lost meanwhile."
    elif took_s * 1000 > limit["write_ms"]:
        facts = (("A write took", f"{took_s * 1000:,.0f} ms"), ("Limit", f"{limit['write_ms']:,} ms"))
        title = "The database is slow to write"
        text = f"A small write took {took_s * 1000:,.0f} ms, the limit is {limit['write_ms']:,} ms."
    else:
        return []
    return [Finding("database_trouble", "database", title, text, facts)]


def queue_backup(waits: Waiting, limit: Threshold, known: Collection[Key], now: datetime) -> list[Finding]:
    """Tasks wait for too long, or too many do."""
    is_known = ("queue_backup", "queue") in known
    waited_s = (now - waits.oldest_at).total_seconds() if waits.oldest_at else 0.0
    is_long = waits.tasks > 0 and waited_s >= _above(limit["wait_s"], is_known)
    if not is_long and waits.tasks < _above(limit["tasks"], is_known):
        return []
    limits = f"{words.duration(limit['wait_s'])} or {words.plural(limit['tasks'], 'task')}"
    since = words.clock(waits.oldest_at) if waits.oldest_at else "unknown"
    said = words.plural(waits.tasks, "task")
    text = f"{said} {'waits' if waits.tasks == 1 else 'wait'}, the oldest since {since}. The limit is {limits}."
    facts = (("Tasks that wait", f"{waits.tasks:,}"), ("The oldest since", since), ("Limit", limits))
    return [Finding("queue_backup", "queue", "The queue is backed up", text, facts)]


def repeated_failures(found: Sequence[Failures], limit: Threshold, title_of: Callable[[str], str]) -> list[Finding]:
    """Jobs of which too many tasks fail."""
    return [
        _failing(each, limit, title_of(each.kind))
        for each in found
        if each.failed >= limit["failures"] and 100 * each.failed / each.ended >= limit["share_percent"]
    ]


def _failing(found: Failures, limit: Threshold, title: str) -> Finding:
    failed, window = found.failed, words.duration(limit["window_min"] * 60)
    error = " ".join(found.newest_error.split())[:300]
    text = f"{failed:,} of {words.plural(found.ended, 'task')} failed within {window}. The newest said: {error}"
    share = f"{100 * failed / found.ended:.0f} %"
    limits = f"{words.plural(limit['failures'], 'task')} and {limit['share_percent']} % within {window}"
    facts = (("Failed", f"{failed:,}"), ("Ended", f"{found.ended:,}"), ("Share", share), ("Limit", limits))
    name = f"“{title}” fails again and again"
    return Finding("repeated_failures", found.kind, name, text, facts, found.newest_task, found.moments)


def task_stalled(found: Sequence[Running]) -> list[Finding]:
    """Tasks whose progress has stopped while their worker lives."""
    return [
        Finding(
            "task_stalled",
            each.task_id,
            f"“{each.title[:200]}” makes no progress",
            f"None since {words.clock(each.stalled_since)}, far longer than usual. Its worker {each.worker} lives.",
            (("No progress since", words.clock(each.stalled_since)), ("Worker", each.worker)),
            each.task_id,
        )
        for each in found
        if each.stalled_since is not None
    ]


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


def _below(limit: float, is_known: bool) -> float:
    return limit * (1 + MARGIN) if is_known else limit


def _above(limit: float, is_known: bool, upwards: bool = True) -> float:
    if not is_known:
        return limit
    return limit * (1 - MARGIN) if upwards else limit * (1 + MARGIN)
