"""From a notification to its deliveries: once, in the transaction that marks it as routed.

What is told is put together here and kept with each delivery, so that a try next week says what the first one said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from accounts import User
from config import Config
from database import Database, rfc3339, utc_now
from outbound import deliveries
from outbound.models import MailAddress, Webhook
from tasks.models import Task
from tasks.notices import Notification

BATCH = 100
MAIL_WAITS_S = 60.0
"""who watches reads it on the page before then, and is not told twice"""


def route(database: Database, config: Config) -> int:
    """Hand what has not been looked at yet to the webhooks and the mail of its person; how many were looked at."""
    unrouted = Notification.routed_at.is_(None)
    with database.read() as session:
        waiting = session.scalars(select(Notification.id).where(unrouted).order_by(Notification.id).limit(BATCH)).all()
    if not waiting:
        return 0
    mine = update(Notification).where(Notification.id.in_(waiting), unrouted).values(routed_at=utc_now())
    with database.write() as session:
        taken = session.scalars(mine.returning(Notification.id)).all()
        told = session.scalars(select(Notification).where(Notification.id.in_(taken)).order_by(Notification.id)).all()
        _deliver(session, config, told)
    return len(taken)


def _deliver(session: Session, config: Config, told: Sequence[Notification]) -> None:
    people = {each.user_id for each in told}
    active = set(session.scalars(select(User.id).where(User.id.in_(people), User.is_active.is_(True))))
    hooks: dict[int, list[Webhook]] = defaultdict(list)
    for hook in session.scalars(select(Webhook).where(Webhook.user_id.in_(active), Webhook.active.is_(True))):
        hooks[hook.user_id].append(hook)
    confirmed = select(MailAddress).where(MailAddress.user_id.in_(active), MailAddress.confirmed_at.is_not(None))
    mails = {each.user_id: each for each in session.scalars(confirmed)} if config.mail else {}
    if not hooks and not mails:
        return
    about = {each.task_id for each in told if each.task_id}
    tasks = {task.id: task for task in session.scalars(select(Task).where(Task.id.in_(about)))}
    for each in told:
        content = content_of(each, tasks.get(each.task_id or ""), config.own_url)
        named: dict[str, Any] = {"notification_id": each.id}
        for hook in hooks[each.user_id]:
            if each.type in hook.types and (not hook.kinds or each.kind in hook.kinds):
                deliveries.add(
                    session, "webhook", each.user_id, each.type, each.title, content, webhook_id=hook.id, **named
                )
        mail = mails.get(each.user_id)
        if mail is not None and each.type in mail.types and each.read_at is None:
            deliveries.add(session, "mail", each.user_id, each.type, each.title, content, **named, in_s=MAIL_WAITS_S)


def content_of(told: Notification, task: Task | None, own_url: str) -> dict[str, Any]:
    """`{notification, task}` as docs/webhooks.md describes them; `task` is None for what is about no task."""
    href = told.href or (f"/tasks/{told.task_id}" if told.task_id else "/notifications")
    return {
        "notification": {
            "id": told.id,
            "type": told.type,
            "level": told.level,
            "title": told.title,
            "text": told.text,
            "url": own_url + href,
            "created_at": rfc3339(told.created_at),
        },
        "task": None if task is None else _task(task, own_url),
    }


def _task(task: Task, own_url: str) -> dict[str, Any]:
    return {
        "task_id": task.id,
        "kind": task.kind,
        "title": task.title,
        "status": task.state,
        "duration_ms": task.duration_ms,
        "error": task.error,
        "url": f"{own_url}/tasks/{task.id}",
    }
