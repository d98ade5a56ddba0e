"""The live tail of every task in Redis: appended to by one script, read by whoever joins.

Redis is a tail, never the truth: each operation may answer that the tail is absent (expired, lost, or of a Redis
process that is gone), and then it is begun again from SQL under a new epoch.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, ResponseError
from redis.retry import Retry

from database import rfc3339, utc_now
from tasks.events import encode_fields

SCRIPT = (Path(__file__).parent / "tail.lua").read_text()
TTL_S = 3600
KEPT_EVENTS = 1000

PUBLISH_ONCE = """
if redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[2]) then return redis.call('PUBLISH', KEYS[2], ARGV[1]) end
return -1
"""
# Microseconds of Redis's own clock, and never the same or less: a Redis that came back empty goes on rising, too.
NEXT_REVISION = """
local now = redis.call('TIME')
local next = now[1] * 1000000 + now[2]
local last = tonumber(redis.call('GET', KEYS[1]) or '0')
if next <= last then next = last + 1 end
redis.call('SET', KEYS[1], string.format('%.0f', next), 'EX', ARGV[1])
return next
"""


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did: ok, known (was there already), refused (not the live attempt), gap, absent or exists.

    `receivers` counts the web processes that watch the task, `log_n` the last log line the tail has told of.
    """

    outcome: str
    seq: int | None = None
    receivers: int = 0
    log_n: int | None = None
    epoch: str | None = None


@dataclass(frozen=True, slots=True)
class TailEvent:
    """One event as the stream keeps it; `data` is its JSON object."""

    seq: int
    name: str
    data: str

    @property
    def packet(self) -> str:
        """The Socket.IO EVENT packet of the namespace `/`."""
        return f'2["{self.name}",{self.data}]'


@dataclass(frozen=True, slots=True)
class Tail:
    """The tail at one moment: where it is, the event a new watcher starts from, and events after a given seq."""

    task_id: str
    epoch: str
    seq: int
    snapshot_name: str
    snapshot_body: str
    cancel: str
    durable: int
    log_n: int
    is_final: bool
    told_at: datetime
    events: tuple[TailEvent, ...]

    def snapshot_packet(self) -> str:
        """The event with which somebody starts who has seen nothing, true at `seq`.

        `log_total` counts the lines told up to `seq`: those before are to be fetched, those after come as events. Its
        timestamp is that of the newest event, so that a late joiner, too, knows for how long a task has been silent.
        """
        data = f'{{"epoch":"{self.epoch}","seq":{self.seq},"timestamp":"{rfc3339(self.told_at)}"'
        body = self.snapshot_body
        if self.snapshot_name == "progress_update":
            data += f',"cancel_requested":{self.cancel},"snapshot":true'
            body = encode_fields({**orjson.loads("{" + body + "}"), "log_total": self.log_n})
        return f'2["{self.snapshot_name}",{data},{body}}}]'


@dataclass(frozen=True, slots=True)
class Start:
    """What a new epoch begins with: the state of the task as SQL has it."""

    durable: int
    log_n: int
    live_attempt: int | None
    cancel_requested: bool
    is_final: bool
    name: str
    body: str


