"""The Socket.IO edge: task rooms for everybody who may watch, the dashboard room for admins.

Each request is limited, validated and authorised here, and becomes one call into the core. See docs/protocol.md for
every event, and `delivery.namespaces` for what it shares with the namespace `/ws`.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Any

from flask_socketio import SocketIO
from pydantic import Field
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

import accounts
from database import Database, DatabaseBusy, rfc3339, utc_now
from delivery.event_log import EventLog
from delivery.namespaces import JoinPayload, LogPayload, Namespace, Payload, Requests, TaskPayload
from delivery.notices import Notices
from delivery.rooms import Rooms
from delivery.server_status import ServerStatus
from delivery.sockets import LOGIN_ENDED, Connected, Sockets
from delivery.test_trace import TestTrace
from delivery.visitors import Visitors
from monitoring.alerts.telling import packet as alert_packet
from tasks import events, store
from tasks.errors import Forbidden, RateLimited
from tasks.service import Tasks

PROTOCOL = 1
SWEEP_S = 0.5
METRICS_LOOK_S = 1.0
"""how often it is looked whether there are newer metrics; they are measured every five seconds"""
QUEUE_S = 3.0


class CancelPayload(TaskPayload):
    """`cancel_task`."""

    reason: str | None = Field(default=None, max_length=500)


class NotificationPayload(Payload):
    """`claim_notification`."""

    id: int = Field(ge=1, le=2**53)


class WebSocketProgressHandler(Namespace):
    """Connections and task rooms."""

    def __init__(
        self,
        socketio: SocketIO,
        sockets: Sockets,
        rooms: Rooms,
        tasks: Tasks,
        database: Database,
        visitors: Visitors,
        status: ServerStatus,
        notices: Notices,
    ) -> None:
        super().__init__(socketio, sockets, rooms, database)
        self._tasks = tasks
        self._notices = notices
        self._status = status
        self._visitors = visitors

    def register(self) -> None:
        """Take the connections of the namespace `/`, and the task rooms' events."""
        super().register()
        self._on("join_task", self.join_task, JoinPayload)
        self._on("leave_task", self.leave_task, TaskPayload)
        self._on("get_task_status", self.get_task_status, TaskPayload)
        self._on("cancel_task", self.cancel_task, CancelPayload)
        self._on("get_task_log", self.get_task_log, LogPayload)
        self._on("claim_notification", self.claim_notification, NotificationPayload)

    def _let_in(self, sid: str, environ: dict[str, Any], auth: Any) -> Connected:
        if isinstance(auth, Mapping) and "share" in auth and not self._sockets.is_draining:
            return self._visitors.let_in(sid, environ.get("REMOTE_ADDR", ""), auth["share"])
        return super()._let_in(sid, environ, auth)

    def _for_visitors(self, event: str) -> Callable[..., dict[str, Any]]:
        return self._visitors.handler(event) or super()._for_visitors(event)

    def greet(self, connected: Connected) -> None:
        """`connected`: who you are here, and whether live events can arrive at all."""
        identity, link = connected.identity, connected.link
        user = {"id": identity.user_id, "username": identity.username, "role": identity.role}
        greeting: dict[str, Any] = {
            "user": user if link is None else None,
            "sid": connected.sid,
            "server_time": rfc3339(utc_now()),
            "protocol": PROTOCOL,
            "live": self._rooms.subscriber.is_live,
        }
        if link is None:
            greeting |= {"server_status": self._status.known, "unread_count": self._unread_count(connected)}
        else:
            greeting["share"] = {"task_id": link.task_id, "expires_at": rfc3339(link.expires_at)}
        self._sockets.send(connected.sid, events.packet("connected", greeting))

    def _unread_count(self, connected: Connected) -> int | None:
        try:
            return self._notices.unread_count(connected.identity.user_id)
        except (SQLAlchemyError, DatabaseBusy):
            return None

    def join_task(self, connected: Connected, payload: JoinPayload) -> dict[str, Any]:
        """Watch a task: history or a snapshot first, then every later event."""
        self._check_watched(connected.sid)
        task_id = payload.task_id
        self._visible(connected, task_id)
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

    def claim_notification(self, connected: Connected, payload: NotificationPayload) -> dict[str, Any]:
        """Whether this tab shall show an unread notification: one of all the person's tabs hears yes."""
        return {"id": payload.id, "show": self._notices.show_once(connected.identity.user_id, payload.id)}

    def broadcast_progress_update(self, task_id: str, progress_data: Mapping[str, Any]) -> None:
        """Tell the watchers of a task, in all processes, its newest progress, from code in the web process.

        `progress_data` holds fields of `progress_update`; what it leaves out stays as it is. Works for tasks that run
        now. Raises RedisError while Redis is away.
        """
        self._rooms.history.tell_progress(task_id, progress_data)

    def drain(self) -> None:
        """Take no more connections and send everybody away, to come back at different moments."""
        self._sockets.is_draining = True
        for sid in list(self._sockets.by_sid):
            wait = RateLimited(
                "The server is restarting.", retry_after_s=round(0.5 + 4 * secrets.randbelow(1000) / 1000, 2)
            )
            self._sockets.close([sid], wait, for_good=False)

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


