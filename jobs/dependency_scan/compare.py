"""What is new, still there and gone since the last scan of the same source. Pure functions.

A vulnerability is the same one when it has one of its names in common and hits a package of the same name: advisories
gain names later, and a package that was updated may be hit as before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

FIRST, SAME, NEW, NEW_DATA = "first", "same", "new", "new_data"
UPDATED, REMOVED, WITHDRAWN, UNSURE = "updated", "removed", "withdrawn", "unsure"


class Known(NamedTuple):
    """A finding as far as it can be compared."""

    ecosystem: str
    name: str
    version: str
    advisory: str
    ids: tuple[str, ...]
    severity: str


class Inventory(NamedTuple):
    """The versions of each (ecosystem, name), those that could not be evaluated, and whether a file went unread."""

    versions: Mapping[tuple[str, str], set[str]]
    not_evaluated: set[tuple[str, str]]
    has_gaps: bool


def changes(now: Sequence[Known], before: Sequence[Known] | None, was_there: Inventory) -> list[str]:
    """The word for each current finding, in their order. `before` None: this is the first scan."""
    if before is None:
        return [FIRST] * len(now)
    known = _names(before)
    said = []
    for each in now:
        if any((each.ecosystem, each.name, name) in known for name in each.ids):
            said.append(SAME)
        elif each.version in was_there.versions.get((each.ecosystem, each.name), ()):
            said.append(NEW_DATA)
        else:
            said.append(NEW)
    return said


def gone(now: Sequence[Known], before: Sequence[Known], is_there: Inventory) -> list[dict[str, Any]]:
    """Earlier findings that are no more, each with how it went; "unsure" where this scan could not look."""
    known = _names(now)
    found = []
    for each in before:
        key = (each.ecosystem, each.name)
        if any((*key, name) in known for name in each.ids):
            continue
        versions = sorted(is_there.versions.get(key, ()))
        if key in is_there.not_evaluated:
            how = UNSURE
        elif each.version in versions:
            how = WITHDRAWN
        elif versions:
            how = UPDATED
        else:
            how = UNSURE if is_there.has_gaps else REMOVED
        found.append(
            {
                "ecosystem": each.ecosystem,
                "name": each.name,
                "was": each.version,
                "now": versions[:3],
                "advisory": each.advisory,
                "severity": each.severity,
                "how": how,
            }
        )
    return found


def _names(findings: Iterable[Known]) -> set[tuple[str, str, str]]:
    return {(each.ecosystem, each.name, name) for each in findings for name in each.ids}
