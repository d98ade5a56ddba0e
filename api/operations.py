"""The route table: each operation of the HTTP API with the models that check its input and describe its answer.

The dispatcher (`api.dispatch`) validates by this table and the OpenAPI document (`api.openapi`) is made from it; there
is no second description of anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import Response, g, request
from pydantic import BaseModel

from accounts import Actor, Identity

PREFIX = "/api/v1"
JSON = "application/json"
TAGS = (
    "Tasks",
    "History",
    "Scans",
    "Code",
    "Repositories",
    "Traces",
    "Dependencies",
    "Captions",
    "Schedules",
    "Notifications",
    "Sharing",
    "You",
    "Admin",
)  # the order of the documentation


@dataclass(frozen=True, slots=True)
class Call:
    """One checked request. `query`, `body` and `headers` are instances of the models that the operation names."""

    identity: Identity
    path: Mapping[str, str]
    query: Any = None
    body: Any = None
    headers: Any = None

    @property
    def actor(self) -> Actor:
        """Who asks and from where, for the audit log."""
        return Actor(self.identity.username, self.identity.user_id, request.remote_addr, g.get("request_id"))


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with headers of its own; `data` becomes JSON."""

    data: Any
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Call], "Reply | Response | Mapping[str, Any]"]
HandlerT = TypeVar("HandlerT", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, in OpenAPI's notation (`/tasks/{task_id}`).

    `answer` is the model of a JSON answer; without one, `media_type` says what comes. `refuses` names the statuses
    beyond those that follow from the rest of the description.
    """

    method: str
    path: str
    summary: str
    tag: str
    handler: Handler
    status: int = 200
    answer: type[BaseModel] | None = None
    media_type: str = JSON
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    body_required: bool = True
    headers: type[BaseModel] | None = None
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    refuses: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The operationId."""
        return self.handler.__name__

    @property
    def description(self) -> str:
        """What the handler's docstring promises, in one paragraph."""
        return " ".join((self.handler.__doc__ or "").split())

    @property
    def is_for_admins(self) -> bool:
        """Whether everybody else is refused, tokens without the scope `admin` among them: all below `/admin/`."""
        return self.path.startswith(f"{PREFIX}/admin/")

    @property
    def is_change(self) -> bool:
        """Whether it changes anything: then it needs the scope `write`, a CSRF token for cookies, and is limited."""
        return self.method not in ("GET", "HEAD")

    @property
    def statuses(self) -> tuple[int, ...]:
        """Every status that it may refuse with."""
        found = {401, 403, 500, 503, *self.refuses}
        if "{" in self.path:
            found.add(404)
        if self.query or self.headers:
            found |= {414, 422} if self.query else {422}
        if self.is_change:
            found |= {400, 429}
        if self.body:
            found |= {413, 415, 422}
        return tuple(sorted(found))


_table: list[Operation] = []


def operation(method: str, path: str, *, summary: str, tag: str, **described: Any) -> Callable[[HandlerT], HandlerT]:
    """Put a handler into the table under `/api/v1`. The further keywords are the fields of Operation."""

    def add(handler: HandlerT) -> HandlerT:
        _table.append(Operation(method, PREFIX + path, summary, tag, handler, **described))
        return handler

    return add


def all_operations() -> tuple[Operation, ...]:
    """The table, in the order in which it is documented."""
    return tuple(sorted(_table, key=lambda each: TAGS.index(each.tag)))
