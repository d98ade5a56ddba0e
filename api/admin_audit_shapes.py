"""The shapes of API tokens and the audit log, for admins."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from api.parsing import LongCursor, Query, Text, Whole, Words
from api.task_shapes import Answer, Owner, Time

MAX_PAGE = 200
MAX_REASON = 500
REASON = "Why; it is kept in the audit log."


def _moment(value: object) -> object:
    if isinstance(value, str) and "T" not in value.upper():
        raise ValueError("Write a time like 2026-11-21T14:00:00Z")
    return value


def _in_range(value: datetime) -> datetime:
    if not 1970 <= value.year <= 9998:
        raise ValueError("Write a time between 1970 and 9998")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_moment), AfterValidator(_in_range)]


class BecauseQuery(Query):
    """Why."""

    reason: Text = Field("", max_length=MAX_REASON, description=REASON)


class Ended(Answer):
    """How many logins or tokens ended."""

    ended: int


class TokenQuery(Query):
    """What the list is narrowed to."""

    q: Words = Field("", description="Part of its name or its owner's, or the beginning of the token.")
    owner: Words = Field("", description="A user name.")
    state: Literal["", "living", "active", "expired", "revoked", "asleep"] = Field(
        "", description="`asleep`: its owner is disabled. `living`: all but the revoked ones."
    )
    care: Literal["", "no_end", "never_used"] = Field("", description="Those that never end or were never used.")
    limit: Whole = Field(50, ge=1, le=MAX_PAGE)
    cursor: LongCursor = Field("", description="`next_cursor` of the page before.")


class AdminToken(Answer):
    """An API token. `hint` is how it begins; the rest is known to nobody."""

    id: int
    name: str
    hint: str
    owner: Owner
    scopes: list[str]
    state: Literal["active", "expired", "revoked", "asleep"]
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None
    revoked_at: Time | None
    care: list[Literal["no_end", "never_used"]]


class AdminTokenPage(Answer):
    """Some tokens, newest first."""

    items: list[AdminToken]
    next_cursor: str | None


class AuditQuery(Query):
    """What the log is narrowed to; every filter that is set must fit."""

    actor: Words = Field("", description="Who did it: a user name, or `command line`.")
    action: Words = Field("", description="What was done, such as `user.role_changed`.")
    subject: Words = Field("", description="To what: `user:ada`, or `user` for all of a kind.")
    q: Words = Field("", description="Words anywhere in an entry.")
    since: Moment | None = Field(None, description="Not before.")
    until: Moment | None = Field(None, description="Before.")
    limit: Whole = Field(50, ge=1, le=MAX_PAGE)
    cursor: LongCursor = Field("", description="`next_cursor` of the page before.")


class Actor(Answer):
    """Who did it; `id` is null for the command line and for people not signed in."""

    id: int | None
    username: str


class AuditShape(Answer):
    """One entry. Entries are never changed and never removed."""

    id: int
    at: Time
    actor: Actor
    action: str
    subject: str
    reason: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    address: str | None
    request_id: str | None


class AuditPage(Answer):
    """Some entries, newest first."""

    items: list[AuditShape]
    next_cursor: str | None
