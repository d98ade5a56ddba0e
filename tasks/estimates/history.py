"""What runs of a job leave for the estimates of later ones: kept when a task completes, read when one begins."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from sqlalchemy import select, union_all
from sqlalchemy.orm import Session

from tasks.estimates.course import PhaseCourse
from tasks.estimates.forecast import Run
from tasks.estimates.judging import Verdict
from tasks.estimates.models import TaskTiming
from tasks.registry import Job
from tasks.stall import Gaps

FAMILY = 12
LIKE_RUNS = 20
RUNS = 10
"""so many of those that worked on the same thing, and of all"""


@dataclass(frozen=True, slots=True)
class History:
    """Earlier runs, the newest first, and how often such runs report."""

    runs: tuple[Run, ...] = ()
    gaps: Gaps | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """What a completed attempt leaves. `phases` is Progress.course()."""

    likeness: str
    phases: Mapping[str, Any]
    gaps: Gaps
    verdict: Verdict


def likeness_of(job: Job, resource: str | None, params: Mapping[str, Any]) -> str:
    """Equal for tasks of one job that work on the same thing: by its resource, or else by all its parameters.

    It begins alike for tasks of one family.
    """
    family = job.family_for(params) if job.family_for else ""
    said = f"resource {resource}" if resource else json.dumps(params, sort_keys=True)
    return _digest(family)[:FAMILY] + _digest(said)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:20]


def history_of(session: Session, kind: str, likeness: str) -> History:
    """The newest runs on the same thing, and those of its family among the newest of this job.

    One statement, two short walks of an index.
    """
    columns = (
        TaskTiming.task_id,
        TaskTiming.likeness,
        TaskTiming.phases,
        TaskTiming.misses,
        TaskTiming.gap_s,
        TaskTiming.longest_gap_s,
        TaskTiming.finished_at,
    )
    newest = TaskTiming.finished_at.desc()
    like = select(*columns).where(TaskTiming.kind == kind, TaskTiming.likeness == likeness).order_by(newest)
    every = select(*columns).where(TaskTiming.kind == kind).order_by(newest)
    found = session.execute(
        union_all(select(like.limit(LIKE_RUNS).subquery()), select(every.limit(RUNS).subquery()))
    )
    family = {row.task_id: row for row in found if row.likeness[:FAMILY] == likeness[:FAMILY]}
    rows = sorted(family.values(), key=lambda row: row.finished_at, reverse=True)
    runs = tuple(
        Run(
            {name: PhaseCourse.of_json(kept) for name, kept in row.phases.items()},
            row.likeness == likeness,
            tuple((at, miss) for at, miss in row.misses),
        )
        for row in rows
    )
    heard = [row for row in rows if row.likeness == likeness] or rows
    usual = [row.gap_s for row in heard if row.gap_s is not None]
    longest = [row.longest_gap_s for row in heard if row.longest_gap_s is not None]
    return History(runs, Gaps(median(usual) if usual else None, max(longest, default=None)))


def keep(session: Session, task_id: str, kind: str, finished_at: datetime, timing: Timing) -> None:
    """Add what this run teaches, in the caller's transaction."""
    judged = timing.verdict
    session.add(
        TaskTiming(
            task_id=task_id,
            kind=kind,
            likeness=timing.likeness,
            finished_at=finished_at,
            phases=dict(timing.phases),
            gap_s=timing.gaps.usual_s,
            longest_gap_s=timing.gaps.longest_s,
            told=judged.told,
            held=judged.within,
            error=judged.error,
            misses=[list(each) for each in judged.misses],
            moments=judged.moments,
        )
    )
