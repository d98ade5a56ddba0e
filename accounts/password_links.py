"""Links with which a person chooses a password: for whoever was just invited, and for whoever has forgotten theirs.

An admin passes the link on and never learns the password. It works once, for three days, while the account is active;
a newer link replaces the older, and so does every other change of the password.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from accounts import effects
from accounts.audit import Actor, record
from accounts.errors import AccountError, LinkEnded
from accounts.models import PasswordLink, User
from accounts.passwords import NO_PASSWORD, hash_password, require_good_password
from accounts.sessions import locked_user
from accounts.sign_in import Browser, SignedIn, begin
from accounts.tokens import random_token, token_digest
from accounts.usernames import clean_username
from accounts.users import add_user, replace_password
from database import Database, utc_now

LINK_LIFETIME = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class OpenLink:
    """Whose password a link sets, and until when. `is_first` says that they have none yet."""

    user_id: int
    username: str
    expires_at: datetime
    is_first: bool


def invite(
    db: Database, username: str, actor: Actor, *, role: str = "user", reason: str | None = None
) -> tuple[User, str]:
    """Make an account without a password; gives it and the token of the link.

    Raises InvalidUsername, UsernameTaken, and AccountError for an unknown role.
    """
    shown = clean_username(username)
    with db.write() as session:
        user = add_user(session, shown, NO_PASSWORD, actor, role=role, reason=reason)
        token = _new_link(session, user)
        record(session, "user.password_link_made", f"user:{shown}", actor, reason=reason)
    return user, token


def make_link(db: Database, user_id: int, actor: Actor, *, reason: str | None = None) -> str:
    """The token of a new link for this person; the password of now holds until the link is used.

    Raises NoSuchAccount, and AccountError for a disabled account.
    """
    with db.write() as session:
        user = locked_user(session, user_id)
        if not user.is_active:
            raise AccountError(f"The account of {user.username} is disabled. Enable it first.")
        token = _new_link(session, user)
        record(session, "user.password_link_made", f"user:{user.username}", actor, reason=reason)
    return token


def open_link(db: Database, token: str, now: datetime | None = None) -> OpenLink | None:
    """What this link is for; None when it does not work (any more)."""
    with db.read() as session:
        found = _find(session, token, now or utc_now())
    if found is None:
        return None
    link, user = found
    return OpenLink(user.id, user.username, link.expires_at, user.password_hash == NO_PASSWORD)


def use_link(db: Database, token: str, password: str, browser: Browser, now: datetime | None = None) -> SignedIn:
    """Set the password, end all logins of the person, and begin one for the browser that asked.

    Raises LinkEnded, and WeakPassword, after which the link still works.
    """
    moment = now or utc_now()
    known = open_link(db, token, moment)
    if known is None:
        raise _ended()
    require_good_password(password, known.username)
    password_hash = effects.offload(hash_password, password)
    with db.write() as session:
        user = locked_user(session, known.user_id)
        if _find(session, token, moment) is None:
            raise _ended()
        actor = Actor(user.username, user.id, browser.address or None, browser.request_id)
        replace_password(session, user, password_hash, actor)
        user.last_login_at = moment
        signed_in = begin(session, user, browser, epoch=user.epoch, now=moment)
    effects.announce_revocation(known.user_id)
    return signed_in


def _new_link(session: Session, user: User) -> str:
    now, token = utc_now(), random_token()
    session.execute(delete(PasswordLink).where(PasswordLink.user_id == user.id))
    link = PasswordLink(user_id=user.id, token_hash=token_digest(token), created_at=now)
    link.expires_at = now + LINK_LIFETIME
    session.add(link)
    return token


def _find(session: Session, token: str, moment: datetime) -> tuple[PasswordLink, User] | None:
    query = (
        select(PasswordLink, User)
        .join(User, User.id == PasswordLink.user_id)
        .where(
            PasswordLink.token_hash == token_digest(token[:200]),
            PasswordLink.expires_at > moment,
            User.is_active.is_(True),
        )
    )
    row = session.execute(query).one_or_none()
    return None if row is None else (row[0], row[1])


def _ended() -> LinkEnded:
    return LinkEnded("This link was used or has ended. Ask an admin for a new one.")