class EventLog:
    """The script and the keys, on one Redis client. All methods raise redis.RedisError while Redis is away."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._sha: str | None = None
        self._publish_once = client.register_script(PUBLISH_ONCE)
        self._next_revision = client.register_script(NEXT_REVISION)

    def channel(self, task_id: str) -> str:
        """The channel on which each event of this task is published."""
        return f"{self._prefix}task:{task_id}"

    def user_channel(self, user_id: int) -> str:
        """The channel of one user's feed."""
        return f"{self._prefix}user:{user_id}"

    @property
    def admin_channel(self) -> str:
        """The channel of the admin dashboard."""
        return f"{self._prefix}admin"

    @property
    def control_channel(self) -> str:
        """The channel between web processes: whose sockets must close."""
        return f"{self._prefix}control"

    def publish(self, channel: str, message: str) -> int:
        """Send a feed message; returns how many web processes got it."""
        return int(self._client.publish(channel, message))

    def publish_once(self, name: str, channel: str, message: str) -> bool:
        """Send a feed message unless one of this name was sent in the last hour; whether it was sent now."""
        return int(self._publish_once(keys=[f"{self._prefix}{name}", channel], args=[message, TTL_S])) >= 0

    def is_first(self, name: str) -> bool:
        """Whether nobody asked this for the same name in the last hour."""
        return bool(self._client.set(f"{self._prefix}{name}", "1", nx=True, ex=TTL_S))

    def inbox_revision(self, user_id: int) -> int:
        """A number above all that were given for this user's inbox before."""
        return int(self._next_revision(keys=[f"{self._prefix}user:{user_id}:inbox"], args=[TTL_S]))

    def begin(self, task_id: str, start: Start, replacing: str = "") -> Appended:
        """Begin a new epoch, unless another process has just done so; `replacing` is ended, unless it knows more."""
        return self._append(
            task_id, "begin", secrets.token_urlsafe(9), start.durable, start.log_n, _attempt(start.live_attempt),
            _boolean(start.cancel_requested), _boolean(start.is_final), start.name, start.body, replacing,
        )  # fmt: skip

    def tick(self, task_id: str, attempt: int, body: str) -> Appended:
        """Tell the newest progress of the running attempt."""
        return self._append(task_id, "tick", attempt, body)

    def beat(self, task_id: str, attempt: int, quiet_ms: int) -> Appended:
        """Tell the newest progress once more if the task has been quiet for so long."""
        return self._append(task_id, "beat", attempt, quiet_ms)

    def lines(self, task_id: str, first: int, last: int, body: str) -> Appended:
        """Tell log lines; `gap` names the last line the tail has, from which the caller must go on."""
        return self._append(task_id, "lines", first, last, body)

    def durable(
        self, task_id: str, event_id: int, name: str, body: str, live_attempt: int | None, cancel: bool, final: bool
    ) -> Appended:
        """Tell a committed state change, once, whoever tries."""
        return self._append(
            task_id, "durable", event_id, name, body, _attempt(live_attempt), _boolean(cancel), _boolean(final)
        )

    def read(self, task_id: str, after: int | None = None) -> Tail | None:
        """The tail now, with the events that are left after seq `after`; None where there is none to trust."""
        answer = self._run(task_id, "read", "" if after is None else f"{after + 1}-0")
        if answer[0] != b"ok":
            return None
        epoch, seq, name, body, cancel, durable, log_n, final, at = answer[1]
        events = tuple(_entry(entry_id, fields) for entry_id, fields in answer[2])
        return Tail(
            task_id,
            epoch.decode(),
            int(seq),
            name.decode(),
            body.decode(),
            cancel.decode(),
            int(durable),
            int(log_n),
            final == b"true",
            datetime.fromtimestamp(int(at) / 1000, UTC),
            events,
        )

    def _append(self, task_id: str, operation: str, *arguments: Any) -> Appended:
        answer = self._run(task_id, operation, *arguments)
        outcome = answer[0].decode()
        if outcome == "ok":
            return Appended("ok", int(answer[1]), int(answer[2]), int(answer[3]), answer[4].decode())
        return Appended(outcome, log_n=int(answer[1]) if outcome in ("gap", "known") and len(answer) > 1 else None)

    def _run(self, task_id: str, operation: str, *arguments: Any) -> list[Any]:
        key = f"{self._prefix}task:{task_id}"
        keys = (f"{key}:state", f"{key}:log", key)
        envelope = (operation, rfc3339(utc_now()) or "", int(time.time() * 1000), TTL_S, KEPT_EVENTS)
        for _ in range(3):
            try:
                answer: list[Any] = self._client.evalsha(self._sha or self._load(), 3, *keys, *envelope, *arguments)
                return answer
            except NoScriptError:
                self._sha = None
        raise ResponseError("the tail script does not stay loaded in Redis")

    def _load(self) -> str:
        """Load the script for the Redis process that answers now."""
        while True:
            run_id = str(self._client.info("server")["run_id"])
            sha: str = self._client.script_load(SCRIPT.replace("@RUN@", run_id))
            if str(self._client.info("server")["run_id"]) == run_id:
                self._sha = sha
                return sha


def _entry(entry_id: bytes, fields: list[bytes]) -> TailEvent:
    values = dict(zip(fields[::2], fields[1::2], strict=True))
    return TailEvent(int(entry_id.split(b"-")[0]), values[b"n"].decode(), values[b"d"].decode())


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _attempt(value: int | None) -> str:
    return "" if value is None else str(value)


def connect(url: str, timeout_s: float | None = 2.0) -> redis.Redis:
    """A client that gives up after `timeout_s` and never retries: what is durable is announced again later."""
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        health_check_interval=0,
    )
