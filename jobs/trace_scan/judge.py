"""What is to be looked at: broken and missing links, what is malformed, doubled, untested or left unread."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from jobs.trace_scan import words
from jobs.trace_scan.chains import Chains, requirements_above
from jobs.trace_scan.found import Artifact, Finding, Link, sentence
from jobs.trace_scan.graph import CYCLE, TRACED, Graph
from jobs.trace_scan.ids import is_standard
from jobs.trace_scan.matrix import Row
from jobs.trace_scan.rules import Rules
from jobs.trace_scan.tags import OLDER_TAGS
from jobs.trace_scan.words import ERROR, NOTICE, REQUIREMENT, SPEC, STORY, WARNING

MAX_SHOWN = 5


class Judge:
    """The findings of one scan."""

    def __init__(self, graph: Graph, chains: Chains, rows: list[Row], rules: Rules) -> None:
        self._graph = graph
        self._chains = chains
        self._rows = {id(row.made): row for row in rows}
        self._rules = rules
        self._risks = {row.made.id: row.risk for row in rows}

    def findings(
        self,
        files: Mapping[str, dict[str, Any]],
        skipped: Iterable[tuple[str, str, str]],
        tick: Callable[[], None],
    ) -> list[Finding]:
        """Everything, the worst first. `skipped` is (path, reason, sentence) of each file that was not read; `tick` is
        called at each finding, and may raise to stop.
        """
        found: list[Finding] = []
        for each in chain(
            self._broken(),
            self._cycles(),
            self._duplicates(),
            self._of_artifacts(),
            self._of_annotations(files),
            self._missing(),
            self._of_rows(),
            self._of_tests(),
            (Finding("skipped", NOTICE, reason, path, sentence(text), path) for path, reason, text in skipped),
            self._notices(files),
        ):
            tick()
            found.append(each)
        kinds = list(words.FINDING_KINDS)
        severities = (ERROR, WARNING, NOTICE)
        risks = (*words.RISKS, None)
        found.sort(
            key=lambda each: (
                severities.index(each.severity), kinds.index(each.kind), risks.index(each.risk), each.path or "",
                each.line or 0, each.subject, each.message,
            )
        )  # fmt: skip
        return found

    def risk_of(self, made: Artifact) -> str | None:
        """The risk of a requirement's row; else what the artifact states, else the highest of what it stands on."""
        if made.type == REQUIREMENT:
            return self._risks.get(made.id)
        above = {self._risks.get(each) for each in requirements_above(self._graph, made.id)}
        return made.risk or next((risk for risk in words.RISKS if risk in above), None)

    def _risk_at(self, ref: str) -> str | None:
        there = self._graph.by_id.get(ref)
        return self.risk_of(there[0]) if there else None

    # Links

    def _broken(self) -> Iterator[Finding]:
        for link in self._graph.links:
            if link.is_valid or link.reason == CYCLE:
                continue
            place = link.places[0] if link.places else {}
            risk = self._risk_at(link.from_ref) or (
                self._risk_at(link.to_ref) if link.reason != words.NOT_FOUND else None
            )
            subject = f"{link.from_ref} → {link.to_ref}"[:1000]
            yield Finding(
                "broken", ERROR, str(link.reason), subject, sentence(_broken_words(link)), place.get("path"),
                place.get("line"), link.hint, risk,
            )  # fmt: skip

    def _cycles(self) -> Iterator[Finding]:
        for cycle in self._graph.cycles:
            made = self._graph.by_id[cycle[0]][0]
            way = " → ".join([*cycle[:20], cycle[0]])
            said = f"The parents go in a circle: {way}."
            hint = "Its links are cut. Take one of the parents out."
            yield Finding(
                "cycle", ERROR, CYCLE, made.id, sentence(said), made.path, made.line, hint, self.risk_of(made)
            )

    def _duplicates(self) -> Iterator[Finding]:
        together: dict[tuple[str, str], list[Artifact]] = defaultdict(list)
        for made in self._graph.artifacts:
            if made.type in TRACED or made.type in (words.RISK, words.ADR):
                together["" if made.type in TRACED else made.type, made.id].append(made)
        for (_, id_), group in together.items():
            if len(group) > 1:
                for made in group:
                    made.state = words.DUPLICATE
                paths = " and ".join(f"{made.path}:{made.line}" for made in group[:4])
                said = f"{id_} is the id of {len(group)} documents: {paths}."
                hint = "Give each document an id of its own. Links to it count as broken until then."
                yield Finding(
                    "duplicate", ERROR, "duplicate_id", id_, sentence(said), group[0].path, group[0].line, hint,
                    self.risk_of(group[0]) if group[0].type in TRACED else group[0].risk,
                )  # fmt: skip

    # Documents and comments

    def _of_artifacts(self) -> Iterator[Finding]:
        for made in self._graph.artifacts:
            if made.type == words.EVIDENCE and made.fields.get("newest") is False:
                continue
            for each in made.problems:
                if each.severity == NOTICE:
                    continue
                kind = {"malformed": "malformed"}.get(each.code, "evidence" if made.type == words.EVIDENCE else "field")
                risk = self.risk_of(made) if made.type in TRACED else made.risk
                yield Finding(
                    kind, each.severity, each.code, made.id, sentence(each.message), made.path, each.line, None, risk
                )

    def _of_annotations(self, files: Mapping[str, dict[str, Any]]) -> Iterator[Finding]:
        for path, facts in files.items():
            for line, tag, said in facts.get("malformed", ()):
                message = sentence(f"{'' if tag.startswith(('pytest', 'Gxp')) else '@'}{tag}: {said}")
                yield Finding("malformed", WARNING, "malformed_annotation", path, message, path, line)

    # What is demanded and absent

    def _missing(self) -> Iterator[Finding]:
        for made in self._graph.artifacts:
            if made.type in (STORY, SPEC) and made.state != words.MALFORMED:
                yield from self._missing_of(made)
        for row in self._rows.values():
            gaps = [(column, text) for column, state, text in row.gaps if state == words.MISSING]
            for column, text in gaps:
                if column == "stories" or (
                    column == "tests" and text.endswith(row.made.id) and not self._rules.is_formal
                ):
                    yield self._absent(row.made, "story" if column == "stories" else "test", text, row.risk)

    def _missing_of(self, made: Artifact) -> Iterator[Finding]:
        risk = self.risk_of(made)
        if not self._chains.names_parent(made) and made.state != words.ANNOTATION_ONLY:
            yield self._absent(made, "parent", f"{made.id} names no parent", risk)
        own = self._chains.below(made)
        if made.type == STORY and not own.specs and not (self._rules.may_be_short(risk) and own.is_tested):
            yield self._absent(made, "specification", f"no specification names {made.id}", risk)
        if made.type == SPEC and not own.is_tested:
            yield self._absent(made, "test", f"no test names {made.id}", risk)
        if made.type == SPEC and not own.code:
            yield self._absent(made, "code", f"no source names {made.id}", risk)

    def _absent(self, made: Artifact, code: str, text: str, risk: str | None) -> Finding:
        severity = ERROR if risk == "HIGH" else WARNING
        return Finding(
            "missing", severity, f"missing_{code}", made.id, sentence(text) + ".", made.path, made.line, None, risk
        )

    def _of_rows(self) -> Iterator[Finding]:
        for row in self._rows.values():
            made = row.made
            if not row.chain.is_tested:
                severity = ERROR if row.risk == "HIGH" else WARNING
                said = f"No test reaches {made.id} by valid links."
                yield Finding("uncovered", severity, "uncovered", made.id, said, made.path, made.line, None, row.risk)
            elif row.absent_tiers:
                shown = ", ".join(tier for tier in words.TIERS if tier in row.chain.tiers) or "none that says its tier"
                absent = " and no ".join(row.absent_tiers)
                said = f"{made.id} is of {row.risk} risk and has no {absent} test; it has {shown}."
                yield Finding(
                    "tier", WARNING, "missing_tier", made.id, sentence(said), made.path, made.line, None, row.risk
                )
        for made in self._graph.artifacts:
            if made.type != SPEC or made.tier is None:
                continue
            own = self._chains.below(made)
            if own.tests and made.tier not in own.tiers:
                said = f"{made.id} is to be verified by {made.tier} tests, and none of its tests is one."
                risk = self.risk_of(made)
                yield Finding("tier", WARNING, "specification_tier", made.id, said, made.path, made.line, None, risk)

    def _of_tests(self) -> Iterator[Finding]:
        for test in self._graph.tests:
            if test.state == words.ORPHAN:
                named = ", ".join(test.refs[:MAX_SHOWN])
                said = f"The test {test.name} names {named}, and none of it exists." if test.name else f"Names {named}."
                yield Finding(
                    "orphan_test", WARNING, "orphan", test.path, sentence(said), test.path, test.line, None, test.risk
                )
            elif test.state == words.UNANNOTATED and self._graph.artifacts:
                said = "This test file names no requirement, story or specification."
                yield Finding("unannotated_test", WARNING, "unannotated", test.path, said, test.path, 1)

    # Notices, each said once however often it holds

    def _notices(self, files: Mapping[str, dict[str, Any]]) -> Iterator[Finding]:
        artifacts = self._graph.artifacts
        documents = [made for made in artifacts if made.state != words.ANNOTATION_ONLY]
        if not [made for made in documents if made.type != words.SETTINGS]:
            yield _notice(
                "no_artifacts", "There are no trace artifacts in this repository. Annotations were still read."
            )
        elif not any(made.type == words.SYSTEM_CONTEXT for made in documents):
            said = f"{self._rules.folder}/system_context.md is required and absent."
            yield Finding("notice", WARNING, "no_system_context", "system_context", said, None)
        odd = [made for made in documents if made.type in TRACED and made.id and not is_standard(made.id)]
        if odd:
            yield _several(
                "nonstandard_id", odd[0].path, [made.id for made in odd], "ids outside the standard's pattern"
            )
        respelt = [f"{made.id} ({each})" for made in documents for each in made.notices if ": " in each]
        if respelt:
            yield _several("spelling", None, respelt, "values in another spelling than the standard's")
        inferred = [f"{link.from_ref} → {link.to_ref}" for link in self._graph.links if link.is_inferred]
        if inferred:
            yield _several("inferred_parent", None, inferred, "parents taken from numbers, because nothing names one")
        short = [row.made.id for row in self._rows.values() if row.is_short]
        if short:
            yield _several("short_chain", None, short, "requirements tested without story or specification")
        for row in self._rows.values():
            if row.mixed:
                said = f"{row.made.id} counts as {row.risk}, and what points to it says {', '.join(row.mixed)}."
                yield _notice("mixed_risk", said, row.made.path, row.made.id, row.risk)
        retired = {made.id for made in artifacts if made.type in TRACED and made.is_retired}
        for ref in sorted(retired):
            links = [link for link in self._graph.incoming(ref) if link.is_valid]
            if links:
                said = f"{ref} is retired, and {len(links)} links lead to it, the first from {links[0].from_ref}."
                yield _notice("retired_target", said, self._graph.by_id[ref][0].path, ref)
        yield from _annotation_notices(files)
        untiered = [test for test in self._graph.tests if test.state != words.UNANNOTATED and test.tier is None]
        if untiered:
            shown = [f"{test.path}:{test.line}" for test in untiered]
            yield _several("no_test_type", untiered[0].path, shown, "annotated tests that do not say their tier")


