"""People in the words of their page: the list's rows, the chosen one at the side, and what disabling does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from accounts import AccountError, ApiToken, LoginSession
from accounts.devices import device_words
from tasks import words

STATE_WORDS = {
    "active": ("completed", "Active"),
    "disabled": ("cancelled", "Disabled"),
    "invited": ("queued", "Invited"),
}
ROLE_WORDS = {"admin": "Admin", "user": "Member"}
TASK_WORDS = {
    "queued": "Queued", "running": "Running", "completed": "Completed", "failed": "Failed", "cancelled": "Cancelled",
}  # fmt: skip
PRIORITY_WORDS = {"urgent": "Urgent", "high": "High", "normal": "Normal", "low": "Low"}
SHOWN_LIMITS = ("max_running", "tasks_per_day", "timeout_min", "highest_priority", "may_cancel", "may_retry")
SECONDS_PER_MINUTE = 60


def row(person: Mapping[str, Any], now: datetime, me: int) -> dict[str, Any]:
    """One line of the list."""
    limit = person["limits"]["max_running"]
    share = min(100.0, 100 * person["running"] / limit)
    daily = person["limits"]["tasks_per_day"]
    icon, word = state_words(person, now)
    return {
        "id": person["id"],
        "username": person["username"],
        "is_me": person["id"] == me,
        "role": ROLE_WORDS[person["role"]],
        "state": person["state"],
        "state_icon": icon,
        "state_word": word,
        "use": {
            "mode": "stale",
            "width": f"{share:.1f}%",
            "value": round(share),
            "text": f"{person['running']} of {limit} tasks at once",
            "cuts": [],
        },
        "running_words": f"{person['running']} of {limit}",
        "queued": person["queued"],
        "has_own": any(value is not None for value in person["own_limits"].values()),
        "today": f"{words.count(person['started_today'])} of {words.count(daily)}"
        if daily is not None
        else words.count(person["started_today"]),
        "is_at_day": daily is not None and person["started_today"] >= daily,
        "sessions": person["sessions"],
        "seen": words.moment(person["last_seen_at"], now),
    }


def state_words(person: Mapping[str, Any], now: datetime) -> tuple[str, str]:
    """The badge of a person: its icon and its word."""
    until = words.parse_time(person["paused_until"])
    if until is not None and until > now and person["state"] == "active":
        return "retrying", f"Paused for {words.duration((until - now).total_seconds() * 1000)}"
    return STATE_WORDS[person["state"]]


def limit_fields(own: Mapping[str, Any], defaults: Mapping[str, Any], used: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The fields of a form of limits. `own` is what was set, `defaults` what holds where nothing is."""
    running, today = used.get("running"), used.get("started_today")
    return [
        _number(
            "max_running",
            "Running at once",
            own,
            defaults["max_running"],
            "" if running is None else f"is at {running} now",
        ),
        _number(
            "tasks_per_day",
            "Tasks a day",
            own,
            defaults["tasks_per_day"],
            "" if today is None else f"{words.count(today)} today",
        ),
        _number(
            "timeout_min",
            "Time limit",
            {"timeout_min": _minutes(own.get("timeout_s"))},
            _minutes(defaults["timeout_s"]),
            unit="min",
        ),
        {
            "name": "highest_priority",
            "label": "Highest priority",
            "help": f"default {PRIORITY_WORDS[defaults['highest_priority']].lower()}",
            "value": own.get("highest_priority") or "",
            "options": [("", "Default"), *PRIORITY_WORDS.items()],
        },
        _right("may_cancel", "May cancel tasks", own, defaults["may_cancel"]),
        _right("may_retry", "May run tasks again", own, defaults["may_retry"]),
    ]


def with_typed(
    fields: list[dict[str, Any]], typed: Mapping[str, str], error: AccountError | None
) -> list[dict[str, Any]]:
    """The fields with what was typed, and the sentence at its field, where a form of limits was refused."""
    if error is None or "max_running" not in typed:
        return fields
    wrong = "timeout_min" if error.field == "timeout_s" else error.field
    return [
        field | {"value": typed.get(field["name"], ""), "wrong": error.message if field["name"] == wrong else ""}
        for field in fields
    ]


