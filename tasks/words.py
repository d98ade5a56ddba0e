"""Numbers, durations, times and results in the words that pages, the dashboard and notifications share.

One rule: nothing is rounded up to a fact; unknown reads "–".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeGuard

UNKNOWN = "–"
CAPITALS = {word.lower(): word for word in ("API", "CPU", "HTML", "ID", "JSON", "SQL", "UI", "URL", "XAML")}

# What a result is worth in half a sentence, in this order; at most three are said.
SUMMARY = (
    ("requirements", "{} requirements"),
    ("traced", "{} traced to a test"),
    ("broken_links", "{} links broken"),
    ("files_scanned", "{} files scanned"),
    ("changed_files", "{} changed"),
    ("nodes_found", "{} nodes"),
    ("edges_found", "{} edges"),
    ("packages", "{} packages"),
    ("vulnerabilities", "{} known vulnerabilities"),
    ("images_processed", "{} images"),
    ("captions_generated", "{} captions"),
    ("added", "{} added"),
    ("updated", "{} updated"),
    ("lines", "{} lines"),
    ("size_bytes", "{} bytes"),
    ("kept", "{} kept"),
)


def is_known(value: object) -> TypeGuard[float]:
    """Whether this is a number that somebody measured."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def count(value: float | None) -> str:
    """6124 → "6,124"."""
    return f"{value:,.0f}" if is_known(value) else UNKNOWN


def duration(milliseconds: float | None) -> str:
    """Whole units, cut off, for what is still counting: "2 min 14 s", "1 h 28 min", "3 d 2 h"."""
    if not is_known(milliseconds):
        return UNKNOWN
    seconds = int(max(0, milliseconds) // 1000)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 1:
        return f"{seconds} s"
    if hours < 1:
        return f"{minutes} min {seconds % 60} s"
    return f"{hours} h {minutes % 60} min" if days < 1 else f"{days} d {hours % 24} h"


def measured(milliseconds: float | None) -> str:
    """What has been measured: below a minute with one decimal, "0.4 s", "14.2 s"."""
    if not is_known(milliseconds):
        return UNKNOWN
    if milliseconds < 59_950:
        return f"{max(0, milliseconds) / 1000:.1f} s"
    return duration(round(milliseconds / 1000) * 1000)


def percent_number(value: float | None) -> str:
    """61.44 → "61.4", 100 → "100"; cut off, never rounded up."""
    if not is_known(value):
        return UNKNOWN
    return "100" if value >= 100 else f"{math.floor(value * 10 + 1e-6) / 10:.1f}"


def percent(value: float | None) -> str:
    """61.44 → "61.4 %"."""
    return f"{percent_number(value)} %" if is_known(value) else UNKNOWN


def rate_number(value: float | None) -> str:
    """Per second; one decimal below 100."""
    if not is_known(value):
        return UNKNOWN
    return f"{value:.1f}" if value < 100 else count(value)


def limit(seconds: float | None) -> str:
    """A time limit, without its zeros: "30 min", "1 h", "45 s"; "none" for no limit."""
    if not seconds:
        return "none"
    return duration(seconds * 1000).removesuffix(" 0 s").removesuffix(" 0 min")


def size(octets: float | None) -> str:
    """Bytes as "812 B", "1.2 MB", "3.4 GB", in powers of ten."""
    if not is_known(octets):
        return UNKNOWN
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if octets >= factor:
            return f"{octets / factor:.1f} {unit}"
    return f"{octets:.0f} B"


def clock(moment: datetime | None, milliseconds: bool = False) -> str:
    """ "14:04:10" in UTC, or "14:04:10.302"; empty for no time."""
    if moment is None:
        return ""
    return moment.strftime("%H:%M:%S") + (f".{moment.microsecond // 1000:03d}" if milliseconds else "")


def plural(number: int, word: str) -> str:
    """1 line, 1,412 lines."""
    return f"{count(number)} {word}{'' if number == 1 else 's'}"


def humanise(key: str) -> str:
    """A name of code as a label: "nodes_by_type" → "Nodes by type", "artifactsCreated" → "Artifacts created"."""
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in key.replace("_", " ")).split()
    said = " ".join(words).capitalize().split(" ")
    return " ".join(CAPITALS.get(word.lower(), word) for word in said)


def summary(results: Mapping[str, Any] | None) -> str:
    """The results in half a line: "8,340 files scanned, 1,126 changed, 29,518 nodes"; empty when there are none."""
    if not results:
        return ""
    known = [text.format(count(results[key])) for key, text in SUMMARY if is_known(results.get(key))]
    if results.get("complete") is False:
        known.insert(0, "incomplete")
    if "exit_code" in results:
        known.insert(0, f"exit {results['exit_code']}")
    if not known:
        numbers = ((key, value) for key, value in results.items() if is_known(value) and key != "duration_ms")
        known = [f"{humanise(key).lower()} {count(value)}" for key, value in numbers]
    return ", ".join(known[:3])


def parse_time(text: str | datetime | None) -> datetime | None:
    """An RFC 3339 time as an aware datetime in UTC; None for None."""
    if text is None or isinstance(text, datetime):
        return text
    return datetime.fromisoformat(text).astimezone(UTC)


def full_time(moment: datetime) -> str:
    """ "21 November 2026, 13:58:03 UTC"."""
    return f"{moment.day} {moment:%B %Y, %H:%M:%S} UTC"


def ago(moment: datetime, now: datetime) -> str:
    """ "just now", "6 min ago", "2 h ago"; from a day on the date, "19 Nov 15:02"."""
    seconds = (now - moment).total_seconds()
    if seconds < 5:
        return "just now"
    if seconds < 60:
        return f"{int(seconds)} s ago"
    if seconds < 3600:
        return f"{int(seconds // 60)} min ago"
    if seconds < 86400:
        return f"{int(seconds // 3600)} h ago"
    return f"{moment.day} {moment:%b %H:%M}"


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as a page shows it: for machines, in relative words, and in full."""

    iso: str
    text: str
    title: str


def moment(at: str | datetime | None, now: datetime) -> Moment | None:
    """How a page says `at`; None when there is no such time."""
    when = parse_time(at)
    if when is None:
        return None
    iso = when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z"
    return Moment(iso, ago(when, now), full_time(when))
