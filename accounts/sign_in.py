"""Signing in and changing one's own password: the two places that look at a password."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from accounts import effects, passwords, throttle
from accounts.audit import Actor, record
from accounts.errors import NoSuchAccount, WrongLogin
from accounts.identity import Identity
from accounts.models import LoginSession, User
from accounts.sessions import locked_user, start_session
from accounts.usernames import name_key
from accounts.users import replace_password
from database import Database, utc_now


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a sign-in comes from."""

    address: str = ""
    user_agent: str = ""
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new login. `token` goes into the signed cookie and nowhere else."""

    token: str
    session_id: int
    user_id: int
    username: str


@dataclass(frozen=True, slots=True)
class _Candidate:
    """The account a try is about, as it was when the try was counted."""

    user: User | None
    counts: list[throttle.Count]
    allowance: throttle.Allowance


def sign_in(db: Database, username: str, password: str, browser: Browser, now: datetime | None = None) -> SignedIn:
    """Check the password and start a login session.

    Takes the same time for known, unknown and disabled users. Raises WrongLogin (one sentence for every reason) or
    TooManyTries.
    """
    if not username.strip() or not password:
        raise WrongLogin("Enter your user name and your password.")
    moment = now or utc_now()
    candidate = _count_try(db, username, browser.address, moment)
    user = candidate.user
    is_right = effects.offload(passwords.verify_password, user.password_hash if user else None, password)
    if user is None or not is_right or not user.is_active:
        raise _refuse(db, candidate, browser)
    renewed = _renewed_hash(user, password)
    with db.write() as session:
        throttle.give_back(session, candidate.counts)
        current = locked_user(session, user.id)
        if renewed and current.password_hash == user.password_hash:
            current.password_hash = renewed
        current.last_login_at = moment
        return begin(session, current, browser, epoch=user.epoch, now=moment)


def begin(session: Session, user: User, browser: Browser, *, epoch: int, now: datetime | None = None) -> SignedIn:
    """Start a login for somebody whose password has just been checked or made, in the caller's transaction."""
    session_id, token = start_session(
        session, user.id, epoch, address=browser.address, user_agent=browser.user_agent, now=now
    )
    actor = Actor(user.username, user.id, browser.address or None, browser.request_id)
    record(session, "session.started", f"user:{user.username}", actor, after={"session": session_id})
    return SignedIn(token, session_id, user.id, user.username)


def change_password(db: Database, identity: Identity, current: str, new: str, browser: Browser) -> SignedIn:
    """Replace one's own password, end all one's logins, and start a new one for the browser that asked.

    The old cookie of that browser dies too: whoever copied it is out. Raises WrongLogin when the current password is
    not right (counted like a sign-in), TooManyTries or WeakPassword.
    """
    candidate = _count_try(db, identity.username, browser.address, utc_now())
    user = candidate.user
    if user is None or user.id != identity.user_id:
        raise NoSuchAccount("This account no longer exists.")
    if not effects.offload(passwords.verify_password, user.password_hash, current):
        raise _refuse(db, candidate, browser, "The current password is not right.", field="current")
    passwords.require_good_password(new, user.username)
    password_hash = effects.offload(passwords.hash_password, new)
    actor = Actor(user.username, user.id, browser.address or None, browser.request_id)
    with db.write() as session:
        throttle.give_back(session, candidate.counts)
        account = locked_user(session, user.id)
        replace_password(session, account, password_hash, actor)
        signed_in = begin(session, account, browser, epoch=account.epoch)
    effects.announce_revocation(user.id)
    return signed_in


def _count_try(db: Database, username: str, address: str, moment: datetime) -> _Candidate:
    folded = name_key(username)
    with db.write() as session:
        user = session.scalar(select(User).where(User.name_key == folded))
        is_known = user is not None and _signs_in_from(session, user.id, address)
        counts = throttle.counts_for(folded, address, is_known_address=is_known)
        allowance = throttle.take_try(session, counts, moment)
    return _Candidate(user, counts, allowance)


def _signs_in_from(session: Session, user_id: int, address: str) -> bool:
    known = select(LoginSession.id).where(LoginSession.user_id == user_id, LoginSession.address == address).limit(1)
    return bool(address) and session.scalar(known) is not None


def _refuse(
    db: Database,
    candidate: _Candidate,
    browser: Browser,
    sentence: str = "User name or password is not right.",
    field: str | None = None,
) -> WrongLogin:
    """Record the failed try and give the error that says how many are left."""
    user, allowance = candidate.user, candidate.allowance
    # A name that nobody has may be a password typed into the wrong field: it is not kept.
    actor = Actor("not signed in", None, browser.address or None, browser.request_id)
    after = {"paused_s": allowance.pause_s} if allowance.pause_s else None
    with db.write() as session:
        record(session, "session.refused", f"user:{user.username}" if user else "unknown user", actor, after=after)
    return WrongLogin(
        f"{sentence} {_what_is_left(allowance)}".strip(), field=field, retry_after_s=allowance.pause_s or None
    )


def _what_is_left(allowance: throttle.Allowance) -> str:
    if allowance.pause_s:
        return f"Too many tries. You can go on in {throttle.pause_words(allowance.pause_s)}."
    if allowance.tries_left > 3:
        return ""
    pause = throttle.pause_words(throttle.FIRST_PAUSE_S)
    return f"{allowance.tries_left} more {'try' if allowance.tries_left == 1 else 'tries'} before a pause of {pause}."


def _renewed_hash(user: User, password: str) -> str | None:
    if not passwords.needs_rehash(user.password_hash):
        return None
    return effects.offload(passwords.hash_password, password)
