"""The words of the wire contract (docs/protocol.md) and how an event's fields become bytes.

Every event of a task is encoded once, where it is made; from there on only its envelope (epoch, seq, timestamp) is
added, by the Redis script.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import orjson

from database import rfc3339, utc_now
from tasks.states import State

PROGRESS_UPDATE = "progress_update"
TASK_LOG = "task_log"
TASK_RETRYING = "task_retrying"
TASK_COMPLETED = "task_completed"
TASK_CANCELLED = "task_cancelled"
TASK_ERROR = "task_error"
TASK_UPDATE = "task_update"
JOB_UPDATE = "job_update"
DELIVERY_UPDATE = "delivery_update"
NOTIFICATION = "notification"
INBOX_UPDATE = "inbox_update"
SERVER_STATUS = "server_status"
QUEUE_UPDATE = "queue_update"

FINAL_EVENTS = frozenset({TASK_COMPLETED, TASK_CANCELLED, TASK_ERROR})
TASK_EVENTS = frozenset({PROGRESS_UPDATE, TASK_LOG, TASK_RETRYING}) | FINAL_EVENTS

FEED_STATUS = {
    State.RUNNING: "started",
    State.COMPLETED: "success",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
}

MAX_DEPTH = 6
MAX_ITEMS = 200
MAX_TEXT = 4000

PROGRESS_FIELDS = (
    "task_id",
    "kind",
    "title",
    "status",
    "phase",
    "phases",
    "progress_percent",
    "done",
    "total",
    "unit",
    "rate",
    "eta_s",
    "eta_low_s",
    "eta_high_s",
    "eta_runs",
    "estimated_completion",
    "current_step",
    "details",
    "stalled_since",
    "usual_gap_s",
    "attempt",
    "max_attempts",
    "started_at",
    "retry_at",
    "worker",
    "priority",
    "log_total",
    "log_warnings",
    "log_errors",
)


class Announcer(Protocol):
    """Brings what is committed to the live tail. Never raises: what does not arrive now is announced by the sweep."""

    def announce(self, task_id: str) -> None: ...


def progress_body(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `progress_update`, taken from a task's snapshot."""
    return {name: snapshot.get(name) for name in PROGRESS_FIELDS}


def encode_fields(fields: Mapping[str, Any]) -> str:
    """The fields as the inside of a JSON object, without its braces, so that an envelope can be put before them."""
    return encode(fields)[1:-1]


def encode(value: Any) -> str:
    """JSON as every JavaScript client reads it: no NaN, no Infinity, no lone surrogates, nothing unserialisable."""
    try:
        return orjson.dumps(value).decode()
    except (TypeError, orjson.JSONEncodeError):
        return orjson.dumps(clean(value)).decode()


class WireJson:
    """What Socket.IO takes for its JSON module."""

    loads = staticmethod(orjson.loads)

    @staticmethod
    def dumps(value: Any, **_options: Any) -> str:
        """As `encode`."""
        return encode(value)


def clean(value: Any, depth: int = MAX_DEPTH) -> Any:
    """A value that any client can take: bounded in depth, length and text, with what cannot be sent replaced.

    NaN and infinities become None (unknown), bytes and other objects their text, whatever lies too deep "…".
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) >= 2**53:  # more than a JavaScript number holds exactly
        value = float(value) if abs(value) < 2**1023 else math.inf
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value[:MAX_TEXT].encode("utf-8", "replace").decode()
    if depth == 0:
        return "…"
    if isinstance(value, Mapping):
        return {clean(str(key), 1): clean(each, depth - 1) for key, each in list(value.items())[:MAX_ITEMS]}
    if isinstance(value, list | tuple | set | frozenset):
        return [clean(each, depth - 1) for each in list(value)[:MAX_ITEMS]]
    return clean(str(value), depth)


def printable(text: str, replacement: str = "\N{REPLACEMENT CHARACTER}") -> str:
    """Text that every database and every client takes: without NUL, other control characters and lone surrogates."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else replacement for character in text)


def task_update(snapshot: Mapping[str, Any], state: str) -> str | None:
    """The owner's feed entry for this state as a whole Socket.IO packet, or None where the feed tells nothing."""
    status = FEED_STATUS.get(State(state))
    if status is None:
        return None
    timestamp = rfc3339(utc_now())
    data = {
        "task_id": snapshot["task_id"],
        "task_run_id": snapshot["task_id"],
        "schedule_id": snapshot.get("schedule_id"),
        "status": status,
        "task_name": snapshot["title"],
        "kind": snapshot["kind"],
        "result_data": snapshot.get("results") or {},
        "error": snapshot.get("error"),
        "timestamp": timestamp,
    }
    return packet(TASK_UPDATE, {"type": TASK_UPDATE, "data": data})


JOB_FIELDS = (
    "task_id",
    "kind",
    "title",
    "status",
    "owner",
    "priority",
    "attempt",
    "max_attempts",
    "phase",
    "progress_percent",
    "done",
    "total",
    "unit",
    "eta_s",
    "worker",
    "cancel_requested",
    "created_at",
    "queued_at",
    "retry_at",
    "started_at",
    "finished_at",
    "duration_ms",
    "error",
)


def job_update(snapshot: Mapping[str, Any]) -> str:
    """The admin dashboard's entry for this task as a whole Socket.IO packet."""
    job = {name: snapshot.get(name) for name in JOB_FIELDS}
    return packet(JOB_UPDATE, {"type": "job", "job": job, "timestamp": rfc3339(utc_now())})


def packet(name: str, data: Mapping[str, Any], namespace: str = "/") -> str:
    """A Socket.IO EVENT packet, as text."""
    place = "" if namespace == "/" else f"{namespace},"
    return f"2{place}{encode([name, data])}"
