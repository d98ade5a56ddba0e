"""What the scheduler does with schedules: whatever comes due starts its task once, however many schedulers there are.

The one rule: a schedule is moved on to its next moment in the same transaction that stores the task, and only by who
finds it still where it was. So no fire is lost and none comes twice, whoever dies when. A machine that was off runs
what it missed once, not once for each time, and only where the schedule wants that.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from accounts import Identity, identity_of
from database import Database, rfc3339
from tasks import queue_control
from tasks.cron import Cron
from tasks.errors import Conflict, Forbidden, InvalidParams, RateLimited, TaskroomError, Unavailable
from tasks.lifecycle import Submission, submit_within
from tasks.lifecycle.record import serialise
from tasks.schedules.models import Schedule
from tasks.schedules.recipes import Overlap, active_task, note_start
from tasks.service import Tasks

log = logging.getLogger("taskroom.schedules")

MISSED_AFTER = timedelta(seconds=90)
"""later than this, nobody was there to start it"""
CLOCK_TOLERANCE = timedelta(minutes=5)
AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class _Ready:
    """What a due schedule would start, or why it cannot."""

    identity: Identity | None = None
    submission: Submission | None = None
    problem: str = ""


class Firing:
    """Starts what is due. Moments are passed in, aware and in UTC."""

    def __init__(self, database: Database, tasks: Tasks) -> None:
        self._database = database
        self._tasks = tasks

    def fire_due(self, now: datetime) -> list[str]:
        """Deal with every schedule that is due; the tasks that were started. During maintenance they stay due."""
        query = select(Schedule).where(Schedule.active.is_(True), Schedule.next_run_at <= now)
        with self._database.read() as session:
            if queue_control.read(session).maintenance:
                return []
            due = session.scalars(query.order_by(Schedule.next_run_at).limit(AT_ONCE)).all()
        started = [task_id for schedule in due if (task_id := self._deal_with(schedule, now)) is not None]
        for task_id in started:
            self._tasks.tell(task_id)
        return started

    def set_right(self, now: datetime) -> None:
        """After a clock that was ahead: whoever waits for a moment that is further off than the next one, does not."""
        query = select(Schedule).where(Schedule.active.is_(True), Schedule.next_run_at > now)
        with self._database.read() as session:
            waiting = session.scalars(query).all()
        for schedule in waiting:
            done = schedule.due_at if schedule.due_at and schedule.due_at < now + CLOCK_TOLERANCE else None
            following = _next(schedule, max(now, done or now))
            if following is None or schedule.next_run_at is None or schedule.next_run_at <= following:
                continue
            with self._database.write() as session:
                _move(session, schedule, {"next_run_at": following})
            log.warning("schedule %s runs at %s: the clock was ahead", schedule.id, rfc3339(following))

    def _deal_with(self, schedule: Schedule, now: datetime) -> str | None:
        """Start, leave out or keep waiting; the id of the task that was started."""
        assert schedule.next_run_at is not None
        if schedule.waiting:
            with self._database.read() as session:
                if active_task(session, schedule.id) is not None:
                    return None
        is_missed = now - schedule.next_run_at > MISSED_AFTER and not schedule.waiting
        ready = _Ready() if is_missed and not schedule.catch_up else self._prepare(schedule)
        try:
            with self._database.write() as session:
                return self._settle(session, schedule, ready, is_missed, now)
        except Conflict as busy:  # something else works on the same: a repository is scanned by hand, say
            with self._database.write() as session:
                self._hold_back(session, schedule, busy.message, now)
            return None
        except Unavailable:  # maintenance has just begun: it stays due
            return None
        except (Forbidden, RateLimited) as refusal:  # the owner's limits
            with self._database.write() as session:
                _move(session, schedule, _outcome(schedule, now, "refused", refusal.message))
            return None

    def _prepare(self, schedule: Schedule) -> _Ready:
        """Check what is to be started, before any lock is taken: that may touch disks."""
        with self._database.read() as session:
            identity = identity_of(session, schedule.owner_id)
        if identity is None:
            return _Ready(problem="The account of its owner is disabled. Enable it, or make the schedule your own.")
        try:
            submission = self._tasks.prepare(
                identity,
                schedule.kind,
                schedule.params,
                title=schedule.name,
                priority=schedule.priority,
                visibility=schedule.visibility,
                idempotency_key=f"schedule:{schedule.id}:{rfc3339(schedule.next_run_at)}",
                schedule_id=schedule.id,
            )
        except TaskroomError as error:
            return _Ready(problem=error.message)
        except Exception as error:  # a job's own check: it must not keep the other schedules from running
            log.exception("the parameters of schedule %s could not be checked", schedule.id)
            return _Ready(problem=f"Its parameters could not be checked: {type(error).__name__}.")
        return _Ready(identity, submission)

    def _settle(
        self, session: Session, schedule: Schedule, ready: _Ready, is_missed: bool, now: datetime
    ) -> str | None:
        if is_missed and not schedule.catch_up:
            words = f"It was due at {rfc3339(schedule.next_run_at)}, when nothing could be started."
            _move(session, schedule, _outcome(schedule, now, "missed", words))
            return None
        if ready.identity is None or ready.submission is None:
            _move(session, schedule, _outcome(schedule, now, "refused", ready.problem))
            return None
        serialise(session)
        if active_task(session, schedule.id) is not None:
            self._hold_back(session, schedule, "The run before had not ended.", now)
            return None
        if not _move(session, schedule, _outcome(schedule, now, "started", None)):
            return None
        task_id, is_new = submit_within(session, ready.identity, ready.submission)
        note_start(session, schedule.id, task_id, now)
        return task_id if is_new else None

    def _hold_back(self, session: Session, schedule: Schedule, why: str, now: datetime) -> None:
        """It cannot start beside what runs: leave this one out, or let it wait for the end of that."""
        if schedule.overlap == Overlap.SKIP:
            _move(session, schedule, _outcome(schedule, now, "skipped", why))
        elif not schedule.waiting:
            _move(session, schedule, {"waiting": True})


def _outcome(schedule: Schedule, now: datetime, outcome: str, error: str | None) -> dict[str, Any]:
    """What to store of a moment that was dealt with, and the moment that follows, past what was missed meanwhile."""
    assert schedule.next_run_at is not None
    following = _next(schedule, max(now, schedule.next_run_at))
    return {
        "due_at": schedule.next_run_at,
        "next_run_at": following,
        "waiting": False,
        "last_outcome": outcome,
        "last_error": error,
    }


def _next(schedule: Schedule, after: datetime) -> datetime | None:
    """None also for a time zone that is not known here any more: its page says so."""
    try:
        return Cron.parse(schedule.cron, schedule.timezone).next(after)
    except InvalidParams:
        return None


def _move(session: Session, schedule: Schedule, values: dict[str, Any]) -> bool:
    """Write, if the schedule still stands where it was read; whether it did."""
    moved = session.execute(
        update(Schedule)
        .where(
            Schedule.id == schedule.id,
            Schedule.next_run_at == schedule.next_run_at,
            Schedule.updated_at == schedule.updated_at,
            Schedule.active.is_(True),
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    return bool(moved.rowcount == 1)  # type: ignore[attr-defined]
