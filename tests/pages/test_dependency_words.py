"""The judgement of a dependency scan: "clean" is said of nothing that was not wholly looked at."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pages import outcome
from pages.dependency_words import age, counters, news, place_words, verdict

pytestmark = pytest.mark.req("B10", "B15")
NOW = datetime(2026, 11, 21, 14, 0, tzinfo=UTC)
FILE = {"path": "requirements.txt", "problem": None}
NONE = dict.fromkeys(("critical", "high", "medium", "low", "unknown"), 0)


def summary(**changes: Any) -> dict[str, Any]:
    """A clean one, but for the changes."""
    return {
        "packages": 1318, "vulnerabilities": 0, "by_severity": NONE, "fixable": 0, "ignored": 0, "not_evaluated": 0,
        "complete": True, "files": [FILE], "warnings": [], "data_date": "2026-11-20T02:31:00.000Z", "since": None,
        "next_ignore_ends_at": None, "updates": None,
    } | changes  # fmt: skip


def said(**changes: Any) -> str:
    found = verdict(summary(**changes))
    return f"{found.sentence} {found.text}"


def test_clean_needs_everything() -> None:
    assert said() == "Clean. No advisory names any of the 1,318 packages."
    for change in (
        {"complete": False, "not_evaluated": 1}, {"files": []}, {"vulnerabilities": 1}, {"ignored": 1},
        {"warnings": ["The advisories for npm are 9 days old."]}, {"data_date": None}, {"updates": {"security": 3}},
    ):  # fmt: skip
        assert "Clean" not in said(**change), change
        assert verdict(summary(**change)).tone != "ok", change


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"complete": False, "not_evaluated": 7, "vulnerabilities": 27, "fixable": 24},
            "Incomplete. 7 of 1,318 packages could not be evaluated. "
            "In the other 1,311 there are 27 known vulnerabilities, 24 of them with a fix.",
        ),
        (
            {"complete": False, "not_evaluated": 1, "files": [FILE, {"path": "a", "problem": "is not valid JSON"}]},
            "Incomplete. 1 lock file could not be evaluated. In the other 1,318 there is no known vulnerability.",
        ),
        (
            {"files": []},
            "Incomplete. Nothing was checked. No lock file was found. Check the folder, and what is left out.",
        ),
        (
            {"vulnerabilities": 1, "fixable": 1},
            "1 known vulnerability in 1,318 packages. Fixed versions are known for all of them.",
        ),
        ({"ignored": 3}, "No vulnerability counts in 1,318 packages. 3 known, and ignored for a time."),
    ],
)
def test_the_judgement_in_words(changes: dict[str, Any], words: str) -> None:
    assert said(**changes) == words


def test_severities_are_told_with_their_change_and_the_next_end_of_an_ignore() -> None:
    since = {
        "by_severity": NONE | {"high": 1, "medium": -2},
        "new": 3,
        "new_data": 2,
        "fixed": 4,
        "unsure": 1,
        "same": 9,
    }
    told = counters(summary(since=since, ignored=2, next_ignore_ends_at="2026-11-30T00:00:00.000Z"), "/tasks/1", NOW)
    notes = {each["label"]: each["note"] for each in told}
    assert notes["High"] == "+1 since the last scan"
    assert notes["Medium"] == "−2 since the last scan"
    assert notes["Low"] == "no change"
    assert notes["Ignored"] == "next one ends 30 Nov"
    assert [each["text"] for each in news(summary(since=since))] == [
        "3 new, 2 of them only because the data are newer", "4 fixed or gone",
        "1 of which it is not known whether they are gone", "9 still there",
    ]  # fmt: skip
    assert news(summary()) == []


def test_ages_and_places() -> None:
    assert age("2026-11-20T02:31:00.000Z", NOW) == "Data of 20 Nov 2026, 02:31 UTC, 1 day old"
    assert age(None, NOW) == "The age of the data is not known"
    place = {"file": "web/yarn.lock", "via": ["a", "b"], "relation": "transitive", "others": 3, "is_dev": True}
    finding = {"places": [place | {"condition": None}], "installed": []}
    assert place_words(finding) == {"path": "web › a › b", "note": "and 3 more packages, only for development"}
    assert place_words({"places": [], "installed": ["a", "b", "c", "d", "e"]})["path"] == "a, b, c and 2 more"


def test_lists_and_headers_say_incomplete_before_any_number() -> None:
    results = {"packages": 7, "vulnerabilities": 0, "complete": False}
    assert outcome.summary(results) == "incomplete, 7 packages, 0 known vulnerabilities"
    ended = outcome.outcome({"status": "completed", "results": results, "duration_ms": 900})
    assert ended is not None
    assert (ended.tone, ended.icon) == ("warn", "silent")
    assert outcome.summary(results | {"complete": True}) == "7 packages, 0 known vulnerabilities"
