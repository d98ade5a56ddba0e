"""How the pages of alerts say what is stored: moments, counts, severities, and what a rule is set to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from accounts.models import AuditEntry
from database import rfc3339
from monitoring.alerts import thresholds
from monitoring.alerts.models import Alert, AlertEvent
from monitoring.alerts.rules import ESCALATE, RULES, AlertState, Severity
from monitoring.alerts.store import OPEN
from monitoring.alerts.thresholds import Threshold
from monitoring.alerts.words import duration
from tasks.words import full_time

LIST = "/admin/alerts"
LOOKS = {
    Severity.INFO: ("info", "quiet"),
    Severity.WARNING: ("silent", "warn"),
    Severity.HIGH: ("high", "fail"),
    Severity.CRITICAL: ("critical", "fail"),
}
HAPPENED = {
    "raised": "Came",
    "again": "Came again",
    "escalated": "Became graver",
    "acknowledged": "Acknowledged",
    "resolved": "Resolved",
    "note": "Note",
}
STATES = {OPEN: "Open", **{each.value: each.value.capitalize() for each in AlertState}}
WORKERS, SERVER = ("Queue and workers", "/admin/queue"), ("Operations", "/admin/operations")
LEADS = {
    "database_trouble": SERVER,
    "redis_lost": SERVER,
    "no_workers": WORKERS,
    "worker_silent": WORKERS,
    "disk_low": SERVER,
    "disk_filling": SERVER,
    "memory_low": WORKERS,
    "loop_blocked": ("Connections", "/admin/connections"),
    "queue_backup": WORKERS,
    "repeated_failures": ("All that failed", "/admin/jobs?state=failed"),
}
"""by type, the page on which its step is taken: title and address"""
CHOICES = {
    "state": ("State", STATES),
    "severity": ("Severity", {each.value: each.value.capitalize() for each in reversed(Severity)}),
    "type": ("Type", {rule.type: rule.title for rule in RULES.values()}),
}
ON = {True: "on", False: "off"}


def moment(at: datetime | None, now: datetime) -> dict[str, str] | None:
    """A moment in UTC: "13:51", on another day "19 Nov 13:51"; the same to the second, and what machines read."""
    if at is None:
        return None
    is_today = at.date() == now.date()
    return {
        "iso": rfc3339(at) or "",
        "text": f"{at:%H:%M}" if is_today else f"{at.day} {at:%b %H:%M}",
        "exact": f"{at:%H:%M:%S} UTC" if is_today else f"{at.day} {at:%b %H:%M:%S} UTC",
        "title": full_time(at),
    }


def row(alert: Alert, now: datetime) -> dict[str, Any]:
    """An alert as a row of a page shows it."""
    symbol, ink = LOOKS[Severity(alert.severity)]
    rule = RULES.get(alert.type)
    return {
        "id": alert.id,
        "href": f"{LIST}/{alert.id}",
        "type": alert.type,
        "rule": rule.title if rule else alert.type,
        "severity": alert.severity,
        "icon": symbol,
        "ink": ink,
        "state": alert.state,
        "title": alert.title,
        "text": alert.text,
        "count": alert.count,
        "seen": seen(alert.count),
        "first": moment(alert.first_at, now),
        "last": moment(alert.last_at, now),
        "is_active": alert.state == AlertState.ACTIVE,
        "is_open": alert.resolved_at is None,
        "standing": standing(alert),
        "resolved": moment(alert.resolved_at, now),
        "lasted": duration((alert.last_at - alert.first_at).total_seconds()),
    }


def seen(count: int) -> str:
    """ "seen 4 times"; nothing for once."""
    return f"seen {count:,} times" if count > 1 else ""


def standing(alert: Alert) -> str:
    """Its state, with whose doing it is."""
    if alert.resolved_at is not None:
        return f"Resolved by {alert.resolved_by}" if alert.resolved_by else "Resolved by itself"
    return f"Acknowledged by {alert.acknowledged_by}" if alert.acknowledged_by else "Active"


def lead(alert: Alert) -> dict[str, str] | None:
    """The page on which the step is taken; None where that is the task's own."""
    if alert.type not in LEADS:
        return None
    title, href = LEADS[alert.type]
    if alert.type == "repeated_failures":
        href += f"&{urlencode({'kind': alert.subject})}"
    return {"title": title, "href": href}


def event_row(event: AlertEvent, now: datetime) -> dict[str, Any]:
    """One thing that happened to an alert."""
    what = HAPPENED.get(event.what, event.what)
    return {
        "at": moment(event.at, now),
        "what": f"{what}: {event.severity}" if event.what == "escalated" else what,
        "by": event.actor_name,
        "text": event.text,
    }


def rule_row(limit: Threshold) -> dict[str, Any]:
    """A rule in the list of thresholds."""
    rule = limit.rule
    symbol, ink = LOOKS[limit.severity]
    return {
        "type": rule.type,
        "title": rule.title,
        "href": f"{LIST}/thresholds/{rule.type}",
        "measures": limit.measures,
        "after": f"{limit.after_s:,} s" if limit.after_s else "at once",
        "severity": limit.severity.value,
        "icon": symbol,
        "ink": ink,
        "on": limit.on,
        "changed": len(thresholds.changed(limit)),
    }


def fields(limit: Threshold, sent: Mapping[str, str], problems: Mapping[str, str]) -> list[dict[str, Any]]:
    """The numbers of a rule as fields of a form; what was sent stays, right or wrong."""
    return [
        {
            "name": each.name,
            "title": each.title,
            "unit": each.unit,
            "value": sent.get(each.name, str(thresholds.value_of(limit, each.name))),
            "help": f"{each.low:,} to {each.high:,} {each.unit}, {each.default:,} as it comes."
            + (" 0 means never." if each.name == ESCALATE.name else ""),
            "problem": problems.get(each.name, ""),
        }
        for each in thresholds.numbers(limit.rule)
    ]


def change_row(entry: AuditEntry, now: datetime) -> dict[str, Any]:
    """One change of a threshold, from the audit log."""
    type_, _, name = entry.subject.removeprefix(f"setting:{thresholds.PREFIX}").partition(".")
    numbers = {each.name: each for each in thresholds.numbers(RULES[type_])}
    title = numbers[name].title if name in numbers else {"on": "On or off", "severity": "Severity"}.get(name, name)
    unit = f" {numbers[name].unit}" if name in numbers else ""
    return {
        "at": moment(entry.at, now),
        "name": title,
        "before": _said((entry.before or {}).get("value"), unit),
        "after": _said((entry.after or {}).get("value"), unit),
        "by": entry.actor_name,
        "reason": entry.reason,
    }


def _said(value: Any, unit: str) -> str:
    if value is None:
        return "as it comes"
    return ON[value] if isinstance(value, bool) else f"{value:,}{unit}" if isinstance(value, int) else str(value)


def count_words(open_rows: Sequence[Mapping[str, Any]]) -> str:
    """How many are open, and how many of them nobody has acknowledged."""
    if not open_rows:
        return "None is open."
    active = sum(each["is_active"] for each in open_rows)
    return f"{len(open_rows)} open, {active} not acknowledged" if active else f"{len(open_rows)} open"
