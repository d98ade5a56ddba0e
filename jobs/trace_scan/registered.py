"""Registered repositories as one person meets them: with the scans that they may see, and what they may do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, String, cast, func, select
from sqlalchemy.orm import Session

from accounts import Identity, User
from database import Database
from jobs.trace_scan import query, repositories
from tasks.errors import Conflict, Forbidden
from tasks.models import Task
from tasks.states import ACTIVE
from tasks.store import visible_to

KIND = "trace_scan"
# As text: only then is it the same on every database, whatever another job calls a parameter of its own.
_REPOSITORY: ColumnElement[str] = cast(Task.params["repository_id"].as_string(), String)


def last_scans(session: Session, identity: Identity, ids: Sequence[int]) -> dict[int, tuple[Task, str]]:
    """By repository, its newest scan that this person may see, in whatever state, and that task's owner."""
    seen = (
        select(Task.id, Task.created_at, _REPOSITORY.label("repository"))
        .where(Task.kind == KIND, visible_to(identity))
        .subquery()
    )
    newest = (
        select(seen.c.repository, func.max(seen.c.created_at).label("at"))
        .where(seen.c.repository.in_([str(each) for each in ids]))
        .group_by(seen.c.repository)
        .subquery()
    )
    found = (
        select(Task, User.username, newest.c.repository)
        .join(seen, seen.c.id == Task.id)
        .join(newest, (newest.c.repository == seen.c.repository) & (newest.c.at == seen.c.created_at))
        .join(User, User.id == Task.owner_id)
    )
    return {int(repository): (task, owner) for task, owner, repository in session.execute(found)}


def history(
    session: Session, identity: Identity, repository_id: int, cursor: str | None = None, limit: int = 100
) -> dict[str, Any]:
    """Finished scans that this person may see, newest first, as `query.history`; a page may be shorter than asked."""
    repositories.find(session, repository_id)
    page = query.history(session, repository_id, cursor, limit)
    ids = [each["scan_id"] for each in page["items"]]
    seen = set(session.scalars(select(Task.id).where(Task.id.in_(ids), visible_to(identity))))
    return {**page, "items": [each for each in page["items"] if each["scan_id"] in seen]}


def may_remove(repository: dict[str, Any], identity: Identity) -> bool:
    """Whoever registered it, and admins."""
    return identity.is_admin or repository["created_by"] == identity.user_id


def remove(database: Database, identity: Identity, repository_id: int) -> dict[str, Any]:
    """Remove a registration and return it as it was; its scans stay.

    Raises NotFound, Forbidden (somebody else's), and Conflict while a scan of it is under way.
    """
    with database.read() as session:
        shown = repositories.shown(repositories.find(session, repository_id))
        running = select(Task.id).where(
            Task.kind == KIND, Task.state.in_(ACTIVE), _REPOSITORY.in_([str(repository_id)])
        )
        is_busy = session.scalar(running.limit(1)) is not None
    if not may_remove(shown, identity):
        raise Forbidden("Only who registered this repository, or an admin, may remove it.")
    if is_busy:
        raise Conflict("A scan of this repository is under way. Wait for its end, or cancel it first.")
    repositories.remove(database, repository_id)
    return shown


def names_of(session: Session, user_ids: Sequence[int | None]) -> dict[int, str]:
    """The user names of those who registered repositories."""
    wanted = {each for each in user_ids if each is not None}
    rows = session.execute(select(User.id, User.username).where(User.id.in_(wanted)))
    return {number: name for number, name in rows}  # noqa: C416  # a Row is no pair to the type checker
