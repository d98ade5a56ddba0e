"""Login sessions: one row for each browser that is signed in. Ending one deletes its row and closes its sockets."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from accounts import effects
from accounts.audit import Actor, record
from accounts.errors import NoSuchAccount
from accounts.models import LoginSession, LoginThrottle, User
from accounts.tokens import random_token, token_digest
from database import Database, utc_now

IDLE_LIFETIME = timedelta(days=14)
ABSOLUTE_LIFETIME = timedelta(days=30)
TOUCH_INTERVAL = timedelta(minutes=5)


def start_session(
    session: Session, user_id: int, epoch: int, *, address: str = "", user_agent: str = "", now: datetime | None = None
) -> tuple[int, str]:
    """Add a login session in the caller's transaction; gives its id and the token for the cookie.

    `epoch` is the one that was read together with the password hash: when the password changed in between, the new
    session never counts.
    """
    moment = now or utc_now()
    token = random_token()
    row = LoginSession(
        user_id=user_id,
        token_hash=token_digest(token),
        epoch=epoch,
        created_at=moment,
        last_seen_at=moment,
        expires_at=moment + ABSOLUTE_LIFETIME,
        address=address[:64],
        user_agent=user_agent[:200],
    )
    session.add(row)
    session.flush()
    return row.id, token


def end_session(
    db: Database,
    session_id: int,
    actor: Actor,
    *,
    owner_id: int | None = None,
    action: str = "session.ended",
    reason: str | None = None,
) -> None:
    """End one login; its cookie is dead from now on and its sockets are closed.

    With `owner_id`, a session of anybody else is refused as NoSuchAccount. A session that has ended already is too,
    except without `owner_id` (signing out twice is harmless).
    """
    with db.write() as session:
        row = session.get(LoginSession, session_id)
        if row is None or (owner_id is not None and row.user_id != owner_id):
            if owner_id is None:
                return
            raise NoSuchAccount("This session has ended already.")
        user_id = row.user_id
        session.delete(row)
        subject = f"user:{session.get_one(User, user_id).username}"
        record(session, action, subject, actor, reason=reason, before={"session": session_id})
    effects.announce_revocation(user_id, session_id=session_id)


def end_all_sessions(
    db: Database, user_id: int, actor: Actor, *, keep_session_id: int | None = None, reason: str | None = None
) -> int:
    """End every login of the user, or every other one than `keep_session_id`; gives how many.

    Raises NoSuchAccount for an unknown user.
    """
    with db.write() as session:
        user = locked_user(session, user_id)
        ended = close_sessions(session, user, keep_session_id=keep_session_id)
        before = {"sessions": len(ended)}
        record(session, "session.all_ended", f"user:{user.username}", actor, reason=reason, before=before)
    if keep_session_id is None:
        effects.announce_revocation(user_id)
    else:
        for session_id in ended:
            effects.announce_revocation(user_id, session_id=session_id)
    return len(ended)


def locked_user(session: Session, user_id: int) -> User:
    """The user's row, held against other writers until the end of the transaction. Raises NoSuchAccount."""
    user = session.get(User, user_id, with_for_update=True)
    if user is None:
        raise NoSuchAccount("There is no user of this number.")
    return user


def close_sessions(session: Session, user: User, *, keep_session_id: int | None = None) -> list[int]:
    """Raise the user's epoch and delete their logins in the caller's transaction; the kept one moves to the new epoch.

    Gives the ids of the ended logins; the caller announces the revocation after its commit.
    """
    user.epoch += 1
    of_user = LoginSession.user_id == user.id
    ended = [found for found in session.scalars(select(LoginSession.id).where(of_user)) if found != keep_session_id]
    if keep_session_id is None:
        session.execute(delete(LoginSession).where(of_user))
    else:
        session.execute(delete(LoginSession).where(of_user, LoginSession.id != keep_session_id))
        session.execute(
            update(LoginSession).where(LoginSession.id == keep_session_id, of_user).values(epoch=user.epoch)
        )
    return ended


def list_sessions(db: Database, user_id: int, now: datetime | None = None) -> list[LoginSession]:
    """The logins of the user that still hold, the most recently used first."""
    moment = now or utc_now()
    query = (
        select(LoginSession)
        .where(
            LoginSession.user_id == user_id,
            LoginSession.expires_at > moment,
            LoginSession.last_seen_at > moment - IDLE_LIFETIME,
        )
        .order_by(LoginSession.last_seen_at.desc(), LoginSession.id.desc())
    )
    with db.read() as session:
        return list(session.scalars(query))


def note_seen(db: Database, session_id: int, moment: datetime) -> None:
    """Remember that the login was used; of several requests in five minutes the first one writes."""
    with db.write(is_hasty=True) as session:
        session.execute(
            update(LoginSession)
            .where(LoginSession.id == session_id, LoginSession.last_seen_at <= moment - TOUCH_INTERVAL)
            .values(last_seen_at=moment)
        )


def purge_ended(db: Database, now: datetime | None = None) -> int:
    """Delete logins whose lifetime is over and throttle rows a day old; gives how many logins. Run it now and then."""
    moment = now or utc_now()
    with db.write() as session:
        session.execute(delete(LoginThrottle).where(LoginThrottle.last_try_at < moment - timedelta(days=1)))
        over = (LoginSession.expires_at <= moment) | (LoginSession.last_seen_at <= moment - IDLE_LIFETIME)
        ended = list(session.scalars(select(LoginSession.id).where(over)))
        session.execute(delete(LoginSession).where(over))
    return len(ended)
