"""The log as the server first paints it: a window of numbered lines, and where to find the rest.

Without JavaScript a person pages, filters and searches by links; with it, the same markup becomes the live log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pages import format as words
from pages.progress import Snapshot
from pages.states import FINAL

WINDOW = 200
SHORT = 26
LEVEL_WORDS = {"debug": "DEBUG", "info": "INFO", "warning": "WARN", "error": "ERROR"}
LEVELS = ("all", "warning", "error")


@dataclass(frozen=True, slots=True)
class Line:
    """One log line in words."""

    n: int
    at: str
    clock: str
    level: str
    word: str
    text: str


@dataclass(frozen=True, slots=True)
class LevelLink:
    """One of the level filters."""

    key: str
    title: str
    count: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class LogAsked:
    """What of the log the address asks for. `start` is a line number; 0 is the end of the log."""

    start: int = 0
    level: str = "all"
    query: str = ""


@dataclass(frozen=True, slots=True)
class LogView:
    """All that macros/log.html needs. Only a log that cannot grow any more may be as low as its lines (`is_short`)."""

    lines: Sequence[Line]
    levels: Sequence[LevelLink]
    total: int
    query: str
    page_href: str
    text_href: str
    range_words: str
    empty_words: str
    matches_words: str = ""
    earlier_href: str = ""
    later_href: str = ""
    is_short: bool = False


def asked_log(args: Mapping[str, str]) -> LogAsked:
    """What the query string asks for; nonsense is read as the end of the whole log."""
    start = args.get("from", "")
    level = args.get("level", "all")
    number = int(start) if re.fullmatch(r"\d{1,9}", start) else 0
    return LogAsked(number, level if level in LEVELS else "all", args.get("q", "").strip()[:200])


def log_view(
    task: Snapshot,
    asked: LogAsked,
    lines: Sequence[Mapping[str, Any]],
    matches: int | None = None,
    place: str = "",
    text_href: str = "",
) -> LogView:
    """`lines` are the ones to show, in order; `matches` is how many fit the search or the level in all.

    `place` is the page that the log is on, and `text_href` all of it as text, where they are not the task's own.
    """
    total = int(task.get("log_total") or 0)
    own = f"/tasks/{task['task_id']}"
    page = place or (f"{own}/log" if task["status"] in FINAL else own)
    shown = [_line(each) for each in lines]
    return LogView(
        lines=shown,
        levels=_levels(task, asked, page),
        total=total,
        query=asked.query,
        page_href=page,
        text_href=text_href or f"/api/v1{own}/log.txt",
        range_words=_range(asked, shown, total, matches),
        empty_words=_empty(task, asked),
        matches_words=f"{words.count(matches)} found" if matches is not None and asked.query else "",
        is_short=task["status"] in FINAL and total <= SHORT,
        earlier_href=_earlier(page, asked, shown),
        later_href=_later(page, asked, shown, total),
    )


def breakable(text: str) -> list[str]:
    """The pieces after each of which a line may break: paths break after their slashes."""
    return re.split(r"(?<=/)(?=[^/])", text)


def _line(line: Mapping[str, Any]) -> Line:
    at = words.parse_time(line["at"])
    level = line["level"]
    return Line(
        line["n"],
        str(line["at"]),
        words.clock(at, milliseconds=True),
        level,
        LEVEL_WORDS.get(level, level.upper()),
        line["text"],
    )


def _levels(task: Snapshot, asked: LogAsked, page: str) -> list[LevelLink]:
    counts = {"all": task.get("log_total"), "warning": task.get("log_warnings"), "error": task.get("log_errors")}
    titles = {"all": "All", "warning": "Warnings", "error": "Errors"}
    return [
        LevelLink(
            key, titles[key], words.count(counts[key] or 0), _href(page, level=key, q=asked.query), key == asked.level
        )
        for key in LEVELS
    ]


def _range(asked: LogAsked, lines: Sequence[Line], total: int, matches: int | None) -> str:
    if not lines:
        return "No lines" if total == 0 else f"0 of {words.plural(total, 'line')}"
    if asked.query or asked.level != "all":
        found = f" of {words.count(matches)}" if matches is not None and matches > len(lines) else ""
        return f"{words.count(len(lines))}{found} of {words.plural(total, 'line')}"
    first, last = lines[0].n, lines[-1].n
    if first == 1 and last == total:
        return f"Lines 1 to {words.count(total)}, none missing"
    return f"Lines {words.count(first)} to {words.count(last)} of {words.count(total)}"


def _empty(task: Snapshot, asked: LogAsked) -> str:
    if asked.query:
        return f"No line contains “{asked.query}”."
    if asked.level != "all":
        return "No such lines."
    if task["status"] in FINAL:
        return "This task has written no log lines."
    return "The first line shows here as soon as the task writes one."


def _earlier(page: str, asked: LogAsked, lines: Sequence[Line]) -> str:
    if asked.query or asked.level != "all" or not lines or lines[0].n <= 1:
        return ""
    return _href(page, **{"from": str(max(1, lines[0].n - WINDOW))})


def _later(page: str, asked: LogAsked, lines: Sequence[Line], total: int) -> str:
    if asked.query or asked.level != "all" or not lines or lines[-1].n >= total:
        return ""
    return _href(page, **{"from": str(lines[-1].n + 1)})


def _href(page: str, **asked: str) -> str:
    query = urlencode({key: value for key, value in asked.items() if value and value != "all"})
    return f"{page}?{query}#log-title" if query else f"{page}#log-title"
