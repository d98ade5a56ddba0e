"""Who is asking: from a session or API token to an Identity, and from many identities to those that no longer hold.

These run at every request and every socket: each is one query on a unique index, with nothing loaded that is not used.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Literal

from sqlalchemy import BindParameter, ColumnElement, bindparam, literal, select, true, union_all
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from accounts import tokens
from accounts.models import ApiToken, LoginSession, User
from accounts.sessions import IDLE_LIFETIME, TOUCH_INTERVAL, note_seen
from accounts.tokens import SCOPES, token_digest
from database import Database, DatabaseBusy, UtcDateTime, utc_now

log = logging.getLogger(__name__)

Role = Literal["user", "admin"]
ALL_SCOPES = frozenset(SCOPES)
MAX_TOKEN_LENGTH = 200
_SWEEP_CHUNK = 10_000  # below SQLite's 32,766 and PostgreSQL's 65,535 variables a statement


@dataclass(frozen=True, slots=True)
class Identity:
    """A user as one login session or one API token presents them.

    `role` is what this login may act as: a token without the scope `admin` acts as a user even for an admin. At most
    one of `session_id` and `token_id` is set, and neither for work that was asked for earlier.
    `epoch` is the user's at the time of the check.
    """

    user_id: int
    username: str
    role: Role
    session_id: int | None
    token_id: int | None
    scopes: frozenset[str] = ALL_SCOPES
    epoch: int = 0

    @property
    def is_admin(self) -> bool:
        """Whether this login has an admin's rights."""
        return self.role == "admin"

    def can(self, scope: str) -> bool:
        """Whether this login has the scope `read`, `write` or `admin`; a login session has what its role has."""
        return scope in self.scopes and (scope != "admin" or self.is_admin)


def identity_of(session: Session, user_id: int) -> Identity | None:
    """A user in person, for work that was asked for earlier; None when the account is disabled or gone."""
    user = session.get(User, user_id)
    if user is None or not user.is_active:
        return None
    return Identity(user.id, user.username, _role(user.role, ALL_SCOPES), None, None, epoch=user.epoch)


def authenticate_session(db: Database, session_token: str, now: datetime | None = None) -> Identity | None:
    """The user behind the token in a signed cookie, or None when that login has ended in any way.

    Checks that the account is active, the epoch is the user's, and neither the idle (14 days) nor the absolute
    (30 days) lifetime is over. Notes the use at most every five minutes.
    """
    if not session_token or len(session_token) > MAX_TOKEN_LENGTH:
        return None
    moment = now or utc_now()
    query = (
        select(LoginSession.id, LoginSession.last_seen_at, User.id, User.username, User.role, User.epoch)
        .join(User, User.id == LoginSession.user_id)
        .where(LoginSession.token_hash == token_digest(session_token), *_session_holds(moment))
    )
    with db.read() as session:
        row = session.execute(query).one_or_none()
    if row is None:
        return None
    session_id, last_seen_at, user_id, username, role, epoch = row
    if moment - last_seen_at >= TOUCH_INTERVAL:
        _note(lambda: note_seen(db, session_id, moment))
    return Identity(user_id, username, _role(role, ALL_SCOPES), session_id, None, epoch=epoch)


def authenticate_token(db: Database, token: str, now: datetime | None = None) -> Identity | None:
    """The user behind an API token, or None when it is unknown, revoked, over, or its owner is disabled.

    Notes the use at most once a minute.
    """
    if not token.startswith(tokens.PREFIX) or len(token) > MAX_TOKEN_LENGTH:
        return None
    moment = now or utc_now()
    row = db.first(_TOKEN_HOLDER, digest=token_digest(token), moment=moment)
    if row is None:
        return None
    token_id, last_used_at, words, user_id, username, role, epoch = row
    if last_used_at is None or moment - last_used_at >= tokens.TOUCH_INTERVAL:
        _note(lambda: tokens.note_use(db, token_id, moment))
    scopes = frozenset(words.split())
    return Identity(user_id, username, _role(role, scopes), None, token_id, scopes, epoch)


def revoked(db: Database, identities: Iterable[Identity], now: datetime | None = None) -> set[Identity]:
    """Those of these identities whose login has ended or whose role is another now: their sockets must close.

    One query however many there are (one for each 10,000).
    """
    moment = now or utc_now()
    gone: set[Identity] = set()
    for chunk in _chunks(set(identities), _SWEEP_CHUNK):
        holding = _holding(db, chunk, moment)
        gone.update(identity for identity in chunk if _shape(identity) not in holding)
    return gone


def _holding(db: Database, identities: Sequence[Identity], moment: datetime) -> set[tuple[object, ...]]:
    session_ids = [identity.session_id for identity in identities if identity.session_id is not None]
    token_ids = [identity.token_id for identity in identities if identity.token_id is not None]
    sessions = (
        select(literal("session"), LoginSession.id, User.id, User.role, literal(" ".join(SCOPES)))
        .join(User, User.id == LoginSession.user_id)
        .where(LoginSession.id.in_(session_ids), *_session_holds(moment))
    )
    api_tokens = (
        select(literal("token"), ApiToken.id, User.id, User.role, ApiToken.scopes)
        .join(User, User.id == ApiToken.user_id)
        .where(ApiToken.id.in_(token_ids), *_token_holds(moment))
    )
    with db.read() as session:
        rows = session.execute(union_all(sessions, api_tokens)).all()
    return {
        (kind, login_id, user_id, _role(role, frozenset(words.split())))
        for kind, login_id, user_id, role, words in rows
    }


def _shape(identity: Identity) -> tuple[object, ...]:
    if identity.session_id is not None:
        return "session", identity.session_id, identity.user_id, identity.role
    return "token", identity.token_id, identity.user_id, identity.role


def _session_holds(moment: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        LoginSession.epoch == User.epoch,
        LoginSession.expires_at > moment,
        LoginSession.last_seen_at > moment - IDLE_LIFETIME,
        User.is_active.is_(true()),
    )


def _token_holds(moment: datetime | BindParameter[datetime]) -> tuple[ColumnElement[bool], ...]:
    return (
        ApiToken.revoked_at.is_(None),
        ApiToken.expires_at.is_(None) | (ApiToken.expires_at > moment),
        User.is_active.is_(true()),
    )


def _role(role: str, scopes: frozenset[str]) -> Role:
    return "admin" if role == "admin" and "admin" in scopes else "user"


def _note(write: Callable[[], None]) -> None:
    """Noting a use must neither fail the request nor hold it up: the next one notes it again."""
    try:
        write()
    except DatabaseBusy:
        log.debug("the use of a login is noted next time")
    except SQLAlchemyError as error:
        log.warning("The use of a login could not be noted: %s", type(error).__name__)


def _chunks(items: Iterable[Identity], size: int) -> Iterator[list[Identity]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


_TOKEN_HOLDER = (
    select(ApiToken.id, ApiToken.last_used_at, ApiToken.scopes, User.id, User.username, User.role, User.epoch)
    .join(User, User.id == ApiToken.user_id)
    .where(ApiToken.token_hash == bindparam("digest"), *_token_holds(bindparam("moment", type_=UtcDateTime())))
)
