"""Reading alerts: the open ones, the history, one with what happened to it, and the shapes in which they are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from database import Database, rfc3339
from monitoring.alerts.models import Alert, AlertEvent
from monitoring.alerts.rules import RULES, AlertState, Severity
from tasks.errors import InvalidPayload, NotFound

MAX_PAGE = 200
OPEN = "open"
STATES = (OPEN, *AlertState)
MAX_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is narrowed to; empty means any. `state` may be `open` for all that are not resolved."""

    state: str = ""
    severity: str = ""
    type: str = ""

    def conditions(self) -> list[ColumnElement[bool]]:
        """The same for SQL."""
        found: list[ColumnElement[bool]] = []
        if self.state == OPEN:
            found.append(Alert.resolved_at.is_(None))
        elif self.state:
            found.append(Alert.state == self.state)
        if self.severity:
            found.append(Alert.severity == self.severity)
        if self.type:
            found.append(Alert.type == self.type)
        return found


def told(alert: Alert) -> dict[str, Any]:
    """The `alert` of the event `admin_alert`."""
    return {
        "id": alert.id,
        "type": alert.type,
        "severity": alert.severity,
        "state": alert.state,
        "count": alert.count,
        "title": alert.title,
        "text": alert.text,
        "first_at": rfc3339(alert.first_at),
        "last_at": rfc3339(alert.last_at),
    }


def shown(alert: Alert) -> dict[str, Any]:
    """All that is known of an alert, as the API answers it."""
    rule = RULES.get(alert.type)
    return told(alert) | {
        "subject": alert.subject,
        "step": rule.step if rule else "",
        "facts": [{"name": name, "value": value} for name, value in alert.facts],
        "task_id": alert.task_id,
        "escalated_at": rfc3339(alert.escalated_at),
        "acknowledged_at": rfc3339(alert.acknowledged_at),
        "acknowledged_by": alert.acknowledged_by,
        "resolved_at": rfc3339(alert.resolved_at),
        "resolved_by": alert.resolved_by,
    }


def open_alerts(session: Session) -> list[Alert]:
    """All that are not resolved, the gravest first, then those that nobody has acknowledged, then the oldest."""
    found = session.scalars(select(Alert).where(Alert.resolved_at.is_(None))).all()
    return sorted(found, key=lambda each: (-Severity(each.severity).rank, each.state != AlertState.ACTIVE, each.id))


def declared_over(session: Session, since: datetime) -> dict[tuple[str, str], datetime]:
    """What somebody has resolved by hand since then, by type and subject: when, the last time."""
    query = select(Alert.type, Alert.subject, func.max(Alert.resolved_at)).where(
        Alert.resolved_at >= since, Alert.resolved_by.is_not(None)
    )
    rows = session.execute(query.group_by(Alert.type, Alert.subject))
    return {(type_, subject): at for type_, subject, at in rows if at is not None}


def count_open(session: Session) -> int:
    """How many are not resolved."""
    return session.scalar(select(func.count()).select_from(Alert).where(Alert.resolved_at.is_(None))) or 0


def listed(
    session: Session, filters: Filters, cursor: str | None = None, limit: int = 50
) -> tuple[Sequence[Alert], str | None]:
    """Some alerts, the newest first, and the cursor that goes on. Raises InvalidPayload for a made-up cursor."""
    query = select(Alert).where(*filters.conditions())
    if cursor:
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
            raise InvalidPayload("This cursor is not one that a list gave out. Start again without it.")
        query = query.where(Alert.id < int(cursor))
    found = session.scalars(query.order_by(Alert.id.desc()).limit(limit + 1)).all()
    more = len(found) > limit
    return found[:limit], str(found[limit - 1].id) if more else None


def find(session: Session, alert_id: int) -> Alert:
    """The alert. Raises NotFound."""
    found = session.get(Alert, alert_id) if 0 < alert_id <= MAX_ID else None
    if found is None:
        raise NotFound("There is no such alert.")
    return found


def happened(session: Session, alert_id: int) -> Sequence[AlertEvent]:
    """What happened to an alert, the newest first."""
    query = select(AlertEvent).where(AlertEvent.alert_id == alert_id).order_by(AlertEvent.id.desc()).limit(MAX_PAGE)
    return session.scalars(query).all()


def shown_event(event: AlertEvent) -> dict[str, Any]:
    """One thing that happened, as the API answers it."""
    return {
        "at": rfc3339(event.at),
        "what": event.what,
        "severity": event.severity,
        "by": event.actor_name,
        "text": event.text,
    }


def remove_resolved(database: Database, before: datetime, batch: int = 500) -> int:
    """Remove alerts that were resolved before this moment, with what happened to them; how many there were."""
    removed = 0
    while True:
        with database.write() as session:
            ids = session.scalars(select(Alert.id).where(Alert.resolved_at < before).limit(batch)).all()
            session.execute(delete(AlertEvent).where(AlertEvent.alert_id.in_(ids)))
            session.execute(delete(Alert).where(Alert.id.in_(ids)))
        removed += len(ids)
        if len(ids) < batch:
            return removed
