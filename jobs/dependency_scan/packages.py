"""What a lock file or a package database says: packages, and how they hang together.

A reader never decides whether a package is safe. What it cannot name with one version it hands on with a reason, so
that the scan can count it as not evaluated.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

MAX_PACKAGES = 200_000  # of one file
MAX_NAME = 300
MAX_VERSION = 200
KEPT_ENDS = 6  # names of a long way, at each end

PYPI, NPM, CRATES, GO, PACKAGIST, RUBYGEMS = "PyPI", "npm", "crates.io", "Go", "Packagist", "RubyGems"
DEBIAN = "Debian"

NOT_PINNED = "not_pinned"
GIT = "git"
LOCAL = "local"
URL = "url"
NO_VERSION = "no_version"
UNREADABLE_ENTRY = "entry"
BRANCH = "branch"

DIRECT, TRANSITIVE = "direct", "transitive"

Key = TypeVar("Key", bound=Hashable)


class Package(NamedTuple):
    """One package as one file names it.

    `ecosystem` and `name` are as OSV writes them. `via` is one shortest way to it, from what the project asks for
    directly down to what needs it; `others` counts the further packages that need it. `version` may be None only with
    a `reason`. For Debian, `source` and `source_version` name the source package, which is what advisories speak of.
    """

    ecosystem: str
    name: str
    version: str | None
    line: int | None = None
    relation: str | None = None
    via: tuple[str, ...] = ()
    others: int = 0
    is_dev: bool = False
    condition: str | None = None
    reason: str | None = None
    source: str | None = None
    source_version: str | None = None


class Unreadable(Exception):
    """The file is not what its name says. The message is a clause for people: "is not valid JSON"."""


@dataclass(slots=True)
class Reading:
    """What one file gave. `includes` are further files that it names; `notes` say what was left out and why."""

    packages: list[Package] = field(default_factory=list)
    includes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, package: Package) -> None:
        """Keep a package. Raises Unreadable beyond MAX_PACKAGES, and for names that no registry has."""
        if len(self.packages) >= MAX_PACKAGES:
            raise Unreadable(f"names more than {MAX_PACKAGES:,} packages")
        self.packages.append(sound(package))

    def as_plain(self) -> dict[str, Any]:
        """For the way out of the confined child."""
        return {"packages": [tuple(each) for each in self.packages], "includes": self.includes, "notes": self.notes}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Reading:
        """The reverse of `as_plain`, after JSON."""
        found = [Package(*row)._replace(via=tuple(row[5])) for row in plain["packages"]]
        return cls(found, list(plain["includes"]), list(plain["notes"]))


def sound(package: Package) -> Package:
    """The package with printable text of bounded length; one whose name or version had to be cut is not evaluated."""
    name, version = clean(package.name, MAX_NAME), package.version and clean(package.version, MAX_VERSION)
    reason = package.reason
    if not name or name != package.name or version != package.version:
        reason = reason or UNREADABLE_ENTRY
    elif not version:
        reason = reason or NO_VERSION
    return package._replace(
        name=name or "(no name)",
        version=version or None,
        reason=reason,
        via=tuple(clean(each, MAX_NAME) for each in package.via[: 2 * KEPT_ENDS + 1]),
        condition=package.condition and clean(package.condition, MAX_NAME),
    )


def clean(text: object, limit: int) -> str:
    """Printable text on one line, cut to `limit` characters; "" for anything but text."""
    if not isinstance(text, str):
        return ""
    short = text[: limit + 1].strip()
    shown = short if short.isprintable() else "".join(each if each.isprintable() else "?" for each in short)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


class Place(NamedTuple):
    """Where a package stands in the tree."""

    relation: str | None
    via: tuple[str, ...]
    others: int


class Tree(Generic[Key]):
    """Who pulls in whom. Cycles are fine: each package is reached once, on a shortest way.

    `roots` are the project's own entries and are not packages themselves. Where the file names none (`roots` empty),
    what nothing else needs must have been asked for directly.
    """

    def __init__(self, needs: Mapping[Key, Iterable[Key]], names: Mapping[Key, str], roots: Iterable[Key] = ()) -> None:
        own = set(roots)
        self._names = names
        self._needed_by: dict[Key, set[Key]] = {}
        for key, wanted in needs.items():
            for each in wanted:
                if each != key and each in names:
                    self._needed_by.setdefault(each, set()).add(key)
        first = (
            {each for root in own for each in needs.get(root, ()) if each in names and each not in own}
            if own
            else {each for each in names if each not in self._needed_by}
        )
        self._own = own
        self._parent: dict[Key, Key | None] = dict.fromkeys(sorted(first, key=str))
        self._depth: dict[Key, int] = dict.fromkeys(self._parent, 0)
        self._begin: dict[Key, tuple[str, ...]] = dict.fromkeys(self._parent, ())
        pending = deque(self._parent)
        while pending:
            key = pending.popleft()
            for each in needs.get(key, ()):
                if each in names and each not in self._parent and each not in own:
                    self._parent[each], self._depth[each] = key, self._depth[key] + 1
                    begin = self._begin[key]
                    self._begin[each] = begin if len(begin) == KEPT_ENDS else (*begin, names[key])
                    pending.append(each)

    def place(self, key: Key) -> Place:
        """Where `key` stands; unknown when nothing leads to it. Of a long way, both ends are told."""
        needing = len(self._needed_by.get(key, set()) - self._own)
        if key not in self._parent:
            return Place(None, (), needing)
        depth = self._depth[key]
        if depth == 0:
            return Place(DIRECT, (), needing)
        end: list[str] = []
        parent = self._parent[key]
        while parent is not None and (depth <= 2 * KEPT_ENDS or len(end) < KEPT_ENDS):
            end.append(self._names[parent])
            parent = self._parent[parent]
        via = tuple(reversed(end)) if parent is None else (*self._begin[key], "…", *reversed(end))
        return Place(TRANSITIVE, via, max(needing - 1, 0))
