"""The filters of the task list: everything that is set is in the address, and each filter can be taken away again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from pages import format as words
from pages.states import WORDS
from tasks.listing import MOST_COUNTED, Filters, Sort

STATES = ("queued", "running", "completed", "failed", "cancelled")
SINCE = {"24h": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days", "today": "Ended today"}
SPANS = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
SORTS = {
    Sort.NEWEST: "Newest first",
    Sort.OLDEST: "Oldest first",
    Sort.ENDED: "Ended last first",
    Sort.LONGEST: "Longest first",
}
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
FILTERS = ("state", "kind", "owner", "schedule", "since", "start", "end", "q", "mine")
IN_ADDRESS = {"start": "from", "end": "to"}


@dataclass(frozen=True, slots=True)
class Found:
    """One page of tasks. `total` is how many match in all, None when that was not counted."""

    items: Sequence[Mapping[str, Any]]
    next_cursor: str | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class ListAsked:
    """What the address of the list asks for; unknown words are ignored.

    `start` and `end` (in the address `from` and `to`) are days in UTC, both included.
    """

    state: str = ""
    kind: str = ""
    owner: str = ""
    schedule: str = ""
    since: str = ""
    start: str = ""
    end: str = ""
    q: str = ""
    mine: str = ""
    sort: str = ""
    cursor: str = ""

    @classmethod
    def from_args(cls, args: Mapping[str, str]) -> ListAsked:
        """Read the query string."""
        state, since, sort, schedule = (args.get(name, "") for name in ("state", "since", "sort", "schedule"))
        return cls(
            state=state if state in STATES else "",
            kind=args.get("kind", "")[:100],
            owner=args.get("owner", "").strip()[:64],
            schedule=schedule.lower() if UUID.fullmatch(schedule.lower()) else "",
            since=since if since in SINCE else "",
            start=_day(args.get("from", "")),
            end=_day(args.get("to", "")),
            q=args.get("q", "").strip()[:200],
            mine="1" if args.get("mine") == "1" else "",
            sort=sort if sort in set(Sort) - {Sort.NEWEST} else "",
            cursor=args.get("cursor", "")[:300],
        )

    @property
    def is_filtered(self) -> bool:
        """Whether fewer than all tasks are asked for."""
        return any(getattr(self, name) for name in FILTERS)

    @property
    def is_live(self) -> bool:
        """Whether what begins now belongs at the top of the list."""
        return not (self.cursor or self.sort or self.end or self.since == "today")

    @property
    def order(self) -> Sort:
        """What comes first."""
        return Sort(self.sort or Sort.NEWEST)

    @property
    def no_match_title(self) -> str:
        """The heading when nothing fits."""
        return f"No task matches “{self.q}”" if self.q else "No task matches these filters"

    def filters(self, now: datetime) -> Filters:
        """The same for the core."""
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        since = now - SPANS[self.since] if self.since in SPANS else _moment(self.start)
        until = _moment(self.end)
        return Filters(
            states=(self.state,) if self.state else (),
            kind=self.kind or None,
            text=self.q or None,
            mine=bool(self.mine),
            owner=self.owner or None,
            schedule_id=self.schedule or None,
            since=since,
            until=until + timedelta(days=1) if until else None,
            finished_since=midnight if self.since == "today" else None,
        )

    def others(self, *without: str) -> list[tuple[str, str]]:
        """(name in the address, value) of what is set, except `without` and the place in the list."""
        pairs = ((IN_ADDRESS.get(name, name), value) for name, value in asdict(self).items() if name != "cursor")
        return [(name, value) for name, value in pairs if value and name not in without]

    def href(self, path: str = "/tasks", **changes: str) -> str:
        """The address of the list with these filters changed, from its first task on."""
        changed = {name.rstrip("_"): value for name, value in changes.items()}
        query = urlencode([*self.others(*changed), *((name, value) for name, value in changed.items() if value)])
        return f"{path}?{query}" if query else path


@dataclass(frozen=True, slots=True)
class Choices:
    """What there is to choose from: titles of jobs by kind, names of schedules by id, and names of owners."""

    titles: Mapping[str, str]
    schedules: Mapping[str, str]
    owners: Sequence[str] | None
    """None for people who have nobody to choose from"""


def chips(asked: ListAsked, choices: Choices) -> list[dict[str, Any]]:
    """The filters besides search and mine: set ones with the way to clear them, unset ones with their options."""
    found = [
        _chip("State", "state", asked, {state: WORDS[state] for state in STATES}),
        _chip("Job", "kind", asked, choices.titles),
    ]
    if choices.owners is not None or asked.owner:
        owners = {name: name for name in choices.owners or ()}
        found.append(_chip("Owner", "owner", asked, owners) | {"form": "owner", "names": list(owners)})
    if choices.schedules or asked.schedule:
        found.append(_chip("Schedule", "schedule", asked, choices.schedules))
    return [*found, _time_chip(asked)]


def _chip(title: str, name: str, asked: ListAsked, options: Mapping[str, str]) -> dict[str, Any]:
    value = getattr(asked, name)
    if value:
        said = options.get(value, "one that is gone" if name == "schedule" else value)
        said = said[:1].lower() + said[1:] if name in ("state", "kind") else said
        return {"title": title, "set": True, "value": said, "clear_href": asked.href(**{name: ""})}
    listed = [{"title": said, "href": asked.href(**{name: key})} for key, said in options.items()]
    return {"title": title, "set": False, "options": listed}


def _time_chip(asked: ListAsked) -> dict[str, Any]:
    if asked.since:
        is_end = asked.since == "today"
        title, said = ("Ended", "today") if is_end else ("Queued", f"in the {SINCE[asked.since].lower()}")
        return {"title": title, "set": True, "value": said, "clear_href": asked.href(since="")}
    if asked.start or asked.end:
        said = " ".join(f"{word} {_day_words(day)}" for word, day in (("from", asked.start), ("to", asked.end)) if day)
        return {"title": "Queued", "set": True, "value": said, "clear_href": asked.href(**{"from": "", "to": ""})}
    listed = [{"title": said, "href": asked.href(since=key)} for key, said in SINCE.items()]
    return {"title": "Time", "set": False, "options": listed, "form": "days"}


def sorts(asked: ListAsked) -> list[dict[str, Any]]:
    """The ways to sort, each a link."""
    return [
        {"title": title, "href": asked.href(sort="" if sort is Sort.NEWEST else sort), "current": sort is asked.order}
        for sort, title in SORTS.items()
    ]


def count_words(found: Found, asked: ListAsked) -> str:
    """How many there are: "412 tasks", or of one page without a count "50 shown"."""
    if found.total is not None and found.total > MOST_COUNTED:
        return f"over {words.plural(MOST_COUNTED, 'task')}"
    if found.total is not None:
        return words.plural(found.total, "task")
    number = len(found.items)
    is_all = not found.next_cursor and not asked.cursor
    return words.plural(number, "task") if is_all else f"{words.count(number)} shown"


def _day(text: str) -> str:
    return text if _moment(text) else ""


def _moment(day: str) -> datetime | None:
    """The beginning of a day in UTC; None for what is no day that a database knows."""
    try:
        moment = datetime.fromisoformat(day).replace(tzinfo=UTC) if DAY.fullmatch(day) else None
    except ValueError:
        return None
    return moment if moment and 1970 <= moment.year <= 9000 else None


def _day_words(day: str) -> str:
    moment = datetime.fromisoformat(day)
    return f"{moment.day} {moment:%b %Y}"
