"""What a dependency scan found, as its pages, its API and its exports ask for it.

What the scan found never changes; what of it counts depends on what is ignored at the moment of asking. So every answer
here is made for one moment, `now`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from database import rfc3339
from jobs.advisories.matching import SEVERITIES
from jobs.code_scan.cursors import clamp, decode, encode
from jobs.dependency_scan import ignoring
from jobs.dependency_scan.models import DependencyFinding, DependencyIgnore, DependencyPackage, DependencyScan
from jobs.dependency_scan.reasons import FILE, words_of
from tasks.errors import NotFound

SHOWN_CHANGES = ("new", "new_data")
NAMES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Which findings. `show` is open (counted), ignored or all; `new` those that the last scan had not."""

    severity: str = ""
    ecosystem: str = ""
    show: str = "open"
    is_new: bool = False
    is_fixable: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A finding, with the columns of DependencyFinding, and the decision that covers it at this moment."""

    row: Any
    ignore: DependencyIgnore | None


@dataclass(slots=True)
class Findings:
    """All findings of a scan at one moment, in order of severity."""

    scan: DependencyScan
    shown: list[Shown] = field(default_factory=list)

    @property
    def open(self) -> list[Any]:
        """Those that count."""
        return [each.row for each in self.shown if each.ignore is None]


def find_scan(session: Session, scan_id: str) -> DependencyScan | None:
    """The scan of this task, if it is kept."""
    return session.scalar(select(DependencyScan).where(DependencyScan.task_id == scan_id))


def get_scan(session: Session, scan_id: str) -> DependencyScan:
    """The scan of this task. Raises NotFound."""
    scan = find_scan(session, scan_id)
    if scan is None:
        raise NotFound("What this scan found is not kept, or it has not finished.")
    return scan


def findings_of(session: Session, scan: DependencyScan, now: datetime) -> Findings:
    """Every finding with what is ignored at `now`."""
    ignores = ignoring.holding(session, scan.source, now)
    rows = session.execute(
        select(*DependencyFinding.__table__.columns)
        .where(DependencyFinding.scan_id == scan.id)
        .order_by(DependencyFinding.rank, DependencyFinding.id)
    )
    shown = [Shown(row, ignores.covering(row.ecosystem, row.name, row.ids, row.fixed_in)) for row in rows]
    return Findings(scan, shown)


def summary(session: Session, scan_id: str, now: datetime, known: Findings | None = None) -> dict[str, Any]:
    """The scan in numbers as they count at `now`, what was not evaluated and why, and how it differs from the last.

    `known` spares reading the findings again.
    """
    scan = get_scan(session, scan_id)
    found = known or findings_of(session, scan, now)
    counted = found.open
    fixed = scan.facts["fixed"]
    return {
        "scan_id": scan.task_id,
        "source": scan.source,
        "commit": scan.commit,
        "started_at": rfc3339(scan.started_at),
        "finished_at": rfc3339(scan.finished_at),
        "duration_ms": scan.duration_ms,
        "packages": scan.counters["packages"],
        "vulnerabilities": len(counted),
        "by_severity": {name: sum(row.severity == name for row in counted) for name in SEVERITIES},
        "fixable": sum(row.fixed_in is not None for row in counted),
        "ignored": len(found.shown) - len(counted),
        "next_ignore_ends_at": rfc3339(_next_end(found)),
        "not_evaluated": scan.counters["not_evaluated"],
        "complete": scan.counters["complete"],
        "gaps": gaps(session, scan),
        "warnings": scan.facts["warnings"],
        "data_date": rfc3339(scan.data_date),
        "data": scan.facts["data"],
        "files": scan.facts["files"],
        "updates": scan.facts.get("updates"),
        "since": _since(scan, found),
        "fixed": fixed,
    }


def _next_end(found: Findings) -> datetime | None:
    return min((each.ignore.expires_at for each in found.shown if each.ignore), default=None)


def _since(scan: DependencyScan, found: Findings) -> dict[str, Any] | None:
    """How the counted findings differ from the last scan; None for the first one."""
    if scan.previous_task_id is None:
        return None
    counted, fixed = found.open, scan.facts["fixed"]
    change = {
        name: sum(row.severity == name and row.change in SHOWN_CHANGES for row in counted)
        - sum(each["severity"] == name and each["how"] != "unsure" for each in fixed)
        for name in SEVERITIES
    }
    return {
        "scan_id": scan.previous_task_id,
        "finished_at": rfc3339(scan.previous_finished_at),
        "new": sum(row.change in SHOWN_CHANGES for row in counted),
        "new_data": sum(row.change == "new_data" for row in counted),
        "same": sum(row.change == "same" for row in counted),
        "fixed": sum(each["how"] != "unsure" for each in fixed),
        "unsure": sum(each["how"] == "unsure" for each in fixed),
        "by_severity": change,
    }


def gaps(session: Session, scan: DependencyScan) -> list[dict[str, Any]]:
    """Why something was not evaluated, the most frequent reason first: {reason, ecosystem, count, text, way_on, names}.

    `ecosystem` is set where the reason is that its advisories are missing.
    """
    rows = session.execute(
        select(DependencyPackage.reason, DependencyPackage.ecosystem, func.count())
        .where(DependencyPackage.scan_id == scan.id, DependencyPackage.reason.is_not(None))
        .group_by(DependencyPackage.reason, DependencyPackage.ecosystem)
    ).all()
    counted: dict[tuple[str, str], int] = {}
    for reason, name, count in rows:
        key = (str(reason), name if reason == "no_data" else "")
        counted[key] = counted.get(key, 0) + count
    found = [_gap(session, scan, reason, name, count) for (reason, name), count in counted.items()]
    problems = [each for each in scan.facts["files"] if each["problem"]]
    if problems:
        words = words_of(FILE)
        names = [each["path"] for each in problems[:NAMES_SHOWN]]
        found.append(
            {
                "reason": FILE,
                "ecosystem": "",
                "count": len(problems),
                "text": words.one if len(problems) == 1 else words.many,
                "way_on": words.way_on,
                "names": names,
            }
        )
    return sorted(found, key=lambda each: (-each["count"], each["reason"], each["ecosystem"]))


def _gap(session: Session, scan: DependencyScan, reason: str, ecosystem: str, count: int) -> dict[str, Any]:
    query = select(DependencyPackage.name, DependencyPackage.version).where(
        DependencyPackage.scan_id == scan.id, DependencyPackage.reason == reason
    )
    if ecosystem:
        query = query.where(DependencyPackage.ecosystem == ecosystem)
    words = words_of(reason)
    names = [
        f"{name} {version}" if version else name
        for name, version in session.execute(query.order_by(DependencyPackage.id).limit(NAMES_SHOWN))
    ]
    text = words.one if count == 1 else words.many
    if ecosystem:
        text = f"{'is' if count == 1 else 'are'} of {ecosystem}, for which no advisories are imported"
    return {
        "reason": reason,
        "ecosystem": ecosystem,
        "count": count,
        "text": text,
        "way_on": words.way_on,
        "names": names,
    }


def findings(
    session: Session,
    scan_id: str,
    now: datetime,
    filters: FindingFilter = FindingFilter(),
    cursor: str | None = None,
    limit: int = 100,
    known: Findings | None = None,
) -> dict[str, Any]:
    """A page of findings, the worst first: {items, total, next_cursor, facets}. Raises NotFound and InvalidPayload."""
    found = known or findings_of(session, get_scan(session, scan_id), now)
    matching = [each for each in found.shown if _fits(each, filters)]
    start = decode(cursor, [int])[0] if cursor else 0
    end = start + clamp(limit)
    return {
        "items": [as_item(each) for each in matching[start:end]],
        "total": len(matching),
        "next_cursor": encode(end) if end < len(matching) else None,
        "facets": _facets(found, filters),
    }


def _fits(each: Shown, filters: FindingFilter) -> bool:
    row = each.row
    text = filters.text.strip().lower()
    return (
        (filters.show == "all" or (each.ignore is not None) == (filters.show == "ignored"))
        and (not filters.severity or row.severity == filters.severity)
        and (not filters.ecosystem or row.ecosystem == filters.ecosystem)
        and (not filters.is_new or row.change in SHOWN_CHANGES)
        and (not filters.is_fixable or row.fixed_in is not None)
        and (
            not text
            or text in row.name.lower()
            or any(text in name.lower() for name in (*row.ids, *row.installed))
            or text in row.summary.lower()
        )
    )


def _facets(found: Findings, filters: FindingFilter) -> dict[str, dict[str, int]]:
    wanted = FindingFilter(show=filters.show)
    shown = [each for each in found.shown if _fits(each, wanted)]
    severities: dict[str, int] = {name: sum(each.row.severity == name for each in shown) for name in SEVERITIES}
    ecosystems: dict[str, int] = {}
    for each in shown:
        ecosystems[each.row.ecosystem] = ecosystems.get(each.row.ecosystem, 0) + 1
    return {"severity": severities, "ecosystem": dict(sorted(ecosystems.items()))}


def finding(session: Session, scan_id: str, finding_id: int, now: datetime) -> dict[str, Any]:
    """One finding as the list has it. Raises NotFound."""
    scan = get_scan(session, scan_id)
    row = session.get(DependencyFinding, finding_id)
    if row is None or row.scan_id != scan.id:
        raise NotFound("This scan has no such finding.")
    ignores = ignoring.holding(session, scan.source, now)
    return as_item(Shown(row, ignores.covering(row.ecosystem, row.name, row.ids, row.fixed_in)))


def as_item(each: Shown) -> dict[str, Any]:
    """A finding as JSON has it."""
    row = each.row
    return {
        "id": row.id,
        "ecosystem": row.ecosystem,
        "name": row.name,
        "version": row.version,
        "advisory": row.advisory,
        "ids": row.ids,
        "summary": row.summary,
        "severity": row.severity,
        "score": row.score,
        "vector": row.vector,
        "fixed_in": row.fixed_in,
        "change": row.change,
        "places": row.places,
        "installed": row.installed,
        "published_at": rfc3339(row.published_at),
        "modified_at": rfc3339(row.modified_at),
        "ignored": as_decision(each.ignore) if each.ignore else None,
    }


def as_decision(row: DependencyIgnore, now: datetime | None = None) -> dict[str, Any]:
    """An ignore as JSON has it; with `now` also whether it still holds."""
    state = {}
    if now is not None:
        state = {"state": "taken back" if row.ended_at else "expired" if row.expires_at <= now else "holds"}
    return {
        "id": row.id,
        "advisory": row.advisory,
        "ecosystem": row.ecosystem,
        "name": row.name,
        "reason": row.reason,
        "created_by": row.created_by,
        "created_at": rfc3339(row.created_at),
        "expires_at": rfc3339(row.expires_at),
        "ended_at": rfc3339(row.ended_at),
        "ends_with_a_fix": not row.had_fix,
        **state,
    }


def decisions(session: Session, scan_id: str, now: datetime) -> list[dict[str, Any]]:
    """What is and was ignored for the scan's source, the newest decision first."""
    scan = get_scan(session, scan_id)
    return [as_decision(row, now) for row in ignoring.decisions(session, scan.source)]


