"""Numbers, durations and times in the words of the design. `static/js/format.js` and `time.js` say the same ones.

One rule: nothing is rounded up to a fact. 99.97 % reads "99.9 %", unknown reads "–", only completed reads "100 %".
What notifications say, too, comes from `tasks.words`.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from tasks.words import UNKNOWN as UNKNOWN
from tasks.words import Moment as Moment
from tasks.words import ago as ago
from tasks.words import count as count
from tasks.words import duration as duration
from tasks.words import full_time as full_time
from tasks.words import humanise as humanise
from tasks.words import is_known as is_known
from tasks.words import measured as measured
from tasks.words import moment as moment
from tasks.words import parse_time as parse_time
from tasks.words import plural as plural


def percent_number(value: float | None) -> str:
    """61.44 → "61.4", 100 → "100"; cut off, never rounded up."""
    if not is_known(value):
        return UNKNOWN
    return "100" if value >= 100 else f"{math.floor(value * 10 + 1e-6) / 10:.1f}"


def percent(value: float | None) -> str:
    """61.44 → "61.4 %"."""
    return f"{percent_number(value)} %" if is_known(value) else UNKNOWN


def amount(done: float | None, total: float | None, unit: str | None) -> str:
    """ "6,124 of 8,340 files"; without a total "6,124 files so far"."""
    word = f" {unit}" if unit else ""
    if not is_known(done):
        return UNKNOWN
    return f"{count(done)} of {count(total)}{word}" if is_known(total) else f"{count(done)}{word} so far"


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


def span(low_s: float | None, high_s: float | None) -> str:
    """A guess is a range: "48 s – 1 min 10 s"; ends that read the same are said once: "about 48 s"."""
    if not (is_known(low_s) and is_known(high_s)):
        return UNKNOWN
    low, high = duration(low_s * 1000), duration(high_s * 1000)
    return f"about {low}" if low == high else f"{low} – {high}"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th."""
    teen = 11 <= number % 100 <= 13
    return f"{count(number)}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


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


def about_clock(now: datetime, seconds: float | None) -> str:
    """The minute at which something is done in so many seconds: "14:05 UTC"; empty when unknown."""
    if not is_known(seconds):
        return ""
    return (now + timedelta(seconds=seconds)).strftime("%H:%M UTC")


def between_ms(earlier: datetime | None, later: datetime | None) -> float:
    """Milliseconds from one moment to the other; 0 when one is unknown."""
    return (later - earlier).total_seconds() * 1000 if earlier and later else 0.0


def initials(username: str) -> str:
    """Two letters for an avatar: "mira.okafor" → "MO"."""
    parts = [part for part in username.replace("-", ".").replace("_", ".").split(".") if part]
    return "".join(part[0] for part in parts[:2]).upper() or "?"
