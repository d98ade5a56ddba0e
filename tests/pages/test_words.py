"""Numbers, durations and times in words: exact, with units, and never rounded up to a fact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pages import format as words
from pages.outcome import summary
from pages.results import Tab, plain_results, register_results

NOW = datetime(2026, 11, 21, 14, 4, 10, 302000, tzinfo=UTC)


@pytest.mark.req("F10")
@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "–"), (0, "0.0 %"), (61.44, "61.4 %"), (99.97, "99.9 %"), (100, "100 %"), (float("nan"), "–")],
)
def test_a_percentage_is_cut_off_and_unknown_is_a_dash(value: float | None, said: str) -> None:
    assert words.percent(value) == said


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [
        (0, "0 s"),
        (59_999, "59 s"),
        (134_900, "2 min 14 s"),
        (5_280_000, "1 h 28 min"),
        (266_400_000, "3 d 2 h"),
        (None, "–"),
    ],
)
def test_what_still_counts_is_said_in_whole_units(milliseconds: int | None, said: str) -> None:
    assert words.duration(milliseconds) == said


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [(400, "0.4 s"), (14_200, "14.2 s"), (59_949, "59.9 s"), (59_960, "1 min 0 s"), (184_000, "3 min 4 s")],
)
def test_what_was_measured_has_a_decimal_below_a_minute(milliseconds: int, said: str) -> None:
    assert words.measured(milliseconds) == said


@pytest.mark.req("F1")
def test_a_guess_is_a_range_and_equal_ends_are_said_once() -> None:
    assert words.span(48, 70) == "48 s – 1 min 10 s"
    assert words.span(48.1, 48.9) == "about 48 s"
    assert words.span(None, 70) == "–"


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(seconds=4), "just now"), (timedelta(seconds=34), "34 s ago"), (timedelta(minutes=6), "6 min ago"),
        (timedelta(hours=23), "23 h ago"), (timedelta(days=1), "20 Nov 14:04"),
    ],
)  # fmt: skip
def test_time_is_relative_up_to_a_day(age: timedelta, said: str) -> None:
    moment = words.moment(NOW - age, NOW)
    assert moment is not None
    assert moment.text == said


def test_a_time_is_there_for_machines_and_in_full_too() -> None:
    assert words.moment("2026-11-21T13:58:03.123Z", NOW) == words.Moment(
        "2026-11-21T13:58:03.123Z", "6 min ago", "21 November 2026, 13:58:03 UTC"
    )
    assert words.moment(None, NOW) is None


@pytest.mark.parametrize(
    ("number", "said"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (112, "112th"), (1003, "1,003rd")]
)
def test_places_in_line_are_ordinals(number: int, said: str) -> None:
    assert words.ordinal(number) == said


def test_names_of_code_become_labels() -> None:
    assert words.humanise("nodes_by_type") == "Nodes by type"
    assert words.humanise("artifactsCreated") == "Artifacts created"
    assert words.humanise("ui_triggers") == "UI triggers"
    assert words.size(1_240_000_000) == "1.2 GB"
    assert words.limit(1800) == "30 min"
    assert words.limit(None) == "none"


@pytest.mark.req("B15")
def test_results_without_a_page_of_their_own_are_numbers_values_and_tables() -> None:
    plain = plain_results(
        {"links": 1204, "status": "ok", "durationMs": 62000, "by_type": {"a": 1}, "names": ["x", "y"], "empty": {}}
    )
    assert plain["numbers"] == [("links", "Links", "1,204")]
    assert plain["facts"] == [("Status", "ok"), ("Duration ms", "1 min 2 s"), ("Names", "x, y")]
    assert plain["tables"] == [("By type", [("a", "1")])]


def test_a_summary_says_three_results_at_most_and_an_exit_code_first() -> None:
    assert summary({"exit_code": 3, "lines": 3402}) == "exit 3, 3,402 lines"
    assert (
        summary({"files_scanned": 1, "changed_files": 2, "nodes_found": 3, "edges_found": 4})
        == "1 files scanned, 2 changed, 3 nodes"
    )
    assert summary({"invoices": 412, "duration_ms": 9}) == "invoices 412"
    assert summary(None) == ""


def test_a_tab_of_a_job_may_not_take_the_name_of_one_that_every_task_has() -> None:
    with pytest.raises(ValueError, match="belongs to every task"):
        register_results("page_probe", tabs=(Tab("log", "Log"),))
