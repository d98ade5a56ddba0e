"""The life of a delivery: claimed for one try, ended or tried again later, sent again by hand, forgotten.

A claim is one conditional UPDATE that also counts the attempt, so any number of schedulers may claim: each try is made
by one of them. Who dies in the middle of a try loses its lease, and the next try is another's; the receiver sees the
same id again and can tell.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from database import Database, utc_now
from outbound.models import Delivery, DeliveryTry, Webhook
from outbound.posting import Outcome

LEASE_S = 90.0
"""more than any try may take: looking up, connecting and answering end before it"""
RETRIES_S = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 28800)
"""after each failed try the pause before the next; together about a day"""
JITTER = 0.2
LONGEST_PAUSE_S = 28800.0
KEPT_DAYS = 30
KEPT_PER_WEBHOOK = 200
FORGOTTEN_AT_ONCE = 200
MAX_ANSWER = 500


def retry_delay_s(failures: int, asked_s: float | None, chance: float) -> float | None:
    """Seconds until the next try after so many failed ones; None when it was the last.

    `asked_s` is what the receiver asked for (Retry-After), `chance` a random number from 0 to 1.
    """
    if failures > len(RETRIES_S):
        return None
    pause_s = RETRIES_S[failures - 1] * (1 + JITTER * (2 * chance - 1))
    return max(pause_s, min(asked_s or 0.0, LONGEST_PAUSE_S))


def add(
    session: Session,
    channel: str,
    user_id: int,
    type_: str,
    title: str,
    content: Mapping[str, Any],
    *,
    webhook_id: str | None = None,
    notification_id: int | None = None,
    in_s: float = 0.0,
) -> Delivery:
    """Store a delivery that is due in so many seconds, in the caller's transaction."""
    now = utc_now()
    made = Delivery(
        id=str(uuid.uuid4()),
        channel=channel,
        user_id=user_id,
        webhook_id=webhook_id,
        notification_id=notification_id,
        type=type_,
        title=title[:300],
        content=dict(content),
        state="waiting",
        attempt=0,
        round_began=0,
        due_at=now + timedelta(seconds=in_s),
        created_at=now,
    )
    session.add(made)
    return made


Lane = tuple[str, int, str | None]
"""channel, person, webhook: what goes out one after the other"""


def is_free(now: datetime, ahead_s: float = 0.0) -> ColumnElement[bool]:
    """What is held by nobody and is due, or will be in so many seconds."""
    unheld = or_(Delivery.leased_until.is_(None), Delivery.leased_until <= now)
    return (Delivery.state == "waiting") & (Delivery.due_at <= now + timedelta(seconds=ahead_s)) & unheld


def lanes_due(session: Session, limit: int) -> list[Lane]:
    """The lanes in which something may be sent now, the longest due first. However much one holds, it is one row."""
    lane = (Delivery.channel, Delivery.user_id, Delivery.webhook_id)
    rows = session.execute(
        select(*lane).where(is_free(utc_now())).group_by(*lane).order_by(func.min(Delivery.due_at)).limit(limit)
    )
    return [(channel, user_id, webhook_id) for channel, user_id, webhook_id in rows]


def in_lane(session: Session, lane: Lane, limit: int, ahead_s: float = 0.0) -> list[str]:
    """The ids of what may be claimed of a lane, the longest due first."""
    channel, user_id, webhook_id = lane
    mine = (
        (Delivery.channel == channel)
        & (Delivery.user_id == user_id)
        & Delivery.webhook_id.is_not_distinct_from(webhook_id)
    )
    found = select(Delivery.id).where(mine, is_free(utc_now(), ahead_s)).order_by(Delivery.due_at).limit(limit)
    return list(session.scalars(found))


