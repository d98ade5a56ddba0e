"""The shapes of people, their limits and sessions, for admins."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from accounts.limits import AMOUNTS
from api.admin_audit_shapes import MAX_REASON, REASON
from api.parsing import Body, LongCursor, Query, Text, Whole, Words
from api.task_shapes import Answer, Priority, Time
from tasks.people import MAX_PAGE

Role = Literal["user", "admin"]
Reason = Annotated[Text | None, Field(max_length=MAX_REASON, description=REASON)]


def _amount(name: str, text: str) -> Any:
    low, high = AMOUNTS[name]
    return Field(None, ge=low, le=high, description=text)


class PeopleQuery(Query):
    """What the list is narrowed to; every filter that is set must fit."""

    q: Words = Field("", description="Part of the user name.")
    role: Literal["", "user", "admin"] = ""
    state: Literal["", "active", "disabled", "invited"] = Field("", description="`invited` has no password yet.")
    limits: Literal["", "own", "default"] = Field("", description="Only who has limits of their own, or only others.")
    seen: Literal["", "day", "week", "month", "never"] = Field("", description="Last seen within that time.")
    limit: Whole = Field(50, ge=1, le=MAX_PAGE)
    cursor: LongCursor = Field("", description="`next_cursor` of the page before.")


class NewPerson(Body):
    """Whom to make. Without a password there is a link with which the person chooses one."""

    username: Text = Field(min_length=1, max_length=256)
    role: Role = "user"
    password: Text | None = Field(None, max_length=1024)
    reason: Reason = None


class ChangePerson(Body):
    """What to change, all of it or nothing; what is left out or null stays."""

    role: Role | None = None
    active: bool | None = Field(None, description="`false` disables the account and ends its logins.")
    password: Text | None = Field(None, max_length=1024, description="A new password; all logins end.")
    reason: Reason = None


class Because(Body):
    """Why."""

    reason: Reason = None


class LimitFields(Body):
    """Every limit; null or left out is the default."""

    max_running: int | None = _amount("max_running", "Tasks at once.")
    tasks_per_day: int | None = _amount("tasks_per_day", "Tasks that may be started in a day of UTC; 0 is none.")
    timeout_s: int | None = _amount("timeout_s", "The longest run time in seconds; a job's own counts if shorter.")
    highest_priority: Priority | None = Field(None, description="The most urgent that may be used.")
    may_cancel: bool | None = None
    may_retry: bool | None = None


class NewLimits(LimitFields):
    """What holds from now on. Tasks that were started keep their time limit."""

    reason: Reason = None


class LimitValues(Answer):
    """Limits as they hold. `tasks_per_day` and `timeout_s` are null where there is none."""

    max_running: int
    tasks_per_day: int | None
    timeout_s: int | None
    highest_priority: Priority
    may_cancel: bool
    may_retry: bool


class OwnLimitValues(Answer):
    """What was set; null is the default."""

    max_running: int | None
    tasks_per_day: int | None
    timeout_s: int | None
    highest_priority: Priority | None
    may_cancel: bool | None
    may_retry: bool | None


class LimitsShape(Answer):
    """What holds, what was set for this person or for everybody, and what holds where nothing was set."""

    limits: LimitValues
    own: OwnLimitValues
    defaults: LimitValues


class PersonShape(Answer):
    """A person, with how much of the limits is used. `last_seen_at` is exact to five minutes.

    `paused_until` says until when nobody may sign in with this name from a new address, after too many tries.
    """

    id: int
    username: str
    role: Role
    state: Literal["active", "disabled", "invited"]
    paused_until: Time | None
    created_at: Time
    last_login_at: Time | None
    last_seen_at: Time | None
    running: int
    queued: int
    started_today: int
    sessions: int
    tokens: int
    limits: LimitValues
    own_limits: OwnLimitValues
    default_limits: LimitValues


class PeoplePage(Answer):
    """Some people, by name."""

    items: list[PersonShape]
    next_cursor: str | None


class PasswordLinkShape(Answer):
    """A link with which the person chooses a password, once. It cannot be read again."""

    url: str
    expires_at: Time


class MadePerson(PersonShape):
    """A person who was just made; `password_link` is null where a password was given."""

    password_link: PasswordLinkShape | None


class SessionShape(Answer):
    """A login in one browser."""

    id: int
    created_at: Time
    last_seen_at: Time
    expires_at: Time
    address: str
    user_agent: str


class SessionPage(Answer):
    """The logins that hold, the most recently used first."""

    items: list[SessionShape]
    next_cursor: str | None
