"""The engine: every two seconds it measures, judges, stores and tells. It runs in a thread of the scheduler process.

Nothing that it watches may stop it: without Redis it goes on and tells later; without SQL it keeps what it finds in
memory, says so in the log and to open pages, and stores it as soon as SQL is back.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import redis
from sqlalchemy.exc import SQLAlchemyError

from config import Config
from database import Database, DatabaseBusy, rfc3339, utc_now
from delivery.event_log import EventLog, connect
from monitoring.alerts import findings, measuring, store, thresholds, words
from monitoring.alerts.causes import SETTLE_S, Cause, Causes
from monitoring.alerts.findings import Finding
from monitoring.alerts.judge import Turn, take_turn
from monitoring.alerts.measuring import LiveParts, Running, Waiting
from monitoring.alerts.rules import AlertState
from monitoring.alerts.telling import Teller
from monitoring.alerts.watching import BlockedWebs, DiskRate, SilentWorkers
from monitoring.alerts.writing import write
from monitoring.lease import Lease
from tasks.errors import NotFound
from tasks.registry import find_job

log = logging.getLogger("taskroom.alerts")

TURN_S = 2.0
FAILURES_EACH_S = 10.0
REDIS_TIMEOUT_S = 1.0
COME_BACK_S = 3.0
"""after which all web processes listen to a Redis again that was away: what is told sooner may reach nobody"""
SQL_RULES = ("no_workers", "worker_silent", "queue_backup", "repeated_failures", "task_stalled")


class Engine:
    """Judges one installation. Any number may run; the one that holds the judge's row does it."""

    def __init__(
        self, config: Config, database: Database, client: redis.Redis, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._database = database
        self._client = client
        self._clock = clock
        self._teller = Teller(EventLog(client, config.redis_prefix))
        self._lease = Lease(database, "alerts", f"{socket.gethostname()}:{os.getpid()}:{id(self):x}", clock)
        self._limits: thresholds.Thresholds = thresholds.defaults()
        self.causes = Causes()
        self._silent = SilentWorkers(config.lease_s)
        self._blocked = BlockedWebs()
        self._disk_rate = DiskRate()
        self._failures: Sequence[Finding] = ()
        self._failures_at_s = float("-inf")
        self._has_taken_over = False
        self._is_storing = True
        self._was_redis_away = False
        self._tell_all_at_s: float | None = None

    def run(self, stop: threading.Event) -> None:
        """Take turns until `stop` is set."""
        while not stop.wait(TURN_S):
            try:
                self.turn()
            except Exception:
                log.exception("alerts could not be judged; the next turn tries again")
        try:
            self._lease.release()
        except (SQLAlchemyError, DatabaseBusy):
            log.debug("another scheduler judges when this one's time has run out")

    def turn(self) -> None:
        """Measure, judge, store and tell once."""
        now, now_s = utc_now(), self._clock()
        patience_s = self._limits["database_trouble"]["write_ms"] / 1000
        mine = take_turn(self._lease, patience_s)
        if mine.refused is None and not mine.is_mine:
            self.causes = Causes()
            self._has_taken_over = False
            self._silent.forgive()
            return
        found = self._find(mine, now, now_s)
        self.causes.see(found, now, now_s)
        due = self.causes.become_due(self._limits, now_s)
        if mine.refused is not None or not self._store(found, now, now_s):
            self._keep(due)
        self._teller.tell()

    def _find(self, mine: Turn, now: datetime, now_s: float) -> dict[str, Sequence[Finding] | None]:
        """What is wrong now, by type; None for what cannot be known now."""
        parts = measuring.live_parts(self._client, self._config.redis_prefix)
        if self._was_redis_away and parts.error is None:
            self._tell_all_at_s = now_s + COME_BACK_S
        self._was_redis_away = parts.error is not None
        found: dict[str, Sequence[Finding] | None] = dict.fromkeys(SQL_RULES)
        refused = mine.refused
        if refused is None:
            try:
                found |= self._find_in_sql(parts, now, now_s)
            except (SQLAlchemyError, DatabaseBusy) as error:
                refused = f"It said: {words.reason(error)}."
        if refused is not None:
            self._silent.forgive()
        found["database_trouble"] = findings.database_trouble(refused, mine.took_s, self._limits["database_trouble"])
        found["redis_lost"] = findings.redis_lost(parts)
        found["loop_blocked"] = self._blocked.find(parts, self._limits["loop_blocked"], now_s)
        return found | self._find_of_machine(now_s)

    def _find_of_machine(self, now_s: float) -> dict[str, Sequence[Finding] | None]:
        try:
            machine = measuring.machine(self._config)
        except OSError:  # a disk that does not answer is not a full one
            return dict.fromkeys(("disk_low", "disk_filling", "memory_low"))
        limits, known = self._limits, self.causes.known()
        full_in_s = self._disk_rate.full_in_s(machine.disk_free, now_s)
        return {
            "disk_low": findings.disk_low(machine, limits["disk_low"], known, full_in_s),
            "disk_filling": findings.disk_filling(machine, limits["disk_filling"], known, full_in_s),
            "memory_low": findings.memory_low(machine, limits["memory_low"], known),
        }

    def _find_in_sql(self, parts: LiveParts, now: datetime, now_s: float) -> dict[str, Sequence[Finding] | None]:
        with self._database.read() as session:
            if not self._has_taken_over:
                over = store.declared_over(session, now - timedelta(seconds=SETTLE_S))
                self.causes.leave_alone({key: (now - at).total_seconds() for key, at in over.items()}, now_s)
                self._has_taken_over = True
            self._limits = limits = thresholds.thresholds(session)
            waiting: Waiting = measuring.waiting(session, now)
            running: list[Running] = measuring.running(session)
            if now_s - self._failures_at_s >= FAILURES_EACH_S:
                limit = limits["repeated_failures"]
                since = now - timedelta(minutes=limit["window_min"])
                over = store.declared_over(session, since)
                settled = {subject: at for (type_, subject), at in over.items() if type_ == "repeated_failures"}
                failed = measuring.failures(session, since, settled)
                self._failures = findings.repeated_failures(failed, limit, _title_of)
                self._failures_at_s = now_s
        silent = self._silent.find(running, limits["worker_silent"], now, now_s)
        silent_workers = {each.subject for each in silent}
        living = [each for each in running if each.worker not in silent_workers]
        return {
            "worker_silent": silent,
            "no_workers": findings.no_workers(parts, waiting, bool(living)),
            "queue_backup": findings.queue_backup(waiting, limits["queue_backup"], self.causes.known(), now),
            "repeated_failures": self._failures,
            "task_stalled": findings.task_stalled(living),
        }

    def _store(self, found: dict[str, Sequence[Finding] | None], now: datetime, now_s: float) -> bool:
        """Write what has to change; whether the database took it."""
        try:
            with self._database.read() as session:
                stored = {(each.type, each.subject): each for each in store.open_alerts(session)}
            changes = self.causes.decide(stored, found, self._limits, now, now_s)
            done = write(self._database, changes, now) if changes else []
        except (SQLAlchemyError, DatabaseBusy) as error:
            if self._is_storing:
                log.warning("alerts wait to be stored: %s", words.reason(error))
            self._is_storing = False
            return False
        self._is_storing = True
        for change, alert in done:
            self.causes.note(change, now_s)
            if change.what != "touched" or (change.alert is not None and change.alert.text != alert.text):
                self._teller.add(alert.id, store.told(alert))
        if self._tell_all_at_s is not None and now_s >= self._tell_all_at_s:
            self._tell_all_at_s = None
            for alert in (stored | {(each.type, each.subject): each for _, each in done}).values():
                self._teller.add(alert.id, store.told(alert))
        return True

    def _keep(self, due: Sequence[Cause]) -> None:
        """They cannot be stored now: say so where somebody may see it."""
        for cause in due:
            log.error("alert, not stored yet: %s. %s", cause.finding.title, cause.finding.text)
            alert = {
                "id": None,
                "type": cause.finding.type,
                "severity": self._limits[cause.finding.type].severity.value,
                "state": AlertState.ACTIVE.value,
                "count": cause.times,
                "title": cause.finding.title,
                "text": cause.finding.text,
                "first_at": rfc3339(cause.first_at),
                "last_at": rfc3339(cause.last_at),
            }
            self._teller.add(cause.finding.key, alert)


def _title_of(kind: str) -> str:
    try:
        return find_job(kind).title
    except NotFound:
        return kind


def start(config: Config, stop: threading.Event) -> threading.Thread:
    """Judge in a thread of its own until `stop` is set: no step of the scheduler, however slow, keeps it waiting."""
    client = connect(config.requires_redis_url, REDIS_TIMEOUT_S)
    engine = Engine(config, Database(config.database_url), client)
    thread = threading.Thread(target=engine.run, args=(stop,), name="alerts", daemon=True)
    thread.start()
    return thread
