"""Links and findings: what is valid, broken or missing, and what reaches a requirement."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.trace_scan import layout, rules, words
from jobs.trace_scan.assemble import Found, assemble, documents
from jobs.trace_scan.examine import ARTIFACT, facts_of
from jobs.trace_scan.walk import Seen
from tests.jobs.trace_scan.repository import CONTEXT, SOURCE, TESTS, requirement, spec, story

Files = dict[str, str]


def found_in(
    files: Files, settings: str | None = None, changed: set[str] = frozenset(), before: set[str] = frozenset()
) -> Found:  # type: ignore[assignment]
    """What a repository with these files holds, without a scan around it."""
    facts = facts_of("GxP.MD", ARTIFACT + words.SETTINGS, settings.encode()) if settings else None
    wanted, own = rules.read(facts)
    seen: dict[str, Seen] = {}
    for path, text in files.items():
        type_ = layout.artifact_type(path, wanted.folder)
        language = ARTIFACT + type_ if type_ else layout.language_of(path)
        if language and (type_ or not path.startswith(wanted.folder + "/")):
            seen[path] = Seen(len(text), 0, language, "d", facts_of(path, language, text.encode()))
    made = documents(seen, own, [])
    return assemble(seen, made, wanted, set(files), [], changed, before, lambda: None)


def chain(**more: str) -> Files:
    """A sound chain of REQ-001; `more` adds or replaces files, named with / for __ and . for the last _."""
    files = {
        ".gxp/system_context.md": CONTEXT,
        ".gxp/requirements/REQ-001.md": requirement("REQ-001", "LOW"),
        ".gxp/user_stories/US-001-001.md": story("US-001-001", "REQ-001"),
        ".gxp/specs/SPEC-001-001.md": spec("SPEC-001-001", "US-001-001"),
        "src/ledger.ts": SOURCE,
        "tests/ledger.spec.ts": TESTS,
    }
    return files | more


def codes(found: Found, *kinds: str) -> list[tuple[str, str]]:
    return [(each.code, each.subject) for each in found.findings if each.kind in kinds]


def links(found: Found, state: str) -> set[tuple[str, str, str]]:
    return {(each.from_ref, each.relation, each.to_ref) for each in found.graph.links if each.state == state}


@pytest.mark.req("B5")
def test_a_sound_chain_has_only_valid_links() -> None:
    found = found_in(chain())
    assert links(found, words.BROKEN) == set()
    assert links(found, words.VALID) == {
        ("US-001-001", "parent", "REQ-001"), ("SPEC-001-001", "parent", "US-001-001"),
        ("src/ledger.ts", "satisfies", "REQ-001"), ("src/ledger.ts", "implements", "SPEC-001-001"),
        ("tests/ledger.spec.ts", "verifies", "SPEC-001-001"), ("tests/ledger.spec.ts", "story", "US-001-001"),
    }  # fmt: skip
    [row] = found.rows
    assert (row.state, row.chain.is_tested, row.absent_tiers) == (words.LINKED, True, [])
    assert codes(found, "broken", "missing", "tier", "uncovered") == []


@pytest.mark.req("B5")
@pytest.mark.parametrize(
    ("path", "text", "code", "hint"),
    [
        ("src/b.ts", "// @gxp-req REQ-404", "not_found", None),
        ("src/b.ts", "// @gxp-req req-1", "not_found", "Did you mean REQ-001?"),
        ("src/b.ts", "// @gxp-req REQ-01", "not_found", "Did you mean REQ-001?"),
        ("src/b.ts", "// @gxp-spec SPEC-001-001-004", "not_found", "The nearest that exists is SPEC-001-001."),
        ("src/b.ts", "// @gxp-spec REQ-001", "wrong_type", "REQ-001 is a requirement; a specification is wanted here."),
        (".gxp/specs/SPEC-009.md", spec("SPEC-009", "SPEC-001-001"), "wrong_type", None),
        (".gxp/user_stories/US-009.md", story("US-009", "REQ-404"), "not_found", None),
        (".gxp/specs/SPEC-009.md", spec("SPEC-009", "US-001-001", "source_files: [src/gone.ts]\n"), "not_found", None),
        (".gxp/specs/SPEC-009.md", spec("SPEC-009", "US-001-001", "test_files: [ledger.spec.ts]\n"), "not_found",
         "There is tests/ledger.spec.ts."),
    ],
)  # fmt: skip
def test_a_broken_link_says_where_and_why(path: str, text: str, code: str, hint: str | None) -> None:
    found = found_in(chain(**{path: text}))
    [finding] = [each for each in found.findings if each.kind == "broken"]
    assert (finding.code, finding.path) == (code, path)
    assert finding.line
    if hint:
        assert finding.hint == hint
    assert found.numbers["broken_links"] == 1


def test_an_id_of_two_documents_breaks_the_links_to_it_and_both_are_kept() -> None:
    found = found_in(chain(**{".gxp/requirements/more/REQ-001-again.md": requirement("REQ-001")}))
    assert [each.state for each in found.artifacts if each.id == "REQ-001"] == [words.DUPLICATE] * 2
    [double] = [each for each in found.findings if each.kind == "duplicate"]
    assert ".gxp/requirements/REQ-001.md:2 and .gxp/requirements/more/REQ-001-again.md:2" in double.message
    assert {each.code for each in found.findings if each.kind == "broken"} == {"duplicate_target"}


@pytest.mark.parametrize(
    "way", [["REQ-002"], ["REQ-002", "REQ-003"], [f"REQ-{number}" for number in range(100, 2_100)]]
)
def test_a_circle_of_parents_is_told_once_and_cut(way: list[str]) -> None:
    parents = [*way[1:], way[0]]
    files = {
        f".gxp/requirements/{id_}.md": requirement(id_, more=f"parent_id: {parent}\n")
        for id_, parent in zip(way, parents, strict=True)
    }
    found = found_in(chain(**files))
    assert len([each for each in found.findings if each.kind == "cycle"]) == 1
    assert codes(found, "broken") == []
    assert found.numbers["broken_links"] == len(way)


@pytest.mark.req("B5")
def test_what_is_demanded_and_absent_is_missing() -> None:
    files = chain(**{
        ".gxp/requirements/REQ-002.md": requirement("REQ-002"),
        ".gxp/user_stories/US-002-001.md": story("US-002-001", "REQ-002"),
        ".gxp/requirements/REQ-003.md": requirement("REQ-003"),
        ".gxp/user_stories/US-003-001.md": story("US-003-001", '""'),
        ".gxp/specs/SPEC-003-001.md": spec("SPEC-003-001", "US-003-001"),
        "tests/bare.spec.ts": "it('is bare', () => {});",
        "tests/helper.ts": "export const a = 1;",
    })  # fmt: skip
    found = found_in(files)
    assert sorted(codes(found, "missing")) == [
        ("missing_code", "SPEC-003-001"), ("missing_parent", "US-003-001"), ("missing_specification", "US-002-001"),
        ("missing_story", "REQ-003"), ("missing_test", "SPEC-003-001"),
    ]  # fmt: skip
    assert codes(found, "unannotated_test") == [("unannotated", "tests/bare.spec.ts")]
    assert found.numbers["missing_links"] == 6
    assert sorted(subject for _, subject in codes(found, "uncovered")) == ["REQ-002", "REQ-003"]
    assert [row.made.id for row in found.rows] == ["REQ-002", "REQ-003", "REQ-001"]


def test_a_low_risk_may_be_tested_directly_and_settings_may_allow_it_for_all() -> None:
    files = {
        ".gxp/system_context.md": CONTEXT,
        ".gxp/requirements/REQ-001.md": requirement("REQ-001", "LOW"),
        ".gxp/requirements/REQ-002.md": requirement("REQ-002", "HIGH"),
        "tests/test_a.py": '@pytest.mark.req("REQ-001", "REQ-002")\n@pytest.mark.test_type("OQ")\ndef test_a(): ...\n',
    }  # fmt: skip
    assert codes(found_in(files), "missing") == [("missing_story", "REQ-002")]
    matrix = "risk:\n  matrix:\n    HIGH:\n      required_tiers: [OQ]\n      coverage_threshold: 50\n"
    settings = f"---\nartifacts:\n  formal_artifacts: optional\n{matrix}---\n"
    relaxed = found_in(files, settings)
    assert codes(relaxed, "missing", "tier") == []
    assert "2 requirements tested without story" in next(e.message for e in relaxed.findings if e.code == "short_chain")
    assert relaxed.coverage[0] | {"percent": 0} == {
        "risk": "HIGH", "requirements": 1, "with_story": 0, "with_specification": 0, "with_code": 0, "with_tests": 1,
        "with_all_tiers": 1, "percent": 0, "target_percent": 50.0, "demanded_tiers": ["OQ"],
    }  # fmt: skip


def test_numbers_name_a_parent_only_where_nothing_else_does() -> None:
    files = chain(**{
        ".gxp/user_stories/US-001-001.md": story("US-001-001", None),
        ".gxp/user_stories/US-001-002.md": story("US-001-002", "REQ-404"),
        ".gxp/specs/SPEC-001-001.md": spec("SPEC-001-001", None),
    })  # fmt: skip
    found = found_in(files)
    inferred = {(each.from_ref, each.to_ref) for each in found.graph.links if each.is_inferred}
    # A source block satisfies REQ-001 and implements SPEC-001-001: that edge names the specification's parent.
    assert inferred == {("US-001-001", "REQ-001")}
    assert codes(found, "broken") == [("not_found", "US-001-002 → REQ-404")]


def test_unrelated_parts_of_a_file_prove_nothing() -> None:
    files = {
        ".gxp/requirements/REQ-001.md": requirement("REQ-001", "LOW"),
        ".gxp/specs/SPEC-001.md": spec("SPEC-001", '""'),
        "src/a.ts": "// @gxp-req REQ-001\nfunction a() {}\n\n// @gxp-spec SPEC-001\nfunction b() {}\n",
        "tests/a.spec.ts": "// @gxp-spec SPEC-001\nit('works', () => {});\n",
    }
    assert found_in(files).numbers["traced"] == 0
    together = files | {"src/a.ts": "// @gxp-req REQ-001\n// @gxp-spec SPEC-001\nfunction a() {}\n"}
    assert found_in(together).numbers["traced"] == 1


def test_tiers_come_from_the_test_its_suite_its_file_or_its_folder() -> None:
    text = """/** @gxp-spec SPEC-001-001
 * @test-type PQ */
