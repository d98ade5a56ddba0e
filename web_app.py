"""The web process: Flask, Socket.IO and everything they need, put together in `create_app`.

Run as a program (`./taskroom web` does that) it serves until SIGTERM and then drains: nobody is let in, every socket is
sent away to come back a moment later, and the process ends with status 0.
"""

from __future__ import annotations

if __name__ == "__main__":
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # eventlet says that it is deprecated; docs/architecture.md says so too
        import eventlet

    eventlet.monkey_patch()

import contextlib
import gc
import logging
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import redis
from flask import Flask
from redis.exceptions import RedisError

import admin
import api
import pages
from accounts import Actor, AuditEntry, audit
from accounts.refused import note_refused
from config import Config, ConfigError
from connections import IDLE_FOR_S, Connections, Listener, most_connections
from database import Database, rfc3339
from delivery.announcer import TailAnnouncer
from delivery.dispatch import Dispatch
from delivery.event_log import EventLog, connect
from delivery.guard import Guard, origin_check
from delivery.history import History
from delivery.manager import Manager
from delivery.published import Published
from delivery.refusals import Refusals
from delivery.roll_call import RollCall
from delivery.rooms import Rooms
from delivery.server_status import SWEEP_S as STATUS_S
from delivery.server_status import ServerStatus
from delivery.sockets import Sockets
from delivery.subscriber import Subscriber
from delivery.test_trace import TestTrace
from delivery.visitors import Visitors
from door import Door, refuse, watched
from extensions import offload_read, on_revocation, socketio
from logs import set_up_logs
from loop_watch import LoopWatch
from monitoring.current import CurrentMetrics
from monitoring.metrics import Sampler
from monitoring.presence import Presence
from monitoring.queue_view import QueueView
from monitoring.recent_history import RecentHistory
from monitoring.web_figures import BEAT_S, WebFigures
from pages import security, session
from tasks import events
from tasks.lifecycle import Limits
from tasks.queue import TaskQueue
from tasks.registry import load_jobs, prepare_jobs
from tasks.service import Tasks
from tasks.sharing import Sharing
from websocket_progress_handler import (
    METRICS_LOOK_S,
    QUEUE_S,
    SWEEP_S,
    AdminDashboardWebSocket,
    WebSocketProgressHandler,
)
from websocket_scan_handler import WebSocketScanHandler

if TYPE_CHECKING:
    from delivery.fanout import Fanout

log = logging.getLogger("taskroom.web")

MAX_CONNECTIONS = 20_000
SOCKET_TIMEOUT_S = 60
DRAIN_S = 2.0
TIDY_S = 5.0
LIVE_WITHIN_S = 1.0
MAX_MESSAGE_BYTES = 64 * 1024
ROOT = Path(__file__).resolve().parent


@dataclass
class Taskroom:
    """What the app consists of; `extensions.current()` hands it to views and handlers."""

    config: Config
    database: Database
    analysis: Database
    redis: redis.Redis
    event_log: EventLog
    announcer: TailAnnouncer
    tasks: Tasks
    rooms: Rooms
    metrics: CurrentMetrics
    history: RecentHistory
    sockets: Sockets
    progress_handler: WebSocketProgressHandler
    dashboard: AdminDashboardWebSocket
    sharing: Sharing
    visitors: Visitors
    refusals: Refusals
    guard: Guard
    connections: Connections
    presence: Presence
    figures: WebFigures
    roll_call: RollCall
    status: ServerStatus
    queue_view: QueueView
    test_trace: TestTrace
    door: Door | None = None
    loop_watch: LoopWatch | None = None

    def loop_figures(self) -> dict[str, float | None]:
        """How late this process's loop is; nothing is known of a loop that nobody watches."""
        return self.loop_watch.figures() if self.loop_watch else {"loop_delay_ms": None, "loop_delay_max_ms": None}

    def about_this_process(self) -> dict[str, Any]:
        """What the metrics tell of this web process."""
        return self.figures.figures()

    def beat(self) -> None:
        """Tell the others that this process lives, and what it measures; while Redis is away, nobody."""
        with contextlib.suppress(RedisError):
            self.presence.beat(self.figures.figures())

    def start_draining(self) -> None:
        """Begin nothing more, seem ready for nothing more, and send everybody away to come back a moment later."""
        self.guard.is_draining = True
        if self.door is not None:
            self.door.is_draining = True
        self.progress_handler.drain()


def create_app(config: Config) -> Flask:
    """The whole application, not yet listening to Redis: `start_background` does that."""
    load_jobs(config.job_modules)
    prepare_jobs(config)
    app = Flask(__name__, root_path=str(ROOT))
    security.protect(app, config)
    refusals = Refusals()
    socketio.init_app(app, **socket_options(config, refusals))
    app.extensions["taskroom"] = put_together(config, refusals)
    session.register(app)
    pages.register(app)
    api.register(app)
    admin.register(app)
    room: Taskroom = app.extensions["taskroom"]
    room.door = Door(
        app.wsgi_app,
        room.connections,
        room.refusals,
        longest_body,
        lambda environ: security.longest_upload(environ, config.captions.upload_bytes),
    )
    app.wsgi_app = room.door  # type: ignore[method-assign]
    security.trust_proxies(app, config.trusted_proxies)
    return app


