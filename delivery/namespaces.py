"""What the namespaces of Socket.IO share: who is let in, the check of each request, and the one shape of a refusal.

A request's acknowledgement is its answer; a refusal is acknowledged and, for clients that read no acknowledgements,
emitted as `error` as well.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from flask_login import current_user
from flask_socketio import ConnectionRefusedError as RefuseConnection
from flask_socketio import SocketIO
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import accounts
from accounts import Identity
from database import Database
from delivery.recent import Recent
from delivery.rooms import Rooms
from delivery.sockets import RECENT_S, Connected, Sockets, error_fields
from tasks import store
from tasks.errors import Forbidden, InvalidPayload, RateLimited, TaskroomError, Unauthenticated

log = logging.getLogger("taskroom.sockets")

CONNECTIONS_PER_USER = 200
ROOMS_PER_SOCKET = 500
MAX_TASK_ID = 64


class Payload(BaseModel):
    """What a client may send with an event; anything unknown is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TaskPayload(Payload):
    """An event about one task."""

    task_id: str = Field(min_length=1, max_length=MAX_TASK_ID)


class JoinPayload(TaskPayload):
    """`join_task`: what the client has seen, so that it gets the rest."""

    last_seq: int | None = Field(default=None, ge=0, le=2**53)
    epoch: str | None = Field(default=None, max_length=64)


class LogPayload(TaskPayload):
    """`get_task_log`: lines from a number on."""

    from_line: int = Field(default=1, ge=1, le=2**31)
    limit: int = Field(default=500, ge=1, le=store.MAX_LOG_LINES)


def parse(model: type[Payload], sent: tuple[Any, ...]) -> Any:
    """The one object that the client sent, as its model. Raises InvalidPayload with a sentence."""
    if len(sent) != 1 or not isinstance(sent[0], Mapping):
        raise InvalidPayload("Send exactly one object with this event.")
    try:
        return model.model_validate(dict(sent[0]))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])[:100] or "payload"
        raise InvalidPayload(f"{name}: {first['msg']}.") from None


class Requests:
    """The requests of one namespace: validation, and the one shape of a refusal."""

    socket: type[Connected] = Connected

    def __init__(self, socketio: SocketIO, sockets: Sockets) -> None:
        self._socketio = socketio
        self._sockets = sockets

    def _on(self, event: str, handle: Callable[..., dict[str, Any]], payload: type[Payload] | None) -> None:
        def answered(sid: str, *sent: Any) -> dict[str, Any]:
            return self._answer(sid, event, handle, payload, sent)

        self._take(event, answered)

    def _take(self, event: str, handler: Callable[..., Any]) -> None:
        """Handle an event without Flask's request context, which costs more than most answers and is not needed."""
        self._socketio.server.on(event, handler, namespace=self.socket.namespace)

    def _answer(
        self,
        sid: str,
        event: str,
        handle: Callable[..., dict[str, Any]],
        payload: type[Payload] | None,
        sent: tuple[Any, ...],
    ) -> dict[str, Any]:
        connected = self._sockets.by_sid.get(sid)
        try:
            if connected is None:
                raise Unauthenticated("This connection is not signed in.")
            if connected.link is not None:
                handle = self._for_visitors(event)
            arguments = () if payload is None else (parse(payload, sent),)
            return {"ok": True, **handle(connected, *arguments)}
        except TaskroomError as error:
            if error.refused and connected is not None and connected.link is None:
                self._sockets.note_refused(connected, error.refused)
            return self._refuse(connected, event, error)
        except Exception:
            reference = f"tr-{secrets.token_hex(4)}"
            log.exception("event %s failed, reference %s", event, reference)
            words = f"The server met an error that it did not expect. Reference {reference}."
            return self._refuse(connected, event, TaskroomError(words))

    def _for_visitors(self, event: str) -> Callable[..., dict[str, Any]]:
        """What answers this event of a visitor, who came by a share link. Raises Forbidden, here for every event."""
        raise Forbidden(f"A share link shows one task, and does not answer {event[:40]!r}.")

    def _refuse(self, connected: Connected | None, event: str, error: TaskroomError) -> dict[str, Any]:
        content = error_fields(error, event)
        if connected is not None:
            self._sockets.tell(connected, "error", content)
        content.pop("event")
        return {"ok": False, "error": content}


