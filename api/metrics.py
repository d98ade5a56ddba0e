"""Figures for Prometheus, in its text format. What cannot be known now is left out, never shown as 0."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any

import psutil
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from api.probes import Finding
from database import Database, DatabaseBusy, utc_now
from delivery.latency import BOUNDS_MS
from tasks.models import Task, TaskEvent
from tasks.states import State

OF_WEB = (
    ("taskroom_connections", "Sockets that are open to this web process.", "connections", "gauge"),
    ("taskroom_connections_limit", "Connections that this web process takes.", "connection_limit", "gauge"),
    ("taskroom_connected_users", "People with a socket open to this web process.", "users", "gauge"),
    ("taskroom_watched_tasks", "Tasks that somebody here watches.", "rooms", "gauge"),
    ("taskroom_slow_readers", "Sockets that get no events until they have read what waits.", "slow_readers", "gauge"),
    ("taskroom_events_sent_total", "Events times the sockets that got them.", "sent_total", "counter"),
    ("taskroom_replays_total", "Sockets brought to the present with what they had missed.", "replays_total", "counter"),
    ("taskroom_snapshots_total", "Sockets brought to the present with a snapshot.", "snapshots_total", "counter"),
)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Sample = tuple[Mapping[str, str], float]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name, what it means, and its samples."""

    name: str
    meaning: str
    samples: tuple[Sample, ...]
    kind: str = "gauge"


def exposition(database: Database, findings: Mapping[str, Finding], web: Mapping[str, Any]) -> str:
    """All figures as Prometheus reads them. `web` is what the web process knows of itself."""
    families = [*_parts(findings), *_process(), *_web(web)]
    if findings["database"].is_ok:
        try:
            families += _tasks(database)
        except (SQLAlchemyError, DatabaseBusy):
            families.append(Family("taskroom_scrape_error", "1 when a part of this answer is missing.", (({}, 1.0),)))
    return "".join(f"{line}\n" for family in families for line in _lines(family))


def _parts(findings: Mapping[str, Finding]) -> Iterator[Family]:
    up = tuple(({"part": name}, float(found.is_ok)) for name, found in findings.items())
    yield Family("taskroom_up", "1 when this part is ready.", up)
    count = dict(findings["workers"].data).get("count")
    if count is not None:
        yield Family("taskroom_workers", "Workers heard of within a minute.", (({}, float(count)),))


def _process() -> Iterator[Family]:
    process = psutil.Process()
    memory = float(process.memory_info().rss)
    yield Family("process_resident_memory_bytes", "Memory of this web process.", (({}, memory),))
    yield Family(
        "process_start_time_seconds", "When this web process began, in Unix time.", (({}, process.create_time()),)
    )
    times = process.cpu_times()
    seconds = float(times.user + times.system)
    yield Family("process_cpu_seconds_total", "Time that this web process has computed.", (({}, seconds),), "counter")


def _web(web: Mapping[str, Any]) -> Iterator[Family]:
    if web.get("loop_delay_ms") is not None:
        delays = tuple(
            ({"quantile": quantile}, web[name] / 1000)
            for quantile, name in (("0.99", "loop_delay_ms"), ("1", "loop_delay_max_ms"))
        )
        yield Family("taskroom_loop_delay_seconds", "How late the event loop was within the last minute.", delays)
    counts = tuple(({"reason": reason}, float(count)) for reason, count in sorted(web.get("refused", {}).items()))
    yield Family("taskroom_refused_total", "What was refused to clients, by reason.", counts, "counter")
    for name, meaning, key, kind in OF_WEB:
        if web.get(key) is not None:
            yield Family(name, meaning, (({}, float(web[key])),), kind)
    if web.get("latency"):
        yield _delivery(web["latency"])


def _delivery(counts: Sequence[int]) -> Family:
    """A histogram as Prometheus counts: each bucket holds those before it. Sums are not kept, so there is none."""
    below = accumulate(counts)
    bounds = (*(f"{bound / 1000:g}" for bound in BOUNDS_MS), "+Inf")
    buckets = tuple(({"le": bound}, float(count)) for bound, count in zip(bounds, below, strict=True))
    meaning = "From a worker's sending of an event to its last socket here; a sample of the events."
    return Family("taskroom_delivery_seconds_bucket", meaning, buckets, "counter")


def _tasks(database: Database) -> list[Family]:
    with database.read() as session:
        by_state = session.execute(select(Task.kind, Task.state, func.count()).group_by(Task.kind, Task.state)).all()
        oldest = session.scalar(select(func.min(Task.queued_at)).where(Task.state == State.QUEUED))
        waiting = session.scalar(select(func.count()).select_from(TaskEvent).where(TaskEvent.announced_at.is_(None)))
    counted = tuple(({"kind": kind, "state": state}, float(count)) for kind, state, count in by_state)
    families = [
        Family("taskroom_tasks", "Tasks that are kept, by job and state.", counted),
        Family("taskroom_unannounced_events", "State changes that the live tail lacks.", (({}, float(waiting or 0)),)),
    ]
    if oldest is not None:
        age_s = _age_s(oldest)
        families.append(Family("taskroom_oldest_queued_seconds", "How long the first in line waits.", (({}, age_s),)))
    return families


def _age_s(moment: datetime) -> float:
    return max(0.0, (utc_now() - moment).total_seconds())


def _lines(family: Family) -> Iterable[str]:
    yield f"# HELP {family.name} {family.meaning}"
    yield f"# TYPE {family.name} {family.kind}"
    for labels, value in family.samples:
        named = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
        number = f"{value:.0f}" if value.is_integer() else repr(value)
        yield f"{family.name}{{{named}}} {number}" if named else f"{family.name} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
