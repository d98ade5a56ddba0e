"""What people do to schedules: list, make, change, remove, run now. Finding one for somebody is the access check."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, String, and_, cast, func, or_, select, true, update
from sqlalchemy.orm import Session

from accounts import Actor, Identity, User, audit, identity_of
from database import Database, rfc3339, utc_now
from tasks import store
from tasks.cron import Cron
from tasks.errors import Conflict, Forbidden, InvalidParams, NotFound
from tasks.events import printable
from tasks.lifecycle import submit_within
from tasks.lifecycle.record import serialise
from tasks.models import Task
from tasks.paging import after_cursor, next_cursor
from tasks.schedules.models import Schedule
from tasks.service import Tasks, choice
from tasks.states import ACTIVE, Priority, State, Visibility

MAX_NAME = 200
MAX_PAGE = 200
NEXT_TIMES = 5


class Overlap(StrEnum):
    """What to do when it comes due while its last task still runs: leave it out, or run it right after that."""

    SKIP = "skip"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list of schedules is narrowed to."""

    kind: str | None = None
    active: bool | None = None
    status: str | None = None
    text: str | None = None
    mine: bool = False


LAST_STATUSES = ("completed", "failed", "cancelled", "skipped", "missed", "refused")
DEFAULTS: dict[str, Any] = {
    "params": {},
    "timezone": "UTC",
    "active": True,
    "overlap": Overlap.SKIP,
    "catch_up": True,
    "priority": Priority.NORMAL,
    "visibility": None,
}
CHANGEABLE = ("name", "params", "cron", "timezone", "active", "overlap", "catch_up", "priority", "visibility")


