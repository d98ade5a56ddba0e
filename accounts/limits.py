"""What one person may use: tasks at once, tasks a day, longest run time, highest priority, cancel and retry.

Whatever is not set for a person is the installation's default, which admins change (`limits.default.…` in
`server_settings`), and otherwise what BUILT_IN says. The rule: this module says what the limits are;
`tasks.lifecycle` enforces each of them in one place, in the transaction that would break it. The amounts bind
everybody. The rights (priority, cancel, retry) do not bind an admin, who could give them back to themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from accounts import audit
from accounts.audit import Actor
from accounts.errors import AccountError
from accounts.identity import Identity
from accounts.models import UserLimits
from accounts.sessions import locked_user
from database import Database
from server_settings import change_setting, setting, settings_below

SETTINGS = "limits.default."
PRIORITIES = ("urgent", "high", "normal", "low")
AMOUNTS = {"max_running": (1, 1000), "tasks_per_day": (0, 1_000_000), "timeout_s": (1, 30 * 86_400)}
"""the smallest and the largest value of each amount"""
RIGHTS = ("may_cancel", "may_retry")
FIELDS = (*AMOUNTS, "highest_priority", *RIGHTS)


@dataclass(frozen=True, slots=True)
class PersonLimits:
    """The limits that hold for somebody. None is no limit; for `max_running` it is the configuration's."""

    max_running: int | None = None
    tasks_per_day: int | None = None
    timeout_s: int | None = None
    highest_priority: str = "urgent"
    may_cancel: bool = True
    may_retry: bool = True

    def allows_priority(self, priority: str) -> bool:
        """Whether a task of this priority may be started."""
        return PRIORITIES.index(priority) >= PRIORITIES.index(self.highest_priority)

    def for_identity(self, identity: Identity) -> PersonLimits:
        """The same, with an admin's rights whole."""
        if not identity.is_admin:
            return self
        return replace(self, highest_priority=PRIORITIES[0], may_cancel=True, may_retry=True)


BUILT_IN = PersonLimits()


def default_limits(session: Session) -> PersonLimits:
    """What holds for whoever has no limits of their own."""
    return replace(BUILT_IN, **_known(settings_below(session, SETTINGS)))


def own_limits(session: Session, user_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """What was set for each of these people themselves, by user id; whoever has nothing of their own is left out."""
    rows = session.scalars(select(UserLimits).where(UserLimits.user_id.in_(list(user_ids))))
    return {
        row.user_id: {name: getattr(row, name) for name in FIELDS if getattr(row, name) is not None} for row in rows
    }


def limits_of(session: Session, user_id: int) -> PersonLimits:
    """What holds for this person."""
    return replace(default_limits(session), **own_limits(session, [user_id]).get(user_id, {}))


def limits_for(session: Session, identity: Identity) -> PersonLimits:
    """What holds for whoever asks."""
    return limits_of(session, identity.user_id).for_identity(identity)


def default_running(session: Session, configured: int) -> int:
    """How many tasks somebody without limits of their own may run at once."""
    return int(_known({"max_running": setting(session, f"{SETTINGS}max_running")}).get("max_running", configured))


def set_limits(
    db: Database, user_id: int, wished: Mapping[str, Any], actor: Actor, *, reason: str | None = None
) -> bool:
    """Give a person these limits; what is None is the default again, what is left out stays. False if nothing changed.

    Raises AccountError for a value that cannot be, and NoSuchAccount.
    """
    checked = checked_limits(wished)
    with db.write() as session:
        user = locked_user(session, user_id)
        row = session.get(UserLimits, user_id) or UserLimits(user_id=user_id)
        before = {name: getattr(row, name) for name in checked if getattr(row, name) != checked[name]}
        if not before:
            return False
        session.add(row)
        for name in before:
            setattr(row, name, checked[name])
        after = {name: checked[name] for name in before}
        audit.record(
            session, "user.limits_changed", f"user:{user.username}", actor, reason=reason, before=before, after=after
        )
    return True


def set_defaults(db: Database, wished: Mapping[str, Any], actor: Actor, *, reason: str | None = None) -> list[str]:
    """Set what holds for everybody else; None is what is built in. Gives the names of those that changed.

    Raises AccountError.
    """
    checked = checked_limits(wished)
    with db.write() as session:
        known = settings_below(session, SETTINGS)
        changed = [name for name, value in checked.items() if known.get(name) != value]
        for name in changed:
            change_setting(session, f"{SETTINGS}{name}", checked[name], actor, reason=reason)
    return changed


def checked_limits(wished: Mapping[str, Any]) -> dict[str, Any]:
    """The same, if each can be a limit. Raises AccountError, which names the field."""
    for name, value in wished.items():
        if name not in FIELDS:
            raise AccountError(f"There is no limit called {name[:100]}.", field=name[:100])
        if value is not None and not _can_be(name, value):
            raise AccountError(_what_it_takes(name), field=name)
    return dict(wished)


def as_fields(limits: PersonLimits, configured_running: int) -> dict[str, Any]:
    """The limits as the API and pages show them, with what the configuration says of tasks at once."""
    shown = asdict(limits)
    return shown | {"max_running": limits.max_running or configured_running}


def _known(stored: Mapping[str, Any]) -> dict[str, Any]:
    """What of it can be a limit: the settings' table holds any JSON, and None is the built-in."""
    return {
        name: value for name, value in stored.items() if name in FIELDS and value is not None and _can_be(name, value)
    }


def _can_be(name: str, value: object) -> bool:
    if name in AMOUNTS:
        low, high = AMOUNTS[name]
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    return isinstance(value, bool) if name in RIGHTS else value in PRIORITIES


def _what_it_takes(name: str) -> str:
    if name in AMOUNTS:
        low, high = AMOUNTS[name]
        return f"Give a whole number from {low:,} to {high:,}, or nothing for the default."
    if name in RIGHTS:
        return "Say true or false, or nothing for the default."
    return f"A priority is one of {', '.join(PRIORITIES)}, or nothing for the default."
