"""The ecosystems whose versions can be ordered: by which rules, and how their names of packages are written.

Ecosystems have OSV's names, some with a release after a colon ("Debian:12"). The libraries behind the rules are
imported when the first version is read: every process knows the jobs, few order versions.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jobs.advisories.composer import composer_key

MAX_VERSION = 250
_SHORT_SEMVER = re.compile(r"[vV]?(\d+)(?:\.(\d+))?(?:\.(\d+))?(-[^+]*)?(?:\+.*)?")
_DASHES = re.compile(r"[-_.]+")


class VersionUnreadable(ValueError):
    """The rules of this ecosystem cannot order this version."""


@dataclass(frozen=True, slots=True)
class Ecosystem:
    """How one ecosystem names and orders. `key` gives something that can be compared, or raises VersionUnreadable."""

    name: str
    key: Callable[[str], Any]
    normalise: Callable[[str], str] = str
    same: Callable[[str], str] = str
    has_releases: bool = False


def ecosystem_of(name: str) -> Ecosystem | None:
    """The rules of an ecosystem, given with or without a release; None when they are not known."""
    return ECOSYSTEMS.get(base_of(name))


def base_of(name: str) -> str:
    """ "Debian" of "Debian:12"."""
    return name.partition(":")[0]


def release_of(name: str) -> str:
    """Of "Debian:12" it is 12, of "Ubuntu:22.04" and of "Ubuntu:22.04:LTS" 22.04, of "npm" nothing."""
    return name.partition(":")[2].removesuffix(":LTS")


def normalised(ecosystem: str, name: str) -> str:
    """The one way in which this package's name is stored."""
    rules = ecosystem_of(ecosystem)
    return rules.normalise(name) if rules else name


def _readable(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """`read` with a memory and with one kind of error: the libraries raise whatever a strange text leads to."""

    @lru_cache(maxsize=50_000)
    def key(text: str) -> Any:
        if not text or len(text) > MAX_VERSION:
            raise VersionUnreadable(text[:MAX_VERSION])
        try:
            return read(text)
        except Exception as error:
            raise VersionUnreadable(text) from error

    return key


@_readable
def semver_key(text: str) -> Any:
    """SemVer 2.0's precedence. Missing parts count as 0; a leading "v" and what follows a "+" do not count."""
    from semantic_version import Version

    found = _SHORT_SEMVER.fullmatch(text.strip())
    if found is None:
        raise VersionUnreadable(text)
    numbers = ".".join(str(int(part or 0)) for part in found.group(1, 2, 3))
    return Version(numbers + (found[4] or "")).precedence_key


@_readable
def _pypi_key(text: str) -> Any:
    from packaging.version import Version

    return Version(text)


@_readable
def _gem_key(text: str) -> Any:
    from univers.gem import GemVersion

    if not GemVersion.is_correct(text):
        raise VersionUnreadable(text)
    return GemVersion(text)


@_readable
def _maven_key(text: str) -> Any:
    from univers.maven import Version

    return Version(text)


@_readable
def _nuget_key(text: str) -> Any:
    from univers.nuget import Version

    return Version.from_string(text)


@_readable
def _debian_key(text: str) -> Any:
    from univers.debian import Version

    if not Version.is_valid(text):
        raise VersionUnreadable(text)
    return Version.from_string(text)


_composer_key = _readable(composer_key)


@lru_cache(maxsize=50_000)
def _same_pypi(text: str) -> str:
    from packaging.utils import canonicalize_version

    return canonicalize_version(text, strip_trailing_zero=True)


def _without_v(text: str) -> str:
    return text.removeprefix("v").partition("+")[0]


def _without_epoch_zero(text: str) -> str:
    return text.removeprefix("0:")


def _dashed(name: str) -> str:
    return _DASHES.sub("-", name).lower()


ECOSYSTEMS: dict[str, Ecosystem] = {
    each.name: each
    for each in (
        Ecosystem("PyPI", _pypi_key, _dashed, _same_pypi),
        Ecosystem("npm", semver_key, same=_without_v),
        Ecosystem("crates.io", semver_key, same=_without_v),
        Ecosystem("Go", semver_key, same=_without_v),
        Ecosystem("Hex", semver_key, str.lower, _without_v),
        Ecosystem("Pub", semver_key, str.lower, _without_v),
        Ecosystem("SwiftURL", semver_key, str.lower, _without_v),
        Ecosystem("GitHub Actions", semver_key, str.lower, _without_v),
        Ecosystem("Packagist", _composer_key, str.lower, _without_v),
        Ecosystem("RubyGems", _gem_key),
        Ecosystem("Maven", _maven_key),
        Ecosystem("NuGet", _nuget_key, str.lower),
        Ecosystem("Debian", _debian_key, same=_without_epoch_zero, has_releases=True),
        Ecosystem("Ubuntu", _debian_key, same=_without_epoch_zero, has_releases=True),
    )
}
