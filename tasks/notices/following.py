""" "Tell me when this one is done", and the opposite: what a person says of one task.

The task's row is locked while that is written: an end at the same moment either knows of it, or it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from accounts import Identity
from database import Database
from tasks import store
from tasks.errors import Conflict
from tasks.notices.inbox import preferences
from tasks.notices.making import END_TYPES
from tasks.notices.models import TaskFollower
from tasks.states import is_final

HAS_ENDED = "This task has already ended: it is {}. There is nothing more to tell."


def follow(database: Database, identity: Identity, task_id: str, wants: bool) -> None:
    """Have this person told of the task's end, whatever they muted, or not told, even as its owner.

    Raises NotFound for a task that they may not see, and Conflict for one that has ended.
    """
    with database.write() as session:
        task, _ = store.find_task(session, task_id, identity)
        session.refresh(task, with_for_update=True)
        if is_final(task.state):
            raise Conflict(HAS_ENDED.format(task.state), details={"state": task.state})
        say(session, task_id, identity.user_id, wants)


def say(session: Session, task_id: str, user_id: int, wants: bool) -> None:
    """Write what the person wants of this task, in the caller's transaction."""
    session.merge(TaskFollower(task_id=task_id, user_id=user_id, wants=wants))


def is_told(session: Session, task: Mapping[str, Any], user_id: int) -> bool:
    """Whether this person will be told of the end of this task (a snapshot), as things stand."""
    said = session.get(TaskFollower, (task["task_id"], user_id))
    if said is not None:
        return said.wants
    muted = preferences(session, user_id)
    hears_any = not set(END_TYPES) <= set(muted.muted_types) and task["kind"] not in muted.muted_kinds
    return bool(task["owner"]["id"] == user_id and hears_any)
