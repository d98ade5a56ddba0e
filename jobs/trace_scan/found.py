"""What a scan finds, before it is stored: artifacts, links, tests and findings."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from jobs.trace_scan import words


@dataclass(slots=True)
class Problem:
    """One message of validation, with its place in the artifact's file."""

    severity: str
    field: str
    line: int
    message: str
    code: str = "field"

    def as_dict(self) -> dict[str, Any]:
        """What is stored."""
        return {"severity": self.severity, "field": self.field, "line": self.line, "message": self.message}


@dataclass(slots=True)
class Artifact:
    """One document. `refs` is what it names: (relation, id or path, line). `is_inferable`: it names no parent."""

    type: str
    id: str
    path: str
    title: str = ""
    line: int = 1
    state: str = words.OK
    risk: str | None = None
    tier: str | None = None
    status: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    body: str = ""
    refs: list[tuple[str, str, int]] = field(default_factory=list)
    is_inferable: bool = False
    notices: list[str] = field(default_factory=list)

    @property
    def is_retired(self) -> bool:
        """Whether nothing should point to it any more."""
        return self.status in ("RETIRED", "DEPRECATED")


@dataclass(slots=True)
class Link:
    """One link; several references make one link with several places."""

    relation: str
    from_type: str
    from_ref: str
    to_type: str
    to_ref: str
    state: str = words.VALID
    reason: str | None = None
    hint: str | None = None
    is_inferred: bool = False
    places: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_valid(self) -> bool:
        """Whether it leads somewhere."""
        return self.state == words.VALID


@dataclass(slots=True)
class Test:
    """One annotated test or suite (`links` are those of its block), or one file without annotations."""

    __test__ = False

    path: str
    line: int
    name: str = ""
    state: str = words.UNANNOTATED
    tier: str | None = None
    is_tier_inferred: bool = False
    risk: str | None = None
    refs: list[str] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)


@dataclass(slots=True)
class Finding:
    """One thing to look at."""

    kind: str
    severity: str
    code: str
    subject: str
    message: str
    path: str | None = None
    line: int | None = None
    hint: str | None = None
    risk: str | None = None

    @property
    def key(self) -> str:
        """Its name from scan to scan: all but where it stands in its file."""
        said = "\0".join((self.kind, self.code, self.subject, self.path or "", self.message))
        return hashlib.blake2b(said.encode(errors="replace"), digest_size=16).hexdigest()


def sentence(text: str) -> str:
    """The text with a capital at its start, unless that is a path; cut to what the database takes."""
    first = text.split(" ", 1)[0]
    return (text if "/" in first or "." in first else text[:1].upper() + text[1:])[:1000]
