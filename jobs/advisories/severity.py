"""How bad an advisory is: from its CVSS vectors where it has any that can be read, else from its database's own word.

The newest version of CVSS counts. A score of 0.0, CVSS's "none", is shown as low: there is an advisory all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple

Severity = Literal["critical", "high", "medium", "low", "unknown"]
SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low", "unknown")
MAX_VECTOR = 300
_KINDS = ("CVSS_V4", "CVSS_V3", "CVSS_V2")
_WORDS: dict[str, Severity] = {
    "critical": "critical",
    "high": "high",
    "important": "high",
    "medium": "medium",
    "moderate": "medium",
    "low": "low",
    "minor": "low",
    "negligible": "low",
    "unimportant": "low",
}


class Rating(NamedTuple):
    """A severity, with the score from 0 to 10 and the vector that it comes from, None when a word says it."""

    severity: Severity
    score: float | None = None
    vector: str | None = None

    @property
    def rank(self) -> tuple[bool, float, int]:
        """Larger is worse, and a score outweighs a word."""
        return self.score is not None, self.score or 0.0, -SEVERITIES.index(self.severity)


UNKNOWN = Rating("unknown")


def worst(ratings: Iterable[Rating]) -> Rating:
    """The worst of these, by score where any has one."""
    return max(ratings, key=lambda each: each.rank, default=UNKNOWN)


def rating_of(record: Mapping[str, Any], affected: Iterable[Mapping[str, Any]]) -> Rating:
    """The rating of an OSV record as far as it concerns these of its `affected` entries."""
    parts = [record, *affected]
    vectors = [found for part in parts for entry in _dicts(part.get("severity")) if (found := _vector_in(entry))]
    details = [_dict(part.get(name)) for part in parts for name in ("database_specific", "ecosystem_specific")]
    vectors += [found for each in details for text in _texts(each.get("cvss")) if (found := rated(text))]
    if vectors:
        newest = max(version for version, _ in vectors)
        return worst(rating for version, rating in vectors if version == newest)
    if str(record.get("id", "")).startswith("MAL-"):
        return Rating("critical")
    words = [each.get(name) for each in details for name in ("severity", "urgency")]
    words += [entry.get("score") for part in parts for entry in _dicts(part.get("severity"))]
    said = [_WORDS[word.lower()] for word in words if isinstance(word, str) and word.lower() in _WORDS]
    return worst(Rating(each) for each in said)


def _vector_in(entry: Mapping[str, Any]) -> tuple[int, Rating] | None:
    text = entry.get("score")
    return rated(text) if entry.get("type") in _KINDS and isinstance(text, str) else None


def _texts(value: object) -> list[str]:
    """What a database calls "cvss": a vector, or an object or a list with vectors in it."""
    found = value if isinstance(value, list) else [value]
    found = [part for each in found for part in (each.values() if isinstance(each, dict) else [each])]
    return [each for each in found if isinstance(each, str)]


@lru_cache(maxsize=20_000)
def rated(vector: str) -> tuple[int, Rating] | None:
    """(version of CVSS, rating) of a vector; None when it is none that can be read."""
    from cvss import CVSS2, CVSS3, CVSS4, CVSSError

    if len(vector) > MAX_VECTOR:
        return None
    version = 4 if vector.startswith("CVSS:4") else 3 if vector.startswith("CVSS:3") else 2
    try:
        read = {4: CVSS4, 3: CVSS3, 2: CVSS2}[version](vector)
        score, word = float(read.scores()[0]), str(read.severities()[0]).lower()
    except (CVSSError, ValueError, KeyError, TypeError):
        return None
    return version, Rating(_WORDS.get(word, "low"), score, vector)


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
