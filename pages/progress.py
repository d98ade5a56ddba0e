"""How far a task is: percentage, bar, phases and counts, as pure functions of its snapshot.

What nobody measured is "–", a bar never goes past the true value, and only a completed task is full.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pages import format as words
from pages.format import UNKNOWN

Snapshot = Mapping[str, Any]

PHASE_ICONS = {
    "pending": "unsure",
    "running": "running",
    "done": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}
PHASE_WORDS = {
    "pending": "not started",
    "running": "running",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
}

# Details that the bar and the line above it say already.
LEFT_OUT_DETAILS = ("files_processed", "total_files", "current_file", "images_processed", "artifacts_found")
LABELS = {
    "nodes_found": "Nodes found",
    "edges_found": "Edges",
    "routes_found": "Routes",
    "files_skipped": "Files skipped",
    "files_failed": "Files failed",
    "files_scanned": "Files scanned",
    "changed_files": "Files changed",
    "skipped": "Skipped",
    "captions_generated": "Captions",
    "errors": "Errors",
    "duration_ms": "Took",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """A progress bar: its mode (see static/css/state.css), width, value and what a screen reader says."""

    mode: str
    width: str
    value: str | None
    text: str
    cuts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PhaseView:
    """One line of the timeline."""

    name: str
    title: str
    state: str
    icon: str
    word: str
    note: str
    time: str
    first_line: int | None
    bar: Bar


def shown_percent(task: Snapshot) -> float | None:
    """The percentage that is true: 100 only for completed, unknown for a queued first attempt or an unknown total."""
    if task["status"] == "completed":
        return 100.0
    value = task.get("progress_percent")
    if task["status"] == "queued" and not task.get("retry_at"):
        return None
    return min(value, 99.9) if words.is_known(value) else None


def bar(task: Snapshot, state: str) -> Bar:
    """The bar of the whole task."""
    percent = shown_percent(task)
    mode = _bar_mode(task, state, percent)
    width = f"{percent:.4g}%" if percent is not None else "0%"
    value = f"{percent:.4g}" if percent is not None else None
    return Bar(mode, width, value, _spoken(task, state, percent), _cuts(task))


def _bar_mode(task: Snapshot, state: str, percent: float | None) -> str:
    if state == "running" and task.get("stalled_since"):
        return "halted"
    if state == "running":
        return "moving" if percent is not None else "unknown"
    if state == "unsure":
        return "halted"
    fixed = {"queued": "waiting", "completed": "completed", "failed": "failed", "cancelling": "cancelling"}
    return fixed.get(state, "halted")


def _spoken(task: Snapshot, state: str, percent: float | None) -> str:
    if state == "queued":
        return "Queued"
    if percent is None:
        return "Total not known yet" if state in ("running", "cancelling") else "Not started"
    said = [f"{words.percent_number(percent)} percent"]
    if title := phase_position(task)[1]:
        said.append(f"phase {title}")
    if words.is_known(task.get("done")) and state in ("running", "cancelling", "unsure"):
        said.append(words.amount(task.get("done"), task.get("total"), task.get("unit")))
    return ", ".join(said)


def _cuts(task: Snapshot) -> tuple[str, ...]:
    weights = [float(phase["weight"]) for phase in task.get("phases") or ()]
    whole = sum(weights)
    if len(weights) < 2 or whole <= 0:
        return ()
    return tuple(f"{sum(weights[: i + 1]) / whole * 100:.4g}%" for i in range(len(weights) - 1))


def phase_position(task: Snapshot) -> tuple[str, str]:
    """("Phase 3 of 5:", "Parse"), or empty words when no phase has started."""
    phases = task.get("phases") or []
    for position, phase in enumerate(phases, 1):
        if phase["name"] == task.get("phase"):
            return (f"Phase {position} of {len(phases)}:" if len(phases) > 1 else ""), phase["title"]
    return "", ""


def progress_line(task: Snapshot) -> str:
    """ "Parse, 6,124 of 8,340 files"."""
    title = phase_position(task)[1]
    amount = words.amount(task.get("done"), task.get("total"), task.get("unit"))
    return ", ".join(part for part in (title, amount) if part and part != UNKNOWN)


def done_of(task: Snapshot) -> str:
    """ "of 8,340 files", or "files so far" without a total."""
    unit = task.get("unit") or ""
    if not words.is_known(task.get("done")):
        return ""
    total = task.get("total")
    return (f"of {words.count(total)} {unit}" if words.is_known(total) else f"{unit} so far").strip()


def done_left(task: Snapshot) -> str:
    """ "2,216 to go"; empty without a total."""
    if not (words.is_known(task.get("done")) and words.is_known(task.get("total"))):
        return ""
    return f"{words.count(max(0, task['total'] - task['done']))} to go"


def rate_unit(task: Snapshot) -> str:
    """ "files/s", when a rate is known."""
    return f"{task.get('unit') or 'steps'}/s" if words.is_known(task.get("rate")) else ""


def eta(task: Snapshot, state: str) -> str:
    """A guess holds only while the work goes on."""
    return words.span(task.get("eta_low_s"), task.get("eta_high_s")) if state == "running" else UNKNOWN


def eta_at(task: Snapshot, state: str, now: datetime) -> str:
    """ "about 14:05 UTC, by 14 runs" before this one; without them "done about 14:05 UTC"; or "no estimate yet".

    Short enough for one line, so that nothing moves when it changes.
    """
    if eta(task, state) == UNKNOWN:
        return "no estimate yet" if state == "running" and not task.get("stalled_since") else ""
    at, runs = words.about_clock(now, task.get("eta_s")), task.get("eta_runs")
    if not at:
        return ""
    return f"about {at}, by {words.plural(runs, 'run')}" if runs else f"done about {at}"


def phase_views(task: Snapshot, now: datetime, is_moving: bool) -> Iterable[PhaseView]:
    """The timeline: a failed task keeps its failed phase, later ones stay hollow."""
    phases = task.get("phases") or []
    whole = sum(float(phase["weight"]) for phase in phases) or 1.0
    for phase in phases:
        state = _phase_state(phase, task["status"])
        yield PhaseView(
            name=phase["name"],
            title=phase["title"],
            state=state,
            icon=PHASE_ICONS[state],
            word=PHASE_WORDS[state],
            note=_phase_note(phase, state, float(phase["weight"]) / whole * 100),
            time=_phase_time(phase, state, now, task),
            first_line=phase.get("first_line"),
            bar=_phase_bar(phase, is_moving),
        )


def _phase_state(phase: Snapshot, status: str) -> str:
    """A phase that an end has cut short does not go on turning; where a task was cancelled, nothing in it failed."""
    state: str = phase.get("state") or "pending"
    if status == "cancelled" and state not in ("done", "pending"):
        return "cancelled"
    return {"completed": "done", "failed": "failed"}.get(status, state) if state == "running" else state


def _phase_note(phase: Snapshot, state: str, share: float) -> str:
    note = phase.get("note") or ""
    if state == "running" and not note and words.is_known(phase.get("done")):
        note = words.amount(phase.get("done"), phase.get("total"), phase.get("unit"))
    return ", ".join(part for part in (note, f"{share:.3g} %") if part)


def _phase_time(phase: Snapshot, state: str, now: datetime, task: Snapshot) -> str:
    if words.is_known(phase.get("duration_ms")):
        return words.measured(phase["duration_ms"])
    started = words.parse_time(phase.get("started_at"))
    running = state == "running" and task["status"] == "running" and started is not None
    return words.duration(words.between_ms(started, now)) if running else ""


def _phase_bar(phase: Snapshot, is_moving: bool) -> Bar:
    done, total = phase.get("done"), phase.get("total")
    if not (words.is_known(done) and words.is_known(total) and total):
        return Bar("unknown" if is_moving else "waiting", "0%", None, "Total not known yet")
    percent = min(100.0, done / total * 100)
    amount = words.amount(done, total, phase.get("unit"))
    return Bar(
        "moving" if is_moving else "halted",
        f"{percent:.4g}%",
        f"{percent:.4g}",
        f"{words.percent_number(percent)} percent, {amount}",
    )


def stats(task: Snapshot) -> Iterable[tuple[str, str, str]]:
    """(key, label, value) of what the job counts besides its progress; once completed, as its results say it."""
    details = task.get("details") or {}
    results = (task.get("results") or {}) if task["status"] == "completed" else {}
    for key, value in {key: results.get(key, value) for key, value in details.items()}.items():
        if key not in LEFT_OUT_DETAILS and not isinstance(value, dict | list):
            yield key, LABELS.get(key) or words.humanise(key), plain_value(value)


def plain_value(value: object) -> str:
    """A scalar of a job as a person reads it."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return words.count(value)
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".") if words.is_known(value) else UNKNOWN
    return str(value)