class Schedules:
    """Commands on the schedules of one installation."""

    def __init__(self, database: Database, tasks: Tasks) -> None:
        self._database = database
        self._tasks = tasks

    def create(
        self, identity: Identity, wished: Mapping[str, Any], actor: Actor, schedule_id: str | None = None
    ) -> dict[str, Any]:
        """Store a new schedule; what it is then.

        `wished` holds `name`, `kind`, `cron` and, where they differ from DEFAULTS, the rest. Raises NotFound (kind),
        Forbidden, InvalidParams (each wrong field; those of the parameters as `params.<field>`).
        """
        now = utc_now()
        fields = self._checked(identity, wished["kind"], {**DEFAULTS, **wished}, now)
        schedule = Schedule(
            **fields,
            id=schedule_id or str(uuid.uuid4()),
            kind=wished["kind"],
            owner_id=identity.user_id,
            created_at=now,
            updated_at=now,
            waiting=False,
        )
        with self._database.write() as session:
            session.add(schedule)
            audit.record(session, "schedule.created", f"schedule:{schedule.id}", actor, after=_audited(schedule))
            session.flush()
            return shown(session, schedule, identity.username, now)

    def change(self, identity: Identity, schedule_id: str, wished: Mapping[str, Any], actor: Actor) -> dict[str, Any]:
        """Change some of CHANGEABLE; what it is then. Raises NotFound, Forbidden, InvalidParams."""
        now = utc_now()
        with self._database.read() as session:
            schedule, owner = find_changeable(session, schedule_id, identity)
            before = {name: getattr(schedule, name) for name in CHANGEABLE}
            runs_as = identity_of(session, schedule.owner_id) or identity
        fields = self._checked(runs_as, schedule.kind, {**before, **wished}, now)
        with self._database.write() as session:
            schedule, owner = find_changeable(session, schedule_id, identity)
            kept = _audited(schedule)
            is_retimed = any(fields[name] != getattr(schedule, name) for name in ("cron", "timezone", "active"))
            for name, value in fields.items():
                if name != "next_run_at" or is_retimed:
                    setattr(schedule, name, value)
            schedule.waiting = schedule.waiting and not is_retimed
            schedule.updated_at = now
            subject = f"schedule:{schedule.id}"
            audit.record(session, "schedule.changed", subject, actor, before=kept, after=_audited(schedule))
            session.flush()
            return shown(session, schedule, owner, now)

    def remove(self, identity: Identity, schedule_id: str, actor: Actor) -> dict[str, Any]:
        """Remove it, and answer what it was. Its tasks stay. Raises NotFound, Forbidden."""
        with self._database.write() as session:
            schedule, owner = find_changeable(session, schedule_id, identity)
            was = shown(session, schedule, owner, utc_now())
            audit.record(session, "schedule.removed", f"schedule:{schedule.id}", actor, before=_audited(schedule))
            session.delete(schedule)
            return was

    def run_now(self, identity: Identity, schedule_id: str, actor: Actor) -> str:
        """Start its task now, as its owner's; the task's id.

        Raises NotFound, Forbidden, InvalidParams, and Conflict while one of its tasks waits or runs.
        """
        with self._database.read() as session:
            schedule, owner = find_changeable(session, schedule_id, identity)
            runs_as = identity_of(session, schedule.owner_id)
            if runs_as is None:
                raise Conflict(f"The account of {owner}, to whom this schedule belongs, is disabled.")
        submission = self._tasks.prepare(
            runs_as,
            schedule.kind,
            schedule.params,
            title=schedule.name,
            priority=schedule.priority,
            visibility=schedule.visibility,
            schedule_id=schedule.id,
            address=actor.address,
        )
        with self._database.write() as session:
            serialise(session)
            if (running := active_task(session, schedule_id)) is not None:
                words = "A task of this schedule is under way already. Open it, or cancel it first."
                raise Conflict(words, details={"task_id": running})
            task_id, _ = submit_within(session, runs_as, submission)
            note_start(session, schedule_id, task_id, utc_now())
        self._tasks.tell(task_id)
        return task_id

    def _checked(self, identity: Identity, kind: str, wished: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """The fields of CHANGEABLE as they are stored, and `next_run_at`."""
        problems: dict[str, str] = {}
        name = " ".join(printable(str(wished.get("name") or ""), " ").split())[:MAX_NAME]
        if not name:
            problems["name"] = "Give the schedule a name."
        try:
            cron = Cron.parse(str(wished.get("cron") or ""), str(wished["timezone"]))
        except InvalidParams as error:
            problems |= error.problems
        try:
            prepared = self._tasks.prepare(
                identity, kind, wished["params"], priority=wished["priority"], visibility=wished["visibility"]
            )
        except InvalidParams as error:
            own = ("priority", "visibility")
            problems |= {each if each in own else f"params.{each}": words for each, words in error.problems.items()}
        try:
            overlap = choice("overlap", wished["overlap"], Overlap, Overlap.SKIP)
        except InvalidParams as error:
            problems |= error.problems
        if problems:
            raise InvalidParams(problems)
        active = bool(wished["active"])
        return {
            "name": name,
            "params": prepared.params,
            "cron": cron.expression,
            "timezone": cron.zone.key,
            "active": active,
            "overlap": overlap,
            "catch_up": bool(wished["catch_up"]),
            "priority": prepared.priority,
            "visibility": prepared.visibility,
            "next_run_at": cron.next(now) if active else None,
        }


def visible_to(identity: Identity) -> ColumnElement[bool]:
    """The condition under which this person sees a schedule: as with its tasks."""
    if identity.is_admin:
        return true()
    return or_(Schedule.owner_id == identity.user_id, Schedule.visibility == Visibility.EVERYONE)


def find(session: Session, schedule_id: str, identity: Identity) -> tuple[Schedule, str]:
    """A schedule that this person may see, and its owner's name. Raises NotFound."""
    query = select(Schedule, User.username).join(User, User.id == Schedule.owner_id)
    row = session.execute(query.where(Schedule.id == schedule_id, visible_to(identity))).one_or_none()
    if row is None:
        raise NotFound("There is no such schedule, or you may not see it.")
    return row[0], row[1]


def find_changeable(session: Session, schedule_id: str, identity: Identity) -> tuple[Schedule, str]:
    """Like `find`, but raises Forbidden where the person may only look."""
    schedule, owner = find(session, schedule_id, identity)
    if not identity.is_admin and schedule.owner_id != identity.user_id:
        raise Forbidden("You may see this schedule, but only its owner or an admin may do that.")
    return schedule, owner


def listed(
    session: Session, identity: Identity, filters: Filters, cursor: str | None = None, limit: int = 50
) -> tuple[list[dict[str, Any]], str | None]:
    """Schedules as `shown`, newest first, and the cursor that continues. Raises InvalidPayload for a bad cursor."""
    limit = max(1, min(limit, MAX_PAGE))
    query = select(Schedule, User.username).join(User, User.id == Schedule.owner_id)
    query = query.where(visible_to(identity), *_conditions(filters, identity))
    if cursor:
        query = query.where(after_cursor(cursor, Schedule.created_at, Schedule.id))
    rows = session.execute(query.order_by(Schedule.created_at.desc(), Schedule.id.desc()).limit(limit + 1)).all()
    now = utc_now()
    items = [shown(session, schedule, owner, now) for schedule, owner in rows[:limit]]
    return items, next_cursor(rows[limit - 1][0].created_at, rows[limit - 1][0].id) if len(rows) > limit else None


def _conditions(filters: Filters, identity: Identity) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if filters.kind:
        found.append(Schedule.kind == filters.kind)
    if filters.active is not None:
        found.append(Schedule.active.is_(filters.active))
    if filters.status in (State.COMPLETED, State.FAILED, State.CANCELLED):
        last_state = select(Task.state).where(Task.id == Schedule.last_task_id).scalar_subquery()
        found += [Schedule.last_outcome == "started", last_state == filters.status]
    elif filters.status:
        found.append(Schedule.last_outcome == filters.status)
    if filters.mine:
        found.append(Schedule.owner_id == identity.user_id)
    if filters.text:
        text = filters.text.lower()
        held = (Schedule.name, Schedule.kind, cast(Schedule.params, String))
        found.append(or_(*(func.lower(each).contains(text, autoescape=True) for each in held)))
    return found


def shown(session: Session, schedule: Schedule, owner: str, now: datetime) -> dict[str, Any]:
    """A schedule as the wire contract has it, with its owner, its last task and whether it waits."""
    try:
        cron = Cron.parse(schedule.cron, schedule.timezone)
    except InvalidParams:  # the zone is not known here any more
        cron = None
    last = session.get(Task, schedule.last_task_id) if schedule.last_task_id else None
    was_started = schedule.last_outcome == "started"
    return {
        "id": schedule.id,
        "name": schedule.name,
        "kind": schedule.kind,
        "params": schedule.params,
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "active": schedule.active,
        "overlap": schedule.overlap,
        "catch_up": schedule.catch_up,
        "priority": schedule.priority,
        "visibility": schedule.visibility,
        "owner": {"id": schedule.owner_id, "username": owner},
        "created_at": rfc3339(schedule.created_at),
        "updated_at": rfc3339(schedule.updated_at),
        "next_run_at": rfc3339(schedule.next_run_at),
        "next_times": [rfc3339(each) for each in cron.first(NEXT_TIMES, now)] if cron and schedule.active else [],
        "reading": cron.reading if cron else None,
        "waiting": schedule.waiting,
        "last_run_at": rfc3339(schedule.last_run_at),
        "last_task_id": schedule.last_task_id,
        "last_status": (last.state if last else None) if was_started else schedule.last_outcome,
        "last_error": (last.error if last else None) if was_started else schedule.last_error,
    }


def active_task(session: Session, schedule_id: str) -> str | None:
    """The task of this schedule that waits or runs, if there is one."""
    query = select(Task.id).where(and_(Task.schedule_id == schedule_id, Task.state.in_(ACTIVE)))
    return session.scalar(query.order_by(Task.created_at.desc()).limit(1))


def last_runs(
    session: Session, identity: Identity, schedule_ids: Sequence[str], count: int
) -> dict[str, list[tuple[str, str]]]:
    """The newest tasks of each schedule that this person may see, as (task id, state), oldest of them first."""
    place = func.row_number().over(partition_by=Task.schedule_id, order_by=(Task.created_at.desc(), Task.id.desc()))
    numbered = (
        select(Task.schedule_id, Task.id, Task.state, place.label("place"))
        .where(Task.schedule_id.in_(schedule_ids), store.visible_to(identity))
        .subquery()
    )
    query = select(numbered.c.schedule_id, numbered.c.id, numbered.c.state).where(numbered.c.place <= count)
    found: dict[str, list[tuple[str, str]]] = {each: [] for each in schedule_ids}
    for schedule_id, task_id, state in session.execute(query.order_by(numbered.c.place.desc())):
        found[schedule_id].append((task_id, state))
    return found


def coming(session: Session, identity: Identity, count: int) -> list[Schedule]:
    """The active schedules that this person sees and that come due first."""
    query = select(Schedule).where(visible_to(identity), Schedule.active.is_(True), Schedule.next_run_at.is_not(None))
    return list(session.scalars(query.order_by(Schedule.next_run_at, Schedule.id).limit(count)))


def names(session: Session, identity: Identity, limit: int = 100) -> dict[str, str]:
    """The visible schedules by id, with their names: what a list of tasks can be narrowed to."""
    query = select(Schedule.id, Schedule.name).where(visible_to(identity)).order_by(Schedule.name).limit(limit)
    return {schedule_id: name for schedule_id, name in session.execute(query)}  # noqa: C416  # Rows are no pairs


def counts(session: Session, identity: Identity) -> tuple[int, int, datetime | None]:
    """How many schedules this person sees, how many of them are active, and when the next of these comes due."""
    active = Schedule.active.is_(True)
    query = select(func.count(), func.count().filter(active), func.min(Schedule.next_run_at).filter(active))
    total, running, following = session.execute(query.where(visible_to(identity))).one()
    return total, running, following


def note_start(session: Session, schedule_id: str, task_id: str, now: datetime) -> None:
    """This task is the schedule's newest."""
    values = {"last_task_id": task_id, "last_run_at": now, "last_outcome": "started", "last_error": None}
    session.execute(update(Schedule).where(Schedule.id == schedule_id).values(**values))


def _audited(schedule: Schedule) -> dict[str, Any]:
    """What the audit log keeps of a schedule: all that decides what runs when, but not the parameters' values."""
    names = ("name", "kind", "cron", "timezone", "active", "overlap", "catch_up", "priority", "visibility")
    return {**{name: getattr(schedule, name) for name in names}, "params": sorted(schedule.params)}
