"""What admins do to many tasks at once: cancel, run again, another priority, a note. First a preview, then the deed.

One transaction a task, with its entry in the audit log; between two of them others have their turn, on SQLite's write
lock as on the web process's loop. What a task has become meanwhile decides: it is judged again in its transaction.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, aliased

from accounts import Actor, Identity, audit, identity_of
from database import Database, DatabaseBusy
from tasks import lifecycle, notes
from tasks.errors import NotFound, TaskroomError
from tasks.models import Task
from tasks.service import Tasks
from tasks.states import Priority, State, is_final

log = logging.getLogger("taskroom.administration")

MAX_AT_ONCE = 1000
GONE = "There is no such task any more."


class Action(StrEnum):
    """What can be done to many."""

    CANCEL = "cancel"
    RETRY = "retry"
    PRIORITY = "priority"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done. `priority` belongs to PRIORITY, `note` to NOTE."""

    action: Action
    reason: str | None = None
    priority: Priority = Priority.NORMAL
    note: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What becomes, or became, of one task. `outcome` is a key of WILL and DONE; `message` says why it was refused."""

    task_id: str
    outcome: str
    message: str | None = None
    new_task_id: str | None = None


# What is done, then what is left alone. In the words of a preview: one, several; then of the result.
WILL = {
    "asked": ("running will be told to stop", "running will be told to stop"),
    "cancelled": ("waiting will be cancelled", "waiting will be cancelled"),
    "retried": ("will run again", "will run again"),
    "changed": ("will change its priority", "will change their priority"),
    "noted": ("gets the note", "get the note"),
    "asked_before": ("is being cancelled already", "are being cancelled already"),
    "ended": ("has ended and is left alone", "have ended and are left alone"),
    "runs": ("runs already and is left alone", "run already and are left alone"),
    "same": ("has this priority already", "have this priority already"),
    "active": ("has not ended and is left alone", "have not ended and are left alone"),
    "retried_before": ("is being run again already", "are being run again already"),
    "refused": ("is refused", "are refused"),
    "gone": ("does not exist any more", "do not exist any more"),
}
DONE = {
    "asked": "told to stop",
    "cancelled": "cancelled",
    "retried": "started again",
    "changed": "changed",
    "noted": "noted",
    "asked_before": "being cancelled already",
    "ended": "had finished",
    "runs": "running already",
    "same": "had this priority already",
    "active": "had not ended",
    "retried_before": "being run again already",
    "refused": "refused",
    "gone": "gone",
}


def preview_words(results: Sequence[Result]) -> str:
    """ "3 running will be told to stop, 1 has ended and is left alone." """
    counted = Counter(each.outcome for each in results)
    parts = [f"{counted[each]:,} {words[counted[each] > 1]}" for each, words in WILL.items() if counted[each]]
    return f"{', '.join(parts)}." if parts else "Nothing is selected."


def result_words(results: Sequence[Result]) -> str:
    """ "3 cancelled, 1 had finished." """
    counted = Counter(each.outcome for each in results)
    parts = [f"{counted[each]:,} {words}" for each, words in DONE.items() if counted[each]]
    return f"{', '.join(parts)}." if parts else "Nothing was done."


class Administration:
    """Orders of admins over the tasks of one installation. `let_others` gives the loop a turn."""

    def __init__(self, database: Database, tasks: Tasks, let_others: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._tasks = tasks
        self._let_others = let_others
        self._acts: dict[Action, Callable[[Identity, Actor, str, Order], Result]] = {
            Action.CANCEL: self._cancel,
            Action.RETRY: self._retry,
            Action.PRIORITY: self._change_priority,
            Action.NOTE: self._note,
        }

    def preview(self, task_ids: Sequence[str], order: Order) -> list[Result]:
        """What the order would do now, task by task, without doing it."""
        newer = aliased(Task)
        query = (
            select(Task.id, Task.state, Task.cancel_requested_at, Task.priority, newer.state)
            .join(newer, newer.id == Task.retried_by, isouter=True)
            .where(Task.id.in_(task_ids))
        )
        with self._database.read() as session:
            known = {row[0]: row[1:] for row in session.execute(query)}
        return [
            Result(each, judge(order, known[each][0], known[each][1] is not None, known[each][2], known[each][3]))
            if each in known
            else Result(each, "gone", GONE)
            for each in task_ids
        ]

    def act(self, identity: Identity, actor: Actor, task_ids: Sequence[str], order: Order) -> list[Result]:
        """Carry the order out, one task after the other; what cannot be done to one is in its result."""
        results = []
        for task_id in task_ids:
            results.append(self._one(identity, actor, task_id, order))
            self._let_others()
        changed = [each.task_id for each in results if each.outcome == "changed"]
        if changed:
            self._tasks.send_anew(changed)
        return results

    def _one(self, identity: Identity, actor: Actor, task_id: str, order: Order) -> Result:
        try:
            return self._acts[order.action](identity, actor, task_id, order)
        except NotFound:
            return Result(task_id, "gone", GONE)
        except TaskroomError as error:
            return Result(task_id, "refused", error.message)
        except (SQLAlchemyError, DatabaseBusy) as error:
            log.warning("%s of task %s failed: %s", order.action, task_id, type(error).__name__)
            return Result(task_id, "refused", "The database is busy. Try it again.")

    def _cancel(self, identity: Identity, actor: Actor, task_id: str, order: Order) -> Result:
        with self._database.write() as session:
            outcome = _judged(session, task_id, order)
            if outcome in ("asked", "cancelled"):
                lifecycle.request_cancel_within(session, identity, task_id, order.reason, actor)
        if outcome in ("asked", "cancelled"):
            self._tasks.announce(task_id)
        return Result(task_id, outcome)

    def _retry(self, _identity: Identity, actor: Actor, task_id: str, order: Order) -> Result:
        """The new task belongs to whom the first one does."""
        with self._database.read() as session:
            task = _find(session, task_id)
            owner = identity_of(session, task.owner_id)
        if owner is None:
            return Result(task_id, "refused", "The account of its owner is disabled.")
        submission = self._tasks.prepare(
            owner, task.kind, task.params,
            title=task.title, priority=task.priority, visibility=task.visibility, retry_of=task.id,
        )  # fmt: skip
        with self._database.write() as session:
            outcome = _judged(session, task_id, order)
            if outcome != "retried":
                return Result(task_id, outcome)
            new_id, _ = lifecycle.submit_within(session, owner, submission)
            before, after = {"state": task.state}, {"retried_by": new_id}
            audit.record(
                session, "task.retried", f"task:{task_id}", actor, reason=order.reason, before=before, after=after
            )
        self._tasks.tell(new_id)
        return Result(task_id, outcome, new_task_id=new_id)

    def _change_priority(self, _identity: Identity, actor: Actor, task_id: str, order: Order) -> Result:
        with self._database.write() as session:
            outcome = _judged(session, task_id, order)
            if outcome == "changed":
                task = _find(session, task_id)
                before, after = {"priority": task.priority}, {"priority": str(order.priority)}
                lifecycle.change_priority_within(session, task, order.priority)
                audit.record(
                    session, "task.priority_changed", f"task:{task_id}", actor,
                    reason=order.reason, before=before, after=after,
                )  # fmt: skip
        return Result(task_id, outcome)

    def _note(self, _identity: Identity, actor: Actor, task_id: str, order: Order) -> Result:
        with self._database.write() as session:
            notes.add_note(session, _find(session, task_id).id, actor, order.note)
            audit.record(session, "task.noted", f"task:{task_id}", actor, after={"note": order.note})
        return Result(task_id, "noted")


def judge(order: Order, state: str, is_cancelling: bool, priority: str, retry_state: str | None) -> str:
    """What the order does to a task in this state: an outcome. `retry_state` is that of its newest repetition."""
    if order.action == Action.NOTE:
        return "noted"
    if order.action == Action.RETRY:
        if not is_final(state):
            return "active"
        return "retried" if retry_state is None or is_final(retry_state) else "retried_before"
    if is_final(state):
        return "ended"
    if order.action == Action.PRIORITY:
        if state == State.RUNNING:
            return "runs"
        return "same" if priority == order.priority else "changed"
    if is_cancelling:
        return "asked_before"
    return "asked" if state == State.RUNNING else "cancelled"


def _judged(session: Session, task_id: str, order: Order) -> str:
    """The same of the task as it is now, locked for the rest of the transaction. Raises NotFound."""
    task = _find(session, task_id, is_locked=True)
    newer = session.scalar(select(Task.state).where(Task.id == task.retried_by)) if task.retried_by else None
    return judge(order, task.state, task.cancel_requested_at is not None, task.priority, newer)


def _find(session: Session, task_id: str, *, is_locked: bool = False) -> Task:
    task = session.get(Task, task_id, with_for_update=is_locked or None)
    if task is None:
        raise NotFound(GONE)
    return task
