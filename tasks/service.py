"""What the web process may do to tasks: submit, cancel, run again. Each commits, then announces and dispatches."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, TypedDict, TypeVar, Unpack

import redis
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from accounts import Actor, Identity
from accounts.limits import limits_for
from config import Config
from database import Database, DatabaseBusy
from tasks import lifecycle, store
from tasks.errors import Conflict, Forbidden, InvalidParams
from tasks.events import Announcer, printable
from tasks.lifecycle import Submission
from tasks.models import Task
from tasks.queue import TaskQueue
from tasks.registry import Job, find_job
from tasks.states import Priority, Visibility, is_final

log = logging.getLogger("taskroom.tasks")

MAX_TITLE = 300
MAX_KEY = 200
MAX_REASON = 500
ChoiceT = TypeVar("ChoiceT", bound=StrEnum)


class Options(TypedDict, total=False):
    """How a task is started. `address` is where the asker is, for the audit log."""

    title: str | None
    priority: str | None
    visibility: str | None
    idempotency_key: str | None
    retry_of: str | None
    schedule_id: str | None
    notify: bool | None
    address: str | None


class Tasks:
    """Commands on the tasks of one installation, as a person or program gives them."""

    def __init__(self, config: Config, database: Database, announcer: Announcer, queue: TaskQueue) -> None:
        self._config = config
        self._database = database
        self._announcer = announcer
        self._queue = queue

    def submit(
        self, identity: Identity, kind: str, params: Mapping[str, Any], **options: Unpack[Options]
    ) -> tuple[str, bool]:
        """Start a task; its id, and False when the idempotency key had started it before.

        Raises what `prepare` does, Conflict (resource busy), and Forbidden and RateLimited (the person's limits).
        """
        submission = self.prepare(identity, kind, params, **options)
        task_id, is_new = lifecycle.submit(self._database, identity, submission)
        if is_new:
            log.info("task %s: %s asked for %s", task_id, identity.username, kind)
            self.tell(task_id)
        return task_id, is_new

    def prepare(
        self, identity: Identity, kind: str, params: Mapping[str, Any], **options: Unpack[Options]
    ) -> Submission:
        """A task that may be started, checked and not yet stored.

        Raises NotFound (kind), Forbidden (kind for admins), InvalidParams (each wrong field).
        """
        job = self._startable(identity, kind)
        checked = job.validated(dict(params), self._config)
        if job.allow:
            job.allow(checked, identity, self._config)
        resource = job.resource_for(checked, self._config) if job.resource_for else None
        kept = job.audited(checked, self._config) if job.audited else None
        actor = Actor(identity.username, identity.user_id, options.get("address"))
        return Submission(
            job=job,
            params=checked.model_dump(mode="json"),
            title=_title(options.get("title")) or _title(job.title_of(checked)) or job.title,
            priority=choice("priority", options.get("priority"), Priority, Priority.NORMAL),
            visibility=choice(
                "visibility", options.get("visibility"), Visibility, Visibility(self._config.default_visibility)
            ),
            resource=resource[:500] if resource else None,
            idempotency_key=_key(options.get("idempotency_key")),
            retry_of=options.get("retry_of"),
            schedule_id=options.get("schedule_id"),
            notify=options.get("notify"),
            timeout_s=job.timeout_for(checked, self._config) if job.timeout_for else None,
            audit=(actor, kept) if kept is not None else None,
        )

    def cancel(self, identity: Identity, task_id: str, reason: str | None = None) -> dict[str, Any]:
        """Ask for the task to end; its snapshot afterwards. Raises NotFound, Forbidden, Conflict (has ended)."""
        words = _one_line(reason or "")[:MAX_REASON] or None
        snapshot = lifecycle.request_cancel(self._database, identity, task_id, words)
        self._announcer.announce(task_id)
        return snapshot

    def retry(self, identity: Identity, task_id: str, address: str | None = None) -> str:
        """Start a new task from the parameters of one that has ended; both name each other.

        Raises NotFound, Forbidden, Conflict (has not ended), InvalidParams (they are not allowed any more).
        """
        with self._database.read() as session:
            task, _ = store.find_changeable_task(session, task_id, identity)
            newest = session.scalar(select(Task.state).where(Task.id == task.retried_by)) if task.retried_by else None
        if not is_final(task.state):
            raise Conflict("This task has not ended yet. Cancel it first, or wait for its end.")
        if newest is not None and not is_final(newest):
            raise Conflict("This task is being run again already.", details={"task_id": task.retried_by})
        new_id, _ = self.submit(
            identity,
            task.kind,
            task.params,
            title=task.title,
            priority=task.priority,
            visibility=task.visibility,
            retry_of=task.id,
            address=address,
        )
        return new_id

    def snapshot(self, identity: Identity, task_id: str) -> dict[str, Any]:
        """The task's state as SQL has it, with its place in line and what the asker may do. Raises NotFound."""
        with self._database.read() as session:
            task, owner = store.find_task(session, task_id, identity)
            position = store.queue_position(session, task)
            may = store.allowed(task, identity, limits_for(session, identity))
        return {**store.snapshot(task, owner), "queue_position": position, "may": may}

    def _startable(self, identity: Identity, kind: str) -> Job:
        job = find_job(kind)
        if job.admin_only and not identity.is_admin:
            raise Forbidden(f"Only admins may start {job.title!r}.")
        return job

    def announce(self, task_id: str) -> None:
        """Announce what was just stored of a task."""
        self._announcer.announce(task_id)

    def send_anew(self, task_ids: Sequence[str]) -> None:
        """Announce waiting tasks whose place in line has changed, and send them to workers by the new one."""
        for task_id in task_ids:
            self._announcer.announce(task_id)
        try:
            self._queue.withdraw(task_ids)
            self._queue.dispatch(batch=10)
        except (redis.RedisError, SQLAlchemyError, DatabaseBusy) as error:
            log.warning("%d tasks are sent anew later: %s", len(task_ids), type(error).__name__)

    def tell(self, task_id: str) -> None:
        """Announce a task that was just stored, and send it to a worker."""
        self._announcer.announce(task_id)
        try:
            self._queue.dispatch(batch=10)
        except (redis.RedisError, SQLAlchemyError, DatabaseBusy) as error:
            log.warning("task %s is sent to a worker later: %s", task_id, type(error).__name__)


def _title(title: str | None) -> str | None:
    if title is None:
        return None
    if not isinstance(title, str):
        raise InvalidParams({"title": "The title must be text."})
    return _one_line(title)[:MAX_TITLE] or None


def _one_line(text: str) -> str:
    return " ".join(printable(text, " ").split())


def _key(key: str | None) -> str | None:
    if key is not None and (not key or len(key) > MAX_KEY or not key.isprintable()):
        raise InvalidParams({"Idempotency-Key": f"The key must be 1 to {MAX_KEY} printable characters."})
    return key


def choice(name: str, value: str | None, allowed: type[ChoiceT], default: ChoiceT) -> ChoiceT:
    """The value as one of a closed set; the default for none. Raises InvalidParams."""
    if value is None or value == "":
        return default
    try:
        return allowed(value)
    except ValueError:
        raise InvalidParams({name: f"Choose one of {', '.join(allowed)}."}) from None
