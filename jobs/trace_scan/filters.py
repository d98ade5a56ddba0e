"""Which rows a list of a trace scan shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_

from jobs.code_scan.filters import Contains
from jobs.trace_scan import words
from jobs.trace_scan.models import TraceArtifact, TraceFinding, TraceLink, TraceRow, TraceTest
from tasks.errors import InvalidPayload

Args = Mapping[str, str | Sequence[str]]
MAX_TEXT = 200
MAX_VALUES = 50
UNKNOWN_RISK = "unknown"


def values(args: Args, name: str, known: Iterable[str]) -> tuple[str, ...]:
    """The values of a query string's argument, repeated or with commas. Raises InvalidPayload for an unknown one."""
    given = args.get(name, ())
    parts = [given] if isinstance(given, str) else list(given)
    found = tuple(dict.fromkeys(each.strip() for part in parts for each in part.split(",") if each.strip()))
    allowed = list(known)
    for value in found:
        if value not in allowed:
            raise InvalidPayload(f"{name}: there is no {value[:50]!r}. Known are: {', '.join(allowed)}.")
    return found[:MAX_VALUES]


def text(args: Args, name: str = "q") -> str:
    """A searched text, cut to MAX_TEXT."""
    given = args.get(name, "")
    first = given if isinstance(given, str) else (given[0] if given else "")
    return first.replace("\0", "").strip()[:MAX_TEXT]


def _risks(args: Args) -> tuple[str, ...]:
    return values(args, "risk", (*words.RISKS, UNKNOWN_RISK))


def _has_risk(column: Any, risks: tuple[str, ...]) -> Any:
    known = column.in_([each for each in risks if each != UNKNOWN_RISK])
    return or_(known, column.is_(None)) if UNKNOWN_RISK in risks else known


def _holds(column: Any, searched: str) -> list[Any]:
    return [Contains(column, word) for word in searched.lower().split()]


@dataclass(frozen=True, slots=True)
class ArtifactFilter:
    """Query string: `type`, `risk` (HIGH, MEDIUM, LOW, unknown), `state`, `q` (in id, title, path and fields)."""

    types: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    text: str = ""

    @classmethod
    def from_args(cls, args: Args) -> ArtifactFilter:
        """Raises InvalidPayload for a value that does not exist."""
        states = values(args, "state", words.ARTIFACT_STATES)
        return cls(values(args, "type", words.ARTIFACT_TYPES), _risks(args), states, text(args))

    def conditions(self) -> list[Any]:
        """The conditions on TraceArtifact."""
        found: list[Any] = _holds(TraceArtifact.search, self.text)
        found += [TraceArtifact.type.in_(self.types)] if self.types else []
        found += [_has_risk(TraceArtifact.risk, self.risks)] if self.risks else []
        return found + ([TraceArtifact.state.in_(self.states)] if self.states else [])


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Query string: `show` (gap, look_again, or nothing for all), `state` (broken, missing, linked), `risk`, `q`."""

    show: str = ""
    states: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    text: str = ""

    @classmethod
    def from_args(cls, args: Args) -> RowFilter:
        """Raises InvalidPayload for a value that does not exist."""
        show = values(args, "show", ("gap", "look_again"))
        return cls(show[0] if show else "", values(args, "state", words.ROW_STATES), _risks(args), text(args))

    def conditions(self) -> list[Any]:
        """The conditions on TraceRow."""
        found: list[Any] = _holds(TraceRow.search, self.text)
        found += [TraceRow.state != words.LINKED] if self.show == "gap" else []
        found += [TraceRow.is_look_again] if self.show == "look_again" else []
        found += [TraceRow.state.in_(self.states)] if self.states else []
        return found + ([_has_risk(TraceRow.risk, self.risks)] if self.risks else [])


@dataclass(frozen=True, slots=True)
class LinkFilter:
    """Query string: `state` (valid, broken), `relation`, `q` (the beginning of an id or path, either end)."""

    states: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    text: str = ""

    @classmethod
    def from_args(cls, args: Args) -> LinkFilter:
        """Raises InvalidPayload for a value that does not exist."""
        relations = values(args, "relation", words.RELATIONS)
        return cls(values(args, "state", words.LINK_STATES), relations, text(args))

    def conditions(self) -> list[Any]:
        """The conditions on TraceLink."""
        found: list[Any] = []
        if self.text:
            ends = (TraceLink.from_ref, TraceLink.to_ref)
            found.append(or_(*(end.icontains(self.text, autoescape=True) for end in ends)))
        found += [TraceLink.state.in_(self.states)] if self.states else []
        return found + ([TraceLink.relation.in_(self.relations)] if self.relations else [])


@dataclass(frozen=True, slots=True)
class TestFilter:
    """Query string: `state` (linked, orphan, unannotated), `tier` (IQ, OQ, PQ), `q` (in path and name)."""

    __test__ = False

    states: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    text: str = ""

    @classmethod
    def from_args(cls, args: Args) -> TestFilter:
        """Raises InvalidPayload for a value that does not exist."""
        return cls(values(args, "state", words.TEST_STATES), values(args, "tier", words.TIERS), text(args))

    def conditions(self) -> list[Any]:
        """The conditions on TraceTest."""
        found: list[Any] = []
        if self.text:
            found.append(or_(*(c.icontains(self.text, autoescape=True) for c in (TraceTest.path, TraceTest.name))))
        found += [TraceTest.state.in_(self.states)] if self.states else []
        return found + ([TraceTest.tier.in_(self.tiers)] if self.tiers else [])


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Query string: `kind`, `severity` (error, warning, notice), `risk`, `q` (in message, subject and path)."""

    kinds: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    text: str = ""

    @classmethod
    def from_args(cls, args: Args) -> FindingFilter:
        """Raises InvalidPayload for a value that does not exist."""
        severities = values(args, "severity", (words.ERROR, words.WARNING, words.NOTICE))
        return cls(values(args, "kind", words.FINDING_KINDS), severities, _risks(args), text(args))

    def conditions(self) -> list[Any]:
        """The conditions on TraceFinding."""
        found: list[Any] = []
        if self.text:
            columns = (TraceFinding.message, TraceFinding.subject, TraceFinding.path)
            found.append(or_(*(column.icontains(self.text, autoescape=True) for column in columns)))
        found += [TraceFinding.kind.in_(self.kinds)] if self.kinds else []
        found += [TraceFinding.severity.in_(self.severities)] if self.severities else []
        return found + ([_has_risk(TraceFinding.risk, self.risks)] if self.risks else [])
