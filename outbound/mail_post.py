"""One try of mailing what one person is to be told: all that waits becomes one mail, but for what was read by now."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from email.utils import make_msgid
from pathlib import Path

from sqlalchemy import select

from accounts import User
from config import Config
from database import Database
from outbound import deliveries, letters, smtp
from outbound.models import Delivery, MailAddress
from tasks.notices import Notification

log = logging.getLogger("taskroom.outbound")


class MailPost:
    """Mails claimed deliveries."""

    def __init__(self, database: Database, config: Config, authority: Path | None = None) -> None:
        self._database = database
        self._config = config
        self._authority = authority

    def send(self, claimed: Sequence[Delivery]) -> None:
        """Try once and store what came of it. All are the same person's."""
        with self._database.read() as session:
            mail = session.get(MailAddress, claimed[0].user_id)
            owner = session.get(User, claimed[0].user_id)
            ids = [each.notification_id for each in claimed if each.notification_id is not None]
            read = Notification.id.in_(ids), Notification.read_at.is_not(None)
            seen = set(session.scalars(select(Notification.id).where(*read)))
        wanted = [each for each in claimed if self._is_wanted(each, mail, owner, seen)]
        with self._database.write() as session:
            for each in claimed:
                if each not in wanted:
                    deliveries.finish(session, each, "dropped", None)
        if not wanted or mail is None or owner is None or self._config.mail is None:
            return
        if wanted[0].channel == "confirm":
            message = letters.confirmation(self._config, mail, owner.username)
        else:
            message = letters.notifications(self._config, mail, [(each.type, each.content) for each in wanted])
        # The same for each try of the same mail, so that mail programs see a doubled one once.
        message["Message-ID"] = make_msgid(wanted[0].id, self._config.mail.sender.rpartition("@")[2])
        outcome = smtp.send(self._config.mail, message, self._authority)
        with self._database.write() as session:
            for each in wanted:
                next_s = None if smtp.is_permanent(outcome) else deliveries.next_try_s(each, outcome)
                state = "delivered" if outcome.is_delivered else "waiting" if next_s is not None else "given_up"
                deliveries.finish(session, each, state, outcome, next_s if state == "waiting" else None)
                if state == "given_up":
                    log.warning("mail %s to user %d is given up: %s", each.id, each.user_id, outcome.trouble)

    def _is_wanted(self, each: Delivery, mail: MailAddress | None, owner: User | None, seen: set[int]) -> bool:
        if mail is None or owner is None or not owner.is_active or self._config.mail is None:
            return False
        if each.channel == "confirm":
            return mail.confirmed_at is None
        return mail.confirmed_at is not None and each.type in mail.types and each.notification_id not in seen
