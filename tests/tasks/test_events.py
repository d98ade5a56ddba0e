"""What a job reports reaches every client as JSON, whatever it was."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.events import MAX_ITEMS, MAX_TEXT, clean, encode, encode_fields, packet, printable

pytestmark = pytest.mark.req("A2", "A14")

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary(max_size=20)
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["\ud800", "\udcff\x00", 10**400, -(10**400), 2**64, math.nan, math.inf, object(), Path("/x")]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(), max_size=5) | st.integers(), inner, max_size=4)
        | st.tuples(inner, inner)
    ),
    max_leaves=20,
)


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


@settings(max_examples=300, deadline=None)
@given(ANYTHING)
def test_anything_becomes_json_that_every_client_reads(value):
    for text in (encode({"value": value}), encode(clean({"value": value}))):
        text.encode("utf-8")
        json.loads(text, parse_constant=_refuse)


def test_nan_and_infinity_are_unknown():
    assert clean({"ratio": math.nan, "limit": math.inf, "rest": -math.inf}) == {
        "ratio": None,
        "limit": None,
        "rest": None,
    }
    assert encode([math.nan, math.inf]) == "[null,null]"


@pytest.mark.parametrize(
    ("number", "sent"), [(2**53 - 1, 2**53 - 1), (2**60, float(2**60)), (10**400, None), (-(10**400), None)]
)
def test_a_number_is_what_javascript_can_hold_of_it(number, sent):
    assert clean(number) == sent


def test_depth_length_and_text_are_bounded():
    deep: object = "bottom"
    for _ in range(10_000):
        deep = [deep]
    assert json.loads(encode(deep)) == [[[[[["…"]]]]]]
    assert len(clean("x" * 1_000_000)) == MAX_TEXT
    assert len(clean(list(range(10_000)))) == MAX_ITEMS
    assert len(clean({n: n for n in range(10_000)})) == MAX_ITEMS


def test_bytes_and_objects_become_text():
    assert clean({"raw": b"\xff", "price": Decimal("1.5")}) == {"raw": "b'\\xff'", "price": "1.5"}
    assert encode({"at": datetime(2026, 1, 1, tzinfo=UTC)}) == '{"at":"2026-01-01T00:00:00+00:00"}'


def test_text_without_control_characters_and_surrogates_is_left_alone():
    assert printable("größer ✓") == "größer ✓"
    assert printable("a\x00b\ud800c", " ") == "a b c"


def test_fields_are_the_inside_of_an_object_and_packets_are_socket_io():
    assert encode_fields({"a": 1, "b": "x"}) == '"a":1,"b":"x"'
    assert packet("task_log", {"lines": []}) == '2["task_log",{"lines":[]}]'