class Namespace(Requests):
    """The connections of one namespace, and whom they may watch.

    A subclass names the class of its sockets in `socket`.
    """

    def __init__(self, socketio: SocketIO, sockets: Sockets, rooms: Rooms, database: Database) -> None:
        super().__init__(socketio, sockets)
        self._rooms = rooms
        self._database = database
        self._audiences: Recent[str, store.Audience] = Recent(RECENT_S / 2)

    def register(self) -> None:
        """Take the namespace's connections."""
        self._take("connect", self.handle_connect)
        self._take("disconnect", self.handle_disconnect)
        self._take("*", self.handle_unknown)

    def handle_connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        """Let in whoever has a valid login session or API token; tell everybody else why not."""
        try:
            connected = self._let_in(sid, environ, auth)
        except TaskroomError as error:
            self._sockets.refused[error.code] = self._sockets.refused.get(error.code, 0) + 1
            content = {key: value for key, value in error_fields(error, None).items() if key != "event"}
            raise RefuseConnection(error.message, content) from None
        self._sockets.add(connected)
        self.greet(connected)

    def _let_in(self, sid: str, environ: dict[str, Any], auth: Any) -> Connected:
        if self._sockets.is_draining:
            raise RateLimited("The server is restarting.", retry_after_s=2 + secrets.randbelow(4))
        identity = self._identify(environ, auth)
        self._check_room(identity)
        return self.socket(sid, identity, environ.get("REMOTE_ADDR", ""))

    def greet(self, connected: Connected) -> None:
        """Say something to whoever has been let in."""

    def handle_disconnect(self, sid: str, reason: str | None = None) -> None:
        """Forget a socket that has gone."""
        log.debug("socket %s is gone: %s", sid, reason)
        self._rooms.drop(sid)
        self._sockets.remove(sid)

    def handle_unknown(self, event: str, sid: str, *_sent: Any) -> dict[str, Any]:
        """Refuse an event that is not in the protocol."""

        def refuse(_connected: Connected) -> dict[str, Any]:
            raise InvalidPayload("There is no such event. docs/protocol.md lists them.")

        return self._answer(sid, str(event)[:100], refuse, None, ())

    def _identify(self, environ: dict[str, Any], auth: Any) -> Identity:
        if isinstance(auth, Mapping) and "token" in auth:
            token = auth["token"]
            logins, database = self._sockets.logins, self._database
            known = isinstance(token, str) and logins.get(token, lambda: accounts.authenticate_token(database, token))
            if not known:
                raise Unauthenticated("This API token is not valid, or not any more.")
            return known
        with environ["flask.app"].request_context(environ):
            if not current_user.is_authenticated:
                raise Unauthenticated("Sign in first, or send an API token.")
            identity: Identity = current_user.identity
            return identity

    def _check_room(self, identity: Identity) -> None:
        if not identity.can("read"):
            raise Forbidden("This API token may not read.")
        if self._sockets.count_of(identity.user_id) >= CONNECTIONS_PER_USER:
            raise RateLimited(
                f"You have {CONNECTIONS_PER_USER} connections open already. Close one first.", retry_after_s=30
            )

    def _check_watched(self, sid: str) -> None:
        """Raises RateLimited if this socket watches as many tasks as one may."""
        if self._rooms.count_of(sid) >= ROOMS_PER_SOCKET:
            words = f"This connection watches {ROOMS_PER_SOCKET} tasks already. Leave one first."
            raise RateLimited(words, retry_after_s=5)

    def _visible(self, connected: Connected, task_id: str) -> store.Audience:
        """Who may watch this task, this socket's user among them. Raises NotFound."""
        audience = self._audiences.get(task_id, lambda: store.audience(self._database, task_id))
        if audience is None or not audience.admits(connected.identity):
            raise store.no_task(None if audience is None else task_id)
        return audience
