"""The stored snapshot of a task made newer by its live tail, for answers that are given once: an API call, a page.

SQL decides what a task is. The tail only makes its progress newer, and only when nothing was committed since: so `seq`
never names a state older than what is shown.
"""

from __future__ import annotations

from typing import Any

import orjson

from delivery.event_log import Tail
from tasks.events import PROGRESS_UPDATE
from tasks.states import State

LIVE_FIELDS = (
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
)


def add_tail(shown: dict[str, Any], tail: Tail | None, newest_event: int | None) -> None:
    """Put the tail's position and progress into the snapshot `shown`, if it tells of the same state.

    `newest_event` is the id of the task's newest durable event, read after the tail and with the snapshot.
    """
    if tail is None or tail.durable != newest_event:
        return
    shown["epoch"], shown["seq"] = tail.epoch, tail.seq
    if shown["status"] != State.RUNNING or tail.snapshot_name != PROGRESS_UPDATE:
        return
    body = orjson.loads("{" + tail.snapshot_body + "}")
    if body.get("attempt") == shown["attempt"]:
        shown.update({name: body[name] for name in LIVE_FIELDS if name in body})
