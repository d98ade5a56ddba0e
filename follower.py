"""A task followed from a program: the HTTP API with a token, and the live events in order, each log line once."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click
import requests
import socketio

from config import Client

TIMEOUT_S = 15
FINAL = {"task_completed": 0, "task_error": 1, "task_cancelled": 130}
"""The last event of a task, and the exit status that tells of it."""
EVENTS = ("progress_update", "task_log", "task_retrying", *FINAL)
WHOLE = ("progress_update", *FINAL)

Event = tuple[str, dict[str, Any]]


@dataclass
class Api:
    """The HTTP side of one server, with a token."""

    client: Client

    def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """One request; what the server refuses becomes its own sentence and exit status 1."""
        url = f"{self.client.url}/api/v1{path}"
        try:
            answer = requests.request(method, url, headers=self.headers, timeout=TIMEOUT_S, **options)
            content = answer.json()
        except requests.JSONDecodeError:
            raise click.ClickException(
                f"{self.client.url} does not answer like Taskroom (status {answer.status_code})."
            ) from None
        except requests.RequestException:
            raise click.ClickException(
                f"No Taskroom answers at {self.client.url}. Start it with: ./taskroom serve"
            ) from None
        if not answer.ok:
            error = content.get("error", {})
            fields = (error.get("details") or {}).get("fields") or {}
            sentences = [f"{name}: {words}" for name, words in fields.items()] or [error.get("message", "refused")]
            raise click.ClickException("\n".join(sentences))
        return dict(content)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.client.token}"}


class Follower:
    """Follows one task live to its end: joins, and joins again with what it has seen when the connection was lost.

    Progress and ends hold the whole state, so a hole in `seq` before them is lawful: a slow reader gets the newest one
    only, or a snapshot. Before any other event a hole means that something got lost, and it asks from there on.
    """

    def __init__(self, client: Client, task_id: str) -> None:
        self._client = client
        self._task_id = task_id
        self._events: queue.Queue[Event] = queue.Queue()
        self._last_seq: int | None = None
        self._epoch: str | None = None
        self._lines = 0
        self._asked_again = False
        self._socket = socketio.Client(
            reconnection=True, reconnection_delay=1, reconnection_delay_max=5, handle_sigint=False
        )
        # python-engineio hands each message to a thread of its own, which loses their order on a busy machine.
        trigger = self._socket.eio._trigger_event
        self._socket.eio._trigger_event = lambda event, *data, **_: trigger(event, *data, run_async=False)
        self._socket.on("connect", self.join)
        for name in EVENTS:
            self._socket.on(name, lambda data, name=name: self._events.put((name, data)))

    def follow(self) -> Iterator[Event]:
        """Yield (event, data) in order, each log line once, up to the final event."""
        headers = {"Authorization": f"Bearer {self._client.token}"}
        try:
            self._socket.connect(self._client.url, headers=headers, wait_timeout=TIMEOUT_S, retry=False)
        except socketio.exceptions.ConnectionError as error:
            raise click.ClickException(f"No live connection to {self._client.url}: {error}") from None
        try:
            while True:
                name, data = self._next()
                for event in self.take(name, data):
                    yield event
                    if event[0] in FINAL:
                        return
        finally:
            self._socket.disconnect()

    def take(self, name: str, data: dict[str, Any]) -> Iterator[Event]:
        """What is to be told after one received event: nothing, or log lines that come first, and the event."""
        if data.get("task_id") == self._task_id and self._is_next(name, data):
            yield from self._lines_by(name, data)
            if name != "task_log":
                yield name, data

    def join(self) -> None:
        """Ask for everything after what has been seen."""
        seen = {} if self._last_seq is None else {"last_seq": self._last_seq, "epoch": self._epoch}
        self._socket.emit("join_task", {"task_id": self._task_id, **seen}, callback=self._joined)

    def read_lines(self, first: int) -> list[dict[str, Any]]:
        """Up to 1000 stored log lines from this number on."""
        params = {"from": first, "limit": 1000}
        lines: list[dict[str, Any]] = Api(self._client).call("GET", f"/tasks/{self._task_id}/log", params=params)[
            "lines"
        ]
        return lines

    def _next(self) -> Event:
        while True:
            try:
                return self._events.get(timeout=0.5)
            except queue.Empty:
                continue

    def _joined(self, answer: Mapping[str, Any]) -> None:
        if not answer.get("ok"):
            message = answer.get("error", {}).get("message", "refused")
            self._events.put(("task_error", {"task_id": self._task_id, "error": message, "seq": None, "epoch": None}))

    def _is_next(self, name: str, data: dict[str, Any]) -> bool:
        if data.get("seq") is None:
            return True
        if data["epoch"] == self._epoch and self._last_seq is not None:
            if data["seq"] <= self._last_seq:
                return False
            if data["seq"] != self._last_seq + 1 and name not in WHOLE:
                self._ask_again()
                return False
        self._epoch, self._last_seq, self._asked_again = data["epoch"], data["seq"], False
        return True

    def _ask_again(self) -> None:
        if not self._asked_again and self._socket.connected:
            self._asked_again = True
            self.join()

    def _lines_by(self, name: str, data: dict[str, Any]) -> Iterator[Event]:
        """The log lines that the event brings, and before them those that it shows to lack."""
        brought = data.get("lines") or ()
        is_state = name in FINAL or data.get("snapshot")
        before = brought[0]["n"] - 1 if brought else (data.get("log_total") or 0) if is_state else 0
        while self._lines < before and (lines := self.read_lines(self._lines + 1)):
            yield self._told({"task_id": self._task_id}, lines)
        if fresh := [line for line in brought if line["n"] > self._lines]:
            yield self._told(data, fresh)

    def _told(self, data: dict[str, Any], lines: list[dict[str, Any]]) -> Event:
        self._lines = lines[-1]["n"]
        return "task_log", {**data, "lines": lines}
