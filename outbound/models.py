"""The tables of what leaves the server."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from database import Base, UtcDateTime, rfc3339
from tasks.models import BigId


class Webhook(Base):
    """An address of a person to which notifications are posted. Its secret is made of the salt and is not stored."""

    __tablename__ = "webhooks"
    __table_args__ = (Index("ix_webhooks_user", "user_id", "created_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(100))
    url: Mapped[str] = mapped_column(String(2000))
    """Never in a log: many receivers have a secret in the path."""
    types: Mapped[list[str]] = mapped_column(JSON)
    kinds: Mapped[list[str]] = mapped_column(JSON)
    """Kinds of jobs; none means all."""
    active: Mapped[bool] = mapped_column(Boolean)
    salt: Mapped[str] = mapped_column(String(64))
    previous_salt: Mapped[str | None] = mapped_column(String(64))
    previous_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    failing_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the first of the tries failed that have all failed since."""
    switched_off: Mapped[str | None] = mapped_column(String(12))
    """Why the server did it: `gone` (the receiver answered 410) or `failing`."""
    last_try: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What became of the newest try, as `DeliveryTry.fields` gives it: also when its log is forgotten."""


class MailAddress(Base):
    """Where a person wants mail, once they have confirmed that it is theirs."""

    __tablename__ = "mail_addresses"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    address: Mapped[str] = mapped_column(String(254))
    types: Mapped[list[str]] = mapped_column(JSON)
    nonce: Mapped[str] = mapped_column(String(32))
    """Part of every link that was mailed; another nonce ends them."""
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Delivery(Base):
    """One notification on its way to one webhook or into one person's mail.

    `state` is `waiting`, `delivered`, `given_up` or `dropped` (nobody wants it any more). While it waits, whoever sends
    it holds it until `leased_until`; `attempt` rises with every claim, so no try is ever made by two.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("ix_deliveries_due", "state", "due_at"),
        Index("ix_deliveries_webhook", "webhook_id", "created_at"),
        Index("ix_deliveries_user", "user_id", "channel", "state"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    channel: Mapped[str] = mapped_column(String(12))
    """`webhook`, `mail`, or `confirm`: the mail that asks whether an address is the person's."""
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    webhook_id: Mapped[str | None] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    notification_id: Mapped[int | None] = mapped_column(BigId)
    type: Mapped[str] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(300))
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    """What is told: `notification` and `task`, as docs/webhooks.md describes them."""
    state: Mapped[str] = mapped_column(String(12))
    attempt: Mapped[int] = mapped_column(Integer)
    round_began: Mapped[int] = mapped_column(Integer)
    """The attempt after which the present row of retries began; "Send again" begins a new one."""
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DeliveryTry(Base):
    """What became of one try."""

    __tablename__ = "delivery_tries"

    delivery_id: Mapped[str] = mapped_column(ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    status: Mapped[int | None] = mapped_column(Integer)
    duration_ms: Mapped[int | None] = mapped_column(Integer)
    trouble: Mapped[str | None] = mapped_column(String(300))
    answer: Mapped[str | None] = mapped_column(Text)
    """The beginning of what the receiver answered."""

    @property
    def fields(self) -> dict[str, Any]:
        """The try as every surface shows it."""
        return {
            "attempt": self.attempt,
            "at": rfc3339(self.at),
            "status": self.status,
            "duration_ms": self.duration_ms,
            "trouble": self.trouble,
            "answer": self.answer,
        }
