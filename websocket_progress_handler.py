"""The Socket.IO edge: task rooms for everybody who may watch, the dashboard room for admins.

Each request is limited, validated and authorised here, and becomes one call into the core. Its acknowledgement is the
answer; a refusal is acknowledged and, for clients that read no acknowledgements, emitted as `error` as well. See
docs/protocol.md for every event.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Any

from flask_login import current_user
from flask_socketio import ConnectionRefusedError as RefuseConnection
from flask_socketio import SocketIO
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

import accounts
from accounts import Identity
from config import Config
from database import Database, DatabaseBusy, rfc3339, utc_now
from delivery.event_log import EventLog
from delivery.recent import Recent
from delivery.rooms import Rooms
from delivery.sockets import LOGIN_ENDED, RECENT_S, Connected, Sockets, error_fields
from tasks import events, store
from tasks.errors import Forbidden, InvalidPayload, NotFound, RateLimited, TaskroomError, Unauthenticated
from tasks.service import Tasks

log = logging.getLogger("taskroom.sockets")

PROTOCOL = 1
CONNECTIONS_PER_USER = 200
ROOMS_PER_SOCKET = 500
SWEEP_S = 0.5
METRICS_INTERVAL_S = 5.0
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


class CancelPayload(TaskPayload):
    """`cancel_task`."""

    reason: str | None = Field(default=None, max_length=500)


class LogPayload(TaskPayload):
    """`get_task_log`: lines from a number on."""

    from_line: int = Field(default=1, ge=1, le=2**31)
    limit: int = Field(default=500, ge=1, le=store.MAX_LOG_LINES)


class _Edge:
    """What both rooms' handlers share: limits, validation, and the one shape of a refusal."""

    def __init__(self, socketio: SocketIO, sockets: Sockets) -> None:
        self._socketio = socketio
        self._sockets = sockets

    def _on(self, event: str, handle: Callable[..., dict[str, Any]], payload: type[Payload] | None) -> None:
        def answered(sid: str, *sent: Any) -> dict[str, Any]:
            return self._answer(sid, event, handle, payload, sent)

        self._take(event, answered)

    def _take(self, event: str, handler: Callable[..., Any]) -> None:
        """Handle an event without Flask's request context, which costs more than most answers and is not needed."""
        self._socketio.server.on(event, handler, namespace="/")

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
            arguments = () if payload is None else (parse(payload, sent),)
            return {"ok": True, **handle(connected, *arguments)}
        except TaskroomError as error:
            return self._refuse(sid, event, error)
        except Exception:
            reference = f"tr-{secrets.token_hex(4)}"
            log.exception("event %s failed, reference %s", event, reference)
            words = f"The server met an error that it did not expect. Reference {reference}."
            return self._refuse(sid, event, TaskroomError(words))

    def _refuse(self, sid: str, event: str, error: TaskroomError) -> dict[str, Any]:
        content = error_fields(error, event)
        self._sockets.send(sid, events.packet("error", content))
        content.pop("event")
        return {"ok": False, "error": content}


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


