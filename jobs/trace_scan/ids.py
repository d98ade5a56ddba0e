"""Ids of requirements, user stories and specifications: which texts are one, and which one was perhaps meant.

An id is taken whole: finding `SPEC-001-001` in `SPEC-001-001-004`, or `REQ-001` in `REQ-0010`, would link what nobody
linked.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import NamedTuple

from jobs.trace_scan.words import REQUIREMENT, SPEC, STORY

TYPE_OF_PREFIX = {"REQ": REQUIREMENT, "US": STORY, "SPEC": SPEC}
PREFIX_OF_TYPE = {type_: prefix for prefix, type_ in TYPE_OF_PREFIX.items()}
MAX_ID = 200
_ID = re.compile(r"(?:REQ|US|SPEC)(?:-[A-Z0-9]+)+")
_LIKE = re.compile(r"(?i:REQ|US|SPEC)(?:[-_][A-Za-z0-9]+)+")
_TOKEN = re.compile(r"\{[ \t]*([A-Za-z][A-Za-z0-9_-]*)[ \t]*\}|([A-Za-z][A-Za-z0-9_-]*)")
_STRICT = {
    REQUIREMENT: re.compile(r"REQ-\d{3}"),
    STORY: re.compile(r"US-\d{3}(?:-\d{3})?"),
    SPEC: re.compile(r"SPEC-\d{3}(?:-\d{3})?"),
}
_IN_NAME = re.compile(r"(?:REQ|US|SPEC)(?:-[A-Z0-9]+(?![a-z]))+")


def is_id(text: str) -> bool:
    """Whether this is an id of the accepted grammar, in full."""
    return len(text) <= MAX_ID and _ID.fullmatch(text) is not None


def type_of(text: str) -> str | None:
    """What an id, or a text that would be one in capitals, names; None for anything else."""
    if len(text) > MAX_ID or not _LIKE.fullmatch(text):
        return None
    return TYPE_OF_PREFIX[re.split(r"[-_]", text, maxsplit=1)[0].upper()]


def is_standard(text: str) -> bool:
    """Whether an id has the strict pattern of the rules."""
    type_ = type_of(text)
    return type_ is not None and _STRICT[type_].fullmatch(text) is not None


def from_name(path: str) -> str | None:
    """The id that a document's file name begins with: its longest leading run before the lower-case slug."""
    found = _IN_NAME.match(PurePosixPath(path).name)
    return found[0] if found and len(found[0]) <= MAX_ID else None


class IdList(NamedTuple):
    """Ids at the start of a text, as written, and whether something stood there that is none."""

    ids: list[str]
    is_malformed: bool


def id_list(text: str) -> IdList:
    """The ids that a tag's text begins with: one, or several by comma, with braces or without."""
    ids: list[str] = []
    rest = text.strip()
    while True:
        token = _TOKEN.match(rest)
        id_ = (token[1] or token[2]) if token else ""
        if token is None or type_of(id_) is None or not _ends_well(rest[token.end() :]):
            return IdList(ids, True)
        ids.append(id_)
        rest = rest[token.end() :].lstrip()
        if not rest.startswith(","):
            return IdList(ids, False)
        rest = rest[1:].lstrip()


def _ends_well(rest: str) -> bool:
    """Whether an id may end here; `SPEC-1/2` is no id, and no beginning of one."""
    return not rest or rest[0].isspace() or rest[0] in ",\"':;.)]}*<–—"


def _normal(text: str) -> tuple[str, ...]:
    return tuple(part.lstrip("0") or "0" for part in re.split(r"[-_]", text.upper()))


class Known:
    """The ids of a repository, asked for what a wrong one may have meant."""

    def __init__(self, ids: Collection[str]) -> None:
        self._ids = frozenset(ids)
        self._by_normal: dict[tuple[str, ...], str] = {}
        for each in sorted(ids, reverse=True):
            self._by_normal[_normal(each)] = each

    def hint(self, wrong: str) -> str | None:
        """A sentence for an id that does not exist: the same but for case and zeros, or its nearest ancestor."""
        alike = self._by_normal.get(_normal(wrong))
        if alike and alike != wrong:
            return f"Did you mean {alike}?"
        parts = wrong.split("-")
        for length in range(len(parts) - 1, 1, -1):
            ancestor = "-".join(parts[:length])
            if ancestor in self._ids:
                return f"The nearest that exists is {ancestor}."
        return None


def implied_parents(child: str) -> list[str]:
    """The parents that a child's numbers suggest, the nearest first: REQ-001 for US-001-002, US-001-002 or US-001 and
    REQ-001 for SPEC-001-002. Only for children that name none.
    """
    prefix, *numbers = child.split("-")
    if prefix == "US" and len(numbers) > 1:
        return [f"REQ-{numbers[0]}"]
    if prefix == "SPEC" and len(numbers) > 1:
        return [f"US-{'-'.join(numbers)}", f"US-{numbers[0]}", f"REQ-{numbers[0]}"]
    return []