def packages(
    session: Session,
    scan_id: str,
    text: str = "",
    ecosystem: str = "",
    reason: str = "",
    only_gaps: bool = False,
    cursor: str | None = None,
    limit: int = 100,
) -> dict[str, Any]:
    """A page of packages by name: {items, total, next_cursor}. Raises NotFound and InvalidPayload."""
    scan = get_scan(session, scan_id)
    query = select(DependencyPackage).where(DependencyPackage.scan_id == scan.id)
    wanted = text.strip().lower()[:200]
    if wanted:
        pattern = "%" + wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        query = query.where(
            or_(
                func.lower(DependencyPackage.name).like(pattern, escape="\\"),
                func.lower(DependencyPackage.source_name).like(pattern, escape="\\"),
            )
        )
    if ecosystem:
        query = query.where(DependencyPackage.ecosystem == ecosystem)
    if reason:
        query = query.where(DependencyPackage.reason == reason)
    elif only_gaps:
        query = query.where(DependencyPackage.reason.is_not(None))
    total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
    start = decode(cursor, [int])[0] if cursor else 0
    size = clamp(limit)
    rows = session.scalars(query.order_by(DependencyPackage.name, DependencyPackage.id).offset(start).limit(size)).all()
    return {
        "items": [as_package(row) for row in rows],
        "total": total,
        "next_cursor": encode(start + size) if start + size < total else None,
    }


def as_package(row: DependencyPackage) -> dict[str, Any]:
    """A package as JSON has it."""
    words = words_of(row.reason) if row.reason else None
    return {
        "id": row.id,
        "ecosystem": row.ecosystem,
        "name": row.name,
        "version": row.version,
        "source_name": row.source_name,
        "source_version": row.source_version,
        "places": row.places,
        "reason": row.reason,
        "text": row.note or (words.one if words else None),
        "way_on": words.way_on if words else None,
    }
