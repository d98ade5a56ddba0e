"""One installation's outbound part, turned by hand: people, webhooks, notifications and a sender."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from accounts import Actor, Identity
from config import Config
from database import Database, utc_now
from outbound.models import Delivery, DeliveryTry, Webhook
from outbound.sending import Sender
from outbound.webhooks import Webhooks
from tasks.notices import Notice, Notification, notify
from tests.fixtures.core import Core
from tests.fixtures.machine import wait_until

TOLD = Notice("failed", "error", "Scan of acme failed", "The disk is full.", href="/tasks/x", kind="count")
ACTOR = Actor("ada")


class Post:
    """What goes out of one database."""

    def __init__(self, database: Database, config: Config, core: Core | None = None) -> None:
        self.database = database
        self.config = config
        self.core = core or Core(database)
        self.me: Identity = self.core.me
        self.hooks = Webhooks(database, config)
        self.told: list[tuple[int, Mapping[str, Any]]] = []
        self.sender = self.make_sender()

    def make_sender(self) -> Sender:
        """Another scheduler's."""
        return Sender(self.database, self.config, lambda user_id, fields: self.told.append((user_id, fields)))

    def hook(self, url: str, **wished: Any) -> tuple[str, str]:
        """A webhook of mine: id and secret."""
        made, secret = self.hooks.create(wished.pop("user_id", self.me.user_id), {"url": url} | wished, ACTOR)
        return made["id"], secret

    def notify(self, notice: Notice = TOLD, user_id: int | None = None) -> int:
        """Tell me something; the notification's id."""
        with self.database.write() as session:
            told = notify(session, user_id or self.me.user_id, notice)
            assert told is not None
            return told.id

    def turn(self, *senders: Sender) -> None:
        """Take turns until nothing is due and nothing is being sent."""
        used = senders or (self.sender,)

        def is_quiet() -> bool:
            for sender in used:
                sender.turn()
            return not any(sender._busy for sender in used) and not self._is_due()

        wait_until(is_quiet, 20, lambda: f"all is sent: {[vars(each) for each in self.all()]}")

    def _is_due(self) -> bool:
        now = utc_now()
        with self.database.read() as session:
            unrouted = session.scalar(select(Notification.id).where(Notification.routed_at.is_(None)).limit(1))
        return unrouted is not None or any(each.state == "waiting" and each.due_at <= now for each in self.all())

    def all(self) -> list[Delivery]:
        """Every delivery, the oldest first."""
        with self.database.read() as session:
            return list(session.scalars(select(Delivery).order_by(Delivery.created_at, Delivery.notification_id)))

    def tries(self) -> list[DeliveryTry]:
        """Every try."""
        with self.database.read() as session:
            return list(session.scalars(select(DeliveryTry).order_by(DeliveryTry.at)))

    def get(self, hook_id: str) -> Webhook:
        """The row of a webhook."""
        with self.database.read() as session:
            return session.get_one(Webhook, hook_id)

    def pass_time(self, **by: float) -> None:
        """Everything that waits is due this much sooner, and what failed has failed for so much longer."""
        with self.database.write() as session:
            for row in session.scalars(select(Delivery)):
                row.due_at -= timedelta(**by)
            for hook in session.scalars(select(Webhook).where(Webhook.failing_since.is_not(None))):
                assert hook.failing_since
                hook.failing_since -= timedelta(**by)

    def read(self, notification_id: int) -> None:
        """I read it on the page."""
        with self.database.write() as session:
            session.execute(update(Notification).where(Notification.id == notification_id).values(read_at=utc_now()))
