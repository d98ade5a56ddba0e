"""Cron expressions: what is understood, what is refused with a sentence, and what happens when clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tasks.cron import Cron
from tasks.errors import InvalidParams

pytestmark = pytest.mark.req("G3")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(cron: Cron, after: str, count: int) -> list[str]:
    return [each.astimezone(cron.zone).isoformat() for each in cron.first(count, at(after))]


def test_five_fields_are_read_in_their_zone_and_said_in_words() -> None:
    cron = Cron.parse("  30  7 * * 1-5", "Europe/Berlin")
    assert cron.expression == "30 7 * * 1-5"
    assert cron.reading == "At 07:30 on Monday through Friday"
    assert cron.next(at("2026-11-20T12:00")) == at("2026-11-23T06:30")
    assert len(cron.first(5, at("2026-11-20T12:00"))) == 5


@pytest.mark.parametrize(
    ("cron", "timezone", "field", "words"),
    [
        ("", "UTC", "cron", "five fields"),
        ("0 0 0 * * *", "UTC", "cron", "five fields"),
        ("@daily", "UTC", "cron", "five fields"),
        ("61 * * * *", "UTC", "cron", "minute"),
        ("0 0 31 2 *", "UTC", "cron", "day-of-month"),
        ("* * * * ;rm", "UTC", "cron", "day-of-week"),
        ("*/0 * * * *", "UTC", "cron", "minute"),
        ("1," * 150 + "1 * * * *", "UTC", "cron", "characters"),
        ("0 0 * * *", "Mars/Olympus", "timezone", "no such time zone"),
        ("0 0 * * *", "../../etc/passwd", "timezone", "no such time zone"),
    ],
)
def test_what_is_no_cron_expression_is_refused_with_a_sentence(
    cron: str, timezone: str, field: str, words: str
) -> None:
    with pytest.raises(InvalidParams) as refused:
        Cron.parse(cron, timezone)
    assert words in refused.value.problems[field]


def test_an_hour_that_is_left_out_runs_right_after_it_and_one_that_comes_twice_runs_once() -> None:
    cron = Cron.parse("30 2 * * *", "Europe/Berlin")
    assert local(cron, "2026-03-28T12:00", 2) == ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]
    assert local(cron, "2026-10-24T12:00", 2) == ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]


def test_what_repeats_through_the_day_goes_on_evenly_while_clocks_change() -> None:
    for zone in ("Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"):
        cron = Cron.parse("*/30 * * * *", zone)
        for day in ("2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01"):
            times = cron.first(100, at(f"{day}T00:00") - timedelta(hours=24))
            steps = {later - earlier for earlier, later in pairwise(times)}
            assert steps == {timedelta(minutes=30)}, (zone, day)


def test_a_change_of_the_clock_that_lies_ahead_is_known() -> None:
    cron = Cron.parse("0 0 * * *", "Europe/Berlin")
    assert cron.clock_change(at("2026-10-20T12:00"), timedelta(days=7)) == (at("2026-10-25T01:00"), -timedelta(hours=1))
    assert cron.clock_change(at("2026-11-20T12:00"), timedelta(days=7)) is None
    assert Cron.parse("0 0 * * *", "UTC").clock_change(at("2026-10-20T12:00"), timedelta(days=7)) is None
