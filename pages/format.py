"""Numbers, durations and times in the words of the design. `static/js/format.js` and `time.js` say the same ones.

One rule: nothing is rounded up to a fact. 99.97 % reads "99.9 %", unknown reads "–", only completed reads "100 %".
What notifications say, too, comes from `tasks.words`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tasks.words import UNKNOWN as UNKNOWN
from tasks.words import Moment as Moment
from tasks.words import ago as ago
from tasks.words import clock as clock
from tasks.words import count as count
from tasks.words import duration as duration
from tasks.words import full_time as full_time
from tasks.words import humanise as humanise
from tasks.words import is_known as is_known
from tasks.words import limit as limit
from tasks.words import measured as measured
from tasks.words import moment as moment
from tasks.words import parse_time as parse_time
from tasks.words import percent as percent
from tasks.words import percent_number as percent_number
from tasks.words import plural as plural
from tasks.words import rate_number as rate_number
from tasks.words import size as size


def amount(done: float | None, total: float | None, unit: str | None) -> str:
    """ "6,124 of 8,340 files"; without a total "6,124 files so far"."""
    word = f" {unit}" if unit else ""
    if not is_known(done):
        return UNKNOWN
    return f"{count(done)} of {count(total)}{word}" if is_known(total) else f"{count(done)}{word} so far"


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
