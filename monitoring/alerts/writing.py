"""What the engine writes: one transaction for the changes of a turn, with the notifications that belong to them.

Each change of a stored alert is a conditional UPDATE, so a person who resolves it at the same moment wins.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from database import Database
from monitoring.alerts.causes import Change
from monitoring.alerts.models import Alert, AlertEvent
from monitoring.alerts.rules import RULES, AlertState, Severity
from tasks.notices import Notice, notify_admins

log = logging.getLogger("taskroom.alerts")

LEVELS = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.HIGH: "error", Severity.CRITICAL: "error"}


def write(database: Database, changes: Iterable[Change], now: datetime) -> list[tuple[Change, Alert]]:
    """Commit the changes; those that took place, each with its alert as it is now. Raises what the database raises."""
    done: list[tuple[Change, Alert]] = []
    with database.write() as session:
        for change in changes:
            try:
                with session.begin_nested():
                    alert = _raise(session, change) if change.alert is None else _change(session, change, now)
            except IntegrityError:  # another judge was quicker: it is stored
                continue
            if alert is not None:
                done.append((change, alert))
    for change, alert in done:
        if change.what != "touched":
            log.log(
                _log_level(change),
                "alert %d %s (%s): %s. %s",
                alert.id,
                change.what,
                alert.severity,
                alert.title,
                alert.text,
            )
    return done


def _raise(session: Session, change: Change) -> Alert:
    cause = change.cause
    assert cause is not None
    finding = cause.finding
    alert = Alert(
        type=finding.type,
        subject=finding.subject[:200],
        severity=change.severity.value,
        state=AlertState.ACTIVE.value,
        count=max(1, cause.times),
        title=finding.title[:300],
        text=finding.text,
        facts=[list(fact) for fact in finding.facts],
        task_id=finding.task_id,
        first_at=cause.first_at,
        last_at=cause.last_at,
    )
    session.add(alert)
    session.flush()
    _event(session, alert, "raised", cause.first_at, finding.text)
    _notify(session, alert, f"{alert.title}")
    return alert


def _change(session: Session, change: Change, now: datetime) -> Alert | None:
    alert, cause = change.alert, change.cause
    assert alert is not None
    values: dict[str, Any] = {}
    if cause is not None and cause.holds:
        finding = cause.finding
        values |= {"title": finding.title[:300], "text": finding.text, "facts": [list(fact) for fact in finding.facts]}
        values |= {"task_id": finding.task_id}
    if cause is not None:
        values |= {"last_at": cause.last_at}
    if change.what == "again" and cause is not None:
        values |= {"count": Alert.count + cause.times}
    elif change.what == "escalated":
        values |= {"severity": change.severity.value, "escalated_at": now}
    elif change.what == "resolved":
        values |= {"state": AlertState.RESOLVED.value, "resolved_at": now}
    is_open = Alert.state == AlertState.ACTIVE if change.what == "escalated" else Alert.resolved_at.is_(None)
    changed = session.execute(
        update(Alert).where(Alert.id == alert.id, is_open).values(**values).execution_options(synchronize_session=False)
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        return None
    fresh = session.get_one(Alert, alert.id, populate_existing=True)
    if change.what == "escalated":
        waited = RULES[fresh.type].title if fresh.type in RULES else fresh.type
        _event(session, fresh, "escalated", now, "Nobody has acknowledged it.")
        _notify(
            session,
            fresh,
            f"{fresh.title}: now {fresh.severity}",
            f"{waited}: nobody has acknowledged it. {fresh.text}",
        )
    elif change.what == "resolved":
        _event(session, fresh, "resolved", now, change.text)
    elif change.what == "again" and cause is not None and not cause.finding.occurred:
        _event(session, fresh, "again", cause.last_at, fresh.text)
    return fresh


def _event(session: Session, alert: Alert, what: str, at: datetime, text: str) -> None:
    session.add(AlertEvent(alert_id=alert.id, at=at, what=what, severity=alert.severity, text=text))


def _notify(session: Session, alert: Alert, title: str, text: str | None = None) -> None:
    level = LEVELS[Severity(alert.severity)]
    told = alert.text if text is None else text
    notify_admins(session, Notice("alert", level, title, told, task_id=alert.task_id, href=f"/admin/alerts/{alert.id}"))


def _log_level(change: Change) -> int:
    return logging.INFO if change.what == "resolved" or change.severity == Severity.INFO else logging.WARNING
