"""Random tokens and API tokens. What is stored is the sha256: a copy of the database signs nobody in.

A plain hash is enough here, because a token has 256 random bits; only passwords, which people choose, need a slow one.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import select, update

from accounts import effects
from accounts.audit import Actor, record
from accounts.errors import AccountError, NoSuchAccount
from accounts.models import ApiToken, User
from accounts.usernames import name_key
from database import Database, utc_now

PREFIX = "tr_"
SCOPES = ("read", "write", "admin")
MAX_LIFETIME_DAYS = 3660
MAX_NAME_LENGTH = 80
TOUCH_INTERVAL = timedelta(minutes=1)
_IMPLIED = {"read": {"read"}, "write": {"read", "write"}, "admin": {"read", "write", "admin"}}


def random_token(prefix: str = "") -> str:
    """A new secret of 256 bits, safe in URLs, cookies and headers."""
    return prefix + secrets.token_urlsafe(32)


def token_digest(token: str) -> str:
    """The sha256 under which a token is stored and found."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def scope_words(scopes: Iterable[str]) -> str:
    """The stored form of these scopes with what they include: `write` may read, `admin` may do both."""
    wanted = set(scopes)
    if not wanted or not wanted <= set(SCOPES):
        raise AccountError(f"A token's scopes are some of {', '.join(SCOPES)}.", field="scopes")
    return " ".join(sorted(set().union(*(_IMPLIED[scope] for scope in wanted))))


def create_token(
    db: Database,
    user_id: int,
    name: str,
    actor: Actor,
    *,
    scopes: Iterable[str] = ("read", "write"),
    expires_in_days: int | None = None,
    now: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Make a token and return its row and the token itself, which can never be shown again.

    Raises AccountError for a wrong name, scope or lifetime, and for the scope `admin` when the user is no admin.
    """
    name, words = _token_name(name), scope_words(scopes)
    if expires_in_days is not None and not 1 <= expires_in_days <= MAX_LIFETIME_DAYS:
        raise AccountError(f"A token lasts from 1 to {MAX_LIFETIME_DAYS} days.", field="expires_in_days")
    moment = now or utc_now()
    token = random_token(PREFIX)
    with db.write() as session:
        user = session.get(User, user_id)
        if user is None or not user.is_active:
            raise NoSuchAccount("There is no active user of this number.")
        if "admin" in words and user.role != "admin":
            raise AccountError("Only an admin's token can have the scope admin.", field="scopes")
        row = ApiToken(
            user_id=user_id,
            name=name,
            hint=token[: len(PREFIX) + 5],
            token_hash=token_digest(token),
            scopes=words,
            created_at=moment,
            expires_at=moment + timedelta(days=expires_in_days) if expires_in_days else None,
        )
        session.add(row)
        session.flush()
        after = {"token": row.id, "name": name, "scopes": words, "expires_in_days": expires_in_days}
        record(session, "token.created", f"user:{user.username}", actor, after=after)
    return row, token


def revoke_token(
    db: Database, token_id: int, actor: Actor, *, owner_id: int | None = None, reason: str | None = None
) -> None:
    """End a token now and close what it has open; doing it twice is harmless.

    With `owner_id`, a token of anybody else is refused as NoSuchAccount, exactly like an unknown one.
    """
    with db.write() as session:
        row = session.get(ApiToken, token_id)
        if row is None or (owner_id is not None and row.user_id != owner_id):
            raise NoSuchAccount("There is no such token.")
        user_id, was_revoked = row.user_id, row.revoked_at is not None
        if not was_revoked:
            row.revoked_at = utc_now()
            owner = session.get_one(User, user_id).username
            before = {"token": row.id, "name": row.name}
            record(session, "token.revoked", f"user:{owner}", actor, reason=reason, before=before)
    if not was_revoked:
        effects.announce_revocation(user_id, token_id=token_id)


def list_tokens(db: Database, user_id: int) -> list[ApiToken]:
    """The user's tokens that have not been revoked, newest first; those that ran out are among them."""
    living = (ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
    query = select(ApiToken).where(*living).order_by(ApiToken.id.desc())
    with db.read() as session:
        return list(session.scalars(query))


def find_tokens(db: Database, username: str, name: str) -> list[ApiToken]:
    """The living tokens of that name that the user has: for the command line, where nobody knows numbers."""
    query = (
        select(ApiToken)
        .join(User, User.id == ApiToken.user_id)
        .where(User.name_key == name_key(username), ApiToken.name == name, ApiToken.revoked_at.is_(None))
    )
    with db.read() as session:
        return list(session.scalars(query))


def note_use(db: Database, token_id: int, moment: datetime) -> None:
    """Remember that the token was used; of several requests in one minute the first one writes."""
    is_due = ApiToken.last_used_at.is_(None) | (ApiToken.last_used_at <= moment - TOUCH_INTERVAL)
    with db.write(is_hasty=True) as session:
        session.execute(update(ApiToken).where(ApiToken.id == token_id, is_due).values(last_used_at=moment))


def _token_name(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise AccountError(f"Give the token a name of 1 to {MAX_NAME_LENGTH} characters.", field="name")
    return name
