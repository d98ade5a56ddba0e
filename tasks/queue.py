"""The outbox to RQ: which waiting tasks are sent to the workers, and when once more.

SQL holds the queue's truth; RQ carries ids only. An id that gets lost is sent again, one that arrives twice is claimed
once. There is one RQ queue per priority, and workers empty them in that order.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Collection, Sequence
from datetime import timedelta

import redis
from rq import Queue
from rq.job import Job as RqJob
from sqlalchemy import func, or_, select, update

from accounts.limits import default_running, own_limits
from database import Database, utc_now
from tasks import queue_control
from tasks.lifecycle import Limits
from tasks.models import Task
from tasks.states import Priority, State

log = logging.getLogger("taskroom.queue")

RUN_TASK = "tasks.runner.run_task"
LOST_AFTER_S = 10.0
DISPATCH_BATCH = 100
RQ_TTL_S = 24 * 3600


class TaskQueue:
    """Sends waiting tasks of one database to the workers of one Redis."""

    def __init__(self, database: Database, client: redis.Redis, prefix: str, limits: Limits) -> None:
        self._database = database
        self._limits = limits
        self.queues = {priority: Queue(queue_name(prefix, priority), connection=client) for priority in Priority}

    def dispatch(self, batch: int = DISPATCH_BATCH) -> int:
        """Send the waiting tasks that may run now, most urgent first. Raises redis.RedisError; nothing is lost then."""
        sent = 0
        for task_id, priority in self._ready(batch):
            if self._mark_sent(task_id):
                self._enqueue(task_id, Priority(priority))
                sent += 1
        return sent

    def resend_lost(self) -> int:
        """Let ids be sent again that were sent a while ago, are in no queue, and were claimed by nobody."""
        before = utc_now() - timedelta(seconds=LOST_AFTER_S)
        with self._database.read() as session:
            query = select(Task.id).where(Task.state == State.QUEUED, Task.dispatched_at < before).limit(1000)
            candidates = set(session.scalars(query))
        if not candidates:
            return 0
        waiting = {job_id.rsplit("_", 1)[0] for queue in self.queues.values() for job_id in queue.get_job_ids()}
        lost = candidates - waiting
        for task_id in lost:
            self._unmark_sent(task_id)
        if lost:
            log.warning("%d task ids were lost on their way to a worker; they are sent again", len(lost))
        return len(lost)

    def withdraw(self, task_ids: Collection[str]) -> int:
        """Take these tasks out of the lines before the workers; how many stood there. Raises redis.RedisError.

        Who has just taken one begins it all the same: only the claim decides.
        """
        wanted, taken = set(task_ids), 0
        for queue in self.queues.values():
            for job_id in queue.get_job_ids():
                if job_id.rsplit("_", 1)[0] in wanted:
                    queue.remove(job_id)
                    taken += 1
        return taken

    def _ready(self, batch: int) -> Sequence[tuple[str, str]]:
        """Waiting, due, unsent tasks that nothing holds, within the limits, in the order in which they go."""
        now = utc_now()
        with self._database.read() as session:
            control = queue_control.read(session)
            if control.holds_all:
                return ()
            occupied = or_(Task.state == State.RUNNING, (Task.state == State.QUEUED) & Task.dispatched_at.is_not(None))
            rows = session.execute(select(Task.owner_id, func.count()).where(occupied).group_by(Task.owner_id))
            used: dict[int, int] = {owner: number for owner, number in rows}  # noqa: C416  # as in tasks.store
            waiting = session.execute(
                select(Task.id, Task.priority, Task.owner_id)
                .where(
                    Task.state == State.QUEUED,
                    Task.dispatched_at.is_(None),
                    Task.kind.not_in(control.paused_kinds),
                    or_(Task.retry_at.is_(None), Task.retry_at <= now),
                )
                .order_by(Task.priority_rank, Task.queued_at, Task.id)
                .limit(batch * 10)
            ).all()
            usual = default_running(session, self._limits.per_user)
            own = own_limits(session, {owner for _, _, owner in waiting})
        free = self._limits.total - sum(used.values())
        ready: list[tuple[str, str]] = []
        for task_id, priority, owner_id in waiting:
            if len(ready) >= min(free, batch):
                break
            if used.get(owner_id, 0) < own.get(owner_id, {}).get("max_running", usual):
                used[owner_id] = used.get(owner_id, 0) + 1
                ready.append((task_id, priority))
        return ready

    def _mark_sent(self, task_id: str) -> bool:
        with self._database.write() as session:
            marked = session.execute(
                update(Task)
                .where(Task.id == task_id, Task.state == State.QUEUED, Task.dispatched_at.is_(None))
                .values(dispatched_at=utc_now())
                .execution_options(synchronize_session=False)
            )
            return bool(marked.rowcount == 1)  # type: ignore[attr-defined]

    def _unmark_sent(self, task_id: str) -> None:
        with self._database.write() as session:
            session.execute(
                update(Task)
                .where(Task.id == task_id, Task.state == State.QUEUED)
                .values(dispatched_at=None)
                .execution_options(synchronize_session=False)
            )

    def _enqueue(self, task_id: str, priority: Priority) -> None:
        queue = self.queues[priority]
        try:
            queue.enqueue_call(
                RUN_TASK,
                args=(task_id,),
                timeout=-1,
                result_ttl=0,
                failure_ttl=60,
                ttl=RQ_TTL_S,
                job_id=f"{task_id}_{secrets.token_hex(4)}",
            )
        except redis.RedisError:
            self._unmark_sent(task_id)
            raise


def queue_name(prefix: str, priority: Priority) -> str:
    """The RQ queue of this priority; installations that share a Redis differ in the prefix."""
    return f"{prefix.rstrip(':').replace(':', '-')}-{priority}"


def task_id_of(job: RqJob) -> str:
    """The task that an RQ job carries."""
    return str(job.args[0])
