"""A tag counts as the first thing of a line of a real comment, in every language, and nowhere else."""

from __future__ import annotations

import re
from typing import Any

import pytest

from jobs.repository.reading import Refused
from jobs.trace_scan.examine import facts_of
from jobs.trace_scan.layout import is_test_file, language_of, tier_of_folder

# @1, @2 and @3 stand for tags that count, @9 for ones that do not.
SAMPLES: dict[str, str] = {
    "a.ts": """
const a = `/** @9 ${b /* @1 */ + `n // @9`} // @9`;
const r = /\\/\\* @9 *\\//g, s = "// @9"; // @2
if (x) /[/]\\/ @9/.test(y);
/** @3 */
""",
    "a.tsx": "const z = <p title='// @9'>// @9 {/* @1 */} it's</p>; // @2\n/* @3 */\n",
    "a.js": "const z = `\n// @9\n`; // @1\n/*\n * @2\n * @3\n */\n",
    "a.py": '''"""Module.

@1
"""
x = """
@9
# @9
"""  # @2
def f():
    """Says that tests carry @9.

    @3"""
    return f"{x}# @9"
''',
    "A.java": """
String s = \"""\n // @9\n\"""; // @1
char c = '"'; /* @2 */
/**
 * @3
 */
""",
    "a.kt": 'val a = """\n// @9\n""" // @1\n/** @2 */\n// @3\n',
    "a.go": "package a\nvar a = `// @9` // @1\n/* @2 */\n// @3\n",
    "a.rs": 'let a = r#"// @9 "q" // @9"#; // @1\nlet c = \'"\'; /* a /* b */\n@2 */\n/// @3\n',
    "a.swift": 'let a = """\n// @9\n""" // @1\n/* a /* b */\n * @2 */\n/// @3\n',
    "a.c": 'char *a = "// @9"; // @1\n#define X /* @2 */ 1\n//! @3\n',
    "a.cpp": 'auto a = R"(// @9)"; // @1\n/*! @2 */\n/// @3\n',
    "a.php": "<?php // @1\n$a = <<<EOT\n// @9\nEOT;\n# @2\n/** @3 */\n",
    "a.cs": """
var a = @"x // @9\n// @9 "" q"; var b = \"""\n// @9\n\"""; // @1
var c = $@"{d} // @9"; /* @2 */
/// <remarks>@3</remarks>
class A {}
""",
    "a.rb": 'a = <<~X\n# @9\nX\nb = "#{c} # @9" # @1\nd = %q(# @9)\n=begin\n@2\n=end\n# @3\n',
    "a.sh": "#!/bin/sh\ncat <<EOF\n# @9\nEOF\necho '# @9' a#b # @1\n# @2\n## @3\n",
    "a.yaml": 'a: |\n  # @9\nb: "# @9" # @1\n# @2\n  # @3\n',
    "Dockerfile": 'FROM a # @9\n# @1\nRUN echo "# @9"\n# @2\n# @3\n',
    "a.sql": "select '-- @9'; -- @1\n/* @2 */\n-- @3\n",
    "a.lua": "a = [[-- @9]] -- @1\n--[[ @2\n]]\n--- @3\n",
    "a.html": '<a title="<!-- @9 -->"><!-- @1 --><script>// @2\n"//@9"</script>\n<!--\n  @3\n-->',
    "a.vue": """
<template><a title="<!-- @9 -->"/><!-- @1 --></template>
<script lang="ts">\n// @2\nconst a = "// @9"; /* @3 */\n</script>
""",
    "a.cshtml": "@* @1 *@\n<!-- @2 -->\n@{ /* @3 */ }\n",
}


def facts(path: str, text: str) -> dict[str, Any]:
    return facts_of(path, language_of(path) or "", text.encode()) or {}


def refs(path: str, text: str) -> list[str]:
    return [ref[1] for block in facts(path, text).get("blocks", ()) for ref in block["refs"]]


@pytest.mark.req("B5")
@pytest.mark.parametrize("path", SAMPLES)
def test_comments_count_and_strings_do_not(path: str) -> None:
    text = re.sub(r"@(\d)", r"@gxp-spec SPEC-00\1", SAMPLES[path])
    assert text.count("SPEC-009") or path == "a.cshtml"
    assert sorted(refs(path, text)) == ["SPEC-001", "SPEC-002", "SPEC-003"]


@pytest.mark.req("B5")
def test_all_vocabularies_may_meet_in_one_file() -> None:
    text = """/**
 * @gxp-req REQ-001 "Title"
 * @gxp-spec SPEC-001
 * @gxp-story US-001
 * @gxp-risk high
 * @gxp-risk-concern "what may go wrong"
 */
/* @requirement REQ-002
   @gxp-tag {SPEC-002}
   @trace US-002
   @gxp-criticality LOW */
// @gxp-satisfies REQ-003, REQ-004
// @gxp-implements SPEC-003, US-003
// @gxp-derives-from REQ-005

// @gxp-verifies SPEC-004
// @test-type integration
"""
    found = facts("src/a.ts", text)
    assert [[ref[1] for ref in block["refs"]] for block in found["blocks"]] == [
        ["REQ-001", "SPEC-001", "US-001"], ["REQ-002", "SPEC-002", "US-002"],
        ["REQ-003", "REQ-004", "SPEC-003", "US-003", "REQ-005"], ["SPEC-004"],
    ]  # fmt: skip
    assert [(block["risk"], block["tier"]) for block in found["blocks"]] == [
        ("HIGH", None), ("LOW", None), (None, None), (None, "OQ"),
    ]  # fmt: skip
    assert found["older"] == {"requirement": 1, "gxp-tag": 1, "gxp-criticality": 1}