def socket_options(config: Config, refusals: Refusals) -> dict[str, object]:
    """How Socket.IO is set up: one client's events in order, small messages, origins as configured."""
    return {
        "async_mode": config.async_mode,
        "async_handlers": False,
        "manage_session": False,
        "client_manager": Manager(),
        "json": events.WireJson,
        "cors_allowed_origins": origin_check(config.allowed_origins, refusals),
        "max_http_buffer_size": MAX_MESSAGE_BYTES,
        "ping_interval": 10,
        "ping_timeout": 10,
        "allow_upgrades": True,
    }


def longest_body(path: str) -> int:
    """How many bytes a request to this path may bring."""
    return MAX_MESSAGE_BYTES if path.startswith("/socket.io/") else security.MAX_BODY_BYTES


def put_together(config: Config, refusals: Refusals) -> Taskroom:
    """Build the parts, bottom up."""
    database = Database(config.database_url)
    client = connect(config.requires_redis_url)
    event_log = EventLog(client, config.redis_prefix)
    announcer = TailAnnouncer(database, event_log)
    limits = Limits(config.max_concurrent_tasks, config.max_user_tasks)
    tasks = Tasks(config, database, announcer, TaskQueue(database, client, config.redis_prefix, limits))
    fanout = make_fanout(config)
    connections = Connections(refusals, config.trusted_proxies > 0, most_connections(MAX_CONNECTIONS))
    guard = Guard(socketio.server, refusals, MAX_MESSAGE_BYTES, refuse, connections.become_socket)
    guard.install()

    dispatch = Dispatch(config.redis_prefix, event_log, Published(database, refusals))
    spawn = socketio.start_background_task
    subscriber = Subscriber(config.requires_redis_url, dispatch, lambda: tell_live(False), lambda: spawn(come_back))
    history = History(database, event_log, announcer)
    rooms = Rooms(
        history, subscriber, lambda sid: visitors.target(sid, fanout.target(sid)), spawn, lambda: time.sleep(0)
    )
    fanout.go_direct(guard, rooms.give_up, rooms.recover)
    sockets = Sockets(socketio, rooms, event_log, fanout.send, guard.end)
    sockets.note_refused = lambda connected, subject: note_refused(
        database, subject, Actor(connected.identity.username, connected.identity.user_id, connected.address or None)
    )
    sharing = Sharing(database, config)
    visitors = Visitors(sockets, rooms, database, sharing)
    status = ServerStatus(database, event_log, sockets.to_all)
    handler = WebSocketProgressHandler(socketio, sockets, rooms, tasks, database, visitors, status, announcer.notices)
    analysis = Database(config.database_url, pooled=not database.is_sqlite)
    metrics = CurrentMetrics(database, Sampler(config, analysis, client, offload_read))
    presence = Presence(client, config.redis_prefix, "web")
    figures = WebFigures(
        sockets, rooms, refusals, connections.most, lambda: room.loop_figures(), lambda: dashboard.watching
    )
    dashboard = AdminDashboardWebSocket(socketio, sockets, rooms, event_log, metrics.now)
    roll_call = RollCall(client, config.redis_prefix, event_log, presence.name, sockets, rooms)
    dispatch.obey = roll_call.obey
    dashboard.trace = dispatch.trace
    dispatch.serve(rooms, sockets, dashboard.receive, status.look)
    handler.register()
    dashboard.register()
    WebSocketScanHandler(socketio, sockets, rooms, database).register()

    def tell_live(is_live: bool) -> None:
        sockets.to_all(events.packet("live_status", {"live": is_live}), with_visitors=True)

    def come_back() -> None:
        rooms.resync()
        tell_live(True)

    room = Taskroom(
        config,
        database,
        analysis,
        client,
        event_log,
        announcer,
        tasks,
        rooms,
        metrics,
        RecentHistory(analysis, offload_read),
        sockets,
        handler,
        dashboard,
        sharing,
        visitors,
        refusals,
        guard,
        connections,
        presence,
        figures,
        roll_call,
        status,
        QueueView(config, database, client),
        dispatch.trace,
    )
    return room


def make_fanout(config: Config) -> Fanout:
    """How packets reach sockets: with `serve`, the only place that knows eventlet from the other async mode."""
    from delivery.fanout import Fanout, use_native_threads

    is_eventlet = config.async_mode == "eventlet" and is_green()
    if is_eventlet:
        use_native_threads()
    return Fanout(socketio.server, is_eventlet and config.fanout == "direct")


def is_green() -> bool:
    """Whether this process runs on eventlet's loop."""
    patcher = sys.modules.get("eventlet.patcher")
    return patcher is not None and bool(patcher.is_monkey_patched("socket"))


