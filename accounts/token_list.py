"""Everybody's API tokens as admins see them: by hint and owner, what they may do, and which of them deserve a look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, true
from sqlalchemy.orm import Session

from accounts.models import ApiToken, User
from database import rfc3339

MAX_PAGE = 200
STATES = ("active", "expired", "revoked", "asleep")
CARES = ("no_end", "never_used")


@dataclass(frozen=True, slots=True)
class TokenFilters:
    """What the list is narrowed to; empty means no limit.

    `state` is one of STATES or `living` (not revoked); `care` is one of CARES, of which only tokens that work count.
    """

    text: str = ""
    owner: str = ""
    state: str = ""
    care: str = ""


def list_all_tokens(
    session: Session, filters: TokenFilters, now: datetime, before: int | None = None, limit: int = 50
) -> tuple[list[dict[str, Any]], int | None]:
    """Tokens, the newest first, `limit` (1 to 200) at a time, and the number to go on with."""
    limit = max(1, min(limit, MAX_PAGE))
    query = select(ApiToken, User).join(User, User.id == ApiToken.user_id).where(*_conditions(filters, now))
    if before is not None:
        query = query.where(ApiToken.id < before)
    rows = session.execute(query.order_by(ApiToken.id.desc()).limit(limit + 1)).all()
    items = [_shown(token, user, now) for token, user in rows[:limit]]
    return items, items[-1]["id"] if len(rows) > limit else None


def figures(session: Session, now: datetime) -> dict[str, int]:
    """How many tokens work, and of these how many never end and how many were never used."""
    query = (
        select(
            func.count(),
            func.count().filter(ApiToken.expires_at.is_(None)),
            func.count().filter(ApiToken.last_used_at.is_(None)),
        )
        .select_from(ApiToken)
        .join(User, User.id == ApiToken.user_id)
        .where(*_conditions(TokenFilters(state="active"), now))
    )
    works, no_end, never_used = session.execute(query).one()
    return {"active": works, "no_end": no_end, "never_used": never_used}


def token_state(token: ApiToken, owner: User, now: datetime) -> str:
    """`revoked`, `expired`, `asleep` (the owner is disabled) or `active`."""
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at is not None and token.expires_at <= now:
        return "expired"
    return "active" if owner.is_active else "asleep"


def _shown(token: ApiToken, owner: User, now: datetime) -> dict[str, Any]:
    state = token_state(token, owner, now)
    works = state in ("active", "asleep")
    return {
        "id": token.id,
        "name": token.name,
        "hint": token.hint,
        "owner": {"id": owner.id, "username": owner.username},
        "scopes": token.scopes.split(),
        "state": state,
        "created_at": rfc3339(token.created_at),
        "expires_at": rfc3339(token.expires_at),
        "last_used_at": rfc3339(token.last_used_at),
        "revoked_at": rfc3339(token.revoked_at),
        "care": [
            each
            for each, deserves in (("no_end", token.expires_at is None), ("never_used", token.last_used_at is None))
            if works and deserves
        ],
    }


def _conditions(filters: TokenFilters, now: datetime) -> list[ColumnElement[bool]]:
    unrevoked = ApiToken.revoked_at.is_(None)
    lasting = or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now)
    states = {
        "": (),
        "living": (unrevoked,),
        "active": (unrevoked, lasting, User.is_active.is_(true())),
        "asleep": (unrevoked, lasting, ~User.is_active.is_(true())),
        "expired": (unrevoked, ~lasting),
        "revoked": (~unrevoked,),
    }
    conditions: list[ColumnElement[bool]] = list(states[filters.state])
    if filters.care:
        wanted = ApiToken.expires_at if filters.care == "no_end" else ApiToken.last_used_at
        conditions += [unrevoked, lasting, wanted.is_(None)]
    if filters.owner:
        conditions.append(User.username == filters.owner)
    if filters.text:
        words = filters.text.casefold()
        conditions.append(
            or_(
                ApiToken.name.icontains(filters.text, autoescape=True),
                ApiToken.hint.startswith(filters.text, autoescape=True),
                User.name_key.contains(words, autoescape=True),
            )
        )
    return conditions