class WebSocketProgressHandler(_Edge):
    """Connections and task rooms."""

    def __init__(
        self, socketio: SocketIO, sockets: Sockets, rooms: Rooms, tasks: Tasks, database: Database, config: Config
    ) -> None:
        super().__init__(socketio, sockets)
        self._rooms = rooms
        self._tasks = tasks
        self._database = database
        self._config = config
        self._audiences: Recent[str, store.Audience] = Recent(RECENT_S / 2)
        self.is_draining = False

    def register(self) -> None:
        """Take the namespace's connections and the task rooms' events."""
        self._take("connect", self.handle_connect)
        self._take("disconnect", self.handle_disconnect)
        self._take("*", self.handle_unknown)
        self._on("join_task", self.join_task, JoinPayload)
        self._on("leave_task", self.leave_task, TaskPayload)
        self._on("get_task_status", self.get_task_status, TaskPayload)
        self._on("cancel_task", self.cancel_task, CancelPayload)
        self._on("get_task_log", self.get_task_log, LogPayload)

    def handle_connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        """Let in whoever has a valid login session or API token; tell everybody else why not."""
        try:
            identity = self._identify(environ, auth)
            self._check_room(identity)
        except TaskroomError as error:
            self._sockets.refused[error.code] = self._sockets.refused.get(error.code, 0) + 1
            content = {key: value for key, value in error_fields(error, None).items() if key != "event"}
            raise RefuseConnection(error.message, content) from None
        self._sockets.add(Connected(sid, identity, environ.get("REMOTE_ADDR", "")))
        user = {"id": identity.user_id, "username": identity.username, "role": identity.role}
        greeting = {
            "user": user,
            "sid": sid,
            "server_time": rfc3339(utc_now()),
            "protocol": PROTOCOL,
            "live": self._rooms.subscriber.is_live,
        }
        self._sockets.send(sid, events.packet("connected", greeting))

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
        if self.is_draining:
            raise RateLimited("The server is restarting.", retry_after_s=2 + secrets.randbelow(4))
        if not identity.can("read"):
            raise Forbidden("This API token may not read.")
        if self._sockets.count_of(identity.user_id) >= CONNECTIONS_PER_USER:
            raise RateLimited(
                f"You have {CONNECTIONS_PER_USER} connections open already. Close one first.", retry_after_s=30
            )

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

    def join_task(self, connected: Connected, payload: JoinPayload) -> dict[str, Any]:
        """Watch a task: history or a snapshot first, then every later event."""
        if self._rooms.count_of(connected.sid) >= ROOMS_PER_SOCKET:
            words = f"This connection watches {ROOMS_PER_SOCKET} tasks already. Leave one first."
            raise RateLimited(words, retry_after_s=5)
        task_id = self._visible(connected, payload.task_id)
        joined = self._rooms.join(connected.sid, task_id, payload.last_seq, payload.epoch)
        if connected.sid not in self._sockets.by_sid:
            self._rooms.drop(connected.sid)
        return {
            "task_id": task_id,
            "epoch": joined.epoch,
            "seq": joined.seq,
            "recovered": joined.recovered,
            "replayed": joined.replayed,
        }

    def leave_task(self, connected: Connected, payload: TaskPayload) -> dict[str, Any]:
        """Stop watching; also right for a task that was never joined."""
        self._rooms.leave(connected.sid, payload.task_id)
        return {"task_id": payload.task_id}

    def get_task_status(self, connected: Connected, payload: TaskPayload) -> dict[str, Any]:
        """The task's true state, as the acknowledgement and as the matching event."""
        snapshot = self._tasks.snapshot(connected.identity, payload.task_id)
        name, data = self._rooms.history.status_event(snapshot)
        self._sockets.send(connected.sid, events.packet(name, data))
        return {"task": {**snapshot, **{key: data[key] for key in data if key in snapshot}}}

    def cancel_task(self, connected: Connected, payload: CancelPayload) -> dict[str, Any]:
        """Ask for the task to end."""
        if not connected.identity.can("write"):
            raise Forbidden("This API token may not change tasks.")
        snapshot = self._tasks.cancel(connected.identity, payload.task_id, payload.reason)
        return {
            "task_id": payload.task_id,
            "state": snapshot["status"],
            "cancel_requested_at": snapshot["cancel_requested_at"],
        }

    def get_task_log(self, connected: Connected, payload: LogPayload) -> dict[str, Any]:
        """A range of the task's log."""
        with self._database.read() as session:
            task, _ = store.find_task(session, payload.task_id, connected.identity)
            return {"task_id": task.id, **store.log_lines(session, task, payload.from_line, payload.limit)}

    def _visible(self, connected: Connected, task_id: str) -> str:
        audience = self._audiences.get(task_id, lambda: store.audience(self._database, task_id))
        if audience is None or not audience.admits(connected.identity):
            raise NotFound("There is no such task, or you may not see it.")
        return task_id

    def broadcast_progress_update(self, task_id: str, progress_data: Mapping[str, Any]) -> None:
        """Tell the watchers of a task, in all processes, its newest progress, from code in the web process.

        `progress_data` holds fields of `progress_update`; what it leaves out stays as it is. Works for tasks that run
        now. Raises RedisError while Redis is away.
        """
        self._rooms.history.tell_progress(task_id, progress_data)

    def drain(self) -> None:
        """Take no more connections and send everybody away, to come back at different moments."""
        self.is_draining = True
        for sid in list(self._sockets.by_sid):
            wait = RateLimited(
                "The server is restarting.", retry_after_s=round(0.5 + 4 * secrets.randbelow(1000) / 1000, 2)
            )
            self._sockets.close([sid], wait)

    def sweep_revoked(self) -> None:
        """Close sockets whose login has ended or whose role has changed, in case no message told us."""
        logins = self._sockets.logins
        known = set(self._sockets.identities) | logins.answers()
        try:
            gone = accounts.revoked(self._database, known) if known else set()
        except (SQLAlchemyError, DatabaseBusy):
            logins.clear()
            raise
        logins.renew(lambda identity: identity not in gone)
        if gone:
            sids = [sid for sid, connected in self._sockets.by_sid.items() if connected.identity in gone]
            self._sockets.close(sids, LOGIN_ENDED)


