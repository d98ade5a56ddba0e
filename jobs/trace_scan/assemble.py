"""Puts a scan together from the facts of all files: artifacts, links, findings, matrix and sums. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jobs.code_scan.reasons import text_of
from jobs.trace_scan import artifacts, evidence, layout, words
from jobs.trace_scan.chains import Chains
from jobs.trace_scan.examine import ARTIFACT
from jobs.trace_scan.found import Artifact, Finding
from jobs.trace_scan.graph import TRACED, Graph
from jobs.trace_scan.judge import Judge
from jobs.trace_scan.matrix import Row, coverage, look_again, natural, rows, sort_key
from jobs.trace_scan.rules import Rules
from jobs.trace_scan.walk import Seen

REASONS = {
    layout.GENERATED: "It is generated or minified.",
    "long_line": "One of its lines is longer than a million characters.",
}
MAX_LISTED_SKIPS = 500


@dataclass(slots=True)
class Found:
    """All that one scan found."""

    graph: Graph
    rows: list[Row]
    findings: list[Finding]
    coverage: list[dict[str, Any]]
    numbers: dict[str, int]
    artifacts_by_type: dict[str, int]
    findings_by_kind: dict[str, int]

    @property
    def artifacts(self) -> list[Artifact]:
        """In the order of lists: by type, id and path."""
        types = list(words.ARTIFACT_TYPES)
        return sorted(
            self.graph.artifacts, key=lambda made: (types.index(made.type), natural(made.id), made.path, made.line)
        )


def documents(
    seen: Mapping[str, Seen], settings: Artifact | None, keys: Sequence[Any], unread: Collection[str] = ()
) -> list[Artifact]:
    """The artifacts that documents are. A document that could not be read is one, too: malformed.

    `unread` are the paths of pieces of evidence that are there and were not read, being too large.
    """
    found = [settings] if settings else []
    pieces: dict[str, dict[str, Any] | None] = dict.fromkeys(unread)
    for path, each in seen.items():
        if not each.language.startswith(ARTIFACT):
            continue
        type_ = each.language.removeprefix(ARTIFACT)
        facts = each.facts
        if type_ == words.SETTINGS:
            continue
        if type_ == words.EVIDENCE:
            pieces[path] = facts
            continue
        if facts is None:
            facts = {"kind": "unread", "trouble": [reason_text(each.reason, each.note), 1]}
        found += artifacts.risks(path, facts) if type_ == words.RISK else [artifacts.document(type_, path, facts)]
    return found + evidence.read(pieces, keys)


def reason_text(reason: str | None, note: str | None) -> str:
    """The sentence for a file that was not read."""
    return REASONS.get(reason or "") or text_of(reason, note)


def assemble(
    seen: Mapping[str, Seen],
    made: list[Artifact],
    rules: Rules,
    paths: Collection[str],
    skipped: Sequence[tuple[str, str]],
    changed: Collection[str],
    look_before: Collection[str],
    tick: Callable[[], None],
) -> Found:
    """Everything from the facts. `skipped` is (path, reason) of files that nobody tried to read; `changed` the paths
    whose content differs from the last scan, `look_before` the requirements that were to be looked at again then.
    """
    sources = {path: each.facts for path, each in seen.items() if each.facts and each.facts["kind"] == "source"}
    graph = Graph(made, sources, paths, tick)
    if not any(each.type in TRACED for each in made):
        rules = replace(rules, is_formal=False)  # annotations carry the trace; nobody can ask for documents
    chains = Chains(graph)
    found = rows(graph, chains, rules, tick)
    look_again(found, look_before, changed)
    found.sort(key=sort_key)
    unread = [(path, each.reason, reason_text(each.reason, each.note)) for path, each in seen.items() if each.reason]
    unread = [each for each in unread if not seen[each[0]].language.startswith(ARTIFACT)]
    findings = Judge(graph, chains, found, rules).findings(sources, _skips(unread, skipped), tick)
    kinds = Counter(each.kind for each in findings)
    by_type = Counter(each.type for each in graph.artifacts)
    return Found(
        graph,
        found,
        findings,
        coverage(found, rules),
        _numbers(graph, found, findings, seen, len(skipped) + len(unread)),
        {type_: by_type[type_] for type_ in words.ARTIFACT_TYPES if by_type[type_]},
        {kind: kinds[kind] for kind in words.FINDING_KINDS if kinds[kind]},
    )


def _skips(
    unread: Sequence[tuple[str, str | None, str]], skipped: Sequence[tuple[str, str]]
) -> list[tuple[str, str, str]]:
    found = [(path, reason or "", said) for path, reason, said in unread]
    found += [(path, reason, reason_text(reason, None)) for path, reason in skipped if reason != layout.GENERATED]
    generated = [path for path, reason in skipped if reason == layout.GENERATED]
    if generated:
        said = f"{len(generated):,} generated or minified files are not read, the first of them {generated[0]}."
        found.insert(0, (generated[0], layout.GENERATED, said))
    return found[:MAX_LISTED_SKIPS]


def _numbers(
    graph: Graph, found: list[Row], findings: list[Finding], seen: Mapping[str, Seen], skipped: int
) -> dict[str, int]:
    kinds = Counter(each.kind for each in findings)
    tests = Counter(each.state for each in graph.tests)
    untraced = [row for row in found if not row.chain.is_tested]
    return {
        "artifacts": len(graph.artifacts),
        "requirements": len(found),
        "traced": len(found) - len(untraced),
        "stopped_broken": sum(row.state == words.BROKEN for row in untraced),
        "stopped_missing": sum(row.state != words.BROKEN for row in untraced),
        "look_again": sum(row.is_look_again for row in found),
        "links": len(graph.links),
        "broken_links": sum(not link.is_valid for link in graph.links),
        "missing_links": kinds["missing"] + kinds["unannotated_test"],
        "tests": tests[words.LINKED] + tests[words.ORPHAN],
        "orphan_tests": tests[words.ORPHAN],
        "unannotated_tests": tests[words.UNANNOTATED],
        "malformed": kinds["malformed"],
        "duplicates": kinds["duplicate"],
        "cycles": kinds["cycle"],
        "notices": kinds["notice"],
        "files": len(seen),
        "files_skipped": skipped,
    }
