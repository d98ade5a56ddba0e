"""Asks the imported advisories about an inventory, and puts their answer in the words of a scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from database import rfc3339
from jobs.advisories.matching import SEVERITIES, AdvisoryIndex, DataSet
from jobs.advisories.matching import Finding as Match
from jobs.advisories.matching import Package as Asked
from jobs.dependency_scan import compare
from jobs.dependency_scan.inventory import MAX_PLACES, Entry, Inventory
from jobs.dependency_scan.packages import DEBIAN, clean
from jobs.dependency_scan.reasons import NO_RELEASE

MAX_FINDINGS = 50_000


@dataclass(slots=True)
class Evaluation:
    """What is known of an inventory. `entries` got their reasons; `data` are the data sets that were looked at."""

    matches: list[Match]
    entries_of: dict[Asked, list[Entry]]
    data: list[DataSet]
    data_date: datetime | None
    warnings: list[str] = field(default_factory=list)


def evaluate(session: Session, inventory: Inventory, on_progress: Callable[[int], None]) -> Evaluation:
    """Evaluate every package that has a version; the others keep the reason they came with."""
    entries_of: dict[Asked, list[Entry]] = {}
    for entry in inventory.entries.values():
        package = entry.package
        if entry.reason:
            continue
        if package.ecosystem == DEBIAN:
            entry.reason = NO_RELEASE
            continue
        name, version = package.source or package.name, package.source_version or package.version or ""
        entries_of.setdefault(Asked(package.ecosystem, name, version), []).append(entry)
    answer = AdvisoryIndex(session).findings(list(entries_of), on_progress)
    for gap in answer.not_evaluated:
        for entry in entries_of[gap.package]:
            entry.reason = entry.reason or gap.reason
            entry.note = clean(" ".join([gap.text, *gap.ids[:5]]), 500)
    matches = sorted(answer.findings, key=_order)[:MAX_FINDINGS]
    return Evaluation(matches, entries_of, answer.data, answer.data_date)


def _order(match: Match) -> tuple[int, float, str, str]:
    return (SEVERITIES.index(match.severity), -(match.score or 0.0), match.package.name, match.id)


def age_warnings(data: Sequence[DataSet], now: datetime, max_age_days: int) -> list[str]:
    """A sentence for each data set that is too old, whose age is not known, or that lacks records of its source."""
    warnings = []
    for each in data:
        if each.unreadable:
            warnings.append(
                f"{each.unreadable:,} records could not be read at the import of the advisories for {each.ecosystem}. "
                "Some vulnerabilities may be missing."
            )
        if each.data_date is None:
            warnings.append(f"It is not known how old the advisories for {each.ecosystem} are.")
        elif now - each.data_date > timedelta(days=max_age_days):
            days = (now - each.data_date).days
            warnings.append(
                f"The advisories for {each.ecosystem} are {days:,} days old, more than the {max_age_days:,} that are "
                "allowed here. Newer vulnerabilities are not known. Run an advisory update."
            )
    return warnings


def data_facts(data: Sequence[DataSet]) -> list[dict[str, Any]]:
    """The data sets as a scan keeps them."""
    return [
        {
            "ecosystem": each.ecosystem,
            "records": each.records,
            "source": each.source,
            "licence": each.licence,
            "data_date": rfc3339(each.data_date),
            "imported_at": rfc3339(each.imported_at),
        }
        for each in data
    ]


def known(match: Match) -> compare.Known:
    """The finding as far as it is compared with those of other scans."""
    package = match.package
    return compare.Known(package.ecosystem, package.name, package.version, match.id, match.ids, match.severity)


def finding_row(match: Match, entries: Sequence[Entry], change: str) -> dict[str, Any]:
    """The columns of DependencyFinding but the scan's id."""
    is_debian = any(entry.package.source for entry in entries)
    return {
        "ecosystem": match.package.ecosystem,
        "name": match.package.name,
        "version": match.package.version,
        "places": [place for entry in entries for place in entry.places][:MAX_PLACES] if not is_debian else [],
        "installed": sorted({entry.package.name for entry in entries})[:100] if is_debian else [],
        "advisory": clean(match.id, 120),
        "ids": [clean(each, 120) for each in match.ids[:50]],
        "summary": clean(match.summary, 300),
        "severity": match.severity,
        "rank": SEVERITIES.index(match.severity),
        "score": match.score,
        "vector": match.vector and clean(match.vector, 300),
        "fixed_in": match.fixed_in and clean(match.fixed_in, 200),
        "change": change,
        "published_at": match.published_at,
        "modified_at": match.modified_at,
    }


def package_row(entry: Entry) -> dict[str, Any]:
    """The columns of DependencyPackage but the scan's id."""
    package = entry.package
    return {
        "ecosystem": package.ecosystem,
        "name": package.name,
        "version": package.version,
        "source_name": package.source if package.source != package.name else None,
        "source_version": package.source_version if package.source_version != package.version else None,
        "places": [] if package.source else entry.places,
        "reason": entry.reason,
        "note": entry.note,
    }
