"""A person's webhooks: made, changed, given another secret, tested, looked at and removed by their owner alone."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from accounts import Actor, audit
from config import Config
from database import Database, rfc3339, utc_now
from outbound import deliveries, signing
from outbound.addresses import parse_target
from outbound.hook_log import find, shown
from outbound.models import Delivery, Webhook
from tasks.errors import Conflict, InvalidParams, NotFound
from tasks.events import printable
from tasks.notices import MUTABLE_TYPES, TYPES

MAX_WEBHOOKS = 20
MAX_NAME = 100
MAX_WAITING = 50
"""beyond it no test is taken: nobody makes this server post to a stranger all day"""
MAX_KINDS = 50
OVERLAP_S = 86_400
CHANGEABLE = ("name", "url", "types", "kinds", "active")


class Webhooks:
    """Commands on webhooks. Whose they are is checked by every one: NotFound for somebody else's."""

    def __init__(self, database: Database, config: Config) -> None:
        self._database = database
        self._config = config

    def create(self, user_id: int, wished: Mapping[str, Any], actor: Actor) -> tuple[dict[str, Any], str]:
        """Make one; what is shown of it, and its secret, which is shown this once. Raises InvalidParams, Conflict."""
        kept = self._checked({"name": "", "types": MUTABLE_TYPES, **wished})
        hook = Webhook(
            id=str(uuid.uuid4()),
            user_id=user_id,
            kinds=kept.pop("kinds", []),
            active=kept.pop("active", True),
            salt=signing.make_salt(),
            created_at=utc_now(),
            **kept,
        )
        with self._database.write() as session:
            number = session.scalar(select(func.count()).select_from(Webhook).where(Webhook.user_id == user_id)) or 0
            if number >= MAX_WEBHOOKS:
                raise Conflict(f"You have {number} webhooks, which is as many as there may be. Remove one first.")
            session.add(hook)
            session.flush()
            self._record(session, "webhook.created", hook, actor)
            return shown(hook), signing.secret_of(self._config.secret_key, hook.salt)

    def change(self, user_id: int, webhook_id: str, wished: Mapping[str, Any], actor: Actor) -> dict[str, Any]:
        """Change what is said. Switched on again, it is no longer one that the server switched off."""
        kept = self._checked(wished)
        with self._database.write() as session:
            hook = find(session, webhook_id, user_id)
            is_elsewhere = kept.get("url", hook.url) != hook.url
            for name, value in kept.items():
                setattr(hook, name, value)
            if kept.get("active"):
                hook.switched_off = None
            if kept.get("active") or is_elsewhere:
                hook.failing_since = None
            self._record(session, "webhook.changed", hook, actor)
            return shown(hook)

    def rotate(self, user_id: int, webhook_id: str, overlap_s: int, actor: Actor) -> tuple[dict[str, Any], str]:
        """Give it another secret, shown this once. For `overlap_s` both sign, so that the receiver can change over."""
        with self._database.write() as session:
            hook = find(session, webhook_id, user_id)
            hook.previous_salt = hook.salt if overlap_s else None
            hook.previous_until = utc_now() + timedelta(seconds=overlap_s) if overlap_s else None
            hook.salt = signing.make_salt()
            self._record(session, "webhook.secret_changed", hook, actor)
            secret = signing.secret_of(self._config.secret_key, hook.salt)
            return shown(hook), secret

    def remove(self, user_id: int, webhook_id: str, actor: Actor) -> dict[str, Any]:
        """Remove it with its log; what it was."""
        with self._database.write() as session:
            hook = find(session, webhook_id, user_id)
            was = shown(hook)
            self._record(session, "webhook.removed", hook, actor)
            session.delete(hook)
            return was

    def send_test(self, user_id: int, webhook_id: str) -> str:
        """Post an example to it now; the delivery's id. Raises Conflict for one that is switched off."""
        now = utc_now()
        told = {
            "id": None,
            "type": "test",
            "level": "info",
            "title": "A test from Taskroom",
            "text": "Somebody pressed “Send a test”. Nothing has happened.",
            "url": f"{self._config.own_url}/account/webhooks/{webhook_id}",
            "created_at": rfc3339(now),
        }
        with self._database.write() as session:
            hook = find(session, webhook_id, user_id)
            _refuse_inactive(hook)
            waiting = select(func.count()).where(Delivery.webhook_id == hook.id, Delivery.state == "waiting")
            if (session.scalar(waiting) or 0) >= MAX_WAITING:
                raise Conflict(
                    f"{MAX_WAITING} deliveries wait for this webhook already. See what becomes of them first."
                )
            content = {"notification": told, "task": None}
            made = deliveries.add(session, "webhook", user_id, "test", str(told["title"]), content, webhook_id=hook.id)
            return made.id

    def send_again(self, user_id: int, webhook_id: str, delivery_id: str) -> None:
        """Try a delivery once more, under the id it had. Raises NotFound, Conflict (switched off, or being sent)."""
        with self._database.write() as session:
            _refuse_inactive(find(session, webhook_id, user_id))
            delivery = session.get(Delivery, delivery_id)
            if delivery is None or delivery.webhook_id != webhook_id:
                raise NotFound("There is no such delivery.")
            if not deliveries.send_again(session, delivery):
                raise Conflict("This is being sent at this moment.")

    def _checked(self, wished: Mapping[str, Any]) -> dict[str, Any]:
        """What may be stored, each wrong field named in InvalidParams."""
        kept = {name: wished[name] for name in CHANGEABLE if name in wished}
        problems: dict[str, str] = {}
        if "url" in kept:
            try:
                target = parse_target(kept["url"], self._config.webhook_hosts)
                kept["name"] = kept.get("name") or target.host
            except InvalidParams as error:
                problems |= error.problems
        if "name" in kept:
            kept["name"] = " ".join(printable(kept["name"], " ").split())[:MAX_NAME]
            if not kept["name"] and "url" not in problems:
                problems["name"] = "Give it a name."
        if "types" in kept:
            kept["types"] = [each for each in TYPES if each in kept["types"]]
            if not kept["types"]:
                problems["types"] = "Choose what is to be told, at least one."
        if "kinds" in kept:
            kept["kinds"] = list(dict.fromkeys(str(each)[:100] for each in kept["kinds"]))[:MAX_KINDS]
        if problems:
            raise InvalidParams(problems)
        return kept

    @staticmethod
    def _record(session: Session, action: str, hook: Webhook, actor: Actor) -> None:
        """The audit log keeps the host and not the address: its path may be a secret."""
        host = hook.url.split("/")[2]
        after = {"host": host, "types": hook.types, "active": hook.active}
        audit.record(session, action, f"webhook:{hook.id}", actor, after=after)


def _refuse_inactive(hook: Webhook) -> None:
    if not hook.active:
        raise Conflict("This webhook is switched off. Switch it on first.")
