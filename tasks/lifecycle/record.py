"""What each transition writes in its own transaction: the event that tells of it, the notifications of an end, and our
own log lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text, update
from sqlalchemy.orm import Session

from database import utc_now
from tasks import events, store
from tasks.models import LogLine, Task, TaskEvent
from tasks.notices.ends import tell_end
from tasks.states import State

CLAIM_LOCK = 7254002


def serialise(session: Session) -> None:
    """Let decisions that count rows happen one after the other. SQLite's write lock does that by itself."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SELECT pg_advisory_xact_lock({CLAIM_LOCK})"))


def record(session: Session, task_id: str, name: str) -> None:
    """Append the event that tells what the task has just become, and tell people of an end."""
    session.flush()
    row = store.load_task(session, task_id)
    assert row is not None
    session.refresh(row[0])
    snapshot = store.snapshot(*row)
    session.add(
        TaskEvent(
            task_id=task_id,
            attempt=snapshot["attempt"],
            name=name,
            state=snapshot["status"],
            data=event_data(name, snapshot),
            at=utc_now(),
        )
    )
    if name in events.FINAL_EVENTS:
        tell_end(session, row[0])


def note(session: Session, task_id: str, attempt: int, level: str, words: str) -> None:
    """A log line of ours, between the job's own."""
    n = session.scalar(
        update(Task)
        .where(Task.id == task_id)
        .values(log_total=Task.log_total + 1, log_warnings=Task.log_warnings + (1 if level == "warning" else 0))
        .returning(Task.log_total)
        .execution_options(synchronize_session=False)
    )
    session.add(LogLine(task_id=task_id, n=n, attempt=attempt, at=utc_now(), level=level, text=words))


def event_data(name: str, snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """What the event `name` says of a task in this state, besides the envelope."""
    if name == events.PROGRESS_UPDATE:
        return events.progress_body(snapshot)
    if name == events.TASK_RETRYING:
        return {
            key: snapshot[key]
            for key in ("task_id", "attempt", "max_attempts", "retry_at", "error", "category", "log_total")
        }
    own = {
        events.TASK_COMPLETED: ("results",),
        events.TASK_CANCELLED: ("cancelled_by", "reason", "forced"),
        events.TASK_ERROR: ("error", "category", "retryable", "reference"),
    }[name]
    shared = (
        "task_id", "kind", "title", "status", "duration_ms", "progress_percent",
        "phase", "phases", "done", "total", "unit",
        "current_step", "details", "attempt", "max_attempts",
        "started_at", "finished_at", "log_total", "log_warnings", "log_errors",
    )  # fmt: skip
    return {key: snapshot[key] for key in (*own, *shared)}


def final_event(state: str) -> str:
    """The event that announces this final state."""
    return {
        State.COMPLETED: events.TASK_COMPLETED,
        State.FAILED: events.TASK_ERROR,
        State.CANCELLED: events.TASK_CANCELLED,
    }[State(state)]
