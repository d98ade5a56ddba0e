"""Reading the audit log, newest first: filters, pages by cursor, and all of it in parts for an export."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, func, or_, select
from sqlalchemy.orm import Session

from accounts.models import AuditEntry
from database import rfc3339

Read = Callable[[Callable[[Session], Sequence[AuditEntry]]], Sequence[AuditEntry]]

MAX_PAGE = 200
EXPORT_CHUNK = 500


@dataclass(frozen=True, slots=True)
class AuditFilters:
    """What the log is narrowed to; empty means no limit. `subject` is one (`user:ada`) or all of a kind (`user`)."""

    actor: str = ""
    action: str = ""
    subject: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_set(self) -> bool:
        """Whether fewer than all entries are asked for."""
        return self != AuditFilters()


def entries(
    session: Session, filters: AuditFilters, before: int | None = None, limit: int = 50
) -> tuple[Sequence[AuditEntry], int | None]:
    """The newest entries below the number `before`, and the number to go on with."""
    limit = max(1, min(limit, MAX_PAGE))
    query = select(AuditEntry).where(*_conditions(filters))
    if before is not None:
        query = query.where(AuditEntry.id < before)
    rows = session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit + 1)).all()
    return rows[:limit], rows[limit - 1].id if len(rows) > limit else None


def count(session: Session, filters: AuditFilters) -> int:
    """How many entries the filters leave."""
    return session.scalar(select(func.count()).select_from(AuditEntry).where(*_conditions(filters))) or 0


def actions(session: Session) -> list[str]:
    """Every action that the log holds, each found by one step in its index, however long the log is."""
    first = select(func.min(AuditEntry.action).label("action")).cte("found", recursive=True)
    following = select(func.min(AuditEntry.action)).where(AuditEntry.action > first.c.action).scalar_subquery()
    found = first.union_all(select(following).where(first.c.action.is_not(None)))
    return [each for each in session.scalars(select(found.c.action)) if each is not None]


def actors(session: Session) -> list[str]:
    """The names that stand beside entries without a number of a user: the command line, links, the server itself."""
    query = select(AuditEntry.actor_name).where(AuditEntry.actor_id.is_(None)).distinct().limit(20)
    return sorted(session.scalars(query))


def all_entries(read: Read, filters: AuditFilters) -> Iterator[AuditEntry]:
    """Everything that fits, newest first, read in parts by `read`; what is written meanwhile is not among it."""
    before: int | None = None
    while True:
        rows = read(partial(_part, filters=filters, before=before))
        yield from rows
        if len(rows) < EXPORT_CHUNK:
            return
        before = rows[-1].id


def _part(session: Session, filters: AuditFilters, before: int | None) -> Sequence[AuditEntry]:
    query = select(AuditEntry).where(*_conditions(filters))
    if before is not None:
        query = query.where(AuditEntry.id < before)
    return session.scalars(query.order_by(AuditEntry.id.desc()).limit(EXPORT_CHUNK)).all()


def as_fields(entry: AuditEntry) -> dict[str, Any]:
    """An entry as the API and exports give it."""
    return {
        "id": entry.id,
        "at": rfc3339(entry.at),
        "actor": {"id": entry.actor_id, "username": entry.actor_name},
        "action": entry.action,
        "subject": entry.subject,
        "reason": entry.reason,
        "before": entry.before,
        "after": entry.after,
        "address": entry.address,
        "request_id": entry.request_id,
    }


def _conditions(filters: AuditFilters) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters.actor:
        conditions.append(AuditEntry.actor_name == filters.actor)
    if filters.action:
        conditions.append(AuditEntry.action == filters.action)
    if filters.subject:
        is_kind = ":" not in filters.subject
        named = AuditEntry.subject.startswith(f"{filters.subject}:", autoescape=True)
        conditions.append(
            or_(AuditEntry.subject == filters.subject, named) if is_kind else AuditEntry.subject == filters.subject
        )
    if filters.since:
        conditions.append(AuditEntry.at >= filters.since)
    if filters.until:
        conditions.append(AuditEntry.at < filters.until)
    if filters.text:
        conditions.append(_mentions(filters.text))
    return conditions


def _mentions(text: str) -> ColumnElement[bool]:
    """Whether the words stand anywhere in an entry."""
    columns = (
        AuditEntry.actor_name, AuditEntry.action, AuditEntry.subject, AuditEntry.reason, AuditEntry.address,
        AuditEntry.request_id, cast(AuditEntry.before, Text), cast(AuditEntry.after, Text),
    )  # fmt: skip
    return or_(*(func.lower(each).contains(text.lower(), autoescape=True) for each in columns))
