"""The rules, their limits, and the words of numbers; and the page of the documentation that tells of them."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest
from sqlalchemy.exc import OperationalError

from monitoring.alerts import thresholds, words
from monitoring.alerts.rules import RULES, Severity
from monitoring.alerts.thresholds import Threshold
from monitoring.alerts.watching import RATE_OVER_S, DiskRate, Unchanged
from tests.fixtures.machine import ROOT

pytestmark = pytest.mark.req("H4")


@pytest.mark.req("K4")
def test_the_documentation_names_every_rule_with_its_defaults() -> None:
    page = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line.split(" | ") for line in page.splitlines() if line.startswith("| `")}
    assert list(rows) == list(RULES)
    for type_, rule in RULES.items():
        _, when, severity, after, gone = rows[type_]
        assert severity == rule.severity
        assert after == (f"{rule.after_s} s" if rule.after_s else "at once")
        assert gone.removesuffix(" |") == f"{rule.quiet_s:.0f} s"
        for value in rule.values:
            assert f"{value.default:,} " in when, value.name


@pytest.mark.parametrize("threshold", thresholds.defaults().values(), ids=lambda each: each.rule.type)
def test_every_rule_says_when_it_comes_and_what_to_do(threshold: Threshold) -> None:
    rule = threshold.rule
    assert "{" not in threshold.measures
    assert rule.step.endswith(".")
    assert thresholds.changed(threshold) == []
    assert all(each.low <= each.default <= each.high for each in thresholds.numbers(rule))
    assert thresholds.changed(replace(threshold, severity=rule.severity.next, on=False))[0] == "on"


def test_severities_rise_to_critical() -> None:
    assert [each.next for each in Severity] == ["warning", "high", "critical", "critical"]


def test_a_disk_that_fills_evenly_is_full_when_the_line_says_so() -> None:
    rate = DiskRate()
    assert [rate.full_in_s(1_000_000 - 100 * second, float(second)) for second in range(0, 880, 20)] == [None] * 44
    left = rate.full_in_s(1_000_000 - 100 * 1000, 1000.0)
    assert left is not None
    assert abs(left - 9000) < 10
    assert rate.full_in_s(1_000_000, 1020.0) is not None, "one file that goes does not change the rate"
    steady = DiskRate()
    assert [steady.full_in_s(5000, second) for second in (0.0, RATE_OVER_S, 2 * RATE_OVER_S)] == [None] * 3


def test_silence_is_counted_by_what_this_process_has_seen() -> None:
    seen = Unchanged()
    assert [seen.for_s("a", value, now_s) for value, now_s in ((1, 10.0), (1, 14.0), (2, 15.0), (2, 25.0))] == [
        0,
        4,
        0,
        10,
    ]
    seen.forget()
    assert seen.for_s("a", 2, 99.0) == 0
    seen.keep([])
    assert seen.for_s("a", 2, 120.0) == 0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (724, "12 min 4 s"),
        (9000, "2 h 30 min"),
        (86_400 * 3, "3 d"),
        (-5, "0 s"),
    ],
)
def test_durations_are_said_without_their_zeros(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


def test_a_reason_holds_no_statement_and_no_password() -> None:
    locked = sqlite3.OperationalError("database is locked")
    error = OperationalError("UPDATE users SET password = :p", {"p": "secret"}, locked)
    assert words.reason(error) == "database is locked"
    refused = OperationalError("SELECT 1", {}, Exception({"S": "FATAL", "M": "the database system is\nshutting down"}))
    assert words.reason(refused) == "the database system is shutting down"
    assert words.reason(OSError(111, "Connection refused")) == "[Errno 111] Connection refused"
    assert len(words.reason(ValueError("x" * 900))) == 200
