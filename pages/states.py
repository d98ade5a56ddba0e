"""In which state a task is said to be, how sure that is, and the sentences that say what a bar cannot.

The five states of the database, and what lies between them. A state that cannot be confirmed is dated.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pages import format as words
from pages.format import UNKNOWN
from pages.progress import phase_position, shown_percent

Snapshot = Mapping[str, Any]

SILENT_AFTER_S = 10  # a running task is announced at least every 3 s; see docs/protocol.md on heartbeats
FINAL = frozenset({"completed", "failed", "cancelled"})
WORDS = {
    "queued": "Queued",
    "running": "Running",
    "cancelling": "Cancelling",
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "paused": "Paused",
    "silent": "Worker silent",
}
HELD = {
    "queue": ("the queue is paused", "The queue is paused. This task waits until it is resumed."),
    "kind": ("this job is paused", "Jobs of this kind are paused. This task waits until they are resumed."),
    "maintenance": ("waits out the maintenance", "Maintenance: nothing begins. This task waits for its end."),
}
"""what is said of a waiting task that may not begin: in a row, and as a sentence"""


def display_state(task: Snapshot, now: datetime) -> str:
    """The badge's state: the five of the database, and what is said between them."""
    status: str = task["status"]
    if status == "queued" and task.get("retry_at"):
        return "retrying"
    if status != "running":
        return status
    if task.get("cancel_requested") or task.get("cancel_requested_at"):
        return "cancelling"
    return "unsure" if silent_s(task, now) else "running"


def badge_word(task: Snapshot, state: str, now: datetime) -> str:
    """The word beside the badge's shape."""
    if state == "retrying":
        wait_s = words.between_ms(now, words.parse_time(task["retry_at"])) / 1000
        return f"Retry in {words.duration(wait_s * 1000)}" if wait_s >= 1 else "Retry now"
    if state == "unsure":
        return f"Was running at {words.clock(words.parse_time(task.get('timestamp')))}"
    return WORDS[state]


def silent_s(task: Snapshot, now: datetime) -> float:
    """For how long a running task has given no sign of life, in seconds; 0 while that is not worth a word."""
    seen = words.parse_time(task.get("timestamp"))
    if task["status"] != "running" or seen is None:
        return 0
    age = (now - seen).total_seconds()
    return age if age >= SILENT_AFTER_S else 0


def freshness(task: Snapshot, now: datetime) -> tuple[str, str]:
    """(state, words) of how old what is shown is, as the server knows it."""
    if silent := silent_s(task, now):
        return "silent", f"Worker silent for {words.duration(silent * 1000)}"
    return "asof", f"As of {words.clock(now)}"


def elapsed(task: Snapshot) -> tuple[str, datetime | None]:
    """("running for", since when), or ("", None) when nothing goes on."""
    if task["status"] == "running":
        return "running for", words.parse_time(task.get("started_at"))
    if task["status"] == "queued":
        return "waiting for", words.parse_time(task.get("queued_at") or task.get("created_at"))
    return "", None


def ended_or_left(task: Snapshot, state: str, now: datetime) -> str:
    """The last cell of a row: time left, or how long it has been going on, or what it waits for."""
    if state == "unsure":
        return freshness(task, now)[1]
    if state == "retrying":
        return f"attempt {(task.get('attempt') or 0) + 1} of {task.get('max_attempts') or 1} next"
    if state == "queued":
        return queue_place(task)
    if state == "running" and task.get("stalled_since"):
        return f"no progress for {_stalled_for(task, now)}"
    left = words.span(task.get("eta_low_s"), task.get("eta_high_s"))
    if state == "running" and left != UNKNOWN:
        return f"{left} left"
    said, since = elapsed(task)
    return f"{said} {words.duration(words.between_ms(since, now))}" if since else ""


def queue_place(task: Snapshot) -> str:
    """ "Next in line", "3rd in line", or what it waits for."""
    if task.get("held"):
        return HELD[task["held"]][0]
    position = task.get("queue_position")
    if not position:
        return "waiting for a worker"
    return "next in line" if position == 1 else f"{words.ordinal(position)} in line"


def sentence(task: Snapshot, state: str, now: datetime) -> str:
    """The one sentence under the bar that says what the bar cannot; empty while the bar says all."""
    if state == "queued" and task.get("held"):
        return HELD[task["held"]][1]
    if state == "queued":
        place = queue_place(task)
        return f"{place[:1].upper()}{place[1:]}."
    if state == "running" and task.get("stalled_since"):
        return _stalled(task, now)
    if state == "running" and shown_percent(task) is None:
        return _unknown_total(task)
    if state == "cancelling":
        return _cancelling(task, now)
    if state == "retrying":
        return _retrying(task)
    if state == "unsure":
        seen = words.clock(words.parse_time(task.get("timestamp")))
        return f"Last sign of life {seen}. If the worker stays silent, the task is tried again or ended as interrupted."
    return ""


def _stalled(task: Snapshot, now: datetime) -> str:
    usual = task.get("usual_gap_s")
    known = f"; this job usually reports every {words.duration(max(usual, 1) * 1000)}" if words.is_known(usual) else ""
    return f"No progress for {_stalled_for(task, now)}{known}. Its worker is alive."


def _stalled_for(task: Snapshot, now: datetime) -> str:
    return words.duration(words.between_ms(words.parse_time(task["stalled_since"]), now))


def _unknown_total(task: Snapshot) -> str:
    title = phase_position(task)[1]
    so_far = words.amount(task.get("done"), None, task.get("unit")) if words.is_known(task.get("done")) else ""
    start = f"{title}: {so_far}" if title and so_far else title or so_far or "Started"
    return f"{start}. The share is shown once the total is known."


def _cancelling(task: Snapshot, now: datetime) -> str:
    asked = words.parse_time(task.get("cancel_requested_at"))
    by = task.get("cancelled_by") or "Somebody"
    when = f"{by} asked {words.ago(asked, now)}. " if asked else "Cancel was asked for. "
    return f"{when}The job stops at its next checkpoint; if it does not, it is ended by force."


def _retrying(task: Snapshot) -> str:
    attempt, most = task.get("attempt") or 1, task.get("max_attempts") or 1
    reason = f": {task['error'].rstrip('.')}" if task.get("error") else ""
    at = words.clock(words.parse_time(task["retry_at"]))
    return f"Attempt {attempt} of {most} failed{reason}. Attempt {attempt + 1} starts at {at} from 0 %."
