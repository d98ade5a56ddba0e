"""Cron expressions in a time zone: when they come due, and what they say in words. Pure.

The mathematics is cronsim's, which follows Debian's cron over changes of the clock: what falls into an hour that is
left out runs right after it; what falls into an hour that comes twice runs the first time, unless it repeats through
the day.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from tasks.errors import InvalidParams

MAX_EXPRESSION = 200
FIELDS = "minute hour day-of-month month day-of-week"


@dataclass(frozen=True, slots=True)
class Cron:
    """Five fields and the zone in which they are meant."""

    expression: str
    zone: ZoneInfo

    @classmethod
    def parse(cls, expression: str, timezone: str) -> Cron:
        """The expression, checked. Raises InvalidParams with a sentence for `cron` or `timezone`."""
        problems = {}
        words = " ".join(expression.split())
        if timezone not in time_zones():
            problems["timezone"] = "There is no such time zone. Write one like Europe/Berlin or UTC."
        if (problem := _problem(words)) is not None:
            problems["cron"] = problem
        if problems:
            raise InvalidParams(problems)
        return cls(words, ZoneInfo(timezone))

    def times(self, after: datetime) -> Iterator[datetime]:
        """The moments after this one at which it comes due, in UTC, for the next 50 years."""
        for moment in CronSim(self.expression, after.astimezone(self.zone)):
            yield moment.astimezone(UTC)

    def next(self, after: datetime) -> datetime | None:
        """The first of `times`; None when there is none."""
        return next(self.times(after), None)

    def first(self, count: int, after: datetime) -> list[datetime]:
        """The first `count` of `times`."""
        return list(islice(self.times(after), count))

    @property
    def reading(self) -> str:
        """ "At 09:00 on Monday through Friday"."""
        return CronSim(self.expression, datetime(2000, 1, 1, tzinfo=UTC)).explain()

    def clock_change(self, after: datetime, within: timedelta) -> tuple[datetime, timedelta] | None:
        """When the zone's clocks change next in this span, to the hour, and by how much; None if they don't."""
        before = after.astimezone(self.zone).utcoffset() or timedelta()
        moment, end = after.replace(minute=0, second=0, microsecond=0), after + within
        while moment <= end:
            moment += timedelta(hours=1)
            offset = moment.astimezone(self.zone).utcoffset() or timedelta()
            if offset != before:
                return moment, offset - before
        return None


@cache
def time_zones() -> frozenset[str]:
    """The names of all time zones that are known here."""
    return frozenset(zoneinfo.available_timezones())


def _problem(words: str) -> str | None:
    if len(words) > MAX_EXPRESSION:
        return f"At most {MAX_EXPRESSION} characters."
    if len(words.split()) != 5:
        return f"Write five fields: {FIELDS}, such as 0 3 * * 1-5."
    try:
        return None if next(CronSim(words, datetime(2000, 1, 1, tzinfo=UTC)), None) else "This never comes due."
    except CronSimError as error:
        return f"{str(error).replace('Bad ', 'Look again at the ')}: {FIELDS}, such as 0 3 * * 1-5."