def count_words(matching: int, total: int) -> str:
    """ "38 people", or how many of them match."""
    everybody = "1 person" if total == 1 else f"{words.count(total)} people"
    return everybody if matching == total else f"{words.count(matching)} of {everybody}"


def _number(
    name: str, label: str, own: Mapping[str, Any], default: float | None, note: str = "", unit: str = ""
) -> dict[str, Any]:
    said = "none" if default is None else f"{default:,}" + (f" {unit}" if unit else "")
    return {
        "name": name,
        "label": label,
        "help": f"default {said}{f', {note}' if note else ''}",
        "value": "" if own.get(name) is None else str(own[name]),
        "placeholder": "none" if default is None else str(default),
        "unit": unit,
        "options": None,
    }


def _right(name: str, label: str, own: Mapping[str, Any], default: bool) -> dict[str, Any]:
    value = own.get(name)
    return {
        "name": name,
        "label": label,
        "help": f"default {'yes' if default else 'no'}",
        "value": "" if value is None else ("yes" if value else "no"),
        "options": [("", "Default"), ("yes", "Yes"), ("no", "No")],
    }


def _minutes(seconds: float | None) -> float | None:
    """Minutes without needless zeros: 90 s is 1.5, 600 s is 10."""
    if seconds is None:
        return None
    minutes = seconds / SECONDS_PER_MINUTE
    return int(minutes) if minutes.is_integer() else round(minutes, 2)


def differing_words(own: Mapping[str, Any]) -> str:
    """How many limits are the person's own."""
    count = sum(value is not None for value in own.values())
    if not count:
        return "All limits are the defaults."
    return f"{count} of {len(own)} {'differs' if count == 1 else 'differ'} from the defaults."


def session_row(login: LoginSession, now: datetime, mine: int | None) -> dict[str, Any]:
    """A login of the chosen person."""
    return {
        "id": login.id,
        "device": device_words(login.user_agent),
        "address": login.address or "unknown address",
        "seen": words.moment(login.last_seen_at, now),
        "is_this": login.id == mine,
    }


def token_row(token: ApiToken, now: datetime) -> dict[str, Any]:
    """A token of the chosen person."""
    ends = token.expires_at
    if ends is None:
        until = "no end"
    else:
        until = f"ended {ends.day} {ends:%b %Y}" if ends <= now else f"until {ends.day} {ends:%b %Y}"
    return {
        "id": token.id,
        "name": token.name,
        "hint": token.hint,
        "scopes": token.scopes.replace(" ", ", "),
        "until": until,
        "used": words.moment(token.last_used_at, now),
    }


def disabling(person: Mapping[str, Any], schedules: int) -> list[str]:
    """What disabling this person does, each with its numbers."""
    name, sessions, tokens = person["username"], person["sessions"], person["tokens"]
    active = person["running"] + person["queued"]
    out_of = f"is signed out of {words.plural(sessions, 'browser')} within a second and" if sessions else ""
    said = [
        f"{name} {out_of} cannot sign in any more.".replace("  ", " "),
        _counted(tokens, "API token", "sleeps until the account is enabled.", "sleep until the account is enabled."),
        _counted(schedules, "schedule", "starts nothing meanwhile.", "start nothing meanwhile."),
        _counted(active, "task", "goes on unless it is cancelled here.", "go on unless they are cancelled here."),
        "Tasks, results and entries of the audit log stay.",
    ]
    return [each for each in said if each]


def _counted(number: int, word: str, one: str, many: str) -> str:
    return f"{words.plural(number, word)} {one if number == 1 else many}" if number else ""


def task_rows(rows: Sequence[Any], now: datetime) -> list[dict[str, Any]]:
    """The newest tasks of the chosen person."""
    return [
        {
            "id": task_id,
            "title": title,
            "state": state,
            "word": TASK_WORDS[state],
            "created": words.moment(created_at, now),
        }
        for task_id, title, state, created_at in rows
    ]
