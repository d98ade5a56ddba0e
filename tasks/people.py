"""People as admins see them: each with role, state, last sign of life and how much of their limits they use.

What is shown of many is asked for all of them at once, never row by row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, or_, select
from sqlalchemy.orm import Session

from accounts import ApiToken, LoginSession, NoSuchAccount, User, throttle
from accounts.limits import FIELDS, as_fields, default_limits, own_limits
from accounts.models import UserLimits
from accounts.passwords import NO_PASSWORD
from accounts.sessions import IDLE_LIFETIME
from database import rfc3339
from tasks.models import Task
from tasks.states import ACTIVE, State

MAX_PAGE = 200
STATES = ("active", "disabled", "invited")
SEEN = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}


@dataclass(frozen=True, slots=True)
class PeopleFilters:
    """What the list is narrowed to; empty means no limit.

    `seen` is one of SEEN (not longer ago than that) or `never`; `limits` is `own` or `default`.
    """

    text: str = ""
    role: str = ""
    state: str = ""
    limits: str = ""
    seen: str = ""


def list_people(
    session: Session, filters: PeopleFilters, now: datetime, configured_running: int, after: str = "", limit: int = 50
) -> tuple[list[dict[str, Any]], str | None]:
    """People by name, `limit` (1 to 200) at a time, and the cursor that goes on."""
    limit = max(1, min(limit, MAX_PAGE))
    query = select(User).where(*_conditions(filters, now))
    if after:
        query = query.where(User.name_key > after)
    rows = session.scalars(query.order_by(User.name_key).limit(limit + 1)).all()
    following = rows[limit - 1].name_key if len(rows) > limit else None
    return _shown(session, rows[:limit], now, configured_running), following


def count_people(session: Session, filters: PeopleFilters, now: datetime) -> int:
    """How many people the filters leave."""
    return session.scalar(select(func.count()).select_from(User).where(*_conditions(filters, now))) or 0


def person(session: Session, user_id: int, now: datetime, configured_running: int) -> dict[str, Any]:
    """One person. Raises NoSuchAccount."""
    user = session.get(User, user_id) if user_id < 2**31 else None
    if user is None:
        raise NoSuchAccount("There is no user of this number.")
    return _shown(session, [user], now, configured_running)[0]


def _shown(session: Session, users: Sequence[User], now: datetime, configured_running: int) -> list[dict[str, Any]]:
    ids = [user.id for user in users]
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    active = _by_state(session, ids)
    started = _numbers(session, select(Task.owner_id, func.count()).where(Task.created_at >= today), Task.owner_id, ids)
    logins = _numbers(
        session, select(LoginSession.user_id, func.count()).where(*_holds(now)), LoginSession.user_id, ids
    )
    tokens = _numbers(session, select(ApiToken.user_id, func.count()).where(*_lives(now)), ApiToken.user_id, ids)
    seen = _last_seen(session, ids)
    paused = throttle.paused_names(session, [user.name_key for user in users], now)
    usual, own = default_limits(session), own_limits(session, ids)
    defaults = as_fields(usual, configured_running)
    return [
        {
            "id": user.id,
            "username": user.username,
            "role": user.role,
            "state": state_of(user),
            "paused_until": rfc3339(paused.get(user.name_key)),
            "created_at": rfc3339(user.created_at),
            "last_login_at": rfc3339(user.last_login_at),
            "last_seen_at": rfc3339(max(filter(None, (seen.get(user.id), user.last_login_at)), default=None)),
            "running": active.get((user.id, State.RUNNING), 0),
            "queued": active.get((user.id, State.QUEUED), 0),
            "started_today": started.get(user.id, 0),
            "sessions": logins.get(user.id, 0),
            "tokens": tokens.get(user.id, 0),
            "limits": as_fields(replace(usual, **own.get(user.id, {})), configured_running),
            "own_limits": {name: own.get(user.id, {}).get(name) for name in FIELDS},
            "default_limits": defaults,
        }
        for user in users
    ]


def state_of(user: User) -> str:
    """`disabled`, `invited` (no password chosen yet) or `active`."""
    if not user.is_active:
        return "disabled"
    return "invited" if user.password_hash == NO_PASSWORD else "active"


def _conditions(filters: PeopleFilters, now: datetime) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters.text:
        conditions.append(User.name_key.contains(filters.text.casefold(), autoescape=True))
    if filters.role:
        conditions.append(User.role == filters.role)
    if filters.state:
        is_invited = User.password_hash == NO_PASSWORD
        wanted = {"disabled": (User.is_active.is_(False),), "invited": (User.is_active.is_(True), is_invited)}
        conditions += wanted.get(filters.state, (User.is_active.is_(True), ~is_invited))
    if filters.limits:
        has_own = exists().where(
            UserLimits.user_id == User.id, or_(*(getattr(UserLimits, name).is_not(None) for name in FIELDS))
        )
        conditions.append(has_own if filters.limits == "own" else ~has_own)
    if filters.seen == "never":
        conditions.append(~_seen_since(None))
    elif filters.seen:
        conditions.append(_seen_since(now - SEEN[filters.seen]))
    return conditions


def _seen_since(moment: datetime | None) -> ColumnElement[bool]:
    """Whether a login, a session or a token was used after this moment; None for ever."""
    login = User.last_login_at.is_not(None) if moment is None else User.last_login_at > moment
    used = ApiToken.last_used_at.is_not(None) if moment is None else ApiToken.last_used_at > moment
    session = exists().where(
        LoginSession.user_id == User.id, *(() if moment is None else (LoginSession.last_seen_at > moment,))
    )
    return or_(func.coalesce(login, False), session, exists().where(ApiToken.user_id == User.id, used))


def _by_state(session: Session, ids: Iterable[int]) -> dict[tuple[int, str], int]:
    query = (
        select(Task.owner_id, Task.state, func.count())
        .where(Task.state.in_(ACTIVE), Task.owner_id.in_(ids))
        .group_by(Task.owner_id, Task.state)
    )
    return {(owner, state): number for owner, state, number in session.execute(query)}


def _numbers(session: Session, query: Select[int, int], of: Any, ids: Iterable[int]) -> dict[int, int]:
    rows = session.execute(query.where(of.in_(ids)).group_by(of))
    return {user_id: number for user_id, number in rows}  # noqa: C416  # a Row is no pair to the type checker


def _last_seen(session: Session, ids: Sequence[int]) -> dict[int, datetime]:
    """When a session or a token of each was last used; noted every five minutes, and of tokens every one."""
    found: dict[int, datetime] = {}
    for column, owner in ((LoginSession.last_seen_at, LoginSession.user_id), (ApiToken.last_used_at, ApiToken.user_id)):
        query = select(owner, func.max(column)).where(owner.in_(ids), column.is_not(None)).group_by(owner)
        for user_id, moment in session.execute(query):
            if moment is not None:
                found[user_id] = max(moment, found.get(user_id, moment))
    return found


def _holds(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return LoginSession.expires_at > now, LoginSession.last_seen_at > now - IDLE_LIFETIME


def _lives(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return ApiToken.revoked_at.is_(None), or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now)
