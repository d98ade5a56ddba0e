"""How a task ended, in sentences: for the header of its page and for the rows of lists."""

from __future__ import annotations

from dataclasses import dataclass

from pages import format as words
from pages.progress import Snapshot, shown_percent
from tasks.words import summary as summary

WAYS_ON = {
    "interrupted": "The worker ended in the middle of the work. Run it again.",
    "timeout": "It ran into its time limit. Start it with less to do, or raise the job's limit.",
    "disk_full": "Free some space, then run it again.",
}
FORCED = "It did not stop by itself and was ended by force."
STOPPED = "The job stopped by itself and cleaned up."


@dataclass(frozen=True, slots=True)
class Outcome:
    """The bold sentence, what follows it, what to do, and the times of the phases."""

    tone: str
    icon: str
    sentence: str
    text: str = ""
    problem: str = ""
    way_on: str = ""
    reference: str = ""
    phase_times: str = ""


def outcome(task: Snapshot) -> Outcome | None:
    """How this task ended; None while it has not."""
    build = {"completed": _completed, "failed": _failed, "cancelled": _cancelled}.get(task["status"])
    return build(task) if build else None


def in_a_row(task: Snapshot) -> str:
    """What a list says of a task that ended: its results, its error, or who cancelled it."""
    if task["status"] == "failed":
        return task.get("error") or "Failed without a message"
    if task["status"] == "cancelled":
        at = words.percent(shown_percent(task))
        where = f"at {at}" if at != words.UNKNOWN else "before it started"
        return f"Cancelled by {task.get('cancelled_by') or 'somebody'} {where}"
    return summary(task.get("results"))


def _completed(task: Snapshot) -> Outcome:
    said = summary(task.get("results"))
    is_partial = (task.get("results") or {}).get("complete") is False
    return Outcome(
        "warn" if is_partial else "ok",
        "silent" if is_partial else "completed",
        f"Completed in {words.measured(task.get('duration_ms'))}.",
        f"{said[:1].upper()}{said[1:]}." if said else "",
        phase_times=_phase_times(task),
    )


def _failed(task: Snapshot) -> Outcome:
    phase = next((each["title"] for each in task.get("phases") or () if each.get("state") == "failed"), "")
    where = f" in phase {phase}" if phase else ""
    attempts = f", attempt {task.get('attempt') or 1} of {task.get('max_attempts') or 1}"
    category = task.get("category") or ""
    usual = "Run it again." if task.get("retryable") else ""
    return Outcome(
        "fail",
        "failed",
        f"Failed{where} after {words.measured(task.get('duration_ms'))}{attempts}.",
        problem=task.get("error") or "The job ended without saying why.",
        way_on=WAYS_ON.get(category, usual),
        reference=_reference(task),
        phase_times=_phase_times(task),
    )


def _reference(task: Snapshot) -> str:
    """The reference, unless the error's own sentence names it."""
    reference = task.get("reference") or ""
    return "" if reference in (task.get("error") or "") else reference


def _cancelled(task: Snapshot) -> Outcome:
    by = task.get("cancelled_by") or "somebody"
    if not task.get("started_at"):
        return Outcome("soft", "cancelled", f"Cancelled by {by} before it started.", _reason(task))
    how = FORCED if task.get("forced") else STOPPED
    text = " ".join(part for part in (_reason(task), how) if part)
    said = f"Cancelled by {by} after {words.measured(task.get('duration_ms'))}."
    return Outcome("soft", "cancelled", said, text, phase_times=_phase_times(task))


def _reason(task: Snapshot) -> str:
    return f"Reason: “{task['reason']}”." if task.get("reason") else ""


def _phase_times(task: Snapshot) -> str:
    phases = [each for each in task.get("phases") or () if words.is_known(each.get("duration_ms"))]
    said = ", ".join(f"{each['title'].lower()} {words.measured(each['duration_ms'])}" for each in phases)
    return said[:1].upper() + said[1:] if len(phases) > 1 else ""
