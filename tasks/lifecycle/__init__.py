"""The only place that changes a task's state.

Each transition is one conditional UPDATE and, in the same transaction, the event that tells of it. When no row changed,
the rule that was broken is raised by name. Nothing here talks to Redis: callers announce after the commit.
"""

from tasks.lifecycle.claim import Claim, Limits, claim, claim_of, hold, renew_lease
from tasks.lifecycle.control import begin_maintenance, end_maintenance, pause, resume
from tasks.lifecycle.ending import (
    MAX_RESULTS_BYTES,
    Failure,
    complete,
    confirm_cancel,
    fail,
    hand_over,
    lose_worker,
    retry_later,
)
from tasks.lifecycle.record import event_data, final_event
from tasks.lifecycle.removal import count_ended, ended_before, remove
from tasks.lifecycle.submission import (
    NO_CANCEL,
    NO_RETRY,
    Submission,
    change_priority_within,
    initial_phases,
    request_cancel,
    request_cancel_within,
    submit,
    submit_within,
    why_not_start,
)

__all__ = [
    "MAX_RESULTS_BYTES",
    "NO_CANCEL",
    "NO_RETRY",
    "Claim",
    "Failure",
    "Limits",
    "Submission",
    "begin_maintenance",
    "change_priority_within",
    "claim",
    "claim_of",
    "complete",
    "confirm_cancel",
    "count_ended",
    "end_maintenance",
    "ended_before",
    "event_data",
    "fail",
    "final_event",
    "hand_over",
    "hold",
    "initial_phases",
    "lose_worker",
    "pause",
    "remove",
    "renew_lease",
    "request_cancel",
    "request_cancel_within",
    "resume",
    "retry_later",
    "submit",
    "submit_within",
    "why_not_start",
]
