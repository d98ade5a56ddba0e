"""This web process's ear on Redis: one connection, subscribed to just the rooms that somebody here watches.

It notices a Redis that hangs as well as one that is gone, comes back by itself, and says so: whoever listens then asks
the tails what was missed, because pub/sub does not.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import hiredis
import redis
from redis.exceptions import RedisError

from delivery.event_log import connect

log = logging.getLogger("taskroom.subscriber")

PING_AFTER_S = 1.0
SILENT_AFTER_S = 3.0
RETRY_S = 0.25
MAX_RETRY_S = 1.0
CONFIRM_S = 2.0
READ_BYTES = 256 * 1024
BUSY_BELOW_S = 0.002
GATHER_S = 0.001
"""what comes alone is passed on at once; of a stream, what comes within this time together, with a turn for others"""


class Subscriber:
    """Receives messages of subscribed channels.

    Whatever can be read at once is taken at once: `on_messages(channel, payloads)` gets those of one channel together,
    in the order of their arrival. Between channels there is no order.
    """

    def __init__(
        self,
        url: str,
        on_messages: Callable[[str, list[bytes]], None],
        on_lost: Callable[[], None],
        on_back: Callable[[], None],
    ) -> None:
        self._pool = connect(url).connection_pool
        self._on_messages = on_messages
        self._on_lost = on_lost
        self._on_back = on_back
        self._channels: dict[str, threading.Event] = {}
        self._unconfirmed: Counter[str] = Counter()
        self._connection: Any = None
        self._stream: _Stream
        self._sending = threading.Lock()
        self.is_live = False
        self.messages = 0

    def subscribe(self, channel: str) -> None:
        """Receive this channel; returns once Redis has confirmed. Raises RedisError while Redis is away.

        The wish is kept in any case: when Redis is back, the channel is subscribed.
        """
        confirmed = self._channels.get(channel)
        if confirmed is None:
            confirmed = self._channels[channel] = threading.Event()
            self._send("SUBSCRIBE", channel)
        if not confirmed.wait(CONFIRM_S):
            raise redis.ConnectionError("Redis did not confirm the subscription in time")

    def unsubscribe(self, channel: str) -> None:
        """Stop receiving this channel."""
        confirmed = self._channels.pop(channel, None)
        if confirmed is not None:
            confirmed.set()  # whoever still waits for it has left
            try:
                self._send("UNSUBSCRIBE", channel)
            except RedisError:
                log.debug("channel %s goes with the lost connection", channel)

    def run(self) -> None:
        """Receive for ever, in a thread or green thread of its own."""
        pause_s = RETRY_S
        while True:
            try:
                self._open()
                pause_s = RETRY_S
                self._receive()
            except (RedisError, OSError) as error:
                self._lose(error)
            except Exception as error:
                log.exception("the subscriber met an error that it did not expect; it connects again")
                self._lose(error)
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, MAX_RETRY_S)

    def _open(self) -> None:
        connection: Any = self._pool.make_connection()
        connection.connect()
        self._stream = _Stream(connection)
        for confirmed in self._channels.values():
            confirmed.clear()
        with self._sending:
            self._connection = connection
            self._unconfirmed.clear()
            if self._channels:
                self._unconfirmed.update(self._channels.keys())
                connection.send_command("SUBSCRIBE", *self._channels)
            else:
                connection.send_command("PING")
        first = self._stream.read(SILENT_AFTER_S)
        if not first:
            raise redis.TimeoutError("Redis does not answer")
        self.is_live = True
        self._take(first)
        self._on_back()

    def _receive(self) -> None:
        """Read until the connection breaks or has been silent although it was pinged."""
        heard_s, pinged_s = time.monotonic(), 0.0
        while True:
            messages = self._stream.read(PING_AFTER_S)
            now_s = time.monotonic()
            if messages:
                self._take(messages)
                if now_s - heard_s < BUSY_BELOW_S:
                    time.sleep(GATHER_S)
                heard_s = time.monotonic()
                continue
            if now_s - heard_s > SILENT_AFTER_S:
                raise redis.TimeoutError("Redis does not answer")
            if not self._channels or now_s - pinged_s >= PING_AFTER_S:
                pinged_s = now_s
                self._send("PING")

    def _take(self, messages: Iterable[Any]) -> None:
        """Confirm subscriptions, and pass on what was published, channel by channel."""
        payloads: dict[bytes, list[bytes]] = {}
        for message in messages:
            if not isinstance(message, list):
                continue
            if message[0] == b"message":
                payloads.setdefault(message[1], []).append(message[2])
            elif message[0] == b"subscribe":
                self._confirm(message[1].decode())
        for channel, published in payloads.items():
            self.messages += len(published)
            try:
                self._on_messages(channel.decode(), published)
            except Exception:
                log.exception("%d messages on %s could not be delivered", len(published), channel)

    def _confirm(self, channel: str) -> None:
        """Redis has taken a SUBSCRIBE. Of several for one channel only the last says that no UNSUBSCRIBE follows."""
        self._unconfirmed[channel] -= 1
        confirmed = self._channels.get(channel)
        if self._unconfirmed[channel] <= 0:
            del self._unconfirmed[channel]
            if confirmed is not None:
                confirmed.set()

    def _send(self, *command: str) -> None:
        with self._sending:
            if self._connection is None:
                raise redis.ConnectionError("Redis is away")
            if command[0] == "SUBSCRIBE":
                self._unconfirmed.update(command[1:])
            self._connection.send_command(*command)

    def _lose(self, error: Exception) -> None:
        with self._sending:
            broken, self._connection = self._connection, None
        if broken is not None:
            broken.disconnect()
        if self.is_live:
            log.warning("Redis is away: %s", error)
            self.is_live = False
            try:
                self._on_lost()
            except Exception:
                log.exception("not everybody could be told that Redis is away")


class _Stream:
    """What arrives on a redis-py connection that is subscribed, everything that can be read at once.

    redis-py would hand out one message a call, each through a dozen functions. It keeps the connecting, the password
    and TLS; here only its socket is read.
    """

    def __init__(self, connection: Any) -> None:
        self._socket = connection._sock
        self._reader = hiredis.Reader()

    def read(self, timeout_s: float) -> list[Any]:
        """The messages that are there, or come within the time-out. Raises RedisError or OSError at the end."""
        self._socket.settimeout(timeout_s)
        try:
            data = self._socket.recv(READ_BYTES)
        except TimeoutError:
            return []
        if not data:
            raise redis.ConnectionError("Redis has closed the connection")
        self._reader.feed(data)
        messages = []
        while (message := self._reader.gets()) is not False:
            messages.append(message)
        return messages
