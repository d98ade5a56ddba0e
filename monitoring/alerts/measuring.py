"""What the rules judge, measured where the scheduler runs: the machine, Redis, and what SQL says of tasks.

Whatever cannot be measured is None, and nothing is concluded from it: neither that something is wrong nor that it is
over.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import redis
from redis.exceptions import RedisError, ResponseError
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from config import Config
from monitoring.presence import present
from tasks import queue_control
from tasks.models import Task
from tasks.states import State

NEWEST_FAILURES = 500


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine of this process, in bytes."""

    host: str
    disk_path: str
    disk_free: int
    disk_total: int
    memory_available: int
    memory_total: int


@dataclass(frozen=True, slots=True)
class LiveParts:
    """What Redis knows. `error` says why it did not answer or takes no writes; then the rest is None."""

    error: str | None
    answers: bool = True
    webs: list[dict[str, Any]] | None = None
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Tasks that could begin now. `oldest_at` is since when the first of them waits."""

    tasks: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class Running:
    """A task that runs, as its row has it."""

    task_id: str
    title: str
    worker: str
    attempt: int
    lease: datetime | None
    stalled_since: datetime | None


@dataclass(frozen=True, slots=True)
class Failures:
    """How the newest tasks of one job ended. `moments` are those of its newest failures, the newest first."""

    kind: str
    ended: int
    failed: int
    moments: tuple[datetime, ...]
    newest_task: str
    newest_error: str


def machine(config: Config) -> Machine:
    """Disk and memory; what is kept for root is not free. Raises OSError for a disk that does not answer."""
    memory, disk = psutil.virtual_memory(), psutil.disk_usage(str(_existing(config.data_dir)))
    host = socket.gethostname().split(".")[0]
    return Machine(host, str(config.data_dir), disk.free, disk.total, memory.available, memory.total)


def live_parts(client: redis.Redis, prefix: str) -> LiveParts:
    """Who says over Redis that they live. Takes as long as the client waits when Redis is silent.

    It is asked to write, as everybody does who lives: with a full disk or memory it answers and takes nothing.
    """
    try:
        client.set(f"{prefix}alerts:probe", 1, ex=60)
        webs = present(client, prefix, "web")
        workers = len(present(client, prefix, "worker"))
    except RedisError as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        return LiveParts(said, isinstance(error, ResponseError))
    return LiveParts(None, True, webs, workers)


def waiting(session: Session, now: datetime) -> Waiting:
    """What waits, except for what admins have paused and what waits for its next attempt."""
    control = queue_control.read(session)
    if control.holds_all:
        return Waiting(0, None)
    since = func.coalesce(Task.retry_at, Task.queued_at)
    conditions: list[ColumnElement[bool]] = [
        Task.state == State.QUEUED,
        or_(Task.retry_at.is_(None), Task.retry_at <= now),
    ]
    if control.paused_kinds:
        conditions.append(Task.kind.not_in(list(control.paused_kinds)))
    number = session.scalar(select(func.count()).select_from(Task).where(*conditions)) or 0
    oldest = session.execute(
        select(Task.retry_at, Task.queued_at).where(*conditions).order_by(since).limit(1)
    ).one_or_none()
    return Waiting(number, (oldest.retry_at or oldest.queued_at) if oldest else None)


def running(session: Session) -> list[Running]:
    """Every running task."""
    query = select(
        Task.id,
        Task.title,
        Task.worker,
        Task.attempt,
        Task.lease_expires_at,
        Task.progress["stalled_since"].as_string(),
    ).where(Task.state == State.RUNNING)
    return [
        Running(task_id, title, worker or "", attempt, lease, _moment(stalled))
        for task_id, title, worker, attempt, lease, stalled in session.execute(query)
    ]


def failures(session: Session, since: datetime, settled: Mapping[str, datetime]) -> list[Failures]:
    """How the tasks of each job ended since then, where one failed after what somebody called over (`settled`)."""
    is_judged = Task.state.in_((State.COMPLETED, State.FAILED))
    ended = select(Task.kind, Task.state, func.count()).where(Task.finished_at >= since, is_judged)
    counts = {(kind, state): number for kind, state, number in session.execute(ended.group_by(Task.kind, Task.state))}
    failed = (
        select(Task.kind, Task.finished_at, Task.id, Task.error)
        .where(Task.finished_at >= since, Task.state == State.FAILED)
        .order_by(Task.finished_at.desc())
        .limit(NEWEST_FAILURES)
    )
    moments: dict[str, list[datetime]] = {}
    newest: dict[str, tuple[str, str]] = {}
    for row in session.execute(failed):
        if row.finished_at is not None and (row.kind not in settled or row.finished_at > settled[row.kind]):
            moments.setdefault(row.kind, []).append(row.finished_at)
            newest.setdefault(row.kind, (row.id, row.error or ""))
    found = []
    for kind, at in moments.items():
        number = max(counts.get((kind, State.FAILED), 0), len(at))
        ended_in_all = counts.get((kind, State.COMPLETED), 0) + number
        found.append(Failures(kind, ended_in_all, number, tuple(at), *newest[kind]))
    return found


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)
