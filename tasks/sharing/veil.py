"""What a visitor, who came by a share link, may see of a task. Its rule: what is not named here is left out.

Shown is what the page of a running task shows anybody who looks over its owner's shoulder: title, progress, log, and
the numbers of its results. Left out are parameters, people (owner, who cancelled and why), machines (worker), what only
helps inside (references, schedules, other tasks), results and details that are not numbers; and where texts name
directories of the server, those.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from tasks.events import encode

SHOWN = frozenset({
    "task_id", "kind", "title", "status", "attempt", "max_attempts", "cancel_requested", "forced",
    "phase", "progress_percent", "done", "total", "unit", "rate", "current_step", "stalled_since",
    "eta_s", "eta_low_s", "eta_high_s", "eta_runs", "estimated_completion", "usual_gap_s",
    "created_at", "queued_at", "started_at", "finished_at", "retry_at", "duration_ms",
    "error", "log_total", "log_warnings", "log_errors", "lines",
    "epoch", "seq", "timestamp", "snapshot",
})  # fmt: skip
SHOWN_OF_PHASES = frozenset({
    "name", "title", "weight", "state", "done", "total", "unit", "note", "started_at", "duration_ms", "first_line",
})  # fmt: skip
SHOWN_OF_LINES = frozenset({"n", "at", "level", "text"})
ONLY_NUMBERS = ("details", "results")
HIDDEN = "…"
_ID = re.compile(r"^id$|_id$|Id$")


class Veil:
    """Leaves out what visitors may not see. `directories` are the server's: they are cut off the paths in texts."""

    def __init__(self, directories: Iterable[Path]) -> None:
        written = {spelling for each in directories for spelling in (str(each), str(each.resolve()))}
        # Directly below the root there are only names that texts may hold by chance.
        known = sorted((each for each in written if each.count("/") > 1), key=len, reverse=True)
        pattern = "|".join(re.escape(encode(each)[1:-1]) for each in known)
        self._directories = re.compile(pattern) if pattern else None

    def task(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of an event or of a snapshot that a visitor may see."""
        shown = {name: value for name, value in fields.items() if name in SHOWN}
        if "lines" in shown:
            shown["lines"] = [_only(SHOWN_OF_LINES, line) for line in shown["lines"]]
        if fields.get("phases") is not None:
            shown["phases"] = [_only(SHOWN_OF_PHASES, phase) for phase in fields["phases"]]
        for name in ONLY_NUMBERS:
            if name in fields:
                shown[name] = None if fields[name] is None else _numbers(fields[name])
        return self._without_directories(shown)

    def lines(self, lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Lines of the log as a visitor may see them."""
        found: list[dict[str, Any]] = self.task({"lines": list(lines)})["lines"]
        return found

    def _without_directories(self, shown: dict[str, Any]) -> dict[str, Any]:
        if self._directories is None:
            return shown
        text = encode(shown)
        hidden = self._directories.sub(HIDDEN, text)
        return shown if hidden == text else orjson.loads(hidden)


def _only(names: frozenset[str], fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name in names}


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    """What counts something. An id is a number, too, and leads to something else."""
    return {
        name: value for name, value in values.items() if isinstance(value, bool | int | float) and not _ID.search(name)
    }
