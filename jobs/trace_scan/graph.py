"""Builds the links of a repository from its artifacts and annotations, and says of each whether it leads somewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from jobs.trace_scan import words
from jobs.trace_scan.cycles import circles
from jobs.trace_scan.found import Artifact, Link, Test
from jobs.trace_scan.ids import Known, implied_parents, is_id, type_of
from jobs.trace_scan.suites import Suites
from jobs.trace_scan.tags import DERIVES, IMPLEMENTS, SATISFIES, STORY, VERIFIES
from jobs.trace_scan.words import REQUIREMENT, SPEC

TRACED = frozenset({REQUIREMENT, words.STORY, SPEC})
MAX_PLACES = 50
CYCLE = "cycle"

# What a reference in an artifact may lead to, by the artifact's type and the relation.
_TARGETS: dict[tuple[str, str], frozenset[str]] = {
    (REQUIREMENT, words.PARENT): frozenset({REQUIREMENT}),
    (REQUIREMENT, words.SATISFIES): frozenset({REQUIREMENT}),
    (words.STORY, words.PARENT): frozenset({REQUIREMENT}),
    (words.STORY, words.SATISFIES): frozenset({REQUIREMENT}),
    (SPEC, words.PARENT): frozenset({words.STORY, REQUIREMENT}),
    (SPEC, words.SATISFIES): frozenset({REQUIREMENT}),
    (SPEC, words.IMPLEMENTS): frozenset({words.STORY}),
    (words.RISK, words.CONCERNS): frozenset({REQUIREMENT, SPEC, words.STORY}),
    (words.EVIDENCE, words.EVIDENCES): frozenset({SPEC, words.STORY}),
    (words.RECORD, words.EVIDENCES): frozenset({SPEC}),
}
# Of a tag: the relation it makes in a source and in a test, and what it may lead to. `@trace` may name a specification.
_MEANINGS: dict[str, tuple[str, str, frozenset[str]]] = {
    SATISFIES: (words.SATISFIES, words.VERIFIES, frozenset({REQUIREMENT})),
    IMPLEMENTS: (words.IMPLEMENTS, words.VERIFIES, frozenset({SPEC})),
    VERIFIES: (words.VERIFIES, words.VERIFIES, frozenset({SPEC})),
    STORY: (words.TELLS, words.TELLS, frozenset({words.STORY})),
    DERIVES: (words.DERIVES, words.DERIVES, TRACED),
}
_WIDER = {
    "gxp-implements": frozenset({SPEC, words.STORY}),
    "trace": frozenset({words.STORY, SPEC}),
}


class Graph:
    """All links of one scan. `documents` are the artifacts, `files` the facts of annotated sources by path, `paths` all
    that is there; `tick` is called at each file, and may raise to stop.
    """

    def __init__(
        self,
        documents: list[Artifact],
        files: Mapping[str, dict[str, Any]],
        paths: Collection[str],
        tick: Callable[[], None],
    ) -> None:
        self.artifacts = list(documents)
        self.links: list[Link] = []
        self.tests: list[Test] = []
        self.blocks: list[tuple[list[Link], str | None]] = []
        self._by_key: dict[tuple[str, str, str, str], Link] = {}
        self._paths = paths
        self._folders: set[str] | None = None
        self._by_name: dict[str, list[str]] | None = None
        traced = [each for each in documents if each.type in TRACED]
        if not traced:
            self.artifacts += _named_by_annotations(files)
        self.by_id: dict[str, list[Artifact]] = defaultdict(list)
        for each in self.artifacts:
            if each.type in TRACED:
                self.by_id[each.id].append(each)
        self._known = Known(self.by_id)
        for each in documents:
            self._add_artifact(each)
        for path, facts in sorted(files.items()):
            tick()
            self._add_file(path, facts)
        self.through_code = self._satisfied_by_blocks()
        self._infer_parents()
        self.cycles = self._cut_cycles()
        self._outgoing: dict[str, list[Link]] = defaultdict(list)
        self._incoming: dict[str, list[Link]] = defaultdict(list)
        for link in self.links:
            self._outgoing[link.from_ref].append(link)
            self._incoming[link.to_ref].append(link)

    def outgoing(self, ref: str) -> list[Link]:
        """The links from an id or a path."""
        return self._outgoing.get(ref, [])

    def incoming(self, ref: str) -> list[Link]:
        """The links to an id or a path."""
        return self._incoming.get(ref, [])

    # Links of documents

    def _add_artifact(self, made: Artifact) -> None:
        for relation, ref, line in made.refs:
            place = {"path": made.path, "line": line}
            if relation in (words.SOURCE_FILE, words.TEST_FILE):
                self._to_file(made, relation, ref, place)
            else:
                self._link(relation, made.type, made.id, ref, _TARGETS[made.type, relation], place)

    def _to_file(self, made: Artifact, relation: str, path: str, place: dict[str, Any]) -> None:
        clean = path.strip().removeprefix("./").rstrip("/")
        link = self._merged(relation, made.type, made.id, words.FILE, clean, place)
        if not self._exists(clean):
            link.state, link.reason = words.BROKEN, words.NOT_FOUND
            link.hint = self._moved(clean)

    def _exists(self, path: str) -> bool:
        if path in self._paths:
            return True
        if self._folders is None:
            self._folders = {parent for each in self._paths for parent in _parents(each)}
        return path in self._folders

    def _moved(self, path: str) -> str | None:
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for each in self._paths:
                self._by_name[each.rpartition("/")[2]].append(each)
        alike = self._by_name.get(path.rpartition("/")[2], [])
        return f"There is {alike[0]}."[:500] if len(alike) == 1 else None

    # Links of annotations

    def _add_file(self, path: str, facts: dict[str, Any]) -> None:
        blocks = facts.get("blocks", [])
        is_test = bool(facts.get("has_tests"))
        suites = Suites(path, blocks)
        found = False
        for block in blocks:
            links = [self._add_reference(path, is_test, block, *ref) for ref in block["refs"]]
            if not links:
                continue
            found = True
            self.blocks.append((links, block["risk"]))
            if is_test:
                self.tests.append(suites.test(block, links))
        if is_test and not found:
            self.tests.append(Test(path, 1))

    def _add_reference(self, path: str, is_test: bool, block: dict[str, Any], *ref: Any) -> Link:
        meaning, id_, line, tag = ref
        in_source, in_test, targets = _MEANINGS[meaning]
        targets = _WIDER.get(tag, targets)
        place = {"path": path, "line": line, "tag": tag}
        if block["name"]:
            place["name"] = block["name"]
        relation, kind = (in_test, words.TEST) if is_test else (in_source, words.SOURCE)
        return self._link(relation, kind, path, id_, targets, place)

    def _link(
        self, relation: str, kind: str, ref: str, target: str, targets: frozenset[str], place: dict[str, Any]
    ) -> Link:
        """The link to an id. Whether it exists is asked first, then its type, then whether it is the only one."""
        there = self.by_id.get(target, [])
        fitting = [each for each in there if each.type in targets]
        expected = fitting[0].type if fitting else there[0].type if there else type_of(target) or min(targets)
        link = self._merged(relation, kind, ref, expected, target, place)
        if not there:
            link.state, link.reason = words.BROKEN, words.NOT_FOUND
            link.hint = self._known.hint(target) if is_id(target) or type_of(target) else "This is no id."
        elif not fitting:
            names = " or ".join(words.ARTIFACT_TYPES[each].lower() for each in sorted(targets))
            link.state, link.reason = words.BROKEN, words.WRONG_TYPE
            link.hint = f"{target} is a {words.ARTIFACT_TYPES[there[0].type].lower()}; a {names} is wanted here."
        elif len(there) > 1:
            link.state, link.reason = words.BROKEN, words.DUPLICATE_TARGET
            link.hint = f"It is in {there[0].path} and in {there[1].path}."[:500]
        return link

    def _merged(self, relation: str, kind: str, ref: str, to_type: str, target: str, place: dict[str, Any]) -> Link:
        key = (relation, kind, ref, target)
        link = self._by_key.get(key)
        if link is None:
            link = self._by_key[key] = Link(relation, kind, ref, to_type, target)
            self.links.append(link)
        if place not in link.places and len(link.places) < MAX_PLACES:
            link.places.append(place)
        return link

    # Parents

    def _satisfied_by_blocks(self) -> dict[str, set[str]]:
        """By requirement, the specifications that a source block implements which also satisfies the requirement."""
        found: dict[str, set[str]] = defaultdict(set)
        for links, _ in self.blocks:
            valid = [link for link in links if link.is_valid and link.from_type == words.SOURCE]
            specs = {link.to_ref for link in valid if link.to_type == SPEC}
            for link in valid:
                if link.to_type == REQUIREMENT and specs:
                    found[link.to_ref] |= specs
        return found

    def _infer_parents(self) -> None:
        """Where no document and no edge names a parent, the numbers may; such a link says that it is inferred."""
        satisfied = set().union(*self.through_code.values())
        for each in self.artifacts:
            if not each.is_inferable or each.id in satisfied:
                continue
            for parent in implied_parents(each.id):
                there = self.by_id.get(parent, [])
                if len(there) == 1 and there[0].type in _TARGETS[each.type, words.PARENT]:
                    place = {"path": each.path, "line": each.line}
                    link = self._link(
                        words.PARENT, each.type, each.id, parent, _TARGETS[each.type, words.PARENT], place
                    )
                    link.is_inferred = True
                    break

    def _cut_cycles(self) -> list[list[str]]:
        """Parents that lead in a circle, each circle once, its links cut."""
        kinds = (words.PARENT, words.SATISFIES, words.IMPLEMENTS)
        parents: dict[str, list[Link]] = defaultdict(list)
        for link in self.links:
            if link.from_type in TRACED and link.relation in kinds and link.to_ref in self.by_id:
                parents[link.from_ref].append(link)
        cycles = circles(parents)
        for cycle in cycles:
            members = set(cycle)
            for ref in cycle:
                for link in parents[ref]:
                    if link.to_ref in members:
                        link.state, link.reason = words.BROKEN, CYCLE
                        link.hint = "Its parents lead in a circle: " + " → ".join([*cycle[:10], cycle[0]])
        return cycles


def _parents(path: str) -> Iterable[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _named_by_annotations(files: Mapping[str, dict[str, Any]]) -> list[Artifact]:
    """Without any document, ids exist by annotations alone; a specification only when a source and a test name it."""
    named: dict[str, set[bool]] = defaultdict(set)
    first: dict[str, tuple[str, int]] = {}
    for path, facts in sorted(files.items()):
        for block in facts.get("blocks", ()):
            for _, id_, line, _ in block["refs"]:
                if is_id(id_):
                    named[id_].add(bool(facts.get("has_tests")))
                    first.setdefault(id_, (path, line))
    found = []
    for id_, sides in sorted(named.items()):
        type_ = type_of(id_)
        if type_ and (type_ != SPEC or len(sides) == 2):
            path, line = first[id_]
            found.append(
                Artifact(type_, id_, path, id_, line, words.ANNOTATION_ONLY, is_inferable=type_ != REQUIREMENT)
            )
    return found
