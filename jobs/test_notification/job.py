"""The worker's part of a test notification: store it, push it, and tell when that was."""

from __future__ import annotations

import socket
import time
from typing import Any

import redis
from pydantic import BaseModel, ConfigDict
from redis.exceptions import RedisError
from sqlalchemy import select

from delivery.event_log import EventLog, connect
from delivery.notices import Notices
from tasks.context import JobContext
from tasks.errors import JobFailed
from tasks.models import Task
from tasks.notices import Notice, notify
from tasks.registry import Phase, RetryPolicy, job

KIND = "test_notification"
TIMEOUT_S = 60.0


class SendParams(BaseModel):
    """It takes none."""

    model_config = ConfigDict(extra="forbid")


@job(
    KIND,
    title="Test notification",
    description="Goes the whole way from a worker to your browser and shows how long each part took",
    icon="bell",
    verb="Send it",
    params=SendParams,
    phases=(Phase("send", "Send", 1),),
    retry=RetryPolicy(max_attempts=1),
    timeout_s=TIMEOUT_S,
    admin_only=True,
)
def send_test(ctx: JobContext, _params: SendParams) -> dict[str, Any]:
    """`{notification_id, host, began_ms, stored_ms, published_ms}`: moments of this host's clock since 1970, in ms.

    `published_ms` is the moment at which it is handed to Redis, so that the web process is never before it.
    """
    began_ms = now_ms()
    with ctx.database.write() as session:
        owner_id = session.scalars(select(Task.owner_id).where(Task.id == ctx.task_id)).one()
        text = "It came from a worker, over Redis and the web server."
        told = notify(
            session,
            owner_id,
            Notice("test", "info", "Test notification", text, ctx.task_id, KIND, f"/admin/test/{ctx.task_id}"),
        )
        if told is None:
            raise JobFailed("Nobody wants to be told: the account was disabled.")
        notification_id = told.id
    stored_ms = now_ms()
    client = connect(ctx.config.requires_redis_url)
    try:
        event_log = TimedLog(client, ctx.config.redis_prefix)
        Notices(ctx.database, event_log).push()
    except RedisError as error:  # a scheduler pushes it when Redis is back
        ctx.log(f"Redis did not take it: {type(error).__name__}", level="warning")
    finally:
        client.close()
    return {
        "notification_id": notification_id,
        "host": socket.gethostname(),
        "began_ms": began_ms,
        "stored_ms": stored_ms,
        "published_ms": event_log.published_ms.get(f"notice:{notification_id}"),
    }


class TimedLog(EventLog):
    """Notes when it publishes what, by name; what somebody else published before is not there."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        super().__init__(client, prefix)
        self.published_ms: dict[str, float] = {}

    def publish_once(self, name: str, channel: str, message: str) -> bool:
        """As of an event log."""
        at_ms = now_ms()
        is_sent = super().publish_once(name, channel, message)
        if is_sent:
            self.published_ms[name] = at_ms
        return is_sent


def now_ms() -> float:
    """This host's clock, in milliseconds since 1970, to a tenth."""
    return round(time.time() * 1000, 1)
