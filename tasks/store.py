"""Reading tasks: what exists, who may see it, and the snapshot that every surface shows.

Loading a task *through* what the asker may see is the access check: there is no other way to get one for a person.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select, true
from sqlalchemy.orm import Session

from accounts import Identity, User
from accounts.limits import PersonLimits
from database import Database, rfc3339, utc_now
from tasks.errors import Forbidden, NotFound
from tasks.models import Artifact, LogLine, Task, TaskAttempt, TaskEvent
from tasks.states import ACTIVE, State, Visibility, is_final

MAX_LOG_LINES = 1000


def visible_to(identity: Identity) -> ColumnElement[bool]:
    """The condition under which this person may watch a task."""
    if identity.is_admin:
        return true()
    return or_(Task.owner_id == identity.user_id, Task.visibility == Visibility.EVERYONE)


@dataclass(frozen=True, slots=True)
class Audience:
    """Who may watch a task, and what kind it is, without the task."""

    owner_id: int
    visibility: str
    kind: str

    def admits(self, identity: Identity) -> bool:
        """Whether this person may watch: the same rule as `visible_to`."""
        return identity.is_admin or self.owner_id == identity.user_id or self.visibility == Visibility.EVERYONE


_AUDIENCE = select(Task.owner_id, Task.visibility, Task.kind).where(Task.id == bindparam("task_id"))


def audience(database: Database, task_id: str) -> Audience | None:
    """Who may watch this task; None if there is no such task."""
    row = database.first(_AUDIENCE, task_id=task_id)
    return None if row is None else Audience(*row)


def may_change(task: Task, identity: Identity) -> bool:
    """Whether this person may cancel, retry or share the task: its owner and admins."""
    return identity.is_admin or task.owner_id == identity.user_id


def allowed(task: Task, identity: Identity, limits: PersonLimits) -> dict[str, bool]:
    """What this person, whose limits these are, may do to the task now."""
    may, final = may_change(task, identity), is_final(task.state)
    return {
        "cancel": may and limits.may_cancel and not final and task.cancel_requested_at is None,
        "retry": may and limits.may_retry and final,
        "share": may,
    }


def find_task(session: Session, task_id: str, identity: Identity) -> tuple[Task, str]:
    """The task and its owner's name, if this person may watch it.

    Raises NotFound alike for a task that does not exist and for one that the person may not see.
    """
    row = session.execute(_with_owner().where(Task.id == task_id, visible_to(identity))).one_or_none()
    if row is None:
        is_hidden = session.scalar(select(Task.id).where(Task.id == task_id)) is not None
        raise no_task(task_id if is_hidden else None)
    return row[0], row[1]


def no_task(hidden_id: str | None = None) -> NotFound:
    """The one answer for tasks that do not exist and for those that the asker may not see (`hidden_id`)."""
    return NotFound(
        "There is no such task, or you may not see it.", refused=None if hidden_id is None else f"task:{hidden_id}"
    )


def find_changeable_task(session: Session, task_id: str, identity: Identity) -> tuple[Task, str]:
    """Like find_task, but raises Forbidden where the person may only watch."""
    task, owner = find_task(session, task_id, identity)
    if not may_change(task, identity):
        words = "You may watch this task, but only its owner or an admin may do that."
        raise Forbidden(words, refused=f"task:{task_id}")
    return task, owner


def load_task(session: Session, task_id: str) -> tuple[Task, str] | None:
    """The task and its owner's name for our own processes, without asking who wants it."""
    row = session.execute(_with_owner().where(Task.id == task_id)).one_or_none()
    return None if row is None else (row[0], row[1])


def _with_owner() -> Select[Task, str]:
    return select(Task, User.username).join(User, User.id == Task.owner_id)


def counters(session: Session, identity: Identity) -> dict[str, int]:
    """Running, queued, and completed and failed since midnight UTC, among the tasks this person sees."""
    today = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    seen = visible_to(identity)
    active = _by_state(session, seen, Task.state.in_(ACTIVE))
    ended = _by_state(session, seen, Task.finished_at >= today)
    return {
        "running": active.get(State.RUNNING, 0),
        "queued": active.get(State.QUEUED, 0),
        "completed_today": ended.get(State.COMPLETED, 0),
        "failed_today": ended.get(State.FAILED, 0),
    }