def _broken_words(link: Link) -> str:
    if link.relation in (words.SOURCE_FILE, words.TEST_FILE):
        return f"{link.from_ref} lists {link.to_ref}, which is not in this repository."
    verb = {words.PARENT: "has the parent", words.CONCERNS: "concerns", words.EVIDENCES: "is evidence of"}.get(
        link.relation, "names"
    )
    why = {
        words.NOT_FOUND: "which does not exist",
        words.WRONG_TYPE: "which is of another type",
        words.DUPLICATE_TARGET: "which is the id of several documents",
    }[str(link.reason)]
    return f"{link.from_ref} {verb} {link.to_ref}, {why}."


def _notice(code: str, said: str, path: str | None = None, subject: str = "", risk: str | None = None) -> Finding:
    return Finding("notice", NOTICE, code, subject or code, sentence(said), path, None, None, risk)


def _several(code: str, path: str | None, shown: list[str], what: str) -> Finding:
    more = f" and {len(shown) - MAX_SHOWN:,} more" if len(shown) > MAX_SHOWN else ""
    return _notice(code, f"{len(shown):,} {what}: {', '.join(shown[:MAX_SHOWN])}{more}.", path)


def _annotation_notices(files: Mapping[str, dict[str, Any]]) -> Iterator[Finding]:
    older: dict[str, list[str]] = defaultdict(list)
    unknown: dict[str, list[str]] = defaultdict(list)
    withdrawn: list[str] = []
    replaced: list[str] = []
    for path, facts in sorted(files.items()):
        for tag in facts.get("older", ()):
            older[tag].append(path)
        for line, tag in facts.get("unknown", ()):
            unknown[tag].append(f"{path}:{line}")
        withdrawn += [f"{path}:{line}" for line, _ in facts.get("withdrawn", ())]
        replaced += [path] if facts.get("replaced") else []
    for tag, paths in sorted(older.items()):
        what = f"files use @{tag}, which is of an older version (write @{OLDER_TAGS[tag]})"
        yield _several("older_tag", paths[0], paths, what)
    for tag, places in sorted(unknown.items()):
        yield _several("unknown_tag", places[0].rpartition(":")[0], places, f"places with the unknown tag @{tag}")
    if withdrawn:
        what = "tags with a colon, of a withdrawn standard, which are not counted"
        yield _several("withdrawn_dialect", withdrawn[0].rpartition(":")[0], withdrawn, what)
    if replaced:
        yield _several("encoding", replaced[0], replaced, "sources that are not UTF-8, read with replacements")
