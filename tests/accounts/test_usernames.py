"""Which names are allowed and which are the same."""

from __future__ import annotations

import pytest

from accounts import InvalidUsername, clean_username, name_key


def test_names_that_differ_in_case_width_or_form_are_one_name() -> None:
    assert name_key("Ada") == name_key("ADA") == name_key("ａｄａ") == name_key(" ada ")
    assert name_key("Straße") == name_key("STRASSE")
    assert name_key("é") == name_key("e\u0301")


def test_a_name_is_kept_as_typed_but_composed_and_trimmed() -> None:
    assert clean_username("  Mira Okafor ") == "Mira Okafor"


@pytest.mark.req("D9")
@pytest.mark.parametrize(
    "bad", ["", "   ", "a\nb", "a\x00b", "a\u202eb", "a\u200bb", "x" * 65, "y" * 100_000, "a\ud800"]
)
def test_empty_endless_and_invisible_names_are_refused(bad: str) -> None:
    with pytest.raises(InvalidUsername):
        clean_username(bad)
