"""Severity: from vectors of every version of CVSS, else from the database's word, else unknown."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.advisories.severity import Rating, rated, rating_of, worst

V2 = "AV:N/AC:L/Au:N/C:P/I:P/A:P"
V3 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
V30 = "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:L"
V4 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N"


def scored(kind: str, vector: str) -> dict[str, str]:
    return {"type": kind, "score": vector}


@pytest.mark.req("B10")
@pytest.mark.parametrize(
    ("vector", "version", "severity", "score"),
    [(V2, 2, "high", 7.5), (V3, 3, "critical", 9.8), (V30, 3, "medium", 5.3), (V4, 4, "medium", 6.9),
     ("CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N", 3, "low", 0.0)],
)  # fmt: skip
def test_a_vector_gives_score_and_severity(vector: str, version: int, severity: Any, score: float) -> None:
    assert rated(vector) == (version, Rating(severity, score, vector))


@pytest.mark.req("B10")
@pytest.mark.parametrize(
    "vector", ["", "7.5", "CVSS:3.1/AV:N", "CVSS:4.0/" + "A" * 200, "CVSS:9/" + "x" * 5000, "AV:N"]
)
def test_what_is_no_vector_is_no_rating(vector: str) -> None:
    assert rated(vector) is None


@pytest.mark.req("B10")
def test_the_newest_version_of_cvss_counts() -> None:
    said = {"severity": [scored("CVSS_V3", V3), scored("CVSS_V4", V4), scored("CVSS_V2", V2)]}
    assert rating_of(said, []).vector == V4
    assert rating_of({}, [{"severity": [scored("CVSS_V3", V30)]}, {"severity": [scored("CVSS_V3", V3)]}]).vector == V3


@pytest.mark.req("B10")
@pytest.mark.parametrize(
    ("record", "affected", "severity"),
    [
        ({"database_specific": {"severity": "MODERATE"}}, [], "medium"),
        ({"database_specific": {"severity": "Important"}}, [], "high"),
        ({}, [{"ecosystem_specific": {"urgency": "low"}}], "low"),
        ({}, [{"database_specific": {"cvss": V3}}], "critical"),
        ({}, [{"database_specific": {"cvss": {"score": 9.8, "vector": V3}}}], "critical"),
        ({"severity": [scored("Ubuntu", "medium")]}, [], "medium"),
        ({"severity": [scored("CVSS_V3", "broken")], "database_specific": {"severity": "HIGH"}}, [], "high"),
        ({"severity": [scored("CVSS_V3", V3)], "database_specific": {"severity": "LOW"}}, [], "critical"),
        ({"id": "MAL-2026-1"}, [], "critical"),
        ({}, [{"ecosystem_specific": {"urgency": "not yet assigned"}}], "unknown"),
        ({"severity": "high", "database_specific": [1], "affected": 3}, [], "unknown"),
        (
            {"severity": [None, 3, {"type": "CVSS_V3", "score": 9.8}], "database_specific": {"severity": 9}},
            [],
            "unknown",
        ),
    ],
)
def test_words_count_where_no_vector_can_be_read(record: Any, affected: Any, severity: str) -> None:
    assert rating_of(record, affected).severity == severity


@pytest.mark.req("B10")
def test_of_several_the_worst_counts_and_a_score_outweighs_a_word() -> None:
    low, high, word = Rating("low", 3.1, "a"), Rating("high", 7.0, "b"), Rating("critical")
    assert worst([low, high]) == high
    assert worst([word, low]) == low
    assert worst([Rating("unknown"), word, Rating("medium")]) == word
    assert worst([]) == Rating("unknown")
