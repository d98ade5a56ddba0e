"""The events of a scan in the words of the namespace `/ws`, made of the very events that its room gets.

Rooms know nothing of it: a socket of `/ws` is a member like any other, with a target that translates what is written
to it. An event is translated when the first of them gets it, and then once for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from delivery.members import Target
from delivery.outbox import Batch, Outgoing
from tasks import events, scans
from tasks.states import State

NAMESPACE = "/ws"
_LANE = "@ws"


class ScanTarget:
    """One socket of `/ws`: takes the events of rooms, and passes on what they are for it."""

    __slots__ = ("_target",)

    def __init__(self, target: Target) -> None:
        self._target = target

    @property
    def is_overrun(self) -> bool:
        """Whether the connection reads too slowly for the events of rooms."""
        return self._target.is_overrun

    def write(self, batch: Batch) -> None:
        """Send these events, translated; those that have no counterpart are left out."""
        items = [item for original in batch.items if (item := translated(original)) is not None]
        if items:
            self._target.write(Batch.of(items))


def tasks_of(lanes: Iterable[str]) -> frozenset[str]:
    """The tasks of which events in these lanes of an outbox were, whichever namespace they were for."""
    return frozenset(lane.removesuffix(_LANE) for lane in lanes)


def translated(original: Outgoing) -> Outgoing | None:
    """This event as `/ws` has it, None if that has nothing for it. Made at the first call, and kept with the event."""
    try:
        return original.for_scans
    except AttributeError:
        made = original.for_scans = _translate(original)
        return made


def _translate(original: Outgoing) -> Outgoing | None:
    name, data = orjson.loads(original.packet[2:])
    said = scan_event(name, data)
    if said is None:
        return None
    packet = f"4{events.packet(*said, NAMESPACE)}".encode()
    # A lane of its own: on a connection that has both namespaces, no event overtakes one of the other.
    lane = None if original.task_id is None else original.task_id + _LANE
    return Outgoing(packet, lane, original.is_progress)


def scan_event(name: str, data: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Name and data of the event of `/ws` that says what this event of a task says.

    None for log lines, and for `task_retrying`, which a progress in the state `queued` follows.
    """
    scan_id = data["task_id"]
    head, tail = {"scanId": scan_id}, {"timestamp": data["timestamp"]}
    if name == events.PROGRESS_UPDATE:
        return f"scan:{scan_id}:progress", {**head, **_progress(data), **tail}
    if name == events.TASK_COMPLETED:
        result = scans.result(data.get("results") or {}, data.get("duration_ms"))
        return f"scan:{scan_id}:complete", {**head, "result": result, **tail}
    if name in events.FINAL_EVENTS:
        words = _cancelled(data) if name == events.TASK_CANCELLED else data.get("error")
        return f"scan:{scan_id}:failed", {**head, "error": words or "The scan failed.", **tail}
    return None


def _progress(data: Mapping[str, Any]) -> dict[str, Any]:
    """`status` is the phase while the scan runs, as those clients know it, and otherwise the task's state."""
    is_running = data["status"] == State.RUNNING
    message = _running(data) if is_running else _waiting(data)
    return {
        "progress": data.get("progress_percent"),
        "status": (data.get("phase") if is_running else None) or data["status"],
        **({"message": message} if message else {}),
        "metadata": scans.metadata(data.get("details") or {}),
    }


def _running(data: Mapping[str, Any]) -> str | None:
    if data.get("cancel_requested"):
        return "Cancelling"
    titles = {phase["name"]: phase["title"] for phase in data.get("phases") or ()}
    return data.get("current_step") or titles.get(data.get("phase"))


def _waiting(data: Mapping[str, Any]) -> str:
    if data.get("retry_at"):
        return f"Attempt {data['attempt']} of {data['max_attempts']} failed. The next one begins at {data['retry_at']}"
    return "Waiting for a worker"


def _cancelled(data: Mapping[str, Any]) -> str:
    who, reason = data.get("cancelled_by"), data.get("reason")
    return f"The scan was cancelled{f' by {who}' if who else ''}{f': {reason}' if reason else '.'}"
