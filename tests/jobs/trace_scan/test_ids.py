"""Ids are taken whole, and a wrong one is answered with what was perhaps meant."""

from __future__ import annotations

import pytest

from jobs.trace_scan.ids import Known, from_name, id_list, implied_parents, is_id, is_standard, type_of


@pytest.mark.req("B5")
@pytest.mark.parametrize(
    ("text", "ids", "is_malformed"),
    [
        ("REQ-001", ["REQ-001"], False),
        ('REQ-001 "A title, with a comma"', ["REQ-001"], False),
        ("REQ-001 a title without quotes", ["REQ-001"], False),
        ("{ REQ-001 }", ["REQ-001"], False),
        ("{REQ-001", [], True),
        ("SPEC-001-001, SPEC-001-002", ["SPEC-001-001", "SPEC-001-002"], False),
        ("{SPEC-001-003-INT-007}", ["SPEC-001-003-INT-007"], False),
        ("REQ-A8: delivery", ["REQ-A8"], False),
        ("req-1", ["req-1"], False),
        ("REQ-001,", ["REQ-001"], True),
        ("REQ-001, and so on", ["REQ-001"], True),
        ("SPEC-001/002", [], True),
        ("nothing", [], True),
        ("", [], True),
        ("REQ", [], True),
    ],
)
def test_a_tag_names_whole_ids(text: str, ids: list[str], is_malformed: bool) -> None:
    assert id_list(text) == (ids, is_malformed)


def test_an_id_is_never_found_inside_a_longer_one() -> None:
    assert id_list("SPEC-001-001-004").ids == ["SPEC-001-001-004"]
    assert id_list("REQ-0010").ids == ["REQ-0010"]
    assert not is_id("REQ-001-")
    assert not is_id("REQ-" + "0" * 300)
    assert type_of("EV-SPEC-001") is None


def test_the_strict_pattern_is_narrower_than_the_accepted_one() -> None:
    ids = ("REQ-001", "US-001-002", "US-001", "SPEC-001-002", "REQ-A8", "SPEC-INF-001")
    assert [is_standard(each) for each in ids] == [True] * 4 + [False] * 2


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("requirements/REQ-001-login.md", "REQ-001"),
        ("SPEC-001-003-INT-007-check-it.md", "SPEC-001-003-INT-007"),
        ("SPEC-006-001-001.md", "SPEC-006-001-001"),
        ("REQ-A8.md", "REQ-A8"),
        ("EV-SPEC-001-001.jws", None),
        ("notes.md", None),
    ],
)
def test_a_file_name_gives_its_leading_id(name: str, id_: str | None) -> None:
    assert from_name(name) == id_


def test_a_wrong_id_is_answered_with_a_hint() -> None:
    known = Known(["REQ-001", "SPEC-001-001"])
    assert known.hint("req-1") == "Did you mean REQ-001?"
    assert known.hint("REQ-01") == "Did you mean REQ-001?"
    assert known.hint("SPEC-001-001-004") == "The nearest that exists is SPEC-001-001."
    assert known.hint("REQ-777") is None


def test_numbers_imply_parents_from_the_nearest_on() -> None:
    assert implied_parents("US-001-002") == ["REQ-001"]
    assert implied_parents("SPEC-001-002") == ["US-001-002", "US-001", "REQ-001"]
    assert implied_parents("US-001") == []
