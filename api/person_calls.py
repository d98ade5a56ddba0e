"""What concerns the person who asks: who they are, and what goes on among the tasks that they see."""

from __future__ import annotations

from typing import Any

from api import reading
from api.operations import Call, operation
from api.task_shapes import Activity, Me
from database import rfc3339, utc_now
from tasks import listing, store
from tasks.states import State

MOST_RUNNING = 100
RECENT = 10
PROTOCOL = 1


@operation("GET", "/activity", summary="See what goes on", tag="You", answer=Activity)
def show_activity(call: Call) -> dict[str, Any]:
    """Running tasks (the newest hundred), the last ten that ended, and the counters, in one answer."""
    with reading.database().read() as session:
        running, _ = reading.list_snapshots(
            session, call.identity, listing.Filters(states=(State.RUNNING,)), limit=MOST_RUNNING
        )
        recent = reading.recently_ended(session, call.identity, RECENT)
        counters = store.counters(session, call.identity)
    return {"running": running, "recent": recent, "counters": counters, "timestamp": rfc3339(utc_now())}


@operation("GET", "/me", summary="See who you are", tag="You", answer=Me)
def show_me(call: Call) -> dict[str, Any]:
    """The account behind this login or token, and what it may do."""
    identity = call.identity
    return {
        "id": identity.user_id,
        "username": identity.username,
        "role": identity.role,
        "scopes": [scope for scope in ("read", "write", "admin") if identity.can(scope)],
        "login": "session" if identity.token_id is None else "token",
        "server_time": rfc3339(utc_now()),
        "protocol": PROTOCOL,
    }
