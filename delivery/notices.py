"""Brings stored notifications to the open tabs of their people, once, and keeps the unread count equal in all of them.

Stored first, then pushed: what a crash or an outage left behind is pushed by whoever looks next. A count carries the
`revision` at which it was taken: of two counts, the one with the higher revision is newer, in whatever order they come.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Any

from redis.exceptions import RedisError
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from database import Database, utc_now
from delivery.event_log import EventLog
from tasks import events
from tasks.notices import Notification, inbox

log = logging.getLogger("taskroom.notices")

AT_ONCE = 200
UNREAD = (
    select(func.count())
    .select_from(Notification)
    .where(Notification.user_id == bindparam("user_id"), Notification.read_at.is_(None))
)


def note_pushed(session: Session, ids: Collection[int]) -> None:
    """Write down that these went to the open tabs of their people."""
    session.execute(
        update(Notification)
        .where(Notification.id.in_(ids), Notification.announced_at.is_(None))
        .values(announced_at=utc_now())
        .execution_options(synchronize_session=False)
    )


class Notices:
    """On one database and one event log."""

    def __init__(self, database: Database, event_log: EventLog) -> None:
        self._database = database
        self._log = event_log

    def push(self) -> int:
        """Push what nobody has pushed yet, the oldest first. Returns how many. Raises RedisError."""
        ids = self.publish(None)
        if ids:
            with self._database.write() as session:
                note_pushed(session, ids)
        return len(ids)

    def publish(self, task_id: str | None) -> list[int]:
        """Publish what nobody has pushed yet, of one task or of all: the ids, for `note_pushed`.

        Whoever dies before that does no harm: none is published twice. Raises RedisError; what has not been published
        then is the next time.
        """
        waiting = select(Notification).where(Notification.announced_at.is_(None))
        if task_id is not None:
            waiting = waiting.where(Notification.task_id == task_id)
        with self._database.read() as session:
            rows = session.scalars(waiting.order_by(Notification.id).limit(AT_ONCE)).all()
        for row in rows:
            self._publish(row)
        return [row.id for row in rows]

    def unread_count(self, user_id: int) -> int:
        """How many notifications this person has not read."""
        row = self._database.first(UNREAD, user_id=user_id)
        return 0 if row is None else row[0]

    def mark(self, user_id: int, ids: Collection[int], *, read: bool = True) -> dict[str, Any]:
        """Mark these as read or as unread, and tell it to all of the person's tabs: `{unread_count, revision}`.

        `revision` is null while Redis is away. Raises NotFound when one of them is not theirs.
        """
        what = {"ids": sorted(set(ids)), "up_to": None, "read": read}
        return self._change(user_id, lambda session: inbox.mark(session, user_id, ids, read=read), what)

    def mark_up_to(self, user_id: int, newest: int | None = None) -> dict[str, Any]:
        """Mark everything up to this id, or all, as read, and tell it as `mark` does."""
        what = {"ids": None, "up_to": newest, "read": True}

        def change(session: Session) -> None:
            what["up_to"] = inbox.mark_up_to(session, user_id, newest)

        return self._change(user_id, change, what)

    def show_once(self, user_id: int, notification_id: int) -> bool:
        """Whether the asker shall show this unread notification of theirs: one of all tabs on all devices hears yes."""
        query = select(Notification.read_at).where(Notification.id == notification_id, Notification.user_id == user_id)
        with self._database.read() as session:
            row = session.execute(query).one_or_none()
        if row is None or row[0] is not None:
            return False
        try:
            return self._log.is_first(f"notice:{notification_id}:shown")
        except RedisError:
            return True  # better told twice than not at all

    def _publish(self, row: Notification) -> None:
        revision = self._log.inbox_revision(row.user_id)
        content = {**inbox.fields(row), "unread_count": self.unread_count(row.user_id), "revision": revision}
        packet = events.packet(events.NOTIFICATION, content)
        self._log.publish_once(f"notice:{row.id}", self._log.user_channel(row.user_id), packet)

    def _change(self, user_id: int, change: Callable[[Session], None], what: dict[str, Any]) -> dict[str, Any]:
        with self._database.write() as session:
            change(session)
        try:
            revision = self._log.inbox_revision(user_id)
            count = {"unread_count": self.unread_count(user_id), "revision": revision}
            packet = events.packet(events.INBOX_UPDATE, {**what, **count})
            self._log.publish(self._log.user_channel(user_id), packet)
        except RedisError as error:
            log.warning("the other tabs of user %d learn what was read later: %s", user_id, type(error).__name__)
            return {"unread_count": self.unread_count(user_id), "revision": None}
        return count
