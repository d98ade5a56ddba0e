"""Measures every few seconds, in one process at a time, and keeps what was measured.

It runs beside the scheduler, in a thread of its own, with its own connections: trouble there holds nobody up. With
Redis away it goes on; with the database away there is a gap, shown as one.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime

import psutil
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from config import Config
from database import Database, DatabaseBusy, utc_now
from delivery.event_log import connect
from monitoring import samples
from monitoring.lease import Lease
from monitoring.metrics import LATE, Sampler
from monitoring.presence import Presence

log = logging.getLogger("taskroom.sampling")

INTERVAL_S = float(samples.RAW_S)
COMPACT_EVERY_S = 60.0
REDIS_TIMEOUT_S = 1.0


class Sampling:
    """The samples of one installation, as far as this process takes them."""

    def __init__(self, config: Config, lease: Lease | None = None) -> None:
        self._database = Database(config.database_url)
        client = connect(config.requires_redis_url, REDIS_TIMEOUT_S)
        self._sampler = Sampler(config, self._database, client)
        self._lease = lease or Lease(self._database, "sampling")
        self._presence = Presence(client, config.redis_prefix, "scheduler")
        self._process = psutil.Process()
        self._process.cpu_percent()
        self._compacted_s = 0.0
        self.is_mine = False

    def run(self, stop: threading.Event) -> None:
        """Measure until `stop` is set."""
        while not stop.is_set():
            begun_s = time.monotonic()
            try:
                self.turn()
            except Exception:  # the edge of a thread: a gap in the history is better than an end of it
                log.exception("no sample was taken; it is tried again in %g s", INTERVAL_S)
            stop.wait(max(0.0, INTERVAL_S - (time.monotonic() - begun_s)))
        self.end()

    def turn(self) -> bool:
        """Tell that this process lives; if the samples are its task, take one. True if one was stored."""
        self._beat()
        was_mine = self.is_mine
        try:
            self.is_mine = self._lease.hold()
            if not self.is_mine:
                return False
            if not was_mine:
                self._take_over()
            at = utc_now()
            metrics = self._sampler.sample()
            with self._database.write() as session:
                samples.store(session, at, metrics)
                if time.monotonic() - self._compacted_s >= COMPACT_EVERY_S:
                    samples.compact(session, at)
                    self._compacted_s = time.monotonic()
        except (SQLAlchemyError, DatabaseBusy) as error:
            log.debug("no sample: %s", error)
            self.is_mine = False
            return False
        return True

    def end(self) -> None:
        """Let another process go on."""
        try:
            if self.is_mine:
                self._lease.release()
            self._presence.leave()
        except (SQLAlchemyError, DatabaseBusy, RedisError) as error:
            log.debug("the lease runs out by itself: %s", error)
        self._database.close()

    def _take_over(self) -> None:
        log.info("the metrics are measured here")
        known = samples.newest(self._database)
        if known is not None:
            at = datetime.fromisoformat(known["sampled_at"])
            peak = known.get("connections_peak_today") if at.date() == utc_now().date() else None
            self._sampler.begin_with(peak, at - LATE)

    def _beat(self) -> None:
        figures = {
            "samples": self.is_mine,
            "cpu_percent": self._process.cpu_percent(),
            "memory_bytes": self._process.memory_info().rss,
        }
        try:
            self._presence.beat(figures)
        except RedisError:
            log.debug("nobody is told that this process lives: Redis is away")


def start_sampling(config: Config, stop: threading.Event) -> threading.Thread:
    """Measure in a thread of its own until `stop` is set. Joined at the end, it lets another process go on at once."""
    thread = threading.Thread(target=lambda: Sampling(config).run(stop), name="sampling", daemon=True)
    thread.start()
    return thread
