"""Compares what is there with what the last scan knows: what must be parsed, and which nodes are still the same."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from jobs.code_scan.facts import Node
from jobs.code_scan.index_writer import KnownFile
from jobs.code_scan.reasons import PASSING, SKIPPED, status_of
from jobs.repository.discovery import Found
from jobs.repository.reading import BINARY

# A file written this shortly before the listing may be written again within the same tick of its clock.
RACY_NS = 100_000_000


@cache
def analyzer_version() -> str:
    """A digest of the analyzers' and the linker's own code: with another one, nothing remembered counts as current."""
    digest = hashlib.blake2b(digest_size=32)
    folder = Path(__file__).parent
    shared = folder.parent / "repository" / "reading.py"
    parts = [folder / "facts.py", shared, *folder.glob("link*.py"), *(folder / "languages").glob("*.py")]
    for part in sorted(parts):
        digest.update(part.read_bytes())
    return digest.hexdigest()


@dataclass(slots=True)
class Plan:
    """What to do with a listing. Positions are those of `files`."""

    files: list[Found]
    known: dict[str, KnownFile]
    parse: list[int] = field(default_factory=list)
    unchanged: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    gone: list[KnownFile] = field(default_factory=list)


def plan(files: list[Found], known: dict[str, KnownFile], is_same_analyzer: bool) -> Plan:
    """Sort a listing: what must be parsed, what is unchanged by size and time, what is not read, what is gone."""
    made = Plan(files, known)
    for position, found in enumerate(files):
        if found.reason is not None and status_of(found.reason) == SKIPPED:
            made.skipped.append(position)
        elif is_same_analyzer and _is_unchanged(found, known.get(found.path)):
            made.unchanged.append(position)
        else:
            made.parse.append(position)
    paths = {found.path for found in files}
    made.gone = [each for path, each in known.items() if path not in paths]
    return made


def _is_unchanged(found: Found, before: KnownFile | None) -> bool:
    return (
        before is not None
        and found.mtime_ns == before.mtime_ns
        and found.size == before.size
        and found.language == before.language
        and found.reason is None
        and (before.status != SKIPPED or before.reason == BINARY)
        and before.reason not in PASSING
    )


def known_digest(found: Found, before: KnownFile | None, is_same_analyzer: bool) -> str | None:
    """The digest with which a file, once read, need not be parsed again."""
    if before is None or not is_same_analyzer or before.language != found.language or before.reason in PASSING:
        return None
    return before.digest


def trusted_mtime(found: Found, listed_at_ns: int) -> int:
    """The time to remember: 0, which equals no file's, when the file was written too shortly before the listing."""
    return found.mtime_ns if found.mtime_ns < listed_at_ns - RACY_NS else 0


class Match(NamedTuple):
    """How the new nodes of a file relate to the old ones. `ids` has the old id of each new node that is the same."""

    ids: list[int | None]
    ended: list[int]
    moved: dict[int, int]
    added: int
    removed: int


def identity(node: Node) -> Hashable:
    """What makes two nodes of a file the same thing, wherever it stands now."""
    return (node.type, node.name, node.target, node.verb, node.function)


def match(before: Sequence[tuple[int, Node]], after: Iterable[Node]) -> Match:
    """Pair nodes that are equal in every field, then those with the same identity, in order.

    `moved` maps an ended id to the position of the new node that continues it. `added` and `removed` count what is not
    merely somewhere else.
    """
    equal: dict[Node, list[int]] = defaultdict(list)
    for node_id, node in reversed(before):
        equal[node].append(node_id)
    nodes = list(after)
    ids = [equal[node].pop() if equal.get(node) else None for node in nodes]
    kept = {each for each in ids if each is not None}
    ended = [(node_id, node) for node_id, node in before if node_id not in kept]
    alike: dict[Hashable, list[int]] = defaultdict(list)
    for node_id, node in reversed(ended):
        alike[identity(node)].append(node_id)
    moved: dict[int, int] = {}
    fresh = 0
    for position, node in enumerate(nodes):
        if ids[position] is None:
            waiting = alike.get(identity(node))
            if waiting:
                moved[waiting.pop()] = position
            else:
                fresh += 1
    return Match(ids, [node_id for node_id, _ in ended], moved, fresh, len(ended) - len(moved))
