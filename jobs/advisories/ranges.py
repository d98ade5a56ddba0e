"""Whether what an advisory says of a package is true of one version: OSV's algorithm, and nothing guessed.

`ranges` and `versions` are united. In a range, the events are looked at in the order of their versions; "introduced"
switches on, "fixed" and "last_affected" switch off, a version at or above every "limit" is outside. Commits are
skipped: they say nothing of a released version. Where the text of a version cannot be ordered, the answer is unknown,
unless something else already says that the version is affected.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from functools import cmp_to_key
from typing import Any

from jobs.advisories.ecosystems import Ecosystem, VersionUnreadable, semver_key
from jobs.advisories.records import Facts

ANY_LIMIT = "*"
FIRST = "0"
# At the same version, what it is affected from comes before the last version that is.
_ORDER = {"introduced": 0, "fixed": 0, "last_affected": 1}


class Verdict(Enum):
    """What can be said of a version; the values of the two unknowns are reasons of matching.NotEvaluated."""

    AFFECTED = "affected"
    CLEAR = "clear"
    VERSION_UNREADABLE = "version_unreadable"
    RANGE_UNREADABLE = "range_unreadable"


def judge(facts: Facts, version: str, rules: Ecosystem) -> Verdict:
    """Whether this version is among those that the facts speak of."""
    if _is_listed(facts.versions, version, rules):
        return Verdict.AFFECTED
    ordered = [(kind, events) for kind, events in facts.ranges if kind != "G"]
    if not ordered and not facts.versions:
        return Verdict.RANGE_UNREADABLE
    verdicts = {_judge_range(kind, events, version, rules) for kind, events in ordered}
    for verdict in (Verdict.AFFECTED, Verdict.VERSION_UNREADABLE, Verdict.RANGE_UNREADABLE):
        if verdict in verdicts:
            return verdict
    return Verdict.CLEAR


def _is_listed(versions: list[str], version: str, rules: Ecosystem) -> bool:
    if version in versions:
        return True
    if not versions:
        return False
    own = rules.same(version)
    return any(rules.same(each) == own for each in versions)


def _judge_range(kind: str, events: list[tuple[str, str]], version: str, rules: Ecosystem) -> Verdict:
    if kind == "?" or not any(name == "introduced" for name, _ in events):
        return Verdict.RANGE_UNREADABLE
    if all(event in (("introduced", FIRST), ("limit", ANY_LIMIT)) for event in events):
        return Verdict.AFFECTED  # Every version, also one that cannot be ordered.
    key = semver_key if kind == "S" else rules.key
    try:
        own = key(version)
    except VersionUnreadable:
        return Verdict.VERSION_UNREADABLE
    try:
        return Verdict.AFFECTED if _is_inside(_read(events, key), own) else Verdict.CLEAR
    except (VersionUnreadable, TypeError):
        return Verdict.RANGE_UNREADABLE


def _read(events: list[tuple[str, str]], key: Any) -> list[tuple[str, Any]]:
    """The events with what orders them; None stands for the version before all."""
    return [
        (name, None if name == "introduced" and text == FIRST else key(text))
        for name, text in events
        if (name, text) != ("limit", ANY_LIMIT)
    ]


def _is_inside(events: list[tuple[str, Any]], own: Any) -> bool:
    limits = [key for name, key in events if name == "limit"]
    if limits and not any(own < limit for limit in limits):
        return False
    inside = any(name == "introduced" and key is None for name, key in events)
    passed = [(name, key) for name, key in events if name in _ORDER and key is not None and not own < key]
    for name, key in _sorted(passed):
        if name == "introduced":
            inside = True
        elif name == "fixed" or key < own:
            inside = False
    return inside


def _sorted(items: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """By version, then by _ORDER, then as written. The versions know only "<"."""

    def compare(one: tuple[str, Any], other: tuple[str, Any]) -> int:
        if one[1] < other[1]:
            return -1
        if other[1] < one[1]:
            return 1
        return _ORDER.get(one[0], 0) - _ORDER.get(other[0], 0)

    return sorted(items, key=cmp_to_key(compare))


def first_fix(facts: Sequence[Facts], version: str, rules: Ecosystem) -> str | None:
    """The smallest version that is said to be fixed, is above this one, and that none of these facts speak of."""
    named = {
        text
        for each in facts
        for kind, events in each.ranges
        if kind != "G"
        for name, text in events
        if name == "fixed"
    }
    try:
        own = rules.key(version)
        above = [(text, key) for text in sorted(named) if (key := _key_or_none(text, rules)) is not None and own < key]
        ordered = _sorted(above)
    except (VersionUnreadable, TypeError):
        return None
    return next((text for text, _ in ordered if all(judge(each, text, rules) is Verdict.CLEAR for each in facts)), None)


def _key_or_none(text: str, rules: Ecosystem) -> Any:
    try:
        return rules.key(text)
    except VersionUnreadable:
        return None
