"""The transitions that people ask for: a new task, and the wish to end one."""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from accounts import Actor, Identity, audit
from accounts.limits import PersonLimits, limits_for
from database import Database, utc_now
from tasks import events, store
from tasks.errors import Conflict, Forbidden, IllegalTransition, RateLimited
from tasks.lifecycle.control import refuse_in_maintenance
from tasks.lifecycle.record import record, serialise
from tasks.models import Task
from tasks.notices import TaskFollower
from tasks.registry import Job
from tasks.states import ACTIVE, Priority, State, Visibility, is_final

NO_CANCEL = "An admin has set that you may not cancel tasks. Ask an admin to cancel it."
NO_RETRY = "An admin has set that you may not run tasks again. Ask an admin."
NO_TASKS = "An admin has set that you may not start tasks."


@dataclass(frozen=True, slots=True)
class Submission:
    """What a person or program asks to be run; the parameters are already validated."""

    job: Job
    params: dict[str, Any]
    title: str
    priority: Priority = Priority.NORMAL
    visibility: Visibility = Visibility.PRIVATE
    resource: str | None = None
    idempotency_key: str | None = None
    retry_of: str | None = None
    schedule_id: str | None = None
    timeout_s: float | None = None
    notify: bool | None = None
    """whether its owner wants to be told of its end: None as for every task"""
    audit: tuple[Actor, dict[str, Any]] | None = None
    """who started it, and what the audit log keeps of that; written with the task"""


def submit(database: Database, identity: Identity, submission: Submission) -> tuple[str, bool]:
    """Store a new queued task. Returns its id, and False when the idempotency key named one that exists.

    Raises Conflict while another active task holds the same resource (say, the same repository), Forbidden for what
    the person's limits do not allow, RateLimited when they have had their tasks of the day, and Unavailable during
    maintenance.
    """
    try:
        with database.write() as session:
            return submit_within(session, identity, submission)
    except IntegrityError:
        with database.read() as session:
            if (known := _earlier_submission(session, identity, submission)) is not None:
                return known, False
        raise


def submit_within(session: Session, identity: Identity, submission: Submission) -> tuple[str, bool]:
    """The same in the caller's transaction, which is to be rolled back when this raises."""
    if (known := _earlier_submission(session, identity, submission)) is not None:
        return known, False
    refuse_in_maintenance(session)
    limits = limits_for(session, identity)
    _refuse_without_right(submission, limits)
    _refuse_busy_resource(session, submission)
    _refuse_beyond_day(session, identity, limits)
    task = _new_task(identity, submission, limits)
    session.add(task)
    session.flush()
    if submission.notify is not None:
        session.add(TaskFollower(task_id=task.id, user_id=identity.user_id, wants=submission.notify))
    if submission.retry_of:
        session.execute(update(Task).where(Task.id == submission.retry_of).values(retried_by=task.id))
    record(session, task.id, events.PROGRESS_UPDATE)
    if submission.audit is not None:
        actor, what = submission.audit
        audit.record(session, "task.started", f"task:{task.id}", actor, after={"kind": task.kind, **what})
    return task.id, True


def _earlier_submission(session: Session, identity: Identity, submission: Submission) -> str | None:
    if submission.idempotency_key is None:
        return None
    return session.scalar(
        select(Task.id).where(Task.owner_id == identity.user_id, Task.idempotency_key == submission.idempotency_key)
    )


def _refuse_busy_resource(session: Session, submission: Submission) -> None:
    if submission.resource is None:
        return
    serialise(session)
    busy = session.execute(
        select(Task.id, Task.created_at).where(Task.resource == submission.resource, Task.state.in_(ACTIVE)).limit(1)
    ).one_or_none()
    if busy is not None:
        raise Conflict(
            f"The same work is under way already, since {busy.created_at:%H:%M} UTC. "
            "Open that task or cancel it first.",
            details={"task_id": busy.id},
        )


def _refuse_without_right(submission: Submission, limits: PersonLimits) -> None:
    if submission.retry_of and not limits.may_retry:
        raise Forbidden(NO_RETRY)
    if not limits.allows_priority(_priority(submission, limits)):
        raise Forbidden(
            f"You may start tasks up to the priority {limits.highest_priority}, not {submission.priority}. "
            "Choose another, or ask an admin."
        )
    if limits.tasks_per_day == 0:
        raise Forbidden(NO_TASKS)


def _refuse_beyond_day(session: Session, identity: Identity, limits: PersonLimits) -> None:
    if limits.tasks_per_day is None:
        return
    serialise(session)
    if (refusal := _day_is_over(session, identity, limits.tasks_per_day)) is not None:
        raise refusal


def why_not_start(session: Session, identity: Identity) -> str:
    """The sentence with which any task of this person would be refused now; empty where none would be."""
    limits = limits_for(session, identity)
    if limits.tasks_per_day is None:
        return ""
    if limits.tasks_per_day == 0:
        return NO_TASKS
    refusal = _day_is_over(session, identity, limits.tasks_per_day)
    return refusal.message if refusal else ""


