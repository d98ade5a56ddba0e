"""What pages ask of the core: tasks through what the person may see, and the few commands that pages have.

Times come from here too, so that a page is true at one moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from flask import Flask, current_app
from sqlalchemy import func, select
from sqlalchemy.orm import Session

import extensions
from accounts import Identity
from config import Config
from database import Database, rfc3339, utc_now
from delivery.newest_state import add_tail
from delivery.quick_redis import QuickRedis
from pages import format as words
from pages.listing import Found, ListAsked
from pages.log_view import WINDOW, LogAsked
from tasks import listing, queue_control, store
from tasks.listing import Page
from tasks.models import Task, TaskEvent
from tasks.schedules import recipes
from tasks.service import Tasks
from tasks.states import State

ReadT = TypeVar("ReadT")
Snapshot = Mapping[str, Any]
NEWEST_FAILED = 20
LIVE_TAIL = "taskroom_pages_tail"


@dataclass(frozen=True, slots=True)
class Activity:
    """What home shows, from one reading transaction."""

    running: Sequence[Snapshot]
    recent: Sequence[Snapshot]
    counters: dict[str, int]
    failed_mine: Sequence[Snapshot]


def prepare(app: Flask) -> None:
    """Give pages a way to the live tails that never waits long for a Redis that does not answer."""
    settings: Config = app.extensions["taskroom"].config
    app.extensions[LIVE_TAIL] = QuickRedis(settings.redis_url, settings.redis_prefix)


def now() -> datetime:
    """The moment at which the page is true."""
    return utc_now()


def config() -> Config:
    """This installation's settings."""
    settings: Config = current_app.extensions["taskroom"].config
    return settings


def database() -> Database:
    """The database of the app that answers this request."""
    found: Database = current_app.extensions["taskroom"].database
    return found


def _commands() -> Tasks:
    commands: Tasks = current_app.extensions["taskroom"].tasks
    return commands


def task(task_id: str, identity: Identity) -> Snapshot:
    """The newest state of a task that this person may see; raises NotFound for any other.

    The live tail is read first and used only if nothing was committed since; without Redis the page shows what SQL has.
    """
    tail = current_app.extensions[LIVE_TAIL].ask_tail(lambda events: events.read(task_id))
    with database().read() as session:
        found, owner = store.find_task(session, task_id, identity)
        shown = snapshot_of(session, found, owner)
        newest = session.scalar(select(func.max(TaskEvent.id)).where(TaskEvent.task_id == found.id))
    add_tail(shown, tail, newest)
    return shown


def can_act(snapshot: Snapshot, identity: Identity) -> bool:
    """Whether this person may cancel the task or run it again."""
    return identity.is_admin or snapshot["owner"]["id"] == identity.user_id


def log_lines(snapshot: Snapshot, asked: LogAsked) -> tuple[list[Mapping[str, Any]], int | None]:
    """(lines, matches): the window of the log that is asked for; the newest lines unless something else is."""
    levels = {"warning": ("warning", "error"), "error": ("error",)}.get(asked.level, ())
    with database().read() as session:
        found = session.get_one(Task, snapshot["task_id"])
        if asked.query or levels:
            answer = store.log_lines(session, found, max(asked.start, 1), WINDOW, asked.query or None, levels)
            return answer["lines"], answer.get("matches")
        if asked.start:
            return store.log_lines(session, found, asked.start, WINDOW)["lines"], None
        return list(store.last_log_lines(session, found, WINDOW)), None


def reader_aside() -> Callable[[Callable[[Session], ReadT]], ReadT]:
    """A function that reads in one transaction, and may be called after the request, too.

    SQLite answers in C, so longer reads are waited for beside the loop; there is no app there.
    """
    analysis: Database = current_app.extensions["taskroom"].analysis

    def read(ask: Callable[[Session], ReadT]) -> ReadT:
        def answer() -> ReadT:
            with analysis.read() as session:
                return ask(session)

        return extensions.offload_read(answer) if analysis.is_sqlite else answer()

    return read


def list_tasks(identity: Identity, asked: ListAsked, limit: int) -> Found:
    """One page of the list, with how many match in all."""
    filters = asked.filters(utc_now())

    def read(session: Session) -> tuple[Page, int, store.Line, queue_control.Control | None]:
        page = listing.list_tasks(session, identity, filters, asked.cursor or None, limit, asked.order)
        total = listing.count_tasks(session, identity, filters)
        if not any(found.state == State.QUEUED for found, _ in page.items):
            return page, total, [], None
        return page, total, store.waiting_line(session), queue_control.read(session)

    page, total, line, control = reader_aside()(read)
    items = [_shown(found, owner, store.place_in(line, found), control) for found, owner in page.items]
    return Found(items, page.next_cursor, total)


