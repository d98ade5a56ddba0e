"""Ignoring a finding: for its source, with a reason, until a day, and never silently."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from accounts import Actor, AuditEntry
from database import utc_now
from jobs.dependency_scan import ignoring, query
from jobs.dependency_scan.query import FindingFilter
from tasks.errors import Conflict, InvalidParams, NotFound
from tests.jobs.code_scan.scanning import Recorder, write
from tests.jobs.dependency_scan.scanning import advisories, jinja, scan

pytestmark = pytest.mark.req("B10", "B15")
MakeRecorder = Callable[..., Recorder]
ADA = Actor("ada", 1, "127.0.0.1", "r-1")
WHY = "Templates come from us alone."


def ignore(context: Recorder, days: int = 30, reason: str = WHY) -> int:
    """Ignore the first finding of the scan; the number of the decision."""
    with context.database.write() as session:
        items = query.findings(session, context.task_id, utc_now(), FindingFilter(show="all"))["items"]
        made = ignoring.ignore(
            session, query.get_scan(session, context.task_id), items[0]["id"], {"reason": reason, "days": days}, ADA
        )
        return made.id


def summary(context: Recorder, now: datetime | None = None) -> dict[str, Any]:
    with context.database.read() as session:
        return query.summary(session, context.task_id, now or utc_now())


def scans_of(make: MakeRecorder, repository: Path) -> Callable[..., Recorder]:
    """Scans the repository, with these advisories if any are given; the results stay on the recorder."""

    def scan_again(*records: Any) -> Recorder:
        context = make()
        if records:
            advisories(context, *records)
        context.results = scan(context, repository_path=str(repository))  # type: ignore[attr-defined]
        return context

    return scan_again


@pytest.fixture
def scanned(recorder: MakeRecorder, repository: Path) -> Callable[..., Recorder]:
    return scans_of(recorder, repository)


def test_an_ignored_finding_stops_counting_for_every_scan_of_its_source(
    any_recorder: MakeRecorder, repository: Path
) -> None:
    scanned = scans_of(any_recorder, repository)
    first = scanned(jinja())
    ignore(first)
    second = scanned()
    assert second.results["vulnerabilities"] == 0  # type: ignore[attr-defined]
    assert second.results["ignored"] == 1  # type: ignore[attr-defined]
    for context in (first, second):
        told = summary(context)
        assert (told["vulnerabilities"], told["ignored"]) == (0, 1)
    with second.database.read() as session:
        [shown] = query.findings(session, second.task_id, utc_now(), FindingFilter(show="ignored"))["items"]
        [entry] = session.scalars(select(AuditEntry).where(AuditEntry.action == "finding.ignored"))
    assert shown["ignored"]["reason"] == WHY
    assert (entry.actor_name, entry.reason, entry.request_id) == ("ada", WHY, "r-1")
    assert entry.after is not None
    assert entry.after["package"] == "PyPI/jinja2"


def test_an_expired_ignore_counts_again_by_itself(scanned: Callable[..., Recorder]) -> None:
    context = scanned(jinja())
    ignore(context, days=1)
    later = utc_now() + timedelta(days=1, seconds=5)
    assert summary(context)["vulnerabilities"] == 0
    assert summary(context, later)["vulnerabilities"] == 1
    with context.database.read() as session:
        [decision] = query.decisions(session, context.task_id, later)
    assert decision["state"] == "expired"


def test_what_was_ignored_for_want_of_a_fix_counts_again_once_there_is_one(scanned: Callable[..., Recorder]) -> None:
    endless = jinja()
    endless["affected"][0]["ranges"][0]["events"] = [{"introduced": "0"}]
    ignore(scanned(endless))
    assert scanned().results["ignored"] == 1  # type: ignore[attr-defined]
    fixed = scanned(jinja())
    assert (fixed.results["vulnerabilities"], fixed.results["ignored"]) == (1, 0)  # type: ignore[attr-defined]


def test_the_decision_holds_when_the_vulnerability_gets_another_name(scanned: Callable[..., Recorder]) -> None:
    ignore(scanned(jinja()))
    renamed = scanned(jinja(aliases=["CVE-2024-22195"]))
    assert renamed.results["ignored"] == 1  # type: ignore[attr-defined]


def test_taken_back_it_counts_at_once_and_both_are_in_the_audit_log(scanned: Callable[..., Recorder]) -> None:
    context = scanned(jinja())
    number = ignore(context)
    for _ in range(2):
        with context.database.write() as session:
            ignoring.take_back(session, query.get_scan(session, context.task_id), number, ADA)
    assert summary(context)["vulnerabilities"] == 1
    with context.database.read() as session:
        actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
        [decision] = query.decisions(session, context.task_id, utc_now())
    assert actions == ["finding.ignored", "finding.counted_again"]
    assert decision["state"] == "taken back"


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"reason": "", "days": 30}, "reason"), ({"reason": "x" * 1001, "days": 30}, "reason"),
        ({"reason": WHY, "days": 0}, "days"), ({"reason": WHY, "days": 366}, "days"), ({"reason": WHY}, "days"),
        ({"reason": "nul\0byte", "days": 3}, "reason"),
    ],
)  # fmt: skip
def test_it_needs_a_reason_and_an_end(
    recorder: MakeRecorder, repository: Path, asked: dict[str, Any], field: str
) -> None:
    context = recorder()
    advisories(context, jinja())
    scan(context, repository_path=str(repository))
    with pytest.raises(InvalidParams) as refused, context.database.write() as session:
        [item] = query.findings(session, context.task_id, utc_now())["items"]
        ignoring.ignore(session, query.get_scan(session, context.task_id), item["id"], asked, ADA)
    assert set(refused.value.problems) == {field}


def test_twice_is_a_conflict_and_another_scans_finding_is_unknown(
    recorder: MakeRecorder, repository: Path, tmp_path: Path
) -> None:
    first, other = recorder(), recorder()
    advisories(first, jinja())
    scan(first, repository_path=str(repository))
    scan(other, repository_path=str(write(tmp_path / "other", {"requirements.txt": "jinja2==3.1.2\n"})))
    number = ignore(first)
    with pytest.raises(Conflict):
        ignore(first)
    assert summary(other)["vulnerabilities"] == 1  # another source
    with other.database.write() as session:
        scanned = query.get_scan(session, other.task_id)
        with pytest.raises(NotFound):
            ignoring.take_back(session, scanned, number, ADA)
        with pytest.raises(NotFound):
            ignoring.ignore(session, scanned, 10**9, {"reason": WHY, "days": 3}, ADA)
