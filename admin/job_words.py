"""What the list of all jobs asks for in its address, and the words of its rows and chips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from werkzeug.datastructures import MultiDict

from admin import asked as requests
from tasks import job_list
from tasks import words as said
from tasks.job_list import AGES, SORTS, JobFilters
from tasks.states import FINAL, Priority, State
from tasks.words import Moment

BASE = "/admin/jobs"
STATES: dict[str, tuple[str, tuple[str, ...]]] = {
    "active": ("Running or queued", (State.RUNNING, State.QUEUED)),
    "running": ("Running", (State.RUNNING,)),
    "queued": ("Queued", (State.QUEUED,)),
    "ended": ("Ended", tuple(sorted(FINAL))),
    "completed": ("Completed", (State.COMPLETED,)),
    "failed": ("Failed", (State.FAILED,)),
    "cancelled": ("Cancelled", (State.CANCELLED,)),
}
AGE_WORDS = {"15m": "In 15 minutes", "1h": "In 1 hour", "24h": "In 24 hours", "7d": "In 7 days"}
COLUMNS = {
    "kind": "Kind", "owner": "Owner", "priority": "Priority", "progress": "Progress", "started": "Started",
    "took": "Took", "worker": "Worker", "created": "Queued", "attempt": "Attempt", "id": "Id",
}  # fmt: skip
USUAL = ("kind", "owner", "priority", "progress", "started", "took", "worker")
SELECTED = ("kind", "owner", "priority", "worker", "age", "q")
ROWS = (50, 100, 200)
# Each sorting that a header offers, and what the header then asks for when it leads already.
SORTED_BY = {"started": "started", "took": "longest", "priority": "line", "created": "newest"}
SORT_WORDS = {
    "newest": "Newest first", "oldest": "Oldest first", "started": "Last started first", "longest": "Longest first",
    "line": "In the order of the queue",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class JobsAsked:
    """What the address asks for; unknown words are ignored."""

    query: dict[str, str]
    columns: tuple[str, ...]
    cursor: str

    @classmethod
    def of(cls, args: MultiDict[str, str]) -> JobsAsked:
        """Read a query string or a form."""
        known = {"state": STATES, "priority": tuple(Priority), "age": AGES, "sort": SORTS, "rows": map(str, ROWS)}
        query = {name: args[name] for name, allowed in known.items() if args.get(name) in tuple(allowed)}
        query |= {
            name: args[name].replace("\0", "").strip()[:200]
            for name in ("q", "kind", "owner", "worker")
            if args.get(name)
        }
        wished = [each for part in args.getlist("cols") for each in part.split(",")]
        columns = tuple(each for each in COLUMNS if each in wished)
        if columns and columns != USUAL:
            query["cols"] = ",".join(columns)
        return cls(query, columns or USUAL, args.get("cursor", "")[:4000])

    @property
    def sort(self) -> str:
        """One of SORTS."""
        return self.query.get("sort", "newest")

    @property
    def rows(self) -> int:
        """How many to show."""
        return int(self.query.get("rows", ROWS[1]))

    @property
    def filters(self) -> JobFilters:
        """What is to be found."""
        get = self.query.get
        states = STATES[get("state", "")][1] if get("state") else ()
        return JobFilters(
            states=states, kind=get("kind"), owner=get("owner"), priority=get("priority"), worker=get("worker"),
            age=get("age"), text=get("q"),
        )  # fmt: skip

    @property
    def is_filtered(self) -> bool:
        """Whether fewer than all are asked for."""
        return bool(self.query.keys() - {"sort", "cols", "rows"})

    def selection(self) -> dict[str, Any]:
        """The filters as `POST /api/v1/admin/tasks/bulk` takes them."""
        kept: dict[str, Any] = {"state": list(self.filters.states)}
        kept.update((name, self.query[name]) for name in SELECTED if name in self.query)
        return kept

    def href(self, **changes: str) -> str:
        """The address with these changes, from its first row on."""
        return requests.href(BASE, {**self.query, **changes})

    def others(self, *without: str) -> list[tuple[str, str]]:
        """(name, value) of what is set, except `without`."""
        return [(name, value) for name, value in self.query.items() if name not in without]


def choices(suggested: Mapping[str, list[str]], titles: Mapping[str, str]) -> requests.Choices:
    """The filters with what they may be."""
    plain = {"owner": suggested["owners"], "worker": suggested["workers"]}
    return {
        "state": ("State", {key: words for key, (words, _) in STATES.items()}),
        "age": ("Queued", AGE_WORDS),
        "kind": ("Kind", {kind: titles.get(kind, kind) for kind in suggested["kinds"]}),
        "owner": ("Owner", {each: each for each in plain["owner"]}),
        "priority": ("Priority", {each.value: each.value.capitalize() for each in Priority}),
        "worker": ("Worker", {each: each for each in plain["worker"]}),
    }


def started(job: Mapping[str, Any], now: datetime) -> Moment | None:
    """When it began, as the cell says it: the time, and from a day on the date."""
    return clock_moment(job["started_at"], now)


def clock_moment(at: str | None, now: datetime) -> Moment | None:
    """A moment as "14:02:10", on another day as "20 Nov 14:02"."""
    when, moment = said.parse_time(at), said.moment(at, now)
    if when is None or moment is None:
        return None
    is_today = when.date() == now.date()
    return Moment(moment.iso, f"{when:%H:%M:%S}" if is_today else f"{when.day} {when:%b %H:%M}", moment.title)


def took(job: Mapping[str, Any], now: datetime) -> str:
    """ "2 min 0 s" of what runs or has ended, "waits 8 s"."""
    if job["status"] in FINAL:
        return said.measured(job["duration_ms"])
    since = said.parse_time(job["started_at"] if job["status"] == State.RUNNING else job["queued_at"])
    spent = said.duration((now - since).total_seconds() * 1000) if since else said.UNKNOWN
    return spent if job["status"] == State.RUNNING else f"waits {spent}"


def place_words(page: job_list.JobPage, asked: JobsAsked) -> str:
    """ "141 jobs" """
    return f"{said.plural(page.total, 'job')}{' that match' if asked.is_filtered else ''}"
