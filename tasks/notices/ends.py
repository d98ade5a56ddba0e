"""Who is told of a task's end, and in which words. Called in the transaction that makes the state final."""

from __future__ import annotations

import logging
from dataclasses import replace

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from accounts import User
from tasks.errors import NotFound
from tasks.models import Task
from tasks.notices.making import MAX_TITLE, Notice, Person, people, store
from tasks.notices.models import TaskFollower
from tasks.registry import Review, find_job
from tasks.states import State, Visibility
from tasks.words import measured, summary

log = logging.getLogger("taskroom.notices")

LONGEST_NAME = MAX_TITLE - 20
"""leaves room for how it ended"""


def tell_end(session: Session, task: Task) -> None:
    """Tell its owner, and who followed it and may still see it; of a cancel, only those who did not ask for it.

    The task's row has been written in this transaction: whoever follows it at this moment comes before or too late.
    """
    usual = _notice(task)
    told = [person for person in _concerned(session, task) if not _asked_for_it(task, person.username)]
    review = _review(task)
    if review is None:
        store(session, told, usual)
        return
    text = f"{task.title}. Took {measured(task.duration_ms)}."
    asks = replace(usual, type="needs_review", level="info", title=review.title, text=text, href=review.href)
    store(session, [each for each in told if _may_change(task, each)], asks)
    store(session, [each for each in told if not _may_change(task, each)], usual)


def _concerned(session: Session, task: Task) -> list[Person]:
    followers = select(TaskFollower.user_id).where(TaskFollower.task_id == task.id, TaskFollower.wants.is_(True))
    concerned = people(session, or_(User.id == task.owner_id, User.id.in_(followers)), task.id)
    return [each for each in concerned if task.visibility == Visibility.EVERYONE or _may_change(task, each)]


def _may_change(task: Task, person: Person) -> bool:
    return person.id == task.owner_id or person.is_admin


def _asked_for_it(task: Task, username: str) -> bool:
    return task.state == State.CANCELLED and task.cancelled_by == username


def _notice(task: Task) -> Notice:
    name = task.title if len(task.title) <= LONGEST_NAME else f"{task.title[: LONGEST_NAME - 1]}…"
    about = {"task_id": task.id, "kind": task.kind, "href": f"/tasks/{task.id}"}
    if task.state == State.FAILED:
        why = task.error or "The job ended without saying why."
        return Notice("failed", "error", f"{name} failed", why, **about)
    if task.state == State.CANCELLED:
        by = f"By {task.cancelled_by or 'somebody'}"
        why = f"{by}: “{task.cancel_reason}”." if task.cancel_reason else f"{by}."
        return Notice("cancelled", "info", f"{name} was cancelled", why, **about)
    said = summary(task.results)
    text = f"{said[:1].upper()}{said[1:]}. " if said else ""
    level = "warning" if (task.results or {}).get("complete") is False else "success"
    return Notice("finished", level, f"{name} is done", f"{text}Took {measured(task.duration_ms)}.", **about)


def _review(task: Task) -> Review | None:
    """What the job left for a person to decide; nothing a job says here may keep its task from ending."""
    if task.state != State.COMPLETED:
        return None
    try:
        ask = find_job(task.kind).review
        return ask(task.id, task.results or {}) if ask else None
    except NotFound:
        return None
    except Exception:
        log.exception("what task %s leaves for review could not be said", task.id)
        return None
