"""Committed, then announced, for sure: brings state changes and log lines from SQL to the live tail, in order, once.

Whoever commits calls `announce`; a sweep calls it for what a crash or an outage left behind. Several at once do no
harm: the tail refuses what it knows.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import orjson
from redis.exceptions import RedisError
from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from database import Database, DatabaseBusy, utc_now
from delivery.event_log import Appended, EventLog, Start
from delivery.notices import Notices, note_pushed
from tasks import events, store
from tasks.lifecycle import event_data, final_event
from tasks.models import LogLine, Task, TaskEvent
from tasks.states import State, is_final

log = logging.getLogger("taskroom.announcer")

PROGRESS_KEPT = ("phase", "phases", "progress_percent", "done", "total", "unit", "current_step", "details")
LINES_PER_EVENT = 500
SWEEP_BATCH = 200
BEGIN_TRIES = 3


class TailAnnouncer:
    """Announces on one database and one event log. `missed` counts what had to be left to the sweep."""

    def __init__(self, database: Database, event_log: EventLog) -> None:
        self._database = database
        self._log = event_log
        self.notices = Notices(database, event_log)
        self.missed = 0

    def announce(self, task_id: str) -> None:
        """Tell all that is committed of this task and not yet told.

        Never raises: what cannot be told now, because Redis or the database is away, is told by the sweep.
        """
        try:
            self._announce(task_id)
        except (RedisError, SQLAlchemyError, DatabaseBusy) as error:
            self.missed += 1
            log.warning("task %s is announced later: %s", task_id, type(error).__name__)

    def announce_lines(self, task_id: str, lines: Sequence[dict[str, Any]]) -> Appended:
        """Tell freshly stored log lines; where the tail lacks earlier ones, those go first. Raises RedisError."""
        told = self._tell_lines(task_id, lines)
        if told.outcome == "gap" and told.log_n is not None:
            self._tell_stored_lines(task_id, told.log_n)
        elif told.outcome == "absent":
            told = self.rebuild(task_id)
            self._tell_missing_lines(task_id, lines[-1]["n"])  # if another began the tail, before these were stored
        return told

    def announce_missing_lines(self, task_id: str) -> None:
        """Tell the stored log lines that the tail does not know of. Raises RedisError."""
        with self._database.read() as session:
            row = store.load_task(session, task_id)
        if row is not None:
            self._tell_missing_lines(task_id, row[0].log_total)

    def rebuild(self, task_id: str, replacing: str = "") -> Appended:
        """Begin the task's tail anew from SQL, under a new epoch. Raises RedisError."""
        with self._database.read() as session:
            self._see_one_moment(session)
            row = store.load_task(session, task_id)
            covered = self._pending(session, task_id)
            start = None if row is None else self._start(session, row[0], row[1])
        if row is None or start is None:
            return Appended("absent")
        begun = self._log.begin(task_id, start, replacing)
        if begun.outcome == "ok":
            self._feed(row[0], row[1], covered)
            self._mark_announced([event.id for event in covered])
        return begun

    def sweep(self, older_than_s: float = 2.0) -> int:
        """Announce what was committed a while ago and never told; returns how many tasks were looked at."""
        before = utc_now() - timedelta(seconds=older_than_s)
        with self._database.read() as session:
            waiting = session.scalars(
                select(TaskEvent.task_id)
                .where(TaskEvent.announced_at.is_(None), TaskEvent.at < before)
                .distinct()
                .limit(SWEEP_BATCH)
            ).all()
        for task_id in waiting:
            self._announce(task_id)
        return len(waiting)

    def _announce(self, task_id: str) -> None:
        with self._database.read() as session:
            pending = self._pending(session, task_id)
            row = store.load_task(session, task_id)
        if not pending or row is None:
            return
        self._tell_missing_lines(task_id, row[0].log_total)
        self._feed(row[0], row[1], [event for event in pending if self._tell_for_sure(event)])
        ended = any(is_final(event.state) for event in pending)
        self._mark_announced([event.id for event in pending], self.notices.publish(task_id) if ended else ())

    def _tell_for_sure(self, event: TaskEvent) -> bool:
        """Tell one event, beginning the tail first where there is none; False if it was told before or in that."""
        for _ in range(BEGIN_TRIES):
            told = self._tell_event(event)
            if told.outcome != "absent":
                return told.outcome == "ok"
            self.rebuild(event.task_id)
        raise RedisError("the tail of this task does not stay in Redis")

    def newest_progress(self, task_id: str, attempt: int) -> dict[str, Any] | None:
        """The progress that watchers of this attempt saw last, or None where the tail does not have it."""
        try:
            tail = self._log.read(task_id)
        except RedisError:
            return None
        if tail is None or tail.snapshot_name != events.PROGRESS_UPDATE:
            return None
        body = orjson.loads("{" + tail.snapshot_body + "}")
        return {name: body[name] for name in PROGRESS_KEPT if name in body} if body.get("attempt") == attempt else None

    def _tell_event(self, event: TaskEvent) -> Appended:
        return self._log.durable(
            event.task_id,
            event.id,
            event.name,
            events.encode_fields(event.data),
            event.attempt if event.state == State.RUNNING else None,
            self._cancel_requested(event),
            is_final(event.state),
        )

    def _cancel_requested(self, event: TaskEvent) -> bool:
        with self._database.read() as session:
            asked = session.scalar(select(Task.cancel_requested_at).where(Task.id == event.task_id))
        return asked is not None

    def _feed(self, task: Task, owner: str, pending: Sequence[TaskEvent]) -> None:
        """Tell the owner's feed and the admin room; both are hints, so the newest state is enough for the latter."""
        if not pending:
            return
        snapshot = store.snapshot(task, owner)
        for state in dict.fromkeys(event.state for event in pending if self._is_news(event)):
            feed = events.task_update(snapshot, state)
            if feed is not None and (state == task.state or is_final(state) or state == State.RUNNING):
                self._log.publish(self._log.user_channel(task.owner_id), feed)
        self._log.publish(self._log.admin_channel, events.job_update(snapshot))

    def _is_news(self, event: TaskEvent) -> bool:
        """Whether the event is a change of state: a wish to cancel a running task, say, is none."""
        if event.state != State.RUNNING:
            return event.name != events.TASK_RETRYING
        same = (TaskEvent.task_id == event.task_id, TaskEvent.attempt == event.attempt, TaskEvent.state == event.state)
        with self._database.read() as session:
            return session.scalar(select(func.min(TaskEvent.id)).where(*same)) == event.id

    def _tell_missing_lines(self, task_id: str, log_total: int) -> None:
        tail = self._log.read(task_id)
        if tail is not None and tail.log_n < log_total:
            self._tell_stored_lines(task_id, tail.log_n)

    def _tell_stored_lines(self, task_id: str, after: int) -> None:
        while True:
            with self._database.read() as session:
                query = select(LogLine).where(LogLine.task_id == task_id, LogLine.n > after).order_by(LogLine.n)
                lines = [store.line_fields(line) for line in session.scalars(query.limit(LINES_PER_EVENT))]
            if not lines:
                return
            told = self._tell_lines(task_id, lines)
            if told.outcome == "absent" or (told.outcome == "gap" and told.log_n == after):
                return
            after = lines[-1]["n"] if told.log_n is None else told.log_n  # another announcer may be further

    def _tell_lines(self, task_id: str, lines: Sequence[dict[str, Any]]) -> Appended:
        body = events.encode_fields({"task_id": task_id, "lines": list(lines)})
        return self._log.lines(task_id, lines[0]["n"], lines[-1]["n"], body)

    def _see_one_moment(self, session: Session) -> None:
        """Let all that this session reads be of one moment, as it always is on SQLite."""
        if not self._database.is_sqlite:
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})

    def _pending(self, session: Session, task_id: str) -> Sequence[TaskEvent]:
        query = select(TaskEvent).where(TaskEvent.task_id == task_id, TaskEvent.announced_at.is_(None))
        return session.scalars(query.order_by(TaskEvent.id)).all()

    def _start(self, session: Session, task: Task, owner: str) -> Start:
        """What SQL knows of the task at one moment."""
        newest = session.scalar(select(func.max(TaskEvent.id)).where(TaskEvent.task_id == task.id)) or 0
        snapshot = store.snapshot(task, owner)
        name = final_event(task.state) if is_final(task.state) else events.PROGRESS_UPDATE
        return Start(
            durable=newest,
            log_n=task.log_total,
            live_attempt=task.attempt if task.state == State.RUNNING else None,
            cancel_requested=task.cancel_requested_at is not None,
            is_final=is_final(task.state),
            name=name,
            body=events.encode_fields(event_data(name, snapshot)),
        )

    def _mark_announced(self, event_ids: Sequence[int], notices: Sequence[int] = ()) -> None:
        if not event_ids:
            return
        with self._database.write() as session:
            if notices:
                note_pushed(session, notices)
            session.execute(
                update(TaskEvent)
                .where(TaskEvent.id.in_(event_ids), TaskEvent.announced_at.is_(None))
                .values(announced_at=utc_now())
                .execution_options(synchronize_session=False)
            )
