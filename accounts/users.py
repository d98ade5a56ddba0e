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


def change_user(
    db: Database,
    user_id: int,
    actor: Actor,
    *,
    role: str | None = None,
    is_active: bool | None = None,
    password: str | None = None,
    reason: str | None = None,
) -> None:
    """Make these changes to an account, all or none; what is None stays.

    Disabling, demotion and a new password end the person's logins, and their sockets close; after a promotion the
    sockets close and come back with the new role. API tokens of a disabled account sleep until it is enabled.
    Raises NoSuchAccount, AccountError for an unknown role, WeakPassword, and LastAdmin when nobody could administer
    the server any more.
    """
    if role is not None:
        _require_role(role)
    password_hash = None if password is None else _prepared_password(db, user_id, password)
    with db.write() as session:
        admins = _locked_admins(session) if is_active is False or role == "user" else []
        user = locked_user(session, user_id)
        changes = [
            role is not None and _change_role(session, user, role, admins, actor, reason),
            is_active is not None and _change_active(session, user, is_active, admins, actor, reason),
        ]
        if password_hash is not None:
            replace_password(session, user, password_hash, actor, reason=reason)
            changes.append(True)
    if any(changes):
        effects.announce_revocation(user_id)


def set_active(db: Database, user_id: int, is_active: bool, actor: Actor, *, reason: str | None = None) -> None:
    """Disable or enable an account: see `change_user`."""
    change_user(db, user_id, actor, is_active=is_active, reason=reason)


def set_role(db: Database, user_id: int, role: str, actor: Actor, *, reason: str | None = None) -> None:
    """Make a user an admin or the reverse: see `change_user`."""
    change_user(db, user_id, actor, role=role, reason=reason)


def set_password(db: Database, user_id: int, password: str, actor: Actor, *, reason: str | None = None) -> None:
    """Give the user a new password: see `change_user`. API tokens stay: they were not made from the password."""
    change_user(db, user_id, actor, password=password, reason=reason)


def _prepared_password(db: Database, user_id: int, password: str) -> str:
    with db.read() as session:
        user = session.get(User, user_id)
    if user is None:
        raise NoSuchAccount("There is no user of this number.")
    require_good_password(password, user.username)
    return effects.offload(hash_password, password)


def _change_role(
    session: Session, user: User, role: str, admins: Sequence[int], actor: Actor, reason: str | None
) -> bool:
    """Whether there was anything to tell of."""
    if user.role == role:
        return False
    if role != "admin":
        _require_other_admin(admins, user)
        close_sessions(session, user)
    change = {"before": {"role": user.role}, "after": {"role": role}}
    user.role = role
    record(session, "user.role_changed", f"user:{user.username}", actor, reason=reason, **change)
    return True


def _change_active(
    session: Session, user: User, is_active: bool, admins: Sequence[int], actor: Actor, reason: str | None
) -> bool:
    """Whether there was anything to tell of: somebody who is enabled has nothing open."""
    if user.is_active == is_active:
        return False
    if not is_active:
        _require_other_admin(admins, user)
        close_sessions(session, user)
        session.execute(delete(PasswordLink).where(PasswordLink.user_id == user.id))
    user.is_active = is_active
    change = {"before": {"active": not is_active}, "after": {"active": is_active}}
    action = "user.enabled" if is_active else "user.disabled"
    record(session, action, f"user:{user.username}", actor, reason=reason, **change)
    return not is_active


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
