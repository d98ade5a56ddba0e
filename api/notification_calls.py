"""Notifications: your inbox, what you want to be told, and tasks that you follow. There is no way to another's."""

from __future__ import annotations

from typing import Any

import extensions
from api import reading
from api.notification_shapes import (
    Counted,
    Follow,
    MarkNotifications,
    NotificationFilters,
    NotificationPage,
    Preferences,
    PreferencesShape,
)
from api.operations import Call, operation
from delivery.notices import Notices
from tasks.errors import InvalidParams
from tasks.notices import following, inbox
from tasks.registry import all_jobs

ONE_TASK = "/tasks/{task_id}/follow"


@operation(
    "GET",
    "/notifications",
    summary="Read your inbox",
    tag="Notifications",
    answer=NotificationPage,
    query=NotificationFilters,
    refuses=(400,),
)
def list_notifications(call: Call) -> dict[str, Any]:
    """What you were told, newest first."""
    asked: NotificationFilters = call.query
    filters = inbox.Filters(asked.unread, asked.type or None, asked.kind or None)
    user_id = call.identity.user_id
    with reading.database().read() as session:
        rows, cursor = inbox.listed(session, user_id, filters, asked.cursor or None, asked.limit)
        unread = inbox.unread_count(session, user_id)
    return {"items": [inbox.fields(row) for row in rows], "next_cursor": cursor, "unread_count": unread}


@operation(
    "POST",
    "/notifications/read",
    summary="Mark notifications as read",
    tag="Notifications",
    answer=Counted,
    body=MarkNotifications,
    refuses=(404,),
)
def mark_notifications(call: Call) -> dict[str, Any]:
    """Or as unread again. All your tabs on all devices show it at once. When one is not yours, none is marked."""
    asked: MarkNotifications = call.body
    if asked.ids is not None:
        return _notices().mark(call.identity.user_id, asked.ids, read=asked.read)
    return _notices().mark_up_to(call.identity.user_id, asked.up_to)


@operation(
    "GET",
    "/notifications/preferences",
    summary="See what you muted",
    tag="Notifications",
    answer=PreferencesShape,
)
def show_notification_preferences(call: Call) -> dict[str, Any]:
    """Nothing, unless you did."""
    with reading.database().read() as session:
        return _shown(inbox.preferences(session, call.identity.user_id))


@operation(
    "PUT",
    "/notifications/preferences",
    summary="Mute notifications",
    tag="Notifications",
    answer=PreferencesShape,
    body=Preferences,
)
def keep_notification_preferences(call: Call) -> dict[str, Any]:
    """Replaces what you muted. What is muted is not stored, so it is not in the inbox later either."""
    asked: Preferences = call.body
    with reading.database().write() as session:
        before = inbox.preferences(session, call.identity.user_id)
        known = {job.kind for job in all_jobs()} | set(before.muted_kinds)
        unknown = [kind for kind in asked.muted_kinds if kind not in known]
        if unknown:
            raise InvalidParams({"muted_kinds": f"There is no job called {unknown[0]!r}."})
        inbox.keep_preferences(session, call.identity.user_id, inbox.Preferences(asked.muted_types, asked.muted_kinds))
        return _shown(inbox.preferences(session, call.identity.user_id))


@operation("POST", ONE_TASK, summary="Be told of a task's end", tag="Notifications", answer=Follow, refuses=(409,))
def follow_task(call: Call) -> dict[str, Any]:
    """Of any task that you may see, even if you muted its like. The owner is told without asking."""
    return _follow(call, True)


@operation("DELETE", ONE_TASK, summary="Not be told of it", tag="Notifications", answer=Follow, refuses=(409,))
def unfollow_task(call: Call) -> dict[str, Any]:
    """Of one of your own too: then you are not told of this one."""
    return _follow(call, False)


def _follow(call: Call, wants: bool) -> dict[str, Any]:
    task_id = reading.task_id(call.path["task_id"])
    following.follow(reading.database(), call.identity, task_id, wants)
    return {"task_id": task_id, "following": wants}


def _shown(kept: inbox.Preferences) -> dict[str, Any]:
    return {"muted_types": list(kept.muted_types), "muted_kinds": list(kept.muted_kinds)}


def _notices() -> Notices:
    notices: Notices = extensions.current().announcer.notices
    return notices
