"""Which advisories are one vulnerability: those that share a name, over any number of steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from jobs.advisories.ranges import Verdict
from jobs.advisories.records import Facts
from jobs.advisories.severity import Rating


@dataclass(frozen=True, slots=True)
class Candidate:
    """One advisory that names the package, and what it says of the installed version."""

    id: str
    aliases: tuple[str, ...]
    upstream: tuple[str, ...]
    verdict: Verdict
    facts: tuple[Facts, ...]
    rating: Rating
    summary: str
    published_at: datetime | None
    modified_at: datetime | None

    @property
    def names(self) -> tuple[str, ...]:
        """Its id and aliases, and the id that it only repeats, as DEBIAN-CVE-2024-1 does CVE-2024-1."""
        return (self.id, *self.aliases, *(each for each in self.upstream if self.id.endswith(f"-{each}")))


class AliasGroups:
    """Names that mean the same vulnerability."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def join(self, names: Iterable[str]) -> None:
        """All of these are one."""
        first: str | None = None
        for name in names:
            root = self.root(name)
            if first is None:
                first = root
            elif root != first:
                self._parent[root] = first

    def root(self, name: str) -> str:
        """The name that stands for the group of `name`."""
        path = []
        while (parent := self._parent.get(name, name)) != name:
            path.append(name)
            name = parent
        for each in path:
            self._parent[each] = name
        return name


def grouped(candidates: Iterable[Candidate], others: AliasGroups) -> list[list[Candidate]]:
    """The candidates by vulnerability. `others` are names that further advisories connect, which do not count.

    A notice about several vulnerabilities (an `upstream` list, as of DSA or USN) adds its facts to those that it names
    and that affect the version; it counts by itself only where it says more than they do.
    """
    found = list(candidates)
    names = AliasGroups()
    for candidate in found:
        names.join(others.root(each) for each in candidate.names)

    def root(name: str) -> str:
        return names.root(others.root(name))

    groups: dict[str, list[Candidate]] = {}
    notices = []
    for candidate in found:
        if set(candidate.upstream) - set(candidate.names):
            notices.append(candidate)
        else:
            groups.setdefault(root(candidate.id), []).append(candidate)
    affected = {name for name, group in groups.items() if is_affected(group)}
    for notice in notices:
        named = {root(each) for each in notice.upstream}
        if named <= groups.keys() and named & affected:
            for each in sorted(named & affected):
                groups[each].append(notice)
        else:
            groups.setdefault(root(notice.id), []).append(notice)
    return list(groups.values())


def is_affected(group: Iterable[Candidate]) -> bool:
    """Whether one of them says so."""
    return any(each.verdict is Verdict.AFFECTED for each in group)


def lead_first(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once: CVE, then GHSA, then the others."""
    return tuple(sorted(set(names), key=lambda name: (not name.startswith("CVE-"), not name.startswith("GHSA-"), name)))