class AdminDashboardWebSocket(Requests):
    """The dashboard room: job updates, metrics and alerts, for admins only."""

    trace: TestTrace
    """of what passed through this process; to be set before anybody connects"""

    def __init__(
        self,
        socketio: SocketIO,
        sockets: Sockets,
        rooms: Rooms,
        event_log: EventLog,
        newest: Callable[[], Mapping[str, Any]],
    ) -> None:
        super().__init__(socketio, sockets)
        self._rooms = rooms
        self._log = event_log
        self._newest = newest
        self._told_at: str | None = None
        self._members: set[str] = set()
        self._lock = threading.Lock()

    def register(self) -> None:
        """Take the dashboard room's events."""
        self._on("join_admin_dashboard", self.join_admin_dashboard, None)
        self._on("leave_admin_dashboard", self.leave_admin_dashboard, None)
        self._on("acknowledge_test", self.acknowledge_test, TaskPayload)

    def join_admin_dashboard(self, connected: Connected) -> dict[str, Any]:
        """Receive the dashboard's events; the first metrics come at once."""
        if not connected.identity.is_admin:
            raise Forbidden("The dashboard is for admins.", refused="room:admin")
        with self._lock:
            self._members.add(connected.sid)
        with contextlib.suppress(RedisError):  # while Redis is away: subscribed when it is back
            self._rooms.subscriber.subscribe(self._log.admin_channel)
        metrics = self._newest()
        if self.watching == 1:
            self._told_at = metrics["sampled_at"]
        self._sockets.send(connected.sid, self._metrics_packet(metrics))
        return {}

    def acknowledge_test(self, connected: Connected, payload: TaskPayload) -> dict[str, Any]:
        """A test notification has come: how long the way from here to the browser and back took. Nulls for none."""
        if not connected.identity.is_admin:
            raise Forbidden("Test notifications are for admins.")
        passing = self.trace.answered(payload.task_id)
        return {"task_id": payload.task_id, "round_trip_ms": passing.round_trip_ms if passing else None}

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

    @property
    def watching(self) -> int:
        """How many sockets of this process show the dashboard."""
        return len(self._members)

    def receive(self, packet: str) -> None:
        """Pass on what was published for the dashboard."""
        for sid in [sid for sid in self._members if sid in self._sockets.by_sid]:
            self._sockets.told += 1
            self._sockets.send(sid, packet)

    def send_metrics(self) -> None:
        """New metrics to the admins of this process, once; while none is there nobody looks, nor listens to Redis."""
        for sid in [sid for sid in self._members if sid not in self._sockets.by_sid]:
            self.drop(sid)
        if not self._members:
            return
        metrics = self._newest()
        if metrics["sampled_at"] != self._told_at:
            self._told_at = metrics["sampled_at"]
            self.receive(self._metrics_packet(metrics))

    def send_queue(self, look: Callable[[], Mapping[str, Any]]) -> None:
        """The queue and its workers to the admins of this process; looked at while one is there."""
        if self._members:
            content = {"type": "queue", **look(), "timestamp": rfc3339(utc_now())}
            self.receive(events.packet(events.QUEUE_UPDATE, content))

    def broadcast_system_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Tell all admins, in all processes, these metrics."""
        self._log.publish(self._log.admin_channel, self._metrics_packet(metrics))

    def broadcast_job_update(self, job: Mapping[str, Any]) -> None:
        """Tell all admins, in all processes, of this job."""
        self._log.publish(self._log.admin_channel, events.job_update(job))

    def broadcast_admin_alert(self, alert: Mapping[str, Any]) -> None:
        """Tell all admins, in all processes, of this alert."""
        self._log.publish(self._log.admin_channel, alert_packet(alert))

    @staticmethod
    def _metrics_packet(metrics: Mapping[str, Any]) -> str:
        content = {"type": "system_metrics", "metrics": dict(metrics), "timestamp": rfc3339(utc_now())}
        return events.packet("system_metrics_update", content)
