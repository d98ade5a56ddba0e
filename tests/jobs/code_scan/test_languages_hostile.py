"""Whatever a file contains, analyzing it ends without an exception, says the same twice, and can be stored."""

from __future__ import annotations

import pickle

import pytest

from jobs.code_scan import languages
from jobs.code_scan.facts import NAME_MAX_CHARS, NODE_TYPES, SNIPPET_MAX_CHARS

pytestmark = pytest.mark.req("B4")

_HOSTILE = {
    "nothing": b"",
    "zero bytes": b'class A { void F() { File.ReadAllText("a\0b"); } }\0\0',
    "not UTF-8": b"\xff\xfe class \xc3\x28 A { }\nopen('\xff')\n<a onclick=\"f\xff()\">",
    "parentheses": b"(" * 3_000,
    "calls in calls": b"a(" * 2_000 + b")" * 2_000,
    "a long chain": b"x" + b".Select(y => y)" * 500 + b";",
    "a long name": b"class " + b"A" * 50_000 + b" { void " + b"f" * 50_000 + b"() { } }",
    "elements in elements": b"<div>" * 3_000,
    "quotes": b'"' * 5_001,
    "half a declaration": b'class A : B<C<D { [HttpGet("x void F(',
    "half a decorator": b"@app.get(\ndef f(\nclass\nimport\nfrom . import (",
    "half an import": b'import { a, from "x"\nexport const = () => {',
    "SQL without end": b'"' + b"SELECT * FROM (" * 500 + b'"',
    "carriage returns": b"\r\r\nclass A:\r  pass\r",
    "deep indents": b"\n".join(b" " * depth + b"if x:" for depth in range(400)),
}


@pytest.mark.parametrize("language", languages.LANGUAGES)
@pytest.mark.parametrize("source", _HOSTILE.values(), ids=_HOSTILE)
def test_analyzing_never_raises_and_is_deterministic(language: str, source: bytes) -> None:
    found = languages.analyze("a/b", language, source)
    assert found == languages.analyze("a/b", language, source)
    assert pickle.loads(pickle.dumps(found)) == found
    for node in found.nodes:
        assert node.type in NODE_TYPES
        assert 1 <= node.line <= node.end_line <= source.count(b"\n") + 1
        assert len(node.name) <= NAME_MAX_CHARS
        assert len(node.snippet) <= SNIPPET_MAX_CHARS
        assert "\0" not in node.name + node.snippet + (node.target or "") + (node.function or "") + node.evidence


def test_every_extension_has_one_language_and_others_none() -> None:
    endings = [ending for language in languages.LANGUAGES.values() for ending in language.extensions]
    assert len(endings) == len(set(endings))
    assert languages.language_of("a/B.CS") == "csharp"
    assert languages.language_of("a/b.component.html") == "html"
    assert languages.language_of("LICENSE") is None
    assert languages.language_of("a.cs/readme.md") is None


def test_what_a_grammar_could_not_read_is_counted() -> None:
    assert languages.analyze("a.py", "python", b"def f(:\n").broken == 1
    assert languages.analyze("a.py", "python", b"def f(): ...\n").broken == 0