def _day_is_over(session: Session, identity: Identity, tasks_per_day: int) -> RateLimited | None:
    """A day is one of UTC; every task that was made counts, whatever became of it."""
    now = utc_now()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    made = select(func.count()).select_from(Task).where(Task.owner_id == identity.user_id, Task.created_at >= today)
    if (session.scalar(made) or 0) < tasks_per_day:
        return None
    left_s = math.ceil((today + timedelta(days=1) - now).total_seconds())
    hours, minutes = divmod(-(-left_s // 60), 60)
    wait = f"{hours} h {minutes} min" if hours else f"{minutes} min"
    tasks = "1 task" if tasks_per_day == 1 else f"{tasks_per_day:,} tasks"
    return RateLimited(
        f"Your limit is {tasks} a day, and you have started as many today. You can go on at 00:00 UTC, in {wait}.",
        retry_after_s=left_s,
    )


def _priority(submission: Submission, limits: PersonLimits) -> Priority:
    """Normal is what nobody has chosen: for somebody who may use only low it is that."""
    is_usual = submission.priority == Priority.NORMAL and not limits.allows_priority(Priority.NORMAL)
    return Priority.LOW if is_usual else submission.priority


def _timeout_s(submission: Submission, limits: PersonLimits) -> float | None:
    """The shorter of the job's and the person's; it stays the task's, whatever becomes of the limit."""
    known = [each for each in (submission.timeout_s or submission.job.timeout_s, limits.timeout_s) if each]
    return min(known) if known else None


def _new_task(identity: Identity, submission: Submission, limits: PersonLimits) -> Task:
    now, priority = utc_now(), _priority(submission, limits)
    job = submission.job
    return Task(
        id=str(uuid.uuid4()),
        kind=job.kind,
        title=submission.title,
        params=submission.params,
        owner_id=identity.user_id,
        visibility=submission.visibility,
        priority=priority,
        priority_rank=priority.rank,
        resource=submission.resource,
        idempotency_key=submission.idempotency_key,
        retry_of=submission.retry_of,
        schedule_id=submission.schedule_id,
        state=State.QUEUED,
        attempt=0,
        max_attempts=job.retry.max_attempts,
        timeout_s=_timeout_s(submission, limits),
        created_at=now,
        queued_at=now,
        progress={"phases": initial_phases(job)},
        log_total=0,
        log_warnings=0,
        log_errors=0,
    )


def initial_phases(job: Job) -> list[dict[str, Any]]:
    """The phases of a task that has not begun, with each one's share of the whole."""
    total = sum(phase.weight for phase in job.phases) or 1
    return [
        {
            "name": phase.name,
            "title": phase.title,
            "weight": round(phase.weight / total, 6),
            "state": "pending",
            "done": None,
            "total": None,
            "unit": None,
            "note": None,
            "started_at": None,
            "duration_ms": None,
            "first_line": None,
        }
        for phase in job.phases
    ]


def request_cancel(database: Database, identity: Identity, task_id: str, reason: str | None) -> dict[str, Any]:
    """Ask for a task to end. A queued one is cancelled here and now; a running one is told to stop.

    Asking again while it stops changes nothing. Returns the snapshot after it. Raises NotFound, Forbidden, Conflict
    (already ended).
    """
    with database.write() as session:
        return request_cancel_within(session, identity, task_id, reason)


def request_cancel_within(
    session: Session, identity: Identity, task_id: str, reason: str | None, actor: Actor | None = None
) -> dict[str, Any]:
    """The same in the caller's transaction. What admins do to others' tasks is kept in the audit log, as is all that
    comes with an `actor`.
    """
    task, owner = store.find_changeable_task(session, task_id, identity)
    if not limits_for(session, identity).may_cancel:
        raise Forbidden(NO_CANCEL)
    session.refresh(task, with_for_update=True)
    if is_final(task.state):
        raise Conflict(f"This task has already ended: it is {task.state}.", details={"state": task.state})
    if task.cancel_requested_at is None:
        if actor is not None or identity.user_id != task.owner_id:
            who = actor or Actor(identity.username, identity.user_id)
            before, after = {"state": task.state}, {"cancel_requested": True}
            audit.record(session, "task.cancelled", f"task:{task.id}", who, reason=reason, before=before, after=after)
        asked = {"cancel_requested_at": utc_now(), "cancelled_by": identity.username, "cancel_reason": reason}
        if task.state == State.QUEUED:
            _cancel_queued(session, task, utc_now(), asked)
        else:
            _update_from(session, task, State.RUNNING, asked)
            record(session, task_id, events.PROGRESS_UPDATE)
    return store.snapshot(task, owner)


def change_priority_within(session: Session, task: Task, priority: Priority) -> None:
    """Let a waiting task wait in another line, where it keeps its place by age; it is to be sent to workers anew.

    Raises IllegalTransition when it does not wait any more.
    """
    values = {"priority": priority, "priority_rank": priority.rank, "dispatched_at": None}
    _update_from(session, task, State.QUEUED, values)
    record(session, task.id, events.PROGRESS_UPDATE)


def _cancel_queued(session: Session, task: Task, now: datetime, asked: dict[str, Any]) -> None:
    ended = {"state": State.CANCELLED, "finished_at": now, "forced": False, "retry_at": None}
    waited_ms = int((now - task.created_at).total_seconds() * 1000)
    _update_from(session, task, State.QUEUED, {**asked, **ended, "duration_ms": max(0, waited_ms)})
    record(session, task.id, events.TASK_CANCELLED)


def _update_from(session: Session, task: Task, state: State, values: dict[str, Any]) -> None:
    written = session.execute(
        update(Task)
        .where(Task.id == task.id, Task.state == state)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    if written.rowcount != 1:  # type: ignore[attr-defined]
        raise IllegalTransition("The task has just changed. Look again before you try that once more.")
    session.refresh(task)
