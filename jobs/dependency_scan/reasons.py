"""Why a package or a file could not be evaluated, in words, and what to do about it."""

from __future__ import annotations

from typing import NamedTuple

NO_DATA = "no_data"
NO_RELEASE = "no_release"
FILE = "file"


class Words(NamedTuple):
    """`one` and `many` go on after a number of packages; `way_on` is a sentence to act on."""

    one: str
    many: str
    way_on: str


REASONS = {
    "git": Words(
        "comes from git and has no published version",
        "come from git and have no published version",
        "Depend on a released version, or look the project's own advisories up.",
    ),
    "local": Words(
        "is a folder or file beside the project", "are folders or files beside the project", "Check where it is kept."
    ),
    "url": Words(
        "comes from an address and not from a registry",
        "come from addresses and not from a registry",
        "Depend on a released version.",
    ),
    "not_pinned": Words(
        "is not pinned to one version", "are not pinned to one version", "Pin it with ==, or compile a lock file."
    ),
    "no_version": Words("has no version", "have no version", "Write the lock file anew."),
    "branch": Words(
        "is of a branch and no release", "are of branches and no releases", "Depend on a released version."
    ),
    "entry": Words("is written in no form that is known", "are written in no form that is known", "Mend the entry."),
    "no_rules": Words(
        "is of an ecosystem whose versions cannot be ordered here",
        "are of ecosystems whose versions cannot be ordered here",
        "Check it by other means.",
    ),
    NO_DATA: Words(
        "is of an ecosystem without imported advisories",
        "are of ecosystems without imported advisories",
        "Run an advisory update for it, then scan again.",
    ),
    NO_RELEASE: Words(
        "is of a host whose Debian release is not known",
        "are of a host whose Debian release is not known",
        "Advisories are made for releases; check a host with a Debian release.",
    ),
    "version_unreadable": Words(
        "has a version that its ecosystem's rules cannot order",
        "have versions that their ecosystem's rules cannot order",
        "Depend on a released version.",
    ),
    "range_unreadable": Words(
        "is named by an advisory that says no versions",
        "are named by advisories that say no versions",
        "Read the advisory.",
    ),
    FILE: Words("lock file could not be read", "lock files could not be read", "See what is wrong with it."),
}


def words_of(reason: str) -> Words:
    """The words of a reason; plain ones for a reason that this version does not know."""
    return REASONS.get(reason, Words("could not be evaluated", "could not be evaluated", ""))