describe('a', () => {
  // @gxp-spec SPEC-001-001
  it('b', () => {});
  // @gxp-spec SPEC-001-001
  // @test-type unit
  it('c', () => {});
});
"""
    alone = "// @gxp-spec SPEC-001-001\nit('d', () => {});"
    found = found_in(chain(**{"tests/iq/x.spec.ts": text, "tests/iq/y.spec.ts": alone}))
    tests = {test.name: (test.tier, test.is_tier_inferred) for test in found.graph.tests}
    assert tests == {
        "ledger": ("OQ", False), "a": ("PQ", False), "b": ("PQ", False), "c": ("OQ", False), "d": ("IQ", True),
    }  # fmt: skip


def test_tiers_are_demanded_by_risk_and_by_the_specification() -> None:
    files = chain(**{
        ".gxp/requirements/REQ-001.md": requirement("REQ-001", "MEDIUM"),
        ".gxp/specs/SPEC-001-001.md": spec("SPEC-001-001", "US-001-001", tier="PQ"),
    })  # fmt: skip
    assert codes(found_in(files), "tier") == [("missing_tier", "REQ-001"), ("specification_tier", "SPEC-001-001")]


def test_orphans_retired_targets_and_odd_ids_are_told() -> None:
    files = chain(**{
        ".gxp/requirements/REQ-A8.md": requirement("REQ-A8", "LOW", "validation_status: RETIRED\n"),
        "tests/a.spec.ts": "// @gxp-spec SPEC-404\nit('x', () => {});\n// @requirement REQ-A8\nit('y', () => {});\n",
        "src/old.ts": "// @gxp-tag SPEC-001-001\n// @gxp-id: CODE-URS-1\n// @gxp-new REQ-001\n",
    })  # fmt: skip
    found = found_in(files)
    assert codes(found, "orphan_test") == [("orphan", "tests/a.spec.ts")]
    notices = {each.code for each in found.findings if each.kind == "notice"}
    assert notices >= {"retired_target", "nonstandard_id", "older_tag", "unknown_tag", "withdrawn_dialect"}


def test_without_documents_ids_exist_by_annotations_alone() -> None:
    files = {
        "src/a.ts": "// @gxp-req REQ-001\n// @gxp-spec SPEC-001\n",
        "tests/a.spec.ts": "// @gxp-spec SPEC-001\n// @gxp-spec SPEC-002\nit('x', () => {});\n",
    }
    found = found_in(files)
    assert {(each.id, each.state) for each in found.artifacts} == {
        ("REQ-001", words.ANNOTATION_ONLY), ("SPEC-001", words.ANNOTATION_ONLY),
    }  # fmt: skip
    assert links(found, words.BROKEN) == {("tests/a.spec.ts", "verifies", "SPEC-002")}
    assert "no_artifacts" in {each.code for each in found.findings}


def test_a_requirement_is_looked_at_again_until_a_test_of_it_changes() -> None:
    def due(changed: set[str], before: set[str]) -> bool:
        return found_in(chain(), changed=changed, before=before).rows[0].is_look_again

    assert not due(set(), set())
    assert due({"src/ledger.ts"}, set())
    assert due(set(), {"REQ-001"})
    assert not due({"src/ledger.ts", "tests/ledger.spec.ts"}, {"REQ-001"})


@pytest.mark.req("B5")
def test_wrong_fields_are_told_by_file_and_line() -> None:
    files: dict[str, Any] = chain(**{
        ".gxp/system_context.md": CONTEXT.replace("1.4.2", "one").replace("id: 3c", "id: xx"),
        ".gxp/requirements/REQ-002.md": "---\ngxpId: REQ-002\nrisk: extreme\nacceptance_criteria:\n  - a: b\n---\n",
        ".gxp/requirements/REQ-003.md": "no front matter",
        ".gxp/requirements/REQ-004-x.md": requirement("REQ-040", "high"),
    })  # fmt: skip
    found = found_in(files)
    said = {(each.path, each.line): each.message for each in found.findings if each.kind in ("field", "malformed")}
    assert said[".gxp/system_context.md", 4] == "The field version is 'one'. It has to be a version such as 1.4.2."
    assert said[".gxp/system_context.md", 2].endswith("It has to be a UUID.")
    assert "HIGH, MEDIUM, LOW" in said[".gxp/requirements/REQ-002.md", 3]
    assert said[".gxp/requirements/REQ-002.md", 5].startswith("The field acceptance_criteria, item 0")
    assert said[".gxp/requirements/REQ-002.md", 1] == "The field title is required and absent."
    assert said[".gxp/requirements/REQ-003.md", 1].startswith("It has no front matter")
    assert "is called REQ-004" in said[".gxp/requirements/REQ-004-x.md", 2]
    states = {each.id: each.state for each in found.artifacts}
    assert (states["REQ-002"], states["REQ-003"], states["REQ-040"]) == (words.INVALID, words.MALFORMED, words.OK)
    assert {each.id: each.risk for each in found.artifacts}["REQ-040"] == "HIGH"
