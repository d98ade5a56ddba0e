"""The first admin, made through a link that the server prints.

The link works once, for 24 hours, and only while there is no account.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from accounts.audit import Actor
from accounts.errors import SetupClosed
from accounts.models import SetupToken, User
from accounts.sign_in import Browser, SignedIn, begin
from accounts.tokens import random_token, token_digest
from accounts.users import add_user, prepare_user
from database import Database, utc_now

LINK_LIFETIME = timedelta(hours=24)


def create_setup_token(db: Database, now: datetime | None = None) -> str | None:
    """A new setup token, which ends every older one; None when an account exists already."""
    moment = now or utc_now()
    token = random_token()
    with db.write() as session:
        if session.scalar(select(User.id).limit(1)) is not None:
            return None
        session.execute(delete(SetupToken))
        session.add(SetupToken(token_hash=token_digest(token), created_at=moment, expires_at=moment + LINK_LIFETIME))
    return token


def setup_expires_at(db: Database, token: str, now: datetime | None = None) -> datetime | None:
    """When this setup link ends; None when it does not work (any more)."""
    with db.read() as session:
        row = _open_link(session, token, now or utc_now())
        return row.expires_at if row else None


def make_first_admin(
    db: Database, token: str, username: str, password: str, browser: Browser, now: datetime | None = None
) -> SignedIn:
    """Make the first admin and sign them in; the link is used up in the same transaction.

    Raises SetupClosed, InvalidUsername or WeakPassword; after the latter two the link still works.
    """
    moment = now or utc_now()
    if setup_expires_at(db, token, moment) is None:
        raise _closed()
    shown, password_hash = prepare_user(username, password)
    actor = Actor("setup link", None, browser.address or None, browser.request_id)
    with db.write() as session:
        link = _open_link(session, token, moment, lock=True)
        if link is None:
            raise _closed()
        user = add_user(session, shown, password_hash, actor, role="admin")
        user.last_login_at = moment
        return begin(session, user, browser, epoch=user.epoch, now=moment)


def _open_link(session: Session, token: str, moment: datetime, *, lock: bool = False) -> SetupToken | None:
    query = select(SetupToken).where(SetupToken.token_hash == token_digest(token[:200]), SetupToken.expires_at > moment)
    row = session.scalar(query.with_for_update() if lock else query)
    if row is None or session.scalar(select(User.id).limit(1)) is not None:
        return None
    return row


def _closed() -> SetupClosed:
    return SetupClosed(
        "This setup link was used or has ended. Start the server again for a new one, or use create-admin."
    )
