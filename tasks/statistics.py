"""What a job's past says in numbers: durations, failures, waiting and the quality of estimates over some days.

Each question is one grouped statement; what comes back is a row a day, a row a cause, or one. All of it is about the
tasks that the asker may see: their own, or everybody's for an admin.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Float, Select, and_, case, cast, func, literal_column, select, true
from sqlalchemy.orm import Session

from accounts import Identity
from database import rfc3339
from tasks.errors import NotFound
from tasks.estimates.models import TaskTiming
from tasks.models import Task
from tasks.registry import all_jobs, jobs_for
from tasks.states import FINAL, State

RANGES = {"7d": 7, "30d": 30, "90d": 90}
LAST_RUNS = 100
MOST_CAUSES = 20
LOW, MIDDLE, HIGH = 0.05, 0.5, 0.95


def job_statistics(session: Session, identity: Identity, kind: str, asked: str, now: datetime) -> dict[str, Any]:
    """The numbers of one job from the midnight (UTC) that many days ago until `now`; see docs/estimates.md.

    Raises NotFound for a job that the asker may not start and has no tasks of, KeyError for an unknown range.
    """
    days = RANGES[asked]
    start = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    mine = true() if identity.is_admin else Task.owner_id == identity.user_id
    title = _title(session, kind, identity, mine)
    ended = and_(Task.kind == kind, Task.finished_at >= start, mine)
    by_day = _days(session, ended, start, days)
    sums = {name: sum(day[name] for day in by_day) for name in ("completed", "failed", "cancelled")}
    judged = sums["completed"] + sums["failed"]
    return {
        "kind": kind,
        "title": title,
        "range": asked,
        "from": rfc3339(start),
        "to": rfc3339(now),
        **sums,
        "success_rate": round(100 * sums["completed"] / judged, 2) if judged else None,
        "completed_per_day": round(sums["completed"] / days, 2),
        "duration_ms": _durations(session, ended),
        "wait_ms": _waits(session, ended),
        "days": by_day,
        "runs": _runs(session, ended),
        "causes": _causes(session, ended),
        "estimates": _estimates(session, kind, start, None if identity.is_admin else mine),
    }


def _title(session: Session, kind: str, identity: Identity, mine: ColumnElement[bool]) -> str:
    title = next((job.title for job in all_jobs() if job.kind == kind), kind)
    if any(job.kind == kind for job in jobs_for(identity.is_admin)):
        return title
    if session.scalar(select(Task.id).where(Task.kind == kind, mine).limit(1)) is None:
        raise NotFound("There is no such job, or you may not see it.")
    return title


def _days(session: Session, ended: ColumnElement[bool], start: datetime, days: int) -> list[dict[str, Any]]:
    """What ended on each day, oldest first, also on days on which nothing did."""
    moment: ColumnElement[Any] = Task.finished_at.expression
    if not _is_sqlite(session):
        moment = func.timezone(literal_column("'UTC'"), moment)
    day = func.date(moment).label("day")
    rows = session.execute(select(day, Task.state, func.count()).where(ended).group_by(day, Task.state))
    found = {(str(on), state): number for on, state, number in rows}
    names = [str((start + timedelta(days=place)).date()) for place in range(days)]
    return [{"day": name, **{state: found.get((name, state), 0) for state in sorted(FINAL)}} for name in names]


def _durations(session: Session, ended: ColumnElement[bool]) -> dict[str, Any]:
    query = select(cast(Task.duration_ms, Float).label("value")).where(
        ended, Task.state == State.COMPLETED, Task.duration_ms.is_not(None)
    )
    return _spread(session, query)


def _waits(session: Session, ended: ColumnElement[bool]) -> dict[str, Any]:
    """From the queue to the worker, of tasks that were tried once: the pause before another attempt is no waiting."""
    if _is_sqlite(session):
        seconds = (func.julianday(Task.started_at) - func.julianday(Task.queued_at)) * 86400
    else:
        seconds = func.extract("epoch", Task.started_at - Task.queued_at)
    query = select(cast(seconds * 1000, Float).label("value")).where(
        ended, Task.started_at.is_not(None), Task.attempt == 1
    )
    return _spread(session, query)


def _spread(session: Session, values: Select[Any]) -> dict[str, Any]:
    """Median and the ends of the middle nine tenths: each the least value with that share at or below it."""
    found = values.subquery()
    ranked = select(
        found.c.value,
        func.row_number().over(order_by=found.c.value).label("place"),
        func.count().over().label("number"),
    ).subquery()

    def at(share: float) -> ColumnElement[Any]:
        return func.min(case((ranked.c.place >= share * ranked.c.number, ranked.c.value)))

    low, middle, high = session.execute(select(at(LOW), at(MIDDLE), at(HIGH))).one()
    return {name: _whole(value) for name, value in (("low", low), ("median", middle), ("high", high))}


def _whole(value: float | None) -> int | None:
    return None if value is None else max(0, round(value))


def _runs(session: Session, ended: ColumnElement[bool]) -> list[dict[str, Any]]:
    """The last runs that completed or failed, oldest first."""
    rows = session.execute(
        select(Task.id, Task.title, Task.state, Task.finished_at, Task.duration_ms)
        .where(ended, Task.state.in_((State.COMPLETED, State.FAILED)))
        .order_by(Task.finished_at.desc(), Task.id)
        .limit(LAST_RUNS)
    ).all()
    return [
        {
            "task_id": row.id,
            "title": row.title,
            "status": row.state,
            "finished_at": rfc3339(row.finished_at),
            "duration_ms": row.duration_ms,
        }
        for row in reversed(rows)
    ]


def _causes(session: Session, ended: ColumnElement[bool]) -> list[dict[str, Any]]:
    """Failures by category, the commonest first, each with its newest task."""
    newest = func.row_number().over(partition_by=Task.category, order_by=(Task.finished_at.desc(), Task.id))
    ranked = (
        select(
            Task.id,
            Task.category,
            Task.error,
            Task.finished_at,
            newest.label("place"),
            func.count().over(partition_by=Task.category).label("number"),
        )
        .where(ended, Task.state == State.FAILED)
        .subquery()
    )
    rows = session.execute(
        select(ranked).where(ranked.c.place == 1).order_by(ranked.c.number.desc(), ranked.c.category).limit(MOST_CAUSES)
    )
    return [
        {
            "category": row.category,
            "count": row.number,
            "newest_task_id": row.id,
            "newest_at": rfc3339(row.finished_at),
            "newest_error": row.error,
        }
        for row in rows
    ]


def _estimates(session: Session, kind: str, start: datetime, mine: ColumnElement[bool] | None) -> dict[str, Any]:
    """At how many judged moments an estimate stood there, at how many it held, and how far it usually was off."""
    judged = and_(TaskTiming.kind == kind, TaskTiming.finished_at >= start, TaskTiming.told > 0)
    rows = select(TaskTiming.told, TaskTiming.held, TaskTiming.error.label("value")).where(judged)
    if mine is not None:
        rows = rows.join(Task, Task.id == TaskTiming.task_id).where(mine)
    found = rows.subquery()
    ranked = select(
        found,
        func.row_number().over(order_by=found.c.value).label("place"),
        func.count().over().label("number"),
    ).subquery()
    middle = func.min(case((ranked.c.place >= MIDDLE * ranked.c.number, ranked.c.value)))
    runs, told, held, error = session.execute(
        select(func.count(), func.sum(ranked.c.told), func.sum(ranked.c.held), middle).select_from(ranked)
    ).one()
    return {
        "runs": runs,
        "moments": int(told or 0),
        "held": int(held or 0),
        "held_percent": round(100 * held / told, 1) if told else None,
        "median_error_percent": None if error is None else round(100 * error, 1),
    }


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"