class AdminDashboardWebSocket(_Edge):
    """The dashboard room: job updates, metrics and alerts, for admins only."""

    def __init__(
        self,
        socketio: SocketIO,
        sockets: Sockets,
        rooms: Rooms,
        event_log: EventLog,
        sample: Callable[[], Mapping[str, Any]],
    ) -> None:
        super().__init__(socketio, sockets)
        self._rooms = rooms
        self._log = event_log
        self._sample = sample
        self._members: set[str] = set()
        self._lock = threading.Lock()

    def register(self) -> None:
        """Take the dashboard room's events."""
        self._on("join_admin_dashboard", self.join_admin_dashboard, None)
        self._on("leave_admin_dashboard", self.leave_admin_dashboard, None)

    def join_admin_dashboard(self, connected: Connected) -> dict[str, Any]:
        """Receive the dashboard's events; the first metrics come at once."""
        if not connected.identity.is_admin:
            raise Forbidden("The dashboard is for admins.")
        with self._lock:
            self._members.add(connected.sid)
        with contextlib.suppress(RedisError):  # while Redis is away: subscribed when it is back
            self._rooms.subscriber.subscribe(self._log.admin_channel)
        self._sockets.send(connected.sid, self._metrics_packet(self._sample()))
        return {}

    def leave_admin_dashboard(self, connected: Connected) -> dict[str, Any]:
        """Stop receiving the dashboard's events."""
        self.drop(connected.sid)
        return {}

    def drop(self, sid: str) -> None:
        """A socket has left or is closed."""
        with self._lock:
            self._members.discard(sid)
            if not self._members:
                self._rooms.subscriber.unsubscribe(self._log.admin_channel)

    def receive(self, packet: str) -> None:
        """Pass on what was published for the dashboard."""
        for sid in [sid for sid in self._members if sid in self._sockets.by_sid]:
            self._sockets.send(sid, packet)

    def send_metrics(self) -> None:
        """Metrics to the admins of this process; while none is there nothing is measured, and Redis not listened to."""
        for sid in [sid for sid in self._members if sid not in self._sockets.by_sid]:
            self.drop(sid)
        if self._members:
            self.receive(self._metrics_packet(self._sample()))

    def broadcast_system_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Tell all admins, in all processes, these metrics."""
        self._log.publish(self._log.admin_channel, self._metrics_packet(metrics))

    def broadcast_job_update(self, job: Mapping[str, Any]) -> None:
        """Tell all admins, in all processes, of this job."""
        self._log.publish(self._log.admin_channel, events.job_update(job))

    def broadcast_admin_alert(self, alert: Mapping[str, Any]) -> None:
        """Tell all admins, in all processes, of this alert."""
        packet = events.packet("admin_alert", {"type": "alert", "alert": dict(alert), "timestamp": rfc3339(utc_now())})
        self._log.publish(self._log.admin_channel, packet)

    @staticmethod
    def _metrics_packet(metrics: Mapping[str, Any]) -> str:
        content = {"type": "system_metrics", "metrics": dict(metrics), "timestamp": rfc3339(utc_now())}
        return events.packet("system_metrics_update", content)
