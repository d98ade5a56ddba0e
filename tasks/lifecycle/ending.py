"""How an attempt ends: completed, failed, cancelled, tried again, lost with its worker, or handed over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from database import Database, utc_now
from tasks import events
from tasks.estimates.history import Timing, keep
from tasks.lifecycle.claim import Claim, claim_of, hold
from tasks.lifecycle.record import note, record
from tasks.models import Task, TaskAttempt
from tasks.states import State

MAX_RESULTS_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt did not complete. `error` is shown to people; `category` is one word; see docs/protocol.md."""

    error: str
    category: str
    retryable: bool
    reference: str | None = None


def complete(
    database: Database,
    held: Claim,
    results: dict[str, Any],
    progress: Mapping[str, Any],
    duration_ms: int,
    timing: Timing | None = None,
) -> None:
    """running → completed; `timing` is what later estimates learn from. Raises LeaseLost."""
    done = {**progress, "progress_percent": 100.0}
    _finish(database, held, State.COMPLETED, events.TASK_COMPLETED, done, duration_ms, timing, results=results)


def fail(database: Database, held: Claim, failure: Failure, progress: Mapping[str, Any], duration_ms: int) -> None:
    """running → failed, keeping the last true progress. Raises LeaseLost."""
    _finish(
        database, held, State.FAILED, events.TASK_ERROR, progress, duration_ms,
        error=failure.error, category=failure.category, retryable=failure.retryable, reference=failure.reference,
    )  # fmt: skip


def confirm_cancel(
    database: Database, held: Claim, progress: Mapping[str, Any], duration_ms: int, *, forced: bool
) -> None:
    """running → cancelled. `forced` says that the job did not stop by itself. Raises LeaseLost."""
    _finish(database, held, State.CANCELLED, events.TASK_CANCELLED, progress, duration_ms, forced=forced)


def _finish(
    database: Database,
    held: Claim,
    state: State,
    event: str,
    progress: Mapping[str, Any],
    duration_ms: int,
    timing: Timing | None = None,
    **values: Any,
) -> None:
    now = utc_now()
    with database.write() as session:
        hold(
            session, held,
            state=state,
            finished_at=now,
            duration_ms=duration_ms,
            progress=dict(progress),
            lease_expires_at=None,
            **values,
        )  # fmt: skip
        end_attempt(session, held.task_id, held.attempt, now, state, values.get("error"))
        if timing is not None:
            keep(session, held.task_id, held.kind, now, timing)
        record(session, held.task_id, event)


def retry_later(database: Database, held: Claim, failure: Failure, delay_s: float, progress: Mapping[str, Any]) -> None:
    """running → queued for the next attempt, due in `delay_s`; cancelled when that was asked for. Raises LeaseLost."""
    now = utc_now()
    with database.write() as session:
        hold(session, held, progress=dict(progress))
        if session.scalar(select(Task.cancel_requested_at).where(Task.id == held.task_id)) is not None:
            ended_ms = int((now - held.started_at).total_seconds() * 1000)
            hold(
                session,
                held,
                state=State.CANCELLED,
                forced=False,
                finished_at=now,
                duration_ms=ended_ms,
                lease_expires_at=None,
            )
            end_attempt(session, held.task_id, held.attempt, now, State.CANCELLED, failure.error)
            record(session, held.task_id, events.TASK_CANCELLED)
            return
        hold(session, held, **_waiting(failure, now, delay_s))
        end_attempt(session, held.task_id, held.attempt, now, "retry", failure.error)
        note(
            session,
            held.task_id,
            held.attempt,
            "warning",
            _retry_words(failure, held.attempt, held.max_attempts, delay_s),
        )
        record(session, held.task_id, events.TASK_RETRYING)
        record(session, held.task_id, events.PROGRESS_UPDATE)


def _waiting(failure: Failure, now: datetime, delay_s: float) -> dict[str, Any]:
    return {
        "state": State.QUEUED,
        "queued_at": now,
        "retry_at": now + timedelta(seconds=delay_s),
        "dispatched_at": None,
        "worker": None,
        "lease_expires_at": None,
        "error": failure.error,
        "category": failure.category,
    }


def _retry_words(failure: Failure, attempt: int, max_attempts: int, delay_s: float) -> str:
    return f"Attempt {attempt} of {max_attempts} failed: {failure.error} Attempt {attempt + 1} starts in {delay_s:g} s."


def lose_worker(
    database: Database,
    task_id: str,
    attempt: int,
    lease: datetime | None,
    retry_delay_s: float,
    *,
    words: str = "The worker stopped answering in the middle of the work.",
    progress: Mapping[str, Any] | None = None,
) -> bool:
    """The worker of this attempt is gone: next attempt if one is left, else failed as `interrupted`.

    `lease` is the lease that was seen to run out; a renewal in between wins and nothing changes (False). `progress` is
    the newest that watchers saw, when that is known.
    """
    now = utc_now()
    with database.write() as session:
        task = session.get(Task, task_id, with_for_update=True)
        if task is None or task.state != State.RUNNING or task.attempt != attempt or task.lease_expires_at != lease:
            return False
        held = claim_of(task)
        failure = Failure(words, "interrupted", attempt < task.max_attempts)
        elapsed_ms = int((now - held.started_at).total_seconds() * 1000)
        if task.cancel_requested_at is not None:
            outcome: dict[str, Any] = {
                "state": State.CANCELLED,
                "forced": True,
                "finished_at": now,
                "duration_ms": elapsed_ms,
            }
        elif failure.retryable:
            outcome = _waiting(failure, now, retry_delay_s)
        else:
            outcome = {
                "state": State.FAILED, "finished_at": now, "duration_ms": elapsed_ms,
                "error": failure.error, "category": failure.category, "retryable": True,
            }  # fmt: skip
        kept = {} if progress is None else {"progress": {**task.progress, **progress}}
        hold(session, held, **{"lease_expires_at": None, **kept, **outcome})
        session.expire(task)
        end_attempt(session, task_id, attempt, now, "interrupted", failure.error)
        if outcome["state"] == State.QUEUED:
            note(session, task_id, attempt, "warning", _retry_words(failure, attempt, held.max_attempts, retry_delay_s))
            record(session, task_id, events.TASK_RETRYING)
            record(session, task_id, events.PROGRESS_UPDATE)
        else:
            record(
                session, task_id, events.TASK_CANCELLED if outcome["state"] == State.CANCELLED else events.TASK_ERROR
            )
        return True


def hand_over(database: Database, task_id: str, attempt: int, worker: str) -> bool:
    """running → queued at once, because the worker shuts down; the attempt that is cut short does not count."""
    now = utc_now()
    with database.write() as session:
        task = session.get(Task, task_id, with_for_update=True)
        if task is None or task.state != State.RUNNING or task.attempt != attempt or task.worker != worker:
            return False
        failure = Failure("The worker was shut down.", "interrupted", True)
        held = claim_of(task)
        hold(session, held, **_waiting(failure, now, 0.0), max_attempts=Task.max_attempts + 1)
        session.expire(task)
        end_attempt(session, task_id, attempt, now, "handed_over", failure.error)
        note(session, task_id, attempt, "warning", "The worker was shut down; another one starts this task again.")
        record(session, task_id, events.PROGRESS_UPDATE)
        return True


def end_attempt(session: Session, task_id: str, attempt: int, now: datetime, outcome: str, error: str | None) -> None:
    session.execute(
        update(TaskAttempt)
        .where(TaskAttempt.task_id == task_id, TaskAttempt.attempt == attempt)
        .values(ended_at=now, outcome=str(outcome), error=error)
        .execution_options(synchronize_session=False)
    )
