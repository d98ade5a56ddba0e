"""Vulnerabilities that people decided not to count for a source: with a reason, until a day, and never silently.

An ignored finding stays visible as ignored. It counts again when its day has come, when somebody takes the decision
back, and, if it was ignored because there was no fix, as soon as there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from accounts import Actor, audit
from database import rfc3339, utc_now
from jobs.advisories.matching import Finding as Match
from jobs.dependency_scan.models import DependencyFinding, DependencyIgnore, DependencyScan
from tasks.errors import Conflict, InvalidParams, NotFound

MAX_DAYS = 365
MAX_REASON = 1_000
MIN_REASON = 5


class Ignores:
    """The decisions for one source that hold at one moment."""

    def __init__(self, rows: Iterable[DependencyIgnore]) -> None:
        self._by_name: dict[tuple[str, str, str], DependencyIgnore] = {}
        for row in rows:
            for name in row.ids:
                self._by_name.setdefault((row.ecosystem, row.name, name), row)

    def covering(self, ecosystem: str, name: str, ids: Sequence[str], fixed_in: str | None) -> DependencyIgnore | None:
        """The decision that covers this vulnerability of this package, if any."""
        for each in ids:
            row = self._by_name.get((ecosystem, name, each))
            if row is not None and (row.had_fix or fixed_in is None):
                return row
        return None


def holding(session: Session, source: str, now: datetime) -> Ignores:
    """What is ignored for this source at this moment."""
    rows = session.scalars(
        select(DependencyIgnore)
        .where(DependencyIgnore.source == source, DependencyIgnore.ended_at.is_(None))
        .where(DependencyIgnore.expires_at > now)
        .order_by(DependencyIgnore.id.desc())
    )
    return Ignores(rows)


def ignored(session: Session, source: str, matches: Sequence[Match], now: datetime) -> set[int]:
    """The positions of the matches that are ignored."""
    ignores = holding(session, source, now)
    return {
        index
        for index, match in enumerate(matches)
        if ignores.covering(match.package.ecosystem, match.package.name, match.ids, match.fixed_in)
    }


def ignore(
    session: Session, scan: DependencyScan, finding_id: int, asked: Mapping[str, Any], actor: Actor
) -> DependencyIgnore:
    """Ignore a finding for its source, from now for `days`, with a `reason`; audited in the same transaction.

    Raises NotFound, Conflict when it is ignored already, and InvalidParams with a sentence for the field.
    """
    finding = session.get(DependencyFinding, finding_id)
    if finding is None or finding.scan_id != scan.id:
        raise NotFound("This scan has no such finding.")
    reason, days = str(asked.get("reason") or "").strip(), asked.get("days")
    problems = {}
    if not MIN_REASON <= len(reason) <= MAX_REASON or "\0" in reason:
        problems["reason"] = f"Say why, in {MIN_REASON} to {MAX_REASON:,} characters."
    if not isinstance(days, int) or not 1 <= days <= MAX_DAYS:
        problems["days"] = f"Choose from 1 to {MAX_DAYS} days. Nothing is ignored for ever."
    if problems:
        raise InvalidParams(problems)
    now = utc_now()
    if holding(session, scan.source, now).covering(finding.ecosystem, finding.name, finding.ids, finding.fixed_in):
        raise Conflict("This is ignored already. Take that back first to change it.")
    row = DependencyIgnore(
        source=scan.source,
        ecosystem=finding.ecosystem,
        name=finding.name,
        advisory=finding.advisory,
        ids=finding.ids,
        reason=reason,
        had_fix=finding.fixed_in is not None,
        created_by=actor.name[:64],
        created_at=now,
        expires_at=now + timedelta(days=days or 0),
    )
    session.add(row)
    session.flush()
    audit.record(session, "finding.ignored", _subject(row), actor, reason=reason, after=_audited(row))
    return row


def take_back(session: Session, scan: DependencyScan, ignore_id: int, actor: Actor) -> DependencyIgnore:
    """End an ignore now: what it covered counts again. Raises NotFound; ending it twice changes nothing."""
    row = session.get(DependencyIgnore, ignore_id)
    if row is None or row.source != scan.source:
        raise NotFound("Nothing like that is ignored here.")
    if row.ended_at is None:
        row.ended_at = utc_now()
        audit.record(session, "finding.counted_again", _subject(row), actor, before=_audited(row))
    return row


def decisions(session: Session, source: str, limit: int = 500) -> list[DependencyIgnore]:
    """Every decision for this source, the newest first, ended and expired ones too."""
    rows = session.scalars(
        select(DependencyIgnore)
        .where(DependencyIgnore.source == source)
        .order_by(DependencyIgnore.id.desc())
        .limit(limit)
    )
    return list(rows)


def _subject(row: DependencyIgnore) -> str:
    return f"finding:{row.advisory} {row.ecosystem}/{row.name}"


def _audited(row: DependencyIgnore) -> dict[str, Any]:
    return {
        "source": row.source,
        "package": f"{row.ecosystem}/{row.name}",
        "advisory": row.advisory,
        "expires_at": rfc3339(row.expires_at),
    }
