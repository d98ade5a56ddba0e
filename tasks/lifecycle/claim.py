"""Taking a queued task, keeping it, and the fence that every durable write of an attempt passes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session, aliased

from accounts.limits import default_running
from accounts.models import UserLimits
from database import Database, utc_now
from tasks import events, queue_control
from tasks.errors import LeaseLost
from tasks.lifecycle.record import record, serialise
from tasks.lifecycle.submission import initial_phases
from tasks.models import Task, TaskAttempt
from tasks.registry import Job
from tasks.states import State


@dataclass(frozen=True, slots=True)
class Limits:
    """How many tasks may run at once, in all and for a user for whom admins have set nothing else."""

    total: int
    per_user: int


@dataclass(frozen=True, slots=True)
class Claim:
    """The right of one worker to run one attempt. Every durable write of the attempt names it (the fence)."""

    task_id: str
    attempt: int
    worker: str
    kind: str
    title: str
    params: dict[str, Any]
    priority: str
    max_attempts: int
    timeout_s: float | None
    started_at: datetime


def claim(database: Database, task_id: str, worker: str, lease_s: float, limits: Limits, job: Job) -> Claim | None:
    """Take a queued task for this worker; None if it is not to be had now (taken, held, not due, over a limit)."""
    now = utc_now()
    running, owned = aliased(Task), aliased(Task)
    in_all = select(func.count()).select_from(running).where(running.state == State.RUNNING).scalar_subquery()
    of_owner = (
        select(func.count())
        .select_from(owned)
        .where(owned.state == State.RUNNING, owned.owner_id == Task.owner_id)
        .correlate(Task)
        .scalar_subquery()
    )
    own = select(UserLimits.max_running).where(UserLimits.user_id == Task.owner_id).correlate(Task).scalar_subquery()
    with database.write() as session:
        serialise(session)
        if queue_control.read(session).holds(job.kind):
            _give_back(session, task_id)
            return None
        per_user = func.coalesce(own, default_running(session, limits.per_user))
        taken = session.execute(
            update(Task)
            .where(
                Task.id == task_id,
                Task.state == State.QUEUED,
                or_(Task.retry_at.is_(None), Task.retry_at <= now),
                in_all < limits.total,
                of_owner < per_user,
            )
            .values(
                state=State.RUNNING,
                attempt=Task.attempt + 1,
                worker=worker,
                lease_expires_at=now + timedelta(seconds=lease_s),
                started_at=now,
                retry_at=None,
                error=None,
                category=None,
                progress={"phases": initial_phases(job), "progress_percent": 0.0},
            )
            .execution_options(synchronize_session=False)
        )
        if taken.rowcount != 1:  # type: ignore[attr-defined]
            _give_back(session, task_id)
            return None
        task = session.get_one(Task, task_id)
        session.add(TaskAttempt(task_id=task.id, attempt=task.attempt, worker=worker, started_at=now))
        record(session, task_id, events.PROGRESS_UPDATE)
        return claim_of(task)


def claim_of(task: Task) -> Claim:
    """The claim under which a running task is held now."""
    return Claim(
        task_id=task.id,
        attempt=task.attempt,
        worker=task.worker or "",
        kind=task.kind,
        title=task.title,
        params=task.params,
        priority=task.priority,
        max_attempts=task.max_attempts,
        timeout_s=task.timeout_s,
        started_at=task.started_at or task.created_at,
    )


def _give_back(session: Session, task_id: str) -> None:
    """Let the dispatcher send a task again that is still waiting: it was not due or a limit was reached."""
    session.execute(
        update(Task)
        .where(Task.id == task_id, Task.state == State.QUEUED)
        .values(dispatched_at=None)
        .execution_options(synchronize_session=False)
    )


def renew_lease(database: Database, task_id: str, attempt: int, worker: str, lease_s: float) -> bool:
    """Show that this attempt's worker lives. False when the attempt is not its any more."""
    with database.write() as session:
        renewed = session.execute(
            update(Task)
            .where(*held_by(task_id, attempt, worker))
            .values(lease_expires_at=utc_now() + timedelta(seconds=lease_s))
            .execution_options(synchronize_session=False)
        )
        return bool(renewed.rowcount == 1)  # type: ignore[attr-defined]


def held_by(task_id: str, attempt: int, worker: str) -> tuple[Any, ...]:
    """The fence: only the attempt that holds the lease may write."""
    return Task.id == task_id, Task.attempt == attempt, Task.worker == worker, Task.state == State.RUNNING


def hold(session: Session, held: Claim, **values: Any) -> None:
    """Write `values` to the claimed task, or raise LeaseLost. Locks the row for the rest of the transaction."""
    written = session.execute(
        update(Task)
        .where(*held_by(held.task_id, held.attempt, held.worker))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    if written.rowcount != 1:  # type: ignore[attr-defined]
        raise LeaseLost("This attempt is not the task's any more: another worker has it, or it has ended.")