def _by_state(session: Session, *conditions: ColumnElement[bool]) -> dict[str, int]:
    rows = session.execute(select(Task.state, func.count()).where(*conditions).group_by(Task.state))
    return {state: number for state, number in rows}  # noqa: C416  # a Row is no pair to the type checker


def waiting_tasks(session: Session) -> int:
    """How many tasks wait for a worker, whoever's they are."""
    return session.scalar(select(func.count()).select_from(Task).where(Task.state == State.QUEUED)) or 0


Line = list[tuple[int, datetime]]


def waiting_line(session: Session) -> Line:
    """The order of everything that waits: asked once for a whole list instead of for each task in it."""
    query = select(Task.priority_rank, Task.queued_at).where(Task.state == State.QUEUED)
    return sorted((rank, queued_at) for rank, queued_at in session.execute(query))


def place_in(line: Line, task: Task) -> int | None:
    """The task's place in the line, from 1; None unless it waits."""
    return 1 + bisect_left(line, (task.priority_rank, task.queued_at)) if task.state == State.QUEUED else None


def queue_position(session: Session, task: Task) -> int | None:
    """How many waiting tasks go first, plus one; None unless the task waits."""
    if task.state != State.QUEUED:
        return None
    earlier = or_(
        Task.priority_rank < task.priority_rank,
        and_(Task.priority_rank == task.priority_rank, Task.queued_at < task.queued_at),
    )
    return 1 + (session.scalar(select(func.count()).select_from(Task).where(Task.state == State.QUEUED, earlier)) or 0)


def snapshot(task: Task, owner: str) -> dict[str, Any]:
    """The whole current state of a task as SQL knows it. Times are RFC 3339, unknown is None.

    `epoch` and `seq` are null: they belong to the live tail. Progress is that of the last durable save.
    """
    progress = task.progress
    return {
        "task_id": task.id,
        "kind": task.kind,
        "title": task.title,
        "status": task.state,
        "phase": progress.get("phase"),
        "phases": progress.get("phases", []),
        "progress_percent": 100.0 if task.state == State.COMPLETED else progress.get("progress_percent"),
        "done": progress.get("done"),
        "total": progress.get("total"),
        "unit": progress.get("unit"),
        "rate": None if is_final(task.state) else progress.get("rate"),
        "eta_s": None if is_final(task.state) else progress.get("eta_s"),
        "eta_low_s": None if is_final(task.state) else progress.get("eta_low_s"),
        "eta_high_s": None if is_final(task.state) else progress.get("eta_high_s"),
        "eta_runs": None if is_final(task.state) else progress.get("eta_runs"),
        "estimated_completion": None if is_final(task.state) else progress.get("estimated_completion"),
        "current_step": progress.get("current_step"),
        "details": progress.get("details", {}),
        "stalled_since": progress.get("stalled_since") if task.state == State.RUNNING else None,
        "usual_gap_s": progress.get("usual_gap_s") if task.state == State.RUNNING else None,
        "attempt": task.attempt,
        "max_attempts": task.max_attempts,
        "cancel_requested": task.cancel_requested_at is not None,
        "owner": {"id": task.owner_id, "username": owner},
        "visibility": task.visibility,
        "priority": task.priority,
        "params": task.params,
        "created_at": rfc3339(task.created_at),
        "queued_at": rfc3339(task.queued_at),
        "started_at": rfc3339(task.started_at),
        "finished_at": rfc3339(task.finished_at),
        "retry_at": rfc3339(task.retry_at),
        "cancel_requested_at": rfc3339(task.cancel_requested_at),
        "cancelled_by": task.cancelled_by,
        "reason": task.cancel_reason,
        "forced": task.forced,
        "duration_ms": task.duration_ms,
        "results": task.results,
        "error": task.error,
        "category": task.category,
        "retryable": task.retryable,
        "reference": task.reference,
        "worker": task.worker,
        "timeout_s": task.timeout_s,
        "log_total": task.log_total,
        "log_warnings": task.log_warnings,
        "log_errors": task.log_errors,
        "retry_of": task.retry_of,
        "retried_by": task.retried_by,
        "schedule_id": task.schedule_id,
        "timestamp": rfc3339(utc_now()),
        "epoch": None,
        "seq": None,
    }


