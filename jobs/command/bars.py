"""How far a command is, read from what it prints: tqdm, rich, pip, curl, wget, git, ninja, cmake and their like.

Of several bars on the screen the top one is the whole, the others are parts of it. A line such as "[3/10]" counts the
whole, too. A bare percentage is believed only in a row that the command rewrites.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MAX_BARS = 6
MAX_LABEL = 80
MAX_READ = 400
ENDED = 0.995

_SI = {"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_NUMBER = r"\d{1,15}(?:\.\d{1,6})?"
_TQDM = re.compile(
    rf"(?P<label>.*?):?\s*(?P<percent>\d{{1,3}})%\|[^|]*\|\s*(?P<done>{_NUMBER})(?P<done_si>[kKMGTP]?)"
    rf"/(?P<total>{_NUMBER})(?P<total_si>[kKMGTP]?)\S*\s*\[[^<\]]{{0,20}}<(?P<left>[^,\]]{{1,20}})"
    r"(?:,\s*(?P<rate>[^,\]]{1,40}))?"
)
_TQDM_UNKNOWN = re.compile(
    rf"(?P<label>.*?):?\s*(?P<done>{_NUMBER})(?P<unit>[A-Za-z]{{1,20}}) \[[\d:]+, (?P<rate>[^,\]]{{1,40}})"
)
_TQDM_UNIT = re.compile(
    rf"(?:{_NUMBER}|\?)\s*(?P<si>[kKMGTP]?)(?P<per_s>[^\s/\d]{{1,30}})/s(?!\w)|(?:{_NUMBER}|\?)s/(?P<each>\S{{1,30}})"
)
_COUNTER = re.compile(
    r"\s*(?:\[\s*(?P<a>\d{1,9})\s*/\s*(?P<b>\d{1,9})\s*\]|\(\s*(?P<c>\d{1,9})\s*/\s*(?P<d>\d{1,9})\s*\)"
    r"|(?P<label>step|stage|file|item|part|task|layer|epoch|batch|image|page)\s+(?P<e>\d{1,9})\s*/\s*(?P<f>\d{1,9})(?=[\s:.,]|$))",
    re.IGNORECASE,
)
_PERCENT_OF = re.compile(r"(?P<label>.*?):?\s*(?P<percent>\d{1,3})%\s*\(\s*(?P<done>\d{1,15})/(?P<total>\d{1,15})\)")
_BRACKETED = re.compile(r"(?P<label>.*?):?\s*\[\s*(?P<percent>\d{1,3}(?:\.\d+)?)%\]")
_SIZES = re.compile(
    rf"(?P<done>{_NUMBER})\s?(?P<done_unit>[kKMGT]?i?B)?/(?P<total>{_NUMBER})\s?(?P<unit>[kKMGT]?i?B|bytes)\b"
)
_CURL = re.compile(
    rf"\s*(?P<percent>\d{{1,3}})\s+{_NUMBER}[kMGTP]?\s+\d{{1,3}}\s+{_NUMBER}[kMGTP]?\s+\d{{1,3}}\s+\S+\s"
)
_SAID = re.compile(
    r"\s*(?P<label>(?:\S+ ){0,3}?(?:progress|done|complete[d]?))\W{1,4}(?P<percent>\d{1,3}(?:\.\d+)?)\s?%",
    re.IGNORECASE,
)
_BARE = re.compile(r"(?P<label>.*?)[:\s]*(?<![\w.])(?P<percent>\d{1,3}(?:\.\d{1,3})?)\s?%")
_STEP = re.compile(
    r"(?:remote: )?(?:(?:Enumerating|Counting|Compressing) objects|Resolving deltas|Updating files|Filtering content)"
)
"""git's bars before and after the one that takes long"""
_DIGITS = re.compile(r"\d+")
_DRAWN = re.compile(r"[━╸╺─█▏▎▍▌▋▊▉░▒▓=#>\-.*\s|\[\]]+$")


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar as printed. `done` of `total` `unit`; percentages have a total of 100 and the unit "%"."""

    label: str
    done: float
    total: float | None
    unit: str = ""
    rate: str = ""
    left: str = ""

    @property
    def fraction(self) -> float | None:
        """From 0 to 1, or None without a total."""
        return None if not self.total else min(1.0, max(0.0, self.done / self.total))

    def as_detail(self, is_whole: bool) -> dict[str, Any]:
        """What the page gets of it."""
        fraction = self.fraction
        percent = None if fraction is None else round(fraction * 100, 1)
        return {
            "label": self.label,
            "is_whole": is_whole,
            "percent": percent,
            "done": _plain(self.done),
            "total": None if self.total is None else _plain(self.total),
            "unit": self.unit,
            "rate": self.rate,
            "left": self.left,
        }


def bar_in_row(text: str) -> Bar | None:
    """The bar in a row that the command rewrites."""
    text = text[:MAX_READ]
    return _certain(text) or _sized(text) or _percent(_CURL, text) or _percent(_BARE, text)


def bar_in_line(text: str) -> Bar | None:
    """The bar or counter in a finished line, where a percentage may mean anything."""
    if "%" not in text and "/" not in text:
        return None
    text = text[:MAX_READ]
    return _certain(text) or _counter(text)


def is_counter(text: str) -> bool:
    """Whether a finished line counts the whole, such as "[3/10] building"."""
    return "/" in text and _counter(text[:MAX_READ]) is not None


def _certain(text: str) -> Bar | None:
    return _tqdm(text) or _percent_of(text) or _percent(_BRACKETED, text) or _percent(_SAID, text)


def _tqdm(text: str) -> Bar | None:
    found = _TQDM.match(text)
    if found:
        done = float(found["done"]) * _SI[found["done_si"]]
        total = float(found["total"]) * _SI[found["total_si"]]
        rate = (found["rate"] or "").strip()
        unit = _unit_of(rate, bool(found["done_si"] or found["total_si"]))
        return Bar(_label(found["label"]), done, total or None, unit, rate, found["left"].strip())
    found = _TQDM_UNKNOWN.match(text)
    if found:
        return Bar(_label(found["label"]), float(found["done"]), None, _plural(found["unit"]), found["rate"].strip())
    return None


def _unit_of(rate: str, is_scaled: bool) -> str:
    found = _TQDM_UNIT.match(rate)
    if not found:
        return ""
    unit = found["each"] or (found["per_s"] if is_scaled else (found["si"] or "") + found["per_s"])
    return _plural(unit)


def _plural(unit: str) -> str:
    """ "shard" → "shards"; "it", "B" and what is plural already stay."""
    return f"{unit}s" if len(unit) > 2 and unit.isalpha() and unit.islower() and not unit.endswith("s") else unit


def _percent_of(text: str) -> Bar | None:
    found = _PERCENT_OF.match(text)
    return Bar(_label(found["label"]), float(found["done"]), float(found["total"]) or None) if found else None


def _percent(pattern: re.Pattern[str], text: str) -> Bar | None:
    found = pattern.match(text)
    if not found or float(found["percent"]) > 100:
        return None
    return Bar(_label(found.groupdict().get("label") or ""), float(found["percent"]), 100.0, "%")


def _sized(text: str) -> Bar | None:
    """ "━━━━╸━━ 12.3/45.6 MB 10.2 MB/s" """
    found = _SIZES.search(text)
    if not found or (found["done_unit"] or found["unit"]) != found["unit"]:
        return None
    label = _label(text[: found.start()])
    return Bar(label, float(found["done"]), float(found["total"]) or None, found["unit"])


def _counter(text: str) -> Bar | None:
    """ "[3/10] …", "(3/10) …" or "Step 3/10"; the parts have to fit."""
    found = _COUNTER.match(text)
    if not found:
        return None
    done, total = (float(each) for name, each in found.groupdict().items() if each is not None and name != "label")
    return Bar(_label(found["label"] or ""), done, total) if done <= total and total > 1 else None


def _label(text: str) -> str:
    words = _DRAWN.sub("", text).strip().rstrip(":").strip()
    return words[:MAX_LABEL] if any(each.isalpha() for each in words) else ""


def _plain(number: float) -> float | int:
    return int(number) if number == int(number) else number


class Meter:
    """What the newest output says of the whole and of its parts."""

    def __init__(self) -> None:
        self._counter: Bar | None = None
        self._in_lines: Bar | None = None
        self._in_rows: list[Bar] = []
        self._whole: Bar | None = None
        self._best = -1.0

    def see_line(self, text: str) -> None:
        """A finished line."""
        bar = bar_in_line(text)
        if bar is None:
            return
        if is_counter(text):
            self._counter = bar
        else:
            self._in_lines = bar

    def see_rows(self, rows: Sequence[str]) -> None:
        """The rows that stand now; what they showed stays known when they are gone."""
        bars = [bar for row in rows if (bar := bar_in_row(row)) is not None]
        if bars:
            self._in_rows = bars[:MAX_BARS]

    @property
    def bars(self) -> list[Bar]:
        """All that are known, from the top."""
        parts = self._in_rows or ([self._in_lines] if self._in_lines else [])
        return ([self._counter] if self._counter else []) + parts

    @property
    def whole(self) -> Bar | None:
        """The bar of the whole, as it stands: the top one, unless it is one of several that follow each other."""
        top = next(iter(self.bars), None)
        if top is None or _STEP.match(top.label):
            return None
        last = self._whole
        has_ended = last is not None and last.fraction is not None and last.fraction >= ENDED
        if last is not None and has_ended and not _is_same(top, last):
            return None
        return top

    def advanced(self) -> Bar | None:
        """The bar of the whole, when it is further than ever before: a percentage never falls."""
        whole = self.whole
        if whole is None:
            return None
        fraction = whole.fraction
        if fraction is None:
            return whole if self._best < 0 else None
        if fraction < self._best:
            return None
        self._best, self._whole = fraction, whole
        return whole


def _is_same(bar: Bar, other: Bar) -> bool:
    """Whether it is the same bar later on: a name may count, and one that counts units may change its name."""
    if _DIGITS.sub("0", bar.label) == _DIGITS.sub("0", other.label):
        return True
    return bar.unit != "%" and bar.total == other.total
