"""A person's own mail address: kept, confirmed by a link that was mailed to it, narrowed to types, taken away."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from config import Config
from database import Database, utc_now
from outbound import deliveries
from outbound.letters import read_token
from outbound.models import Delivery, MailAddress
from tasks.errors import InvalidParams, NotFound, RateLimited, Unavailable
from tasks.notices import TYPES

MAX_ADDRESS = 254
CONFIRMATIONS_A_DAY = 5
_PART = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{3,254}}\Z)(?=[^@]{{1,64}}@){_PART}(?:\.{_PART})*@{_LABEL}(?:\.{_LABEL})*", re.ASCII)


class MailAddresses:
    """What people decide about their mail."""

    def __init__(self, database: Database, config: Config) -> None:
        self._database = database
        self._config = config

    def of(self, user_id: int) -> MailAddress | None:
        """The person's address, confirmed or not."""
        with self._database.read() as session:
            return session.get(MailAddress, user_id)

    def last_try(self, user_id: int) -> Delivery | None:
        """The newest mail that was to go to this person."""
        mine = select(Delivery).where(Delivery.user_id == user_id, Delivery.channel.in_(("mail", "confirm")))
        with self._database.read() as session:
            return session.scalars(mine.order_by(Delivery.created_at.desc()).limit(1)).first()

    def keep(self, user_id: int, address: str, types: Sequence[str]) -> MailAddress:
        """Write the address and the types down; a new address is asked for its confirmation by mail.

        Raises InvalidParams, RateLimited (too many confirmations were mailed today), Unavailable (no mail server).
        """
        if self._config.mail is None:
            raise Unavailable("This server sends no mail. An admin can set it up (SMTP_URL).")
        address = address.strip()
        if not _ADDRESS.fullmatch(address):
            raise InvalidParams({"address": "This is not a mail address. Give one like ada@example.org."})
        kept = [each for each in TYPES if each in types]
        with self._database.write() as session:
            row = session.get(MailAddress, user_id)
            if row is not None and row.address == address:
                row.types = kept
                return row
            _refuse_flood(session, user_id)
            if row is None:
                row = MailAddress(user_id=user_id)
                session.add(row)
            row.address, row.types, row.nonce = address, kept, secrets.token_urlsafe(12)
            row.asked_at, row.confirmed_at = utc_now(), None
            self._ask(session, row)
            return row

    def ask_again(self, user_id: int) -> None:
        """Mail another confirmation. Raises NotFound (nothing to confirm), RateLimited."""
        with self._database.write() as session:
            row = session.get(MailAddress, user_id)
            if row is None or row.confirmed_at is not None:
                raise NotFound("There is no address that waits for its confirmation.")
            _refuse_flood(session, user_id)
            row.asked_at = utc_now()
            self._ask(session, row)

    def remove(self, user_id: int) -> None:
        """Forget the address. Links that were mailed to it count for nothing any more."""
        with self._database.write() as session:
            row = session.get(MailAddress, user_id)
            if row is not None:
                session.delete(row)

    def confirm(self, token: str) -> bool:
        """Whoever has the link has the mailbox. False for a link that has ended or is of another address."""
        return self._decide(token, "confirm")

    def unsubscribe(self, token: str) -> bool:
        """Mail nothing more; the address stays, with no type chosen."""
        return self._decide(token, "unsubscribe")

    def _decide(self, token: str, purpose: str) -> bool:
        found = read_token(self._config, purpose, token)
        if found is None:
            return False
        mine = update(MailAddress).where(MailAddress.user_id == found[0], MailAddress.nonce == found[1])
        values = {"confirmed_at": func.coalesce(MailAddress.confirmed_at, utc_now())}
        chosen = mine.values(values) if purpose == "confirm" else mine.values(types=[])
        with self._database.write() as session:
            return bool(session.scalars(chosen.returning(MailAddress.user_id)).all())

    @staticmethod
    def _ask(session: Session, row: MailAddress) -> None:
        session.flush()
        deliveries.add(session, "confirm", row.user_id, "confirm", "Confirmation of the address", {})


def _refuse_flood(session: Session, user_id: int) -> None:
    """Nobody's mailbox is filled by somebody who writes it into this form again and again."""
    since = utc_now() - timedelta(days=1)
    mine = Delivery.user_id == user_id, Delivery.channel == "confirm", Delivery.created_at > since
    if (session.scalar(select(func.count()).select_from(Delivery).where(*mine)) or 0) >= CONFIRMATIONS_A_DAY:
        raise RateLimited(
            f"{CONFIRMATIONS_A_DAY} confirmations were mailed within a day. Try again tomorrow.", retry_after_s=3600
        )
