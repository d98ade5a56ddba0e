"""The threads that send: few, and none waits for another's receiver.

What is due stands in lanes: one for each webhook, one for each person's mail. A lane is worked on by one thread at a
time, a person has at most two, mail at most two of them all, and lanes that were slow the last time at most half; so
whoever answers slowly delays only what is for them. Claims (`deliveries`) keep the threads of other schedulers apart.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from config import Config
from database import Database, DatabaseBusy, rfc3339, utc_now
from delivery.event_log import EventLog
from outbound import deliveries, routing
from outbound.deliveries import Lane
from outbound.hook_post import HookPost
from outbound.mail_post import MailPost
from outbound.models import Delivery
from outbound.posting import Outcome
from tasks import events

log = logging.getLogger("taskroom.outbound")

THREADS = 16
PER_PERSON = 2
MAIL_THREADS = 2
SLOW_THREADS = 8
SLOW_S = 1.0
LANES_LOOKED_AT = 500
MAX_REMEMBERED = 10_000
IN_A_ROW = 20
MAILED_TOGETHER = 100
FORGET_EVERY_S = 3600.0
LAST_WAIT_S = 2.0

Tell = Callable[[int, Mapping[str, Any]], None]


def to_feed(event_log: EventLog) -> Tell:
    """Passes it on to the person's feed; while Redis is away nobody is told, and pages show it at their next load."""

    def tell(user_id: int, fields: Mapping[str, Any]) -> None:
        try:
            event_log.publish(event_log.user_channel(user_id), events.packet(events.DELIVERY_UPDATE, fields))
        except RedisError as error:
            log.debug("a delivery was not told: %s", type(error).__name__)

    return tell


class Sender:
    """What one scheduler process sends. `tell(user_id, fields)` passes on what became of a try, to open pages."""

    def __init__(self, database: Database, config: Config, tell: Tell, authority: Path | None = None) -> None:
        self._database = database
        self._config = config
        self._tell = tell
        self._hooks = HookPost(database, config, authority)
        self._mail = MailPost(database, config, authority)
        self._lock = threading.Lock()
        self._busy: dict[Lane, threading.Thread] = {}
        self._slow: set[Lane] = set()
        self._forgot_at = 0.0

    def turn(self) -> None:
        """Route what is new, and have threads send what is due. Waits for no receiver."""
        routing.route(self._database, self._config)
        with self._lock:
            is_full = len(self._busy) >= THREADS
        if not is_full:
            with self._database.read() as session:
                lanes = deliveries.lanes_due(session, LANES_LOOKED_AT)
            for lane in lanes:
                self._begin(lane)
        if time.monotonic() - self._forgot_at > FORGET_EVERY_S:
            self._forgot_at = time.monotonic()
            deliveries.forget_old(self._database)

    def close(self) -> None:
        """Give tries that are under way a moment to end; what does not is another's after its lease."""
        deadline_s = time.monotonic() + LAST_WAIT_S
        with self._lock:
            threads = list(self._busy.values())
        for thread in threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))

    def _begin(self, lane: Lane) -> None:
        with self._lock:
            if lane in self._busy or len(self._busy) >= THREADS or self._has_enough(lane):
                return
            thread = threading.Thread(target=self._work, args=(lane,), name=f"send-{lane[0]}", daemon=True)
            self._busy[lane] = thread
        thread.start()

    def _has_enough(self, lane: Lane) -> bool:
        """Whether as many threads as may be are busy with what this lane shares: its person, mail, slowness."""
        of_person = sum(busy[1] == lane[1] for busy in self._busy)
        mailing = sum(busy[0] != "webhook" for busy in self._busy)
        slow = sum(busy in self._slow for busy in self._busy)
        return (
            of_person >= PER_PERSON
            or (lane[0] != "webhook" and mailing >= MAIL_THREADS)
            or (lane in self._slow and slow >= SLOW_THREADS)
        )

    def _work(self, lane: Lane) -> None:
        try:
            send = self._send_hook if lane[0] == "webhook" else self._send_mail
            for _ in range(IN_A_ROW):
                began_s = time.monotonic()
                has_more = send(lane)
                is_slow = time.monotonic() - began_s > SLOW_S
                self._note(lane, is_slow)
                if is_slow or not has_more:
                    break
        except (SQLAlchemyError, DatabaseBusy) as error:
            log.warning("a delivery waits: %s", type(error).__name__)
        finally:
            with self._lock:
                del self._busy[lane]

    def _note(self, lane: Lane, is_slow: bool) -> None:
        with self._lock:
            if is_slow and len(self._slow) < MAX_REMEMBERED:
                self._slow.add(lane)
            elif not is_slow:
                self._slow.discard(lane)

    def _send_hook(self, lane: Lane) -> bool:
        with self._database.read() as session:
            ids = deliveries.in_lane(session, lane, 1)
        claimed = deliveries.claim(self._database, ids) if ids else []
        if claimed:
            self._try(claimed, lambda: self._hooks.send(claimed[0]))
        return bool(claimed)

    def _send_mail(self, lane: Lane) -> bool:
        """All of a person's mail in one, with what would be due within the minute."""
        ahead_s = routing.MAIL_WAITS_S if lane[0] == "mail" else 0.0
        with self._database.read() as session:
            ids = deliveries.in_lane(session, lane, MAILED_TOGETHER, ahead_s)
        claimed = deliveries.claim(self._database, ids, ahead_s) if ids else []
        if claimed:
            self._try(claimed, lambda: self._mail.send(claimed))
        return False

    def _try(self, claimed: list[Delivery], send: Callable[[], None]) -> None:
        """Send; what nobody foresaw counts as a failed try, so that it is not tried for ever."""
        try:
            send()
        except (SQLAlchemyError, DatabaseBusy):
            raise  # nothing can be stored now: the lease ends, and it is tried again
        except Exception as error:
            log.exception("delivery %s stopped at an error that nobody expected", claimed[0].id)
            outcome = Outcome(None, 0, f"This server met an error that it did not expect ({type(error).__name__}).")
            with self._database.write() as session:
                for each in claimed:
                    next_s = deliveries.next_try_s(each, outcome)
                    deliveries.finish(session, each, "given_up" if next_s is None else "waiting", outcome, next_s)
        self._told(claimed[0].id)

    def _told(self, delivery_id: str) -> None:
        with self._database.read() as session:
            now = session.get(Delivery, delivery_id)
        if now is None:
            return
        fields = {"delivery_id": now.id, "webhook_id": now.webhook_id, "channel": now.channel, "state": now.state}
        self._tell(now.user_id, {**fields, "attempt": now.attempt, "timestamp": rfc3339(utc_now())})
