"""What is known of a test notification's way: how long each part took, and which one is broken when no more comes.

Moments are compared only where one clock gave both: the worker's, and the web process's if it is on the worker's host.
What lies between browser and server is measured as a way there and back, by the one clock that sees both ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tasks.states import State

HOPS = ("began", "stored", "published", "web", "browser", "acknowledged")
PATIENCE_S = 8.0
BROKEN = {
    "began": "No worker has taken it. Either none runs, or all are busy.",
    "stored": "A worker took it and has not stored it. The database does not take it, or the worker hangs.",
    "published": "It is stored, and Redis has not taken it. It goes out when Redis is back.",
    "web": "Redis took it, and it did not reach this web process.",
    "browser": "The web process has it, and it did not reach your browser.",
    "acknowledged": "Your browser has it, and its answer did not reach the web process.",
}


@dataclass(frozen=True, slots=True)
class Known:
    """`ms` by hop, None where unknown; the first hop that has not arrived, and what is to be said of it."""

    ms: dict[str, float | None]
    missing: str | None
    trouble: str | None


def known(
    task: Mapping[str, Any], arrived: Mapping[str, Any] | None, round_trip_ms: float | None, now: datetime
) -> Known:
    """From the task (a snapshot) and what this web process saw of it: `{received_ms, host}`."""
    told = task.get("results") or {}
    queued = datetime.fromisoformat(task["queued_at"])
    queued_ms = queued.timestamp() * 1000
    began_ms = told.get("began_ms")
    if began_ms is None and task.get("started_at"):
        began_ms = datetime.fromisoformat(task["started_at"]).timestamp() * 1000
    received_ms = arrived["received_ms"] if arrived and arrived["host"] == told.get("host") else None
    moments = [queued_ms, began_ms, told.get("stored_ms"), told.get("published_ms"), received_ms]
    ms: dict[str, float | None] = dict.fromkeys(HOPS)
    for name, before, after in zip(HOPS, moments, moments[1:], strict=False):
        if before is not None and after is not None and after >= before:  # else a clock was set meanwhile
            ms[name] = round(after - before, 1)
    ms["browser"] = round_trip_ms
    missing = _missing(task, told, began_ms, arrived, round_trip_ms)
    is_late = (now.astimezone(UTC) - queued.astimezone(UTC)).total_seconds() > PATIENCE_S
    trouble = str(task.get("error") or BROKEN["stored"]) if task["status"] == State.FAILED else None
    return Known(ms, missing, trouble or (BROKEN[missing] if missing and is_late else None))


def _missing(
    task: Mapping[str, Any],
    told: Mapping[str, Any],
    began_ms: float | None,
    arrived: Mapping[str, Any] | None,
    round_trip_ms: float | None,
) -> str | None:
    if task["status"] == State.FAILED:
        return "stored" if began_ms is not None else "began"
    seen = {
        "began": began_ms,
        "stored": told.get("stored_ms") or arrived,
        "published": told.get("published_ms") or arrived,
        "web": arrived,
        "browser": round_trip_ms,
    }
    return next((name for name, value in seen.items() if value is None), None)