def log_lines(
    session: Session,
    task: Task,
    from_line: int = 1,
    limit: int = 500,
    text: str | None = None,
    levels: Sequence[str] = (),
) -> dict[str, Any]:
    """Lines from number `from_line` on: `{lines, next_line, total_lines}`; `next_line` is None at the end.

    `text` and `levels` search the whole log; then `matches` counts all lines that fit.
    """
    limit = max(1, min(limit, MAX_LOG_LINES))
    conditions: list[ColumnElement[bool]] = [LogLine.task_id == task.id]
    if text:
        conditions.append(func.lower(LogLine.text).contains(text.lower(), autoescape=True))
    if levels:
        conditions.append(LogLine.level.in_(levels))
    query = select(LogLine).where(*conditions, LogLine.n >= from_line).order_by(LogLine.n).limit(limit + 1)
    rows = session.scalars(query).all()
    answer: dict[str, Any] = {
        "lines": [line_fields(row) for row in rows[:limit]],
        "next_line": rows[limit].n if len(rows) > limit else None,
        "total_lines": task.log_total,
    }
    if text or levels:
        answer["matches"] = session.scalar(select(func.count()).select_from(LogLine).where(*conditions)) or 0
    return answer


def last_log_lines(session: Session, task: Task, count: int = 200) -> list[dict[str, Any]]:
    """The newest `count` lines, oldest of them first."""
    return log_lines(session, task, max(1, task.log_total - count + 1), count)["lines"] if task.log_total else []


def line_fields(line: LogLine) -> dict[str, Any]:
    """A log line as it goes over the wire."""
    return {"n": line.n, "at": rfc3339(line.at), "level": line.level, "text": line.text}


def text_line(line: Mapping[str, Any]) -> str:
    """A log line as text. Control characters become escapes: it stays one line, and a terminal obeys nothing in it."""
    text = line["text"]
    if not text.isprintable():
        text = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    return f"{line['at']} {line['level'].upper():7} {text}\n"


def history(session: Session, task: Task, after: int = 0, limit: int = 200) -> list[dict[str, Any]]:
    """The task's durable events with a number above `after`, oldest first."""
    rows = session.scalars(
        select(TaskEvent).where(TaskEvent.task_id == task.id, TaskEvent.id > after).order_by(TaskEvent.id).limit(limit)
    )
    return [
        {
            "id": row.id,
            "event": row.name,
            "attempt": row.attempt,
            "status": row.state,
            "timestamp": rfc3339(row.at),
            "data": row.data,
        }
        for row in rows
    ]


def attempts(session: Session, task: Task) -> list[TaskAttempt]:
    """Every execution of the task, first to last."""
    return list(
        session.scalars(select(TaskAttempt).where(TaskAttempt.task_id == task.id).order_by(TaskAttempt.attempt))
    )


def artifact(session: Session, task: Task, name: str) -> Artifact:
    """A file that the job made, or NotFound."""
    found = session.get(Artifact, (task.id, name))
    if found is None:
        raise NotFound("This task has no file of that name.")
    return found


def artifact_names(session: Session, task: Task) -> list[tuple[str, str, int]]:
    """Name, content type and size in bytes of each file that the job made."""
    query = (
        select(Artifact.name, Artifact.content_type, Artifact.size)
        .where(Artifact.task_id == task.id)
        .order_by(Artifact.name)
    )
    return [(row[0], row[1], row[2]) for row in session.execute(query)]


def usual_duration_ms(session: Session, kind: str, last: int = 20) -> tuple[int, int] | None:
    """Shortest and longest of the newest completed runs of this job, or None with fewer than three of them."""
    since = utc_now() - timedelta(days=90)
    rows = session.scalars(
        select(Task.duration_ms)
        .where(Task.kind == kind, Task.state == State.COMPLETED, Task.finished_at > since)
        .order_by(Task.created_at.desc())
        .limit(last)
    ).all()
    known = sorted(each for each in rows if each is not None)
    return (known[0], known[-1]) if len(known) >= 3 else None
