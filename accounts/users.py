"""Making and changing accounts. Whatever takes rights away ends the user's logins and is announced after the commit."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from accounts import effects
from accounts.audit import Actor, record
from accounts.errors import AccountError, LastAdmin, NoSuchAccount, UsernameTaken
from accounts.models import ROLES, PasswordLink, SetupToken, User
from accounts.passwords import hash_password, require_good_password
from accounts.sessions import close_sessions, locked_user
from accounts.usernames import clean_username, name_key
from database import Database, utc_now


def create_user(
    db: Database, username: str, password: str, actor: Actor, *, role: str = "user", reason: str | None = None
) -> User:
    """Make an account; an open setup link ends with the first one.

    Raises InvalidUsername, WeakPassword or UsernameTaken.
    """
    shown, password_hash = prepare_user(username, password)
    with db.write() as session:
        return add_user(session, shown, password_hash, actor, role=role, reason=reason)


def prepare_user(username: str, password: str) -> tuple[str, str]:
    """The user name as stored and the password's hash; slow, so before the transaction that adds the user."""
    shown = clean_username(username)
    require_good_password(password, shown)
    return shown, effects.offload(hash_password, password)


def add_user(
    session: Session, shown: str, password_hash: str, actor: Actor, *, role: str, reason: str | None = None
) -> User:
    """Add a prepared user in the caller's transaction. Raises UsernameTaken, after which it can only be rolled back."""
    _require_role(role)
    user = User(username=shown, name_key=name_key(shown), password_hash=password_hash, role=role)
    user.is_active, user.epoch = True, 1
    session.add(user)
    try:
        session.flush()
    except IntegrityError as error:
        raise UsernameTaken(f"There is a user called {shown} already.", field="username") from error
    session.execute(delete(SetupToken))
    record(session, "user.created", f"user:{shown}", actor, reason=reason, after={"role": role})
    return user


def find_user(db: Database, username: str) -> User:
    """The user of this name, however it is capitalised. Raises NoSuchAccount."""
    with db.read() as session:
        user = session.scalar(select(User).where(User.name_key == name_key(username)))
    if user is None:
        raise NoSuchAccount(f"There is no user called {username}.")
    return user


def list_users(db: Database) -> Sequence[User]:
    """All users by name."""
    with db.read() as session:
        return session.scalars(select(User).order_by(User.name_key)).all()


def has_users(db: Database) -> bool:
    """Whether the first account has been made."""
    with db.read() as session:
        return session.scalar(select(User.id).limit(1)) is not None


def set_active(db: Database, user_id: int, is_active: bool, actor: Actor, *, reason: str | None = None) -> None:
    """Disable or enable an account. Disabling ends its logins and closes its sockets; its API tokens sleep meanwhile.

    Raises NoSuchAccount, and LastAdmin when nobody could administer the server any more.
    """
    with db.write() as session:
        admins = [] if is_active else _locked_admins(session)
        user = locked_user(session, user_id)
        if user.is_active == is_active:
            return
        if not is_active:
            _require_other_admin(admins, user)
            close_sessions(session, user)
            session.execute(delete(PasswordLink).where(PasswordLink.user_id == user.id))
        user.is_active = is_active
        action = "user.enabled" if is_active else "user.disabled"
        change = {"before": {"active": not is_active}, "after": {"active": is_active}}
        record(session, action, f"user:{user.username}", actor, reason=reason, **change)
    if not is_active:
        effects.announce_revocation(user_id)


def set_role(db: Database, user_id: int, role: str, actor: Actor, *, reason: str | None = None) -> None:
    """Make a user an admin or the reverse. Demotion ends their logins; either way their sockets close and come back.

    Raises NoSuchAccount, AccountError for an unknown role, and LastAdmin.
    """
    _require_role(role)
    with db.write() as session:
        admins = [] if role == "admin" else _locked_admins(session)
        user = locked_user(session, user_id)
        if user.role == role:
            return
        before = user.role
        if role != "admin":
            _require_other_admin(admins, user)
            close_sessions(session, user)
        user.role = role
        change = {"before": {"role": before}, "after": {"role": role}}
        record(session, "user.role_changed", f"user:{user.username}", actor, reason=reason, **change)
    effects.announce_revocation(user_id)


def set_password(db: Database, user_id: int, password: str, actor: Actor, *, reason: str | None = None) -> None:
    """Give the user a new password and end all their logins. API tokens stay: they were not made from the password.

    Raises NoSuchAccount or WeakPassword.
    """
    with db.read() as session:
        user = session.get(User, user_id)
    if user is None:
        raise NoSuchAccount("There is no user of this number.")
    require_good_password(password, user.username)
    password_hash = effects.offload(hash_password, password)
    with db.write() as session:
        replace_password(session, locked_user(session, user_id), password_hash, actor, reason=reason)
    effects.announce_revocation(user_id)


def replace_password(
    session: Session, user: User, password_hash: str, actor: Actor, *, reason: str | None = None
) -> None:
    """Store a new hash and end the user's logins in the caller's transaction; the caller announces the revocation.

    A link for a new password ends, too: whoever has it might not be who has just chosen one.
    """
    session.execute(delete(PasswordLink).where(PasswordLink.user_id == user.id))
    user.password_hash = password_hash
    user.password_changed_at = utc_now()
    close_sessions(session, user)
    record(session, "user.password_changed", f"user:{user.username}", actor, reason=reason)


def _require_role(role: str) -> None:
    if role not in ROLES:
        raise AccountError(f"A role is one of {', '.join(ROLES)}.", field="role")


def _locked_admins(session: Session) -> Sequence[int]:
    """The active admins, held until the end of the transaction and taken in one order: two admins who demote each other
    at the same moment must neither both succeed nor wait for each other."""
    admins = select(User.id).where(User.role == "admin", User.is_active.is_(True)).order_by(User.id)
    return session.scalars(admins.with_for_update()).all()


def _require_other_admin(admins: Sequence[int], user: User) -> None:
    if list(admins) == [user.id]:
        raise LastAdmin(f"{user.username} is the only active admin. Make somebody else an admin first.")
