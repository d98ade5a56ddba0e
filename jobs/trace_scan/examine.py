"""One file of a repository, read and turned into facts. This is what runs in a parse child.

The facts of a source are None when it holds no annotation and no test: most files, of which nothing is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from jobs.repository.reading import Content, Refused, read
from jobs.trace_scan import tags, words
from jobs.trace_scan.comments import comments
from jobs.trace_scan.documents import decoded, read_document, read_evidence
from jobs.trace_scan.layout import is_test_file
from jobs.trace_scan.marks import read_attributes, read_python

ARTIFACT = "artifact:"
ARTIFACT_MAX_BYTES = 2**20
EVIDENCE_MAX_BYTES = 20_000_000
SOURCE_MAX_BYTES = 2_000_000
MAX_LINE_CHARS = 1_000_000

# Whether a test file holds any test at all. A search, for a wrong answer costs one line in a list, not a link.
_SCRIPT = (
    rb"\b(?:it|test|describe|specify)(?:\.\w{1,40}){0,4}[ \t]{0,20}"
    rb"(?:\(\s{0,200}[\"'`]|\([^()\n]{0,200}\)[ \t]{0,20}\(\s{0,200}[\"'`]|`)|\b(?:it|describe)\([\w.$]{1,80},"
)
_HAS_TEST = {
    "python": rb"^[ \t]*(?:async[ \t]+)?def test|^class Test",
    **dict.fromkeys(("typescript", "tsx", "javascript", "vue"), _SCRIPT),
    **dict.fromkeys(("java", "kotlin"), rb"@(?:Parameterized|Repeated)?Test\b|@TestFactory\b|@Property\b"),
    "csharp": rb"\[(?:Fact|Theory|Test|TestMethod|DataTestMethod|TestCase)\b",
    "go": rb"^func (?:Test|Fuzz|Example)",
    "rust": rb"#\[(?:\w+::)*test\b",
    "swift": rb"\bfunc test|@Test\b",
    **dict.fromkeys(("c", "cpp"), rb"\b(?:TEST|TEST_F|TEST_P|TEST_CASE|SCENARIO|BOOST_AUTO_TEST_CASE)\s*\("),
    "php": rb"\bfunction test|@test\b|#\[Test|\b(?:it|test)\(\s*[\"']",
    "ruby": rb"\b(?:it|test|scenario|specify)\s+[\"']|\bdef test_",
    "bash": rb"^@test\b|^[ \t]*(?:function[ \t]+)?test\w{0,80}[ \t]*\(\)",
    "lua": rb"\b(?:it|describe)\s*\(",
}
HAS_TEST = {language: re.compile(pattern, re.MULTILINE) for language, pattern in _HAS_TEST.items()}


def max_bytes(language: str) -> int:
    """The largest file that is read as this: sources, artifacts, evidence."""
    if language == ARTIFACT + words.EVIDENCE:
        return EVIDENCE_MAX_BYTES
    return ARTIFACT_MAX_BYTES if language.startswith(ARTIFACT) else SOURCE_MAX_BYTES


def facts_of(path: str, language: str, data: bytes) -> dict[str, Any] | None:
    """What a file says. `language` is a language of layout.py, or ARTIFACT and a type. Raises Refused."""
    if language.startswith(ARTIFACT):
        type_ = language.removeprefix(ARTIFACT)
        return read_evidence(path, data) if type_ == words.EVIDENCE else read_document(type_, data)
    if b"\0" in data[:8192]:
        raise Refused("binary")
    has_tests = is_test_file(path) and language in HAS_TEST and bool(HAS_TEST[language].search(data))
    if not tags.MAY_HOLD.search(data):
        return {"kind": "source", "has_tests": True} if has_tests else None
    text, is_replaced = decoded(data)
    text = text.replace("\0", " ")
    if max(map(len, text.split("\n"))) > MAX_LINE_CHARS:
        raise Refused("long_line")
    said = tags.read_comments(language, comments(language, text), text)
    if language == "python" and b"mark." in data:
        read_python(text, said)
    elif language in ("java", "kotlin", "csharp") and b"Gxp" in data:
        read_attributes(language, text, said)
    # Who says what kind of test it is need not write it in a way that is known here.
    has_tests = has_tests or (is_test_file(path) and any(block["tier"] for block in said.blocks))
    facts: dict[str, Any] = {"kind": "source", "has_tests": has_tests, "blocks": said.blocks}
    facts |= {name: getattr(said, name) for name in ("malformed", "unknown", "withdrawn", "older")}
    if is_replaced:
        facts["replaced"] = True
    return {name: value for name, value in facts.items() if value or name == "kind"} if _says(facts) else None


def _says(facts: dict[str, Any]) -> bool:
    return any(facts.get(name) for name in ("has_tests", "blocks", "malformed", "unknown", "withdrawn", "older"))


def examiner(options: dict[str, Any]) -> Callable[[list[Any]], bytes]:  # noqa: ARG001
    """The function from a request (number, path as Latin-1, shown path, language, known digest) to an answer."""
    import orjson

    def answer(head: dict[str, Any], body: bytes = b"") -> bytes:
        return b"".join((orjson.dumps({**head, "split": len(body)}), b"\n", body))

    def examine(request: list[Any]) -> bytes:
        number, raw, path, language, known = request
        head: dict[str, Any] = {"n": number}
        try:
            content: Content = read(raw.encode("latin-1"), max_bytes(language))
            head["digest"] = content.digest
            if content.digest == known:
                return answer(head | {"status": "same"})
            facts = facts_of(path, language, content.data)
            return answer(head | {"status": "parsed"}, orjson.dumps(facts))
        except Refused as refusal:
            return answer(head | {"status": "refused", "reason": refusal.reason, "note": refusal.note})
        except MemoryError:
            return answer(head | {"status": "refused", "reason": "memory", "note": None})
        except Exception as error:  # Whatever a reader does wrong costs one file, and is told.
            return answer(head | {"status": "refused", "reason": "analyzer", "note": type(error).__name__})

    return examine
