"""The shapes of notifications: what is sent in, and what comes back."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from api.parsing import Body, Cursor, Query, Text, Truth, Whole, Words
from api.task_shapes import Answer, TaskId, Time
from tasks.notices.inbox import MAX_PAGE

MAX_ID = 2**53 - 1
MAX_IDS = 200
Type = Literal["finished", "failed", "cancelled", "needs_review", "alert", "test"]
MutableType = Literal["finished", "failed", "cancelled", "needs_review", "alert"]
NotificationLevel = Literal["info", "success", "warning", "error"]


class NotificationFilters(Query):
    """What the list is narrowed to; every filter that is set must fit."""

    unread: Truth = Field(False, description="Only what you have not read.")
    type: Literal["", "finished", "failed", "cancelled", "needs_review", "alert", "test"] = ""
    kind: Words = Field("", max_length=100, description="Only about tasks of this job.")
    limit: Whole = Field(50, ge=1, le=MAX_PAGE)
    cursor: Cursor = Field("", description="`next_cursor` of the page before.")


class MarkNotifications(Body):
    """Which ones: exactly one of `ids`, `up_to` and `all`."""

    ids: list[int] | None = Field(None, min_length=1, max_length=MAX_IDS, description="These.")
    up_to: int | None = Field(None, ge=0, le=MAX_ID, description="This one and all that came before it.")
    all: Literal[True] | None = Field(None, description="All there are.")
    read: bool = Field(True, description="False marks them as unread again; for `ids` only.")

    @model_validator(mode="after")
    def _one_choice(self) -> MarkNotifications:
        if sum(each is not None for each in (self.ids, self.up_to, self.all)) != 1:
            raise ValueError("Give exactly one of ids, up_to and all")
        if not self.read and self.ids is None:
            raise ValueError("Name by ids what to mark as unread")
        if any(not 0 < each <= MAX_ID for each in self.ids or ()):
            raise ValueError("An id is a whole number from 1 on")
        return self


class Preferences(Body):
    """What you do not want to be told."""

    muted_types: list[MutableType] = Field(max_length=5, description="Notifications of these types.")
    muted_kinds: list[Text] = Field(max_length=MAX_IDS, description="The ends of tasks of these jobs.")


class Follow(Answer):
    """Whether you will be told of the task's end."""

    task_id: TaskId
    following: bool


class NotificationShape(Answer):
    """One thing that you were told. `task_id`, `kind` and `href` are null where it is about no task or page."""

    id: int
    type: Type
    level: NotificationLevel
    title: str
    text: str
    task_id: TaskId | None
    kind: str | None
    href: str | None
    created_at: Time
    read_at: Time | None


class NotificationPage(Answer):
    """Some notifications, newest first, and how many in all you have not read."""

    items: list[NotificationShape]
    next_cursor: str | None
    unread_count: int


class Counted(Answer):
    """What is unread now. Of two counts, the one with the higher `revision` is newer; null while Redis is away."""

    unread_count: int
    revision: int | None


class PreferencesShape(Answer):
    """What you do not want to be told."""

    muted_types: list[MutableType]
    muted_kinds: list[str]
