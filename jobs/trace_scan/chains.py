"""Follows the links from each requirement to its tests, by valid links only.

A test reaches a requirement through its specification and story, directly, or through a source block that satisfies
the requirement and implements the tested specification. Two parts of a file that only share the file prove nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from jobs.trace_scan import words
from jobs.trace_scan.found import Artifact, Link, Test
from jobs.trace_scan.graph import Graph
from jobs.trace_scan.words import REQUIREMENT, SPEC, STORY

MAX_CHAIN = 1_000
UPWARDS = (words.PARENT, words.SATISFIES, words.IMPLEMENTS)


@dataclass(slots=True)
class Chain:
    """What stands on one artifact, directly and through others. Lists are in order and without repeats."""

    stories: list[Artifact] = field(default_factory=list)
    specs: list[Artifact] = field(default_factory=list)
    children: list[Artifact] = field(default_factory=list)
    code: list[Link] = field(default_factory=list)
    tests: list[Test] = field(default_factory=list)
    test_files: list[Link] = field(default_factory=list)
    broken: list[Link] = field(default_factory=list)

    @property
    def is_tested(self) -> bool:
        """Whether a test reaches it."""
        return bool(self.tests or self.test_files)

    @property
    def tiers(self) -> set[str]:
        """The tiers of the tests that reach it."""
        return {each.tier for each in self.tests if each.tier}


class Chains:
    """The chains of every requirement, story and specification of a graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._tests: dict[str, list[Test]] = defaultdict(list)
        for test in graph.tests:
            for link in test.links:
                if link.is_valid:
                    self._tests[link.to_ref].append(test)
        self._satisfied: set[str] = set().union(*graph.through_code.values())
        self._known: dict[int, Chain] = {}

    def below(self, made: Artifact) -> Chain:
        """Everything that stands on this artifact, up to MAX_CHAIN artifacts."""
        if id(made) not in self._known:
            self._known[id(made)] = self._below(made)
        return self._known[id(made)]

    def _below(self, made: Artifact) -> Chain:
        chain = Chain()
        seen = {made.id}
        pending = [made]
        while pending and len(seen) <= MAX_CHAIN:
            at = pending.pop(0)
            self._collect(at, chain)
            below = [each for each in self._children(at) if each.id not in seen]
            if at.type == REQUIREMENT:
                through = sorted(self._graph.through_code.get(at.id, ()))
                below += [self._graph.by_id[ref][0] for ref in through if ref not in seen]
            for each in below:
                if each.id in seen:
                    continue
                seen.add(each.id)
                pending.append(each)
                {STORY: chain.stories, SPEC: chain.specs}.get(each.type, chain.children).append(each)
        chain.code = _unique(chain.code)
        chain.tests = list({id(test): test for test in chain.tests}.values())
        chain.tests.sort(key=lambda test: (test.path, test.line))
        return chain

    def _collect(self, at: Artifact, chain: Chain) -> None:
        """What points to one artifact, or what it points to among files."""
        for link in self._graph.incoming(at.id):
            if link.from_type == words.SOURCE and link.is_valid:
                chain.code.append(link)
            elif not link.is_valid and link.to_type == at.type and link.reason == words.DUPLICATE_TARGET:
                chain.broken.append(link)
        for link in self._graph.outgoing(at.id):
            if link.from_type != at.type:
                continue
            if link.relation in (words.SOURCE_FILE, words.TEST_FILE):
                if not link.is_valid:
                    chain.broken.append(link)
                else:
                    (chain.code if link.relation == words.SOURCE_FILE else chain.test_files).append(link)
            elif not link.is_valid:
                chain.broken.append(link)
        chain.tests += self._tests.get(at.id, [])

    def _children(self, at: Artifact) -> Iterable[Artifact]:
        for link in self._graph.incoming(at.id):
            if link.is_valid and link.relation in UPWARDS and link.from_type in (REQUIREMENT, STORY, SPEC):
                there = self._graph.by_id.get(link.from_ref, [])
                yield from there[:1]

    def names_parent(self, made: Artifact) -> bool:
        """Whether a document or a source block names a parent of it, be that there or not."""
        links = self._graph.outgoing(made.id)
        return made.id in self._satisfied or any(
            link.relation in UPWARDS and link.from_type == made.type for link in links
        )


def _unique(links: Iterable[Link]) -> list[Link]:
    return list({id(link): link for link in links}.values())


def requirements_above(graph: Graph, ref: str) -> list[str]:
    """The ids of the requirements that an id stands on, by valid links."""
    found: list[str] = []
    seen = {ref}
    pending = [ref]
    while pending:
        at = pending.pop()
        there = graph.by_id.get(at, [])
        if there and there[0].type == REQUIREMENT:
            found.append(at)
        for link in graph.outgoing(at):
            if link.is_valid and link.relation in UPWARDS and link.to_ref not in seen and link.to_ref in graph.by_id:
                seen.add(link.to_ref)
                pending.append(link.to_ref)
    return found
