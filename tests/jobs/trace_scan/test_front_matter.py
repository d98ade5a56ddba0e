"""Front matter is read as text, and what YAML offers to hostile files is refused with its line."""

from __future__ import annotations

import pytest

from jobs.trace_scan.documents import read_document
from jobs.trace_scan.front_matter import Malformed, read
from jobs.trace_scan.words import REQUIREMENT


def test_every_scalar_is_text_and_every_value_knows_its_line() -> None:
    front = read("---\nid: 001\nno: NO\nday: 2026-02-07\nnone: ~\nempty: ''\nlist:\n  - a\n  - 1.0\n---\n# Body\n")
    assert front.fields == {
        "id": "001", "no": "NO", "day": "2026-02-07", "none": None, "empty": "", "list": ["a", "1.0"],
    }  # fmt: skip
    assert front.lines["day"] == 4
    assert front.lines["list/1"] == 9
    assert (front.body, front.body_line) == ("# Body\n", 11)


@pytest.mark.req("B4", "B5")
@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("no front matter", 1, "first line"),
        ("---\nid: 1\n", 1, "not closed"),
        ("---\n- a\n---\n", 2, "fields"),
        ("---\nid: 1\nid: 2\n---\n", 3, "twice"),
        ("---\na:\n\t- tab\n---\n", 3, "YAML"),
        ("---\na: [1, 2\n---\n", 3, "YAML"),
        ("---\na: &a [x]\nb: [*a, *a]\n---\n", 2, "anchors"),
        ("---\na: !!python/object/apply:os.system [id]\n---\n", 2, "tags"),
        ("---\na: " + "[" * 20_000 + "\n---\n", 2, "nested"),
        ("---\na: " + "{a: " * 10_000 + "\n---\n", 2, "nested"),
        ("---\n" + "? " * 20_000 + "\n---\n", 2, "key"),
        ("---\na: [" + "1," * 9_000 + "]\n---\n", 2, "too many"),
        ("---\na: " + "x" * 70_000 + "\n---\n", 1, "longer"),
        ("---\na: 1\n...\nb: 2\n---\n", 4, "YAML"),
        ("---\na: 1\n--- \nb", 0, ""),
    ],
)
def test_hostile_front_matter_is_refused_with_its_line(text: str, line: int, word: str) -> None:
    if not word:
        assert read(text).fields == {"a": "1"}
        return
    with pytest.raises(Malformed) as refused:
        read(text)
    assert word in refused.value.reason
    assert refused.value.line == line


def test_marks_line_ends_and_encodings_of_other_systems_are_read() -> None:
    text = b"---\r\ngxp_id: REQ-001\r\n---\r\nBody\r\n"
    facts = read_document(REQUIREMENT, b"\xef\xbb\xbf" + text)
    assert (facts["trouble"], facts["fields"], facts["body"]) == (None, {"gxp_id": "REQ-001"}, "Body\n")
    assert read_document(REQUIREMENT, b"---\ngxp_id: \xff\n---\n")["trouble"] == ["It is not UTF-8.", 1]
    assert read_document(REQUIREMENT, b"---\na: \0\n---\n")["trouble"] == ["It holds NUL bytes.", 1]