def start_background(app: Flask) -> None:
    """Listen to Redis and do what has to be done every few seconds."""
    room: Taskroom = app.extensions["taskroom"]
    try:
        room.rooms.subscriber.subscribe(room.event_log.control_channel)
    except RedisError:
        log.debug("the control channel is subscribed with the first connection")
    socketio.start_background_task(room.rooms.subscriber.run)
    socketio.start_background_task(_every, SWEEP_S, room.progress_handler.sweep_revoked)
    socketio.start_background_task(_every, SWEEP_S, room.visitors.sweep)
    socketio.start_background_task(_every, STATUS_S, room.status.look)
    socketio.start_background_task(_every, QUEUE_S, lambda: room.dashboard.send_queue(room.queue_view.look))
    socketio.start_background_task(_every, TIDY_S, room.sockets.forget_gone)
    socketio.start_background_task(_every, METRICS_LOOK_S, room.dashboard.send_metrics)
    socketio.start_background_task(_every, BEAT_S, room.beat)
    socketio.start_background_task(_every, SWEEP_S, room.guard.sweep)
    socketio.start_background_task(_every, SWEEP_S, room.connections.sweep)
    on_revocation(lambda **login: _close_everywhere(room, **login))
    audit.tell_of_entries(lambda entry: _tell_of_entry(room, entry))


def _every(interval_s: float, step: Callable[[], None]) -> None:
    while True:
        time.sleep(interval_s)
        try:
            step()
        except Exception:
            log.exception("%s failed; it is tried again in %g s", step.__qualname__, interval_s)


def _close_everywhere(room: Taskroom, user_id: int, session_id: int | None = None, token_id: int | None = None) -> None:
    """Close a login's sockets here at once, and in every other process as soon as Redis carries the word there."""
    room.sockets.end_login(user_id, session_id, token_id)
    order = {"user_id": user_id, "session_id": session_id, "token_id": token_id}
    try:
        room.event_log.publish(room.event_log.control_channel, orjson.dumps(order).decode())
    except RedisError:
        log.warning("other web processes close this login's sockets at their next sweep")


def _tell_of_entry(room: Taskroom, entry: AuditEntry) -> None:
    """Tell admins who look that the audit log has grown: what it says, they read from the log."""
    about = {"id": entry.id, "actor": entry.actor_name, "action": entry.action, "subject": entry.subject}
    told = {"type": "audit", "entry": about, "timestamp": rfc3339(entry.at)}
    try:
        room.event_log.publish(room.event_log.admin_channel, events.packet("audit_update", told))
    except RedisError:
        log.debug("pages that show the audit log miss an entry until they are opened again")


def serve(config: Config) -> None:
    """Serve on eventlet until SIGTERM or Ctrl-C, then drain."""
    import eventlet.wsgi

    stop = eventlet.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None if stop.ready() else stop.send(None))
    app = create_app(config)
    room: Taskroom = app.extensions["taskroom"]
    listening = eventlet.listen((config.host, config.port), backlog=1024)
    start_background(app)
    wait_for_redis(room)
    room.beat()
    room.loop_watch = watch_loop()
    host, port = listening.getsockname()[:2]
    served_at = {"SERVER_NAME": host, "SERVER_PORT": str(port)}
    eventlet.spawn(
        eventlet.wsgi.server,
        Listener(listening, room.connections, eventlet.sleep),
        app,
        protocol=watched(eventlet.wsgi.HttpProtocol, room.connections, room.refusals, served_at),
        log_output=False,
        debug=False,
        max_size=MAX_CONNECTIONS,
        socket_timeout=SOCKET_TIMEOUT_S,
        keepalive=IDLE_FOR_S,
    )
    keep_collections_short()
    log.info("serving on http://%s:%d", config.host, port)
    stop.wait()
    log.info("draining")
    room.start_draining()
    with contextlib.suppress(RedisError):
        room.presence.leave()
    deadline_s = time.monotonic() + DRAIN_S
    while len(room.connections) and time.monotonic() < deadline_s:
        eventlet.sleep(0.05)


def wait_for_redis(room: Taskroom) -> None:
    """Give Redis a moment to answer, so that whoever comes first after a restart is live at once."""
    deadline_s = time.monotonic() + LIVE_WITHIN_S
    while not room.rooms.subscriber.is_live and time.monotonic() < deadline_s:
        time.sleep(0.01)


def watch_loop() -> LoopWatch:
    """Measure from now on how late this process's loop is."""
    import eventlet.patcher

    threading, native_time = eventlet.patcher.original("threading"), eventlet.patcher.original("time")
    watch = LoopWatch(threading.get_ident(), eventlet.sleep, native_time.sleep)
    eventlet.spawn(watch.measure)
    threading.Thread(target=watch.look, name="loop-watch", daemon=True).start()
    return watch


def keep_collections_short() -> None:
    """Spare the garbage collector what lives as long as the process; its pauses were the longest waits of all."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 100)


def main() -> int:
    """The program: settings from the environment; exit status 0, or 2 for settings that cannot work."""
    try:
        config = Config.from_env()
        set_up_logs(config.log_format, kept_in=config.log_dir, role="web")
        serve(config)
    except (ConfigError, OSError) as error:
        print(f"taskroom web: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    sys.stdout.flush()
    sys.exit(status)
