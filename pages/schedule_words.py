"""What a schedule is in words: when it runs next, what became of it, and what a change of the clock does to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pages import format as words
from pages.states import WORDS
from tasks.cron import Cron
from tasks.errors import InvalidParams

OUTCOMES = {"skipped": "Left out", "missed": "Missed", "refused": "Could not start"}
SYMBOLS = {"completed": "ok", "failed": "fail", "cancelled": "quiet", "running": "run", "queued": "quiet"}
CLOCK_AHEAD = timedelta(days=150)


def row(schedule: Mapping[str, Any], last: Sequence[tuple[str, str]], is_mine: bool, now: datetime) -> dict[str, Any]:
    """A schedule as the list shows it. `last` are its newest tasks as (id, state), the oldest first."""
    running = next(((task_id, state) for task_id, state in reversed(last) if state in ("running", "queued")), None)
    return {
        **schedule,
        "may": is_mine,
        "running": running,
        "next": moment(schedule["next_run_at"], schedule["timezone"], now),
        "runs": [{"task_id": task_id, "state": state, "ink": SYMBOLS[state]} for task_id, state in last],
        "runs_words": _runs_words(last),
        "outcome": OUTCOMES.get(schedule["last_status"] or ""),
    }


def moment(at: str | None, timezone: str, now: datetime) -> dict[str, str] | None:
    """A time in its zone and in UTC: "Today 14:15", "Mon 23:10", "1 Dec 06:00"; None for none."""
    when = words.parse_time(at)
    if when is None:
        return None
    try:
        zone = Cron.parse("0 0 * * *", timezone).zone
    except InvalidParams:
        return None
    local = when.astimezone(zone)
    today = now.astimezone(zone).date()
    iso = when.strftime("%Y-%m-%dT%H:%M:%SZ")
    utc = when.astimezone(UTC)
    is_same_day = utc.date() == local.date()
    return {
        "iso": iso,
        "text": f"{_day((local.date() - today).days, local)} {local:%H:%M}",
        "long": f"{local:%a} {local.day} {local:%b}, {local:%H:%M}",
        "utc": f"{utc:%H:%M} UTC" if is_same_day else f"{utc:%a %H:%M} UTC",
        "title": words.full_time(utc),
    }


def clock_note(schedule: Mapping[str, Any], now: datetime) -> str:
    """What the next change of the clocks does, if one comes within five months; else empty."""
    try:
        cron = Cron.parse(schedule["cron"], schedule["timezone"])
    except InvalidParams:
        return ""
    change = cron.clock_change(now, CLOCK_AHEAD)
    following = cron.next(change[0]) if change else None
    if change is None or following is None:
        return ""
    day = change[0].astimezone(cron.zone)
    return (
        f"Clocks change on {day.day} {day:%B %Y}. The first run after that is at "
        f"{following.astimezone(cron.zone):%H:%M}, which is {following:%H:%M} UTC."
    )


def count_words(total: int, active: int, following: datetime | None) -> str:
    """ "8 schedules, 7 active"."""
    said = f"{words.plural(total, 'schedule')}, {words.count(active)} active"
    return f"{said}. The next run is at {following:%H:%M} UTC." if following else f"{said}."


def _day(days: int, local: datetime) -> str:
    if days in (0, 1):
        return ("Today", "Tomorrow")[days]
    return f"{local:%a}" if 1 < days < 7 else f"{local.day} {local:%b}"


def _runs_words(last: Sequence[tuple[str, str]]) -> str:
    if not last:
        return "not run yet"
    states = [state for _, state in last]
    said = [f"{states.count(each)} {WORDS[each].lower()}" for each in dict.fromkeys(states)]
    return f"Last {words.plural(len(last), 'run')}: {', '.join(said)}"
