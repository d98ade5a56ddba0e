"""The filters of the task list: everything that is set is in the address, and each filter can be taken away again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pages import format as words
from pages.states import WORDS

STATES = ("queued", "running", "completed", "failed", "cancelled")
SINCE = ("today",)


@dataclass(frozen=True, slots=True)
class Found:
    """One page of tasks. `total` is how many match in all, None when that was not counted."""

    items: Sequence[Mapping[str, Any]]
    next_cursor: str | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class ListAsked:
    """What the address of the list asks for; unknown words are ignored."""

    state: str = ""
    kind: str = ""
    query: str = ""
    mine: str = ""
    since: str = ""
    cursor: str = ""

    @classmethod
    def from_args(cls, args: Mapping[str, str]) -> ListAsked:
        """Read the query string."""
        state, since = args.get("state", ""), args.get("since", "")
        return cls(
            state=state if state in STATES else "",
            kind=args.get("kind", "")[:100],
            query=args.get("q", "").strip()[:200],
            mine="1" if args.get("mine") == "1" else "",
            since=since if since in SINCE else "",
            cursor=args.get("cursor", "")[:300],
        )

    @property
    def is_filtered(self) -> bool:
        """Whether fewer than all tasks are asked for."""
        return any((self.state, self.kind, self.query, self.mine, self.since))

    @property
    def no_match_title(self) -> str:
        """The heading when nothing fits."""
        return f"No task matches “{self.query}”" if self.query else "No task matches these filters"

    def others(self, *without: str) -> list[tuple[str, str]]:
        """(name, value) of what is set, except `without` and the place in the list."""
        pairs = {"state": self.state, "kind": self.kind, "q": self.query, "mine": self.mine, "since": self.since}
        return [(name, value) for name, value in pairs.items() if value and name not in without]

    def href(self, **changes: str) -> str:
        """The address of the list with these filters changed, from its newest task on."""
        query = urlencode([*self.others(*changes), *((name, value) for name, value in changes.items() if value)])
        return f"/tasks?{query}" if query else "/tasks"


def chips(asked: ListAsked, titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """The filters besides search and owner: set ones with the way to clear them, unset ones with their options."""
    states = {state: WORDS[state] for state in STATES}
    return [
        _chip("State", "state", asked, asked.state, states),
        _chip("Job", "kind", asked, asked.kind, titles),
        _chip("Ended", "since", asked, asked.since, {"today": "Today"}),
    ]


def _chip(title: str, name: str, asked: ListAsked, value: str, options: Mapping[str, str]) -> dict[str, Any]:
    if value:
        said = options.get(value, value)
        value = said[:1].lower() + said[1:]
        return {"title": title, "set": True, "value": value, "clear_href": asked.href(**{name: ""})}
    choices = [{"title": said, "href": asked.href(**{name: key})} for key, said in options.items()]
    return {"title": title, "set": False, "options": choices}


def count_words(found: Found, asked: ListAsked) -> str:
    """How many there are: "412 tasks", or of one page without a count "50 shown"."""
    if found.total is not None:
        return words.plural(found.total, "task")
    number = len(found.items)
    is_all = not found.next_cursor and not asked.cursor
    return words.plural(number, "task") if is_all else f"{words.count(number)} shown"
