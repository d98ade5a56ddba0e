"""Which commands the caller may start, and what each asks for."""

from __future__ import annotations

from typing import Any

from pydantic import Field

import extensions
from api.operations import Call, operation
from api.task_shapes import Answer
from config import ConfigError
from jobs.command.params import BROKEN, params_schema
from jobs.command.templates import commands
from tasks.errors import Unavailable


class Command(Answer):
    """A command that the operator has defined."""

    name: str
    title: str
    description: str
    who: str = Field(description="`everyone` or `admins`.")
    timeout_s: int
    params: dict[str, Any] = Field(description="What `POST /api/v1/tasks` takes as `params`, as JSON Schema.")


class CommandPage(Answer):
    """Every command that you may start."""

    items: list[Command]
    next_cursor: str | None


@operation("GET", "/commands", summary="List the commands that you may start", tag="Tasks", answer=CommandPage)
def list_commands(call: Call) -> dict[str, Any]:
    """Each with the parameters of its task as JSON Schema. Start one as a task of the kind `command`."""
    try:
        templates = commands(extensions.current().config).templates
    except ConfigError as error:
        raise Unavailable(BROKEN) from error
    items = [
        {
            "name": name,
            "title": each.title or name,
            "description": each.description,
            "who": each.who,
            "timeout_s": each.timeout_s,
            "params": params_schema(name, each),
        }
        for name, each in templates.items()
        if call.identity.is_admin or each.who == "everyone"
    ]
    return {"items": items, "next_cursor": None}
