"""Entries of the audit log in words: who did what to whom, and what changed from what to what."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import orjson

from accounts import AuditEntry
from accounts.limits import SETTINGS
from tasks import words

ACTION_WORDS = {
    "access.refused": "was refused access",
    "finding.counted_again": "counted a finding again",
    "finding.ignored": "ignored a finding",
    "schedule.changed": "changed a schedule",
    "schedule.created": "made a schedule",
    "schedule.removed": "removed a schedule",
    "session.all_ended": "ended all sessions",
    "session.ended": "ended a session",
    "session.refused": "failed to sign in",
    "session.started": "signed in",
    "setting.changed": "changed a setting",
    "share.created": "shared a task by link",
    "share.revoked": "revoked a share link",
    "task.cancelled": "cancelled a task",
    "task.noted": "noted on a task",
    "task.priority_changed": "changed a priority",
    "task.retried": "ran a task again",
    "task.started": "started a task",
    "token.created": "made an API token",
    "token.revoked": "revoked an API token",
    "user.created": "made an account",
    "user.disabled": "disabled an account",
    "user.enabled": "enabled an account",
    "user.limits_changed": "changed limits",
    "user.password_changed": "set a password",
    "user.password_link_made": "made a link for a password",
    "user.role_changed": "changed a role",
}
FIELD_WORDS = {
    "max_running": "Running at once",
    "tasks_per_day": "Tasks a day",
    "timeout_s": "Time limit",
    "highest_priority": "Highest priority",
    "may_cancel": "May cancel tasks",
    "may_retry": "May run tasks again",
    "paused_s": "Paused",
}
PLACES = {"task": "/tasks/{}", "schedule": "/schedules/{}", "user": "/admin/people?q={}"}
SHORT_ID = 36
MAX_VALUE = 500


def action_words(action: str) -> str:
    """What was done; an action without words of its own in its plain name."""
    return ACTION_WORDS.get(action, action.replace(".", ": ").replace("_", " "))


def entry_view(entry: AuditEntry, now: datetime, titles: Mapping[str, str] | None = None) -> dict[str, Any]:
    """One entry as its row shows it. `titles` names tasks and schedules by their subjects."""
    kind, _, name = entry.subject.partition(":")
    is_today = entry.at.date() == now.date()
    return {
        "id": entry.id,
        "iso": entry.at.isoformat().replace("+00:00", "Z"),
        "time": f"{entry.at:%H:%M:%S}" if is_today else f"{entry.at.day} {entry.at:%b %Y, %H:%M:%S}",
        "title": words.full_time(entry.at),
        "who": entry.actor_name,
        "is_person": entry.actor_id is not None,
        "did": action_words(entry.action),
        "action": entry.action,
        "to": (titles or {}).get(entry.subject) or _setting_words(entry.subject) or name or entry.subject,
        "subject": entry.subject,
        "kind": kind if name else "",
        "href": PLACES[kind].format(quote(name, safe="")) if kind in PLACES and name else "",
        "reason": entry.reason or "",
        "address": entry.address or "",
        "request_id": entry.request_id or "",
        "changes": changes(entry.before or {}, entry.after or {}),
    }


def _setting_words(subject: str) -> str:
    """ "Default of tasks a day" for the setting of a limit; nothing for other things."""
    field = FIELD_WORDS.get(subject.removeprefix(f"setting:{SETTINGS}"), "")
    return f"Default of “{field}”" if field and subject.startswith(f"setting:{SETTINGS}") else ""


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Field by field what it was and what it became; what stayed comes last."""
    found = [
        {
            "field": FIELD_WORDS.get(name) or words.humanise(name),
            "before": value_words(name, before[name]) if name in before else "",
            "after": value_words(name, after[name]) if name in after else "",
            "same": name in before and name in after and before[name] == after[name],
        }
        for name in dict.fromkeys((*before, *after))
    ]
    return sorted(found, key=lambda each: bool(each["same"]))


def value_words(name: str, value: object) -> str:
    """A value as a person reads it; what is long is cut."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_s") and words.is_known(value):
        return words.duration(value * 1000).removesuffix(" 0 s").removesuffix(" 0 min")
    if isinstance(value, int):
        return words.count(value)
    said = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return said if len(said) <= MAX_VALUE else f"{said[:MAX_VALUE]}…"