def list_choices(identity: Identity) -> tuple[dict[str, str], list[str] | None]:
    """What a list of tasks can be narrowed to: schedules by id, and for admins the owners."""
    with database().read() as session:
        schedules = recipes.names(session, identity)
        return schedules, listing.owners(session) if identity.is_admin else None


def last_runs(identity: Identity, kind: str, limit: int) -> list[Snapshot]:
    """The newest tasks of one kind."""
    with database().read() as session:
        page = listing.list_tasks(session, identity, listing.Filters(kind=kind), limit=limit)
        return [snapshot_of(session, *each) for each in page.items]


def activity(identity: Identity, mine: bool, running: int, recent: int) -> Activity:
    """Running, recently ended, the counters, and this person's newest failures."""
    with database().read() as session:

        def some(states: Sequence[str], limit: int, own: bool = mine) -> list[Snapshot]:
            page = listing.list_tasks(session, identity, listing.Filters(states=states, mine=own), limit=limit)
            return [snapshot_of(session, *each) for each in page.items]

        active = some((State.RUNNING,), running) + some((State.QUEUED,), running)
        return Activity(
            running=active[:running],
            recent=some((State.COMPLETED, State.FAILED, State.CANCELLED), recent),
            counters=store.counters(session, identity),
            failed_mine=_failed_today(some((State.FAILED,), NEWEST_FAILED, own=True)),
        )


def usual_duration(kind: str) -> str:
    """ "2 min 1 s – 3 min 40 s" of the newest completed runs of a job, or nothing while too few are known."""
    with database().read() as session:
        usual = store.usual_duration_ms(session, kind)
    if usual is None:
        return ""
    low, high = words.measured(usual[0]), words.measured(usual[1])
    return low if low == high else f"{low} – {high}"


def usual_details(kind: str, only_numbers: bool = False) -> list[str]:
    """What the newest completed task of a job counted, by name: the places that a page can keep free from the start."""
    query = select(Task.progress).where(Task.kind == kind, Task.state == State.COMPLETED)
    with database().read() as session:
        progress = session.scalar(query.order_by(Task.created_at.desc()).limit(1)) or {}
    left_out = dict | list | str | None if only_numbers else dict | list
    return [name for name, value in (progress.get("details") or {}).items() if not isinstance(value, left_out)]


def queue_words() -> str:
    """How many tasks go first; empty when none waits."""
    with database().read() as session:
        waiting = store.waiting_tasks(session)
    return f"{words.plural(waiting, 'task')} {'goes' if waiting == 1 else 'go'} first" if waiting else ""


def submit(identity: Identity, kind: str, params: dict[str, Any], **asked: Any) -> str:
    """Start a task and return its id; raises InvalidParams, Conflict or RateLimited with a sentence to act on."""
    return str(_commands().submit(identity, kind, params, **asked)[0])


def cancel(identity: Identity, task_id: str, reason: str | None) -> None:
    """Ask for a cancel."""
    _commands().cancel(identity, task_id, reason)


def retry(identity: Identity, task_id: str, address: str | None = None) -> str:
    """Start a new task from the same parameters and return its id."""
    return str(_commands().retry(identity, task_id, address))


def _failed_today(snapshots: Sequence[Snapshot]) -> list[Snapshot]:
    today = rfc3339(utc_now().replace(hour=0, minute=0, second=0, microsecond=0)) or ""
    return [each for each in snapshots if (each["finished_at"] or "") >= today]


def snapshot_of(session: Session, found: Task, owner: str) -> dict[str, Any]:
    """The snapshot, with its place in line, dated by the worker's last sign of life when its lease has run out."""
    control = None
    if found.state == State.QUEUED:
        control = session.info.get("control") or session.info.setdefault("control", queue_control.read(session))
    return _shown(found, owner, store.queue_position(session, found), control)


def _shown(found: Task, owner: str, position: int | None, control: queue_control.Control | None) -> dict[str, Any]:
    snapshot = store.snapshot(found, owner)
    snapshot["queue_position"] = position
    if control is not None and found.state == State.QUEUED:
        snapshot["held"] = control.holds(found.kind)
    if found.state == State.RUNNING and found.lease_expires_at and found.lease_expires_at < utc_now():
        snapshot["timestamp"] = rfc3339(found.lease_expires_at - timedelta(seconds=config().lease_s))
    return snapshot