def claim(database: Database, ids: Sequence[str], ahead_s: float = 0.0) -> list[Delivery]:
    """Take these for one try, those of them that are still free; the attempt is counted with it."""
    now = utc_now()
    taking = (
        update(Delivery)
        .where(Delivery.id.in_(ids), is_free(now, ahead_s))
        .values(attempt=Delivery.attempt + 1, leased_until=now + timedelta(seconds=LEASE_S))
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
    with database.write() as session:
        taken = session.scalars(taking).all()
        if not taken:
            return []
        rows = select(Delivery).where(Delivery.id.in_(taken)).order_by(Delivery.created_at, Delivery.notification_id)
        return list(session.scalars(rows))


def finish(
    session: Session, delivery: Delivery, state: str, outcome: Outcome | None, next_in_s: float | None = None
) -> bool:
    """Store what became of a claimed try; False if the lease was lost and another try has begun since.

    `state` is the delivery's from now on; one that stays `waiting` is due again in `next_in_s`.
    """
    now = utc_now()
    values: dict[str, Any] = {"state": state, "leased_until": None, "ended_at": None if state == "waiting" else now}
    if next_in_s is not None:
        values["due_at"] = now + timedelta(seconds=next_in_s)
    mine = (Delivery.id == delivery.id) & (Delivery.attempt == delivery.attempt) & (Delivery.state == "waiting")
    is_mine = bool(session.scalars(update(Delivery).where(mine).values(values).returning(Delivery.id)).all())
    if outcome is not None:
        made = DeliveryTry(
            delivery_id=delivery.id,
            attempt=delivery.attempt,
            at=now - timedelta(milliseconds=outcome.duration_ms),
            status=outcome.status,
            duration_ms=outcome.duration_ms,
            trouble=outcome.trouble[:300] if outcome.trouble else None,
            answer=outcome.answer[:MAX_ANSWER].replace("\0", "\N{REPLACEMENT CHARACTER}") or None,
        )
        session.add(made)
        if delivery.webhook_id is not None:
            newest = update(Webhook).where(Webhook.id == delivery.webhook_id).values(last_try=made.fields)
            session.execute(newest.execution_options(synchronize_session=False))
    return is_mine


def next_try_s(delivery: Delivery, outcome: Outcome) -> float | None:
    """Seconds until this delivery's next try, or None to give up."""
    failures = delivery.attempt - delivery.round_began
    return retry_delay_s(failures, outcome.retry_after_s, random.random())


def send_again(session: Session, delivery: Delivery) -> bool:
    """Have it tried once more, now, with a whole row of retries; False while a try is under way."""
    now = utc_now()
    unheld = or_(Delivery.leased_until.is_(None), Delivery.leased_until <= now)
    values = {
        "state": "waiting",
        "due_at": now,
        "round_began": Delivery.attempt,
        "leased_until": None,
        "ended_at": None,
    }
    again = update(Delivery).where(Delivery.id == delivery.id, unheld).values(values).returning(Delivery.id)
    return bool(session.scalars(again.execution_options(synchronize_session=False)).all())


def forget_old(database: Database, now: datetime | None = None) -> int:
    """Remove what ended more than KEPT_DAYS ago, and beyond the newest KEPT_PER_WEBHOOK of each webhook."""
    before = (now or utc_now()) - timedelta(days=KEPT_DAYS)
    place = func.row_number().over(partition_by=Delivery.webhook_id, order_by=Delivery.created_at.desc())
    placed = select(Delivery.id, place.label("place")).where(Delivery.webhook_id.is_not(None)).subquery()
    beyond = select(placed.c.id).where(placed.c.place > KEPT_PER_WEBHOOK)
    has_ended = Delivery.state != "waiting"
    too_many = has_ended & (Delivery.id.in_(beyond) | (Delivery.ended_at < before))
    with database.read() as session:
        ids = session.scalars(select(Delivery.id).where(too_many)).all()
    for start in range(0, len(ids), FORGOTTEN_AT_ONCE):  # so that nobody waits long for the database
        some = delete(Delivery).where(Delivery.id.in_(ids[start : start + FORGOTTEN_AT_ONCE]), has_ended)
        with database.write() as session:
            session.execute(some.execution_options(synchronize_session=False))
    return len(ids)
