"""Links that show one task to people without an account."""

from __future__ import annotations

from typing import Any

from flask import request
from pydantic import Field

import extensions
from api import reading
from api.operations import Call, Reply, operation
from api.parsing import Body
from api.task_shapes import Answer, Owner, TaskId, Time
from tasks.errors import NotFound
from tasks.sharing import DEFAULT_S, LONGEST_S, SHORTEST_S, Sharing

ONE = "/tasks/{task_id}/share"
MAX_LINK_ID = 2**31 - 1


class NewLink(Body):
    """For how long."""

    expires_in_s: int = Field(
        DEFAULT_S, strict=True, ge=SHORTEST_S, le=LONGEST_S, description="How long the link holds; 7 days by default."
    )


class LinkShape(Answer):
    """A link. `uses` counts how often its page was opened; `active` says whether it holds."""

    id: int
    task_id: TaskId
    created_at: Time
    created_by: Owner
    expires_at: Time
    revoked_at: Time | None
    last_used_at: Time | None
    uses: int
    active: bool


class MadeLink(LinkShape):
    """A link that was just made. Its address cannot be read again."""

    token: str
    url: str


class LinkPage(Answer):
    """Every link to a task, newest first."""

    items: list[LinkShape]
    next_cursor: str | None


@operation(
    "POST",
    ONE,
    summary="Share a task by link",
    tag="Sharing",
    status=201,
    answer=MadeLink,
    answer_headers={"Location": "The address of the shared page."},
    body=NewLink,
    body_required=False,
    refuses=(409,),
)
def share_task(call: Call) -> Reply:
    """Makes a link that shows this task, live and read-only, without a login. Its owner and admins may."""
    task_id = reading.task_id(call.path["task_id"])
    link, token = _sharing().make(call.identity, task_id, call.body.expires_in_s, call.actor)
    url = f"{request.host_url}shared/{token}"
    return Reply({**link, "token": token, "url": url}, {"Location": url})


@operation("GET", ONE, summary="List the links to a task", tag="Sharing", answer=LinkPage)
def list_links(call: Call) -> dict[str, Any]:
    """With those that have ended, but without their addresses."""
    task_id = reading.task_id(call.path["task_id"])
    with reading.database().read() as session:
        return {"items": _sharing().listed(session, call.identity, task_id), "next_cursor": None}


@operation("DELETE", ONE + "/{link_id}", summary="Revoke a link", tag="Sharing", answer=LinkShape)
def revoke_link(call: Call) -> dict[str, Any]:
    """Ends it now, also for whoever has its page open. Doing it twice is harmless."""
    task_id, text = reading.task_id(call.path["task_id"]), call.path["link_id"]
    if not (text.isascii() and text.isdigit() and int(text[:20]) <= MAX_LINK_ID):
        raise NotFound("This task has no such link.")
    return _sharing().revoke(call.identity, task_id, int(text), call.actor)


def _sharing() -> Sharing:
    found: Sharing = extensions.current().sharing
    return found