def test_what_is_odd_is_told_with_its_line() -> None:
    text = "// @gxp-spec nothing\n// @gxp-foo x\n// @gxp-id: X-1\n// see @gxp-spec SPEC-001\n// @gxp-risk EXTREME\n"
    found = facts("src/a.ts", text + "// @gxp-req " + "x" * 5_000 + "\n")
    assert "blocks" not in found
    assert [(line, tag) for line, tag, _ in found["malformed"]] == [(1, "gxp-spec"), (5, "gxp-risk"), (6, "gxp-req")]
    assert found["unknown"] == [[2, "gxp-foo"]]
    assert found["withdrawn"] == [[3, "gxp-id"]]


def test_a_block_knows_what_it_governs() -> None:
    text = "// @trace US-001\ndescribe('orders', () => {\n  // @gxp-spec SPEC-001\n  it(\"ships\", () => {});\n});\n"
    blocks = facts("src/a.spec.ts", text)["blocks"]
    assert [(block["name"], block["is_suite"], block["line"]) for block in blocks] == [
        ("orders", True, 1),
        ("ships", False, 3),
    ]


@pytest.mark.req("B5")
def test_marks_of_pytest_are_read_from_code_with_those_of_class_and_module() -> None:
    text = """
import pytest
pytestmark = [pytest.mark.req("A1"), pytest.mark.slow]
SOURCE = "@pytest.mark.req('Z9')"

@pytest.mark.req("A8", "REQ-B2")
@pytest.mark.test_type("PQ")
def test_one(): ...

@pytest.mark.spec("SPEC-001")
class TestTwo:
    @pytest.mark.parametrize("a", [pytest.param(1, marks=pytest.mark.trace("US-001"))])
    @pytest.mark.risk("low")
    async def test_three(self): ...

@pytest.mark.req(SOURCE)
def test_four(): ...
"""
    found = facts("tests/test_a.py", text)
    assert {
        block["name"]: ([ref[1] for ref in block["refs"]], block["tier"], block["risk"]) for block in found["blocks"]
    } == {
        "test_one": (["REQ-A1", "REQ-A8", "REQ-B2"], "PQ", None),
        "TestTwo::test_three": (["REQ-A1", "SPEC-001", "US-001"], None, "LOW"),
        "test_four": (["REQ-A1"], None, None),
    }
    assert [line for line, _, _ in found["malformed"]] == [16]


JAVA = """
@GxpReq("REQ-001")
@GxpSpec({"SPEC-001", "SPEC-002"})
class A {
  String s = "@GxpReq(\\"REQ-009\\")"; // @GxpReq("REQ-008")
  @GxpReq(CONSTANT) void f() {}
}
"""
KOTLIN = """
@GxpReq("REQ-001")
@GxpSpec("SPEC-001", "SPEC-002")
class A { val s = "@GxpReq(\\"REQ-009\\")" }
@GxpReq(CONSTANT) fun f() {}
"""
CSHARP = """
[GxpReq("REQ-001")]
[Serializable, GxpSpec("SPEC-001", "SPEC-002")]
class A {
  string s = "[GxpReq(\\"REQ-009\\")]";
  void F() { GxpReq("REQ-008"); }
  [GxpReq(Constant)] void G() {}
}
"""


@pytest.mark.parametrize(("path", "text"), [("A.java", JAVA), ("a.kt", KOTLIN), ("a.cs", CSHARP)])
def test_attributes_are_read_from_code(path: str, text: str) -> None:
    assert refs(path, text) == ["REQ-001", "SPEC-001", "SPEC-002"]
    assert len(facts(path, text)["malformed"]) == 1


@pytest.mark.parametrize(
    ("path", "is_test"),
    [
        ("tests/oq/a.py", True), ("src/a.spec.ts", True), ("pkg/a_test.go", True), ("e2e/x/a.js", True),
        ("OrderTest.java", True), ("src/contest/a.ts", False), ("src/latest.ts", False),
        ("src/testing.py", False), ("OrderTests.cs", True),
    ],
)  # fmt: skip
def test_a_test_file_is_known_by_folder_or_name(path: str, is_test: bool) -> None:
    assert is_test_file(path) is is_test


def test_the_nearest_folder_gives_a_tier() -> None:
    assert tier_of_folder("tests/oq/iq/a.ts") == "IQ"
    assert tier_of_folder("pqrs/a.ts") is None


def test_a_file_without_tags_or_tests_says_nothing_and_a_binary_one_is_refused() -> None:
    assert facts_of("src/a.ts", "typescript", b"export const a = 1;\n") is None
    assert facts_of("tests/helper.ts", "typescript", b"export const a = 1;\n") is None
    assert facts("tests/odd.ts", "// @gxp-spec SPEC-001\n// @test-type OQ\nmyOwnRunner();\n")["has_tests"]
    assert "has_tests" not in facts("tests/odd.ts", "// @gxp-spec SPEC-001\nmyOwnHelper();\n")
    assert facts_of("tests/a.test.ts", "typescript", b"it('x', () => {});\n") == {"kind": "source", "has_tests": True}
    with pytest.raises(Refused):
        facts_of("src/a.ts", "typescript", b"// @gxp-spec SPEC-001\0")


@pytest.mark.req("B4")
def test_an_unreadable_encoding_is_replaced_and_noted() -> None:
    found = facts_of("src/a.ts", "typescript", b"// @gxp-spec SPEC-001 \xff\xfe\n") or {}
    assert found["replaced"] is True
    assert found["blocks"][0]["refs"][0][1] == "SPEC-001"
