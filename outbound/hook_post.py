"""One try of one delivery to a webhook, and what follows from its outcome for both."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import update
from sqlalchemy.orm import Session

from accounts import User
from config import Config
from database import Database, rfc3339, utc_now
from outbound import deliveries, signing
from outbound.addresses import parse_target
from outbound.models import Delivery, Webhook
from outbound.posting import Outcome, post
from tasks.errors import InvalidParams
from tasks.notices import Notice, notify

log = logging.getLogger("taskroom.outbound")

FAILING_FOR = timedelta(days=3)
GONE = 410


class HookPost:
    """Posts claimed deliveries."""

    def __init__(self, database: Database, config: Config, authority: Path | None = None) -> None:
        self._database = database
        self._config = config
        self._authority = authority

    def send(self, delivery: Delivery) -> None:
        """Try once and store what came of it."""
        with self._database.read() as session:
            hook = session.get(Webhook, delivery.webhook_id)
            owner = session.get(User, delivery.user_id)
        if hook is None or not hook.active or owner is None or not owner.is_active:
            with self._database.write() as session:
                deliveries.finish(session, delivery, "dropped", None)
            return
        outcome = self._post(hook, delivery)
        with self._database.write() as session:
            if outcome.is_delivered:
                deliveries.finish(session, delivery, "delivered", outcome)
                if hook.failing_since is not None:
                    session.execute(update(Webhook).where(Webhook.id == hook.id).values(failing_since=None))
            else:
                self._failed(session, hook, delivery, outcome)

    def _post(self, hook: Webhook, delivery: Delivery) -> Outcome:
        try:
            target = parse_target(hook.url, self._config.webhook_hosts)
        except InvalidParams as error:
            return Outcome(None, 0, error.message)
        now = utc_now()
        body = orjson.dumps(body_of(delivery, rfc3339(now)))
        salts = [hook.salt]
        if hook.previous_salt and hook.previous_until and hook.previous_until > now:
            salts.append(hook.previous_salt)
        secrets = [signing.secret_of(self._config.secret_key, salt) for salt in salts]
        headers = signing.headers(secrets, delivery.id, int(time.time()), body)
        return post(target, body, headers, self._authority)

    def _failed(self, session: Session, hook: Webhook, delivery: Delivery, outcome: Outcome) -> None:
        now = utc_now()
        next_s = None if outcome.status == GONE else deliveries.next_try_s(delivery, outcome)
        deliveries.finish(session, delivery, "waiting" if next_s is not None else "given_up", outcome, next_s)
        if hook.failing_since is None:
            values = {"failing_since": now}
            session.execute(update(Webhook).where(Webhook.id == hook.id).values(values))
        if next_s is not None:
            return
        log.warning(
            "delivery %s to webhook %s is given up after try %d: %s",
            delivery.id,
            hook.id,
            delivery.attempt,
            outcome.trouble,
        )
        is_failing = hook.failing_since is not None and hook.failing_since <= now - FAILING_FOR
        if outcome.status == GONE or is_failing:
            self._switch_off(session, hook, "gone" if outcome.status == GONE else "failing")

    def _switch_off(self, session: Session, hook: Webhook, why: str) -> None:
        """Post nothing more to it, and tell its owner, once."""
        off = update(Webhook).where(Webhook.id == hook.id, Webhook.active.is_(True)).returning(Webhook.id)
        if not session.scalars(off.values(active=False, switched_off=why)).all():
            return
        log.warning("webhook %s was switched off: %s", hook.id, why)
        text = {
            "gone": "Its receiver answered that it wants nothing more (410).",
            "failing": f"Nothing could be delivered to it for {FAILING_FOR.days} days.",
        }[why]
        notice = Notice(
            "alert", "warning", f"The webhook {hook.name} was switched off", text, href=f"/account/webhooks/{hook.id}"
        )
        notify(session, hook.user_id, notice)


def body_of(delivery: Delivery, sent_at: str | None) -> dict[str, Any]:
    """What is posted, as docs/webhooks.md describes it."""
    return {
        "type": f"notification.{delivery.type}",
        "timestamp": rfc3339(delivery.created_at),
        "delivery": {"id": delivery.id, "attempt": delivery.attempt, "sent_at": sent_at},
        "data": delivery.content,
    }
