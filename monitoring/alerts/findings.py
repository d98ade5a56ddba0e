"""From measurements to what is wrong now, in words that stay true when they are read later: moments, not ages.

Pure; what must be watched over time is `watching`'s. A limit that has been crossed counts as crossed until it is left
by a tenth, so that a value that trembles at the limit is one alert.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitoring.alerts import words
from monitoring.alerts.measuring import Failures, LiveParts, Machine, Running, Waiting
from monitoring.alerts.thresholds import Threshold
from monitoring.presence import GONE_AFTER_S

MARGIN = 0.1

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


def _below(limit: float, is_known: bool) -> float:
    return limit * (1 + MARGIN) if is_known else limit


def _above(limit: float, is_known: bool, upwards: bool = True) -> float:
    if not is_known:
        return limit
    return limit * (1 - MARGIN) if upwards else limit * (1 + MARGIN)
