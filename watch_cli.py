"""`run`, `watch` and `cancel`: a task in the terminal, over the same API and the same live events as the pages.

They need TASKROOM_TOKEN, and TASKROOM_URL unless the server is the local one. The exit status is the task's:
0 completed, 1 failed, 130 cancelled.
"""

from __future__ import annotations

import json
import os
import queue
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click
import requests
import socketio
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from config import Client

TIMEOUT_S = 15
FINAL = {"task_completed": 0, "task_error": 1, "task_cancelled": 130}
EVENTS = ("progress_update", "task_log", "task_retrying", *FINAL)
SHOWN_LEVELS = {"warning": "yellow", "error": "red"}


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
    """Follows one task live: joins, joins again after a broken connection with what it has seen, to the end."""

    def __init__(self, client: Client, task_id: str) -> None:
        self._client = client
        self._task_id = task_id
        self._events: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        self._last_seq: int | None = None
        self._epoch: str | None = None
        self._lines = 0
        self._socket = socketio.Client(
            reconnection=True, reconnection_delay=1, reconnection_delay_max=5, handle_sigint=False
        )
        # python-engineio hands each message to a thread of its own, which loses their order on a busy machine.
        trigger = self._socket.eio._trigger_event
        self._socket.eio._trigger_event = lambda event, *data, **_: trigger(event, *data, run_async=False)
        self._socket.on("connect", self._join)
        for name in EVENTS:
            self._socket.on(name, lambda data, name=name: self._events.put((name, data)))

    def follow(self) -> Any:
        """Yield (event, data) in order, each log line once, up to the final event."""
        headers = {"Authorization": f"Bearer {self._client.token}"}
        try:
            self._socket.connect(self._client.url, headers=headers, wait_timeout=TIMEOUT_S, retry=False)
        except socketio.exceptions.ConnectionError as error:
            raise click.ClickException(f"No live connection to {self._client.url}: {error}") from None
        try:
            while True:
                name, data = self._next()
                if data.get("task_id") != self._task_id or not self._is_next(data):
                    continue
                yield from self._lines_before(name, data)
                if name != "task_log":
                    yield name, data
                if name in FINAL:
                    return
        finally:
            self._socket.disconnect()

    def _next(self) -> tuple[str, dict[str, Any]]:
        while True:
            try:
                return self._events.get(timeout=0.5)
            except queue.Empty:
                continue

    def _join(self) -> None:
        seen = {} if self._last_seq is None else {"last_seq": self._last_seq, "epoch": self._epoch}
        self._socket.emit("join_task", {"task_id": self._task_id, **seen}, callback=self._joined)

    def _joined(self, answer: Mapping[str, Any]) -> None:
        if not answer.get("ok"):
            message = answer.get("error", {}).get("message", "refused")
            self._events.put(("task_error", {"task_id": self._task_id, "error": message, "seq": None, "epoch": None}))

    def _is_next(self, data: Mapping[str, Any]) -> bool:
        if data.get("seq") is None or data["epoch"] != self._epoch:
            self._epoch, self._last_seq = data.get("epoch"), data.get("seq")
            return True
        if self._last_seq is not None and data["seq"] <= self._last_seq:
            return False
        self._last_seq = data["seq"]
        return True

    def _lines_before(self, name: str, data: Mapping[str, Any]) -> Any:
        """The log lines that this event brings or says to exist, fetched where they did not come by themselves."""
        lines = [line for line in data.get("lines", ()) if line["n"] > self._lines]
        wanted = lines[-1]["n"] if lines else (data.get("log_total") or 0) if name in FINAL else self._lines
        if lines and lines[0]["n"] == self._lines + 1:
            self._lines = lines[-1]["n"]
            yield "task_log", {**data, "lines": lines}
        while self._lines < wanted:
            part = Api(self._client).call(
                "GET", f"/tasks/{self._task_id}/log", params={"from": self._lines + 1, "limit": 1000}
            )
            if not part["lines"]:
                return
            self._lines = part["lines"][-1]["n"]
            yield "task_log", {"task_id": self._task_id, "lines": part["lines"]}


def show(client: Client, task_id: str, as_json: bool) -> int:
    """Follow the task to its end, as one JSON object a line or as a live bar; returns the exit status."""
    follower = Follower(client, task_id)
    if as_json:
        for name, data in follower.follow():
            click.echo(json.dumps({"event": name, **data}, ensure_ascii=False))
            if name in FINAL:
                return FINAL[name]
    return _show_bar(follower)


def _show_bar(follower: Follower) -> int:
    console = Console(stderr=True, highlight=False)
    columns = (
        TextColumn("{task.fields[percent]:>7}"),
        BarColumn(bar_width=36),
        TextColumn("{task.fields[counts]}"),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[step]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        row = progress.add_task("", total=None, percent="–", counts="", step="")
        for name, data in follower.follow():
            if name == "task_log":
                _print_lines(console, data["lines"])
            elif name == "task_retrying":
                console.print(
                    f"Attempt {data['attempt']} of {data['max_attempts']} failed: {data['error']}", markup=False
                )
            elif name == "progress_update":
                _move(progress, row, data)
            else:
                progress.stop()
                return _print_end(console, name, data)
    return 1


def _print_lines(console: Console, lines: list[dict[str, Any]]) -> None:
    for line in lines:
        console.print(
            f"{line['text']}",
            style=SHOWN_LEVELS.get(line["level"], "dim" if line["level"] == "debug" else None),
            markup=False,
        )


def _move(progress: Progress, row: TaskID, data: Mapping[str, Any]) -> None:
    percent, done, total = data.get("progress_percent"), data.get("done"), data.get("total")
    unit = data.get("unit") or ""
    counts = f"{data.get('phase') or data.get('status')} {done:,.0f}" if done is not None else str(data.get("status"))
    counts += f" of {total:,.0f} {unit}" if total else f" {unit}"
    progress.update(
        row,
        completed=percent or 0,
        total=None if percent is None else 100,
        percent="–" if percent is None else f"{percent:.1f} %",
        counts=counts,
        step=(data.get("current_step") or "")[-60:],
    )


def _print_end(console: Console, name: str, data: Mapping[str, Any]) -> int:
    seconds = (data.get("duration_ms") or 0) / 1000
    if name == "task_completed":
        console.print(f"[green]Completed[/] in {seconds:.1f} s")
        for key, value in (data.get("results") or {}).items():
            shown = (
                f"{value:,}"
                if isinstance(value, int)
                else json.dumps(value)
                if isinstance(value, dict | list)
                else str(value)
            )
            click.echo(f"{key}: {shown}")
    elif name == "task_cancelled":
        forced = ", by force" if data.get("forced") else ""
        console.print(f"Cancelled by {data.get('cancelled_by') or 'somebody'}{forced}.", markup=False)
    else:
        console.print(f"Failed: {data.get('error')}", style="red", markup=False)
    return FINAL[name]


def parameters(assignments: tuple[str, ...], schema: Mapping[str, Any]) -> dict[str, Any]:
    """`name=value` pairs as the job's parameters: numbers, booleans and comma-separated lists as declared."""
    params: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise click.UsageError(f"-p {assignment}: expected name=value")
        params[name] = _typed(value, schema.get("properties", {}).get(name, {}))
    return params


def _typed(value: str, field: Mapping[str, Any]) -> Any:
    kinds = {field.get("type"), *(option.get("type") for option in field.get("anyOf", ()))}
    if "array" in kinds:
        return [part.strip() for part in value.split(",") if part.strip()]
    if "object" in kinds:
        try:
            return json.loads(value)
        except ValueError:
            raise click.UsageError(f"expected a JSON object, got {value!r}") from None
    if "boolean" in kinds and value.lower() in ("true", "false", "yes", "no", "1", "0"):
        return value.lower() in ("true", "yes", "1")
    for kind, convert in (("integer", int), ("number", float)):
        if kind in kinds:
            try:
                return convert(value)
            except ValueError:
                return value
    return value


def _client() -> Client:
    client = Client.from_env()
    if not client.token:
        raise click.UsageError(
            "TASKROOM_TOKEN is not set. Make a token: ./taskroom token create --user NAME --name terminal"
        )
    return client


@click.command()
@click.argument("kind")
@click.option("-p", "assignments", multiple=True, metavar="NAME=VALUE", help="A parameter; may be repeated.")
@click.option("--title", help="What the task is called.")
@click.option("--priority", type=click.Choice(("urgent", "high", "normal", "low")), default="normal")
@click.option("--json", "as_json", is_flag=True, help="Print one event per line.")
@click.option("--no-watch", is_flag=True, help="Print the task's id and end.")
@click.option("--data-dir", hidden=True, type=click.Path(), help="Accepted like everywhere; not used.")
def run(
    kind: str,
    assignments: tuple[str, ...],
    title: str | None,
    priority: str,
    as_json: bool,
    no_watch: bool,
    data_dir: str | None,
) -> None:
    """Start a task of the job KIND and show it live."""
    del data_dir
    client = _client()
    api = Api(client)
    jobs = {job["kind"]: job for job in api.call("GET", "/jobs")["items"]}
    if kind not in jobs:
        raise click.UsageError(f"There is no job {kind!r}. Known are: {', '.join(sorted(jobs)) or 'none'}.")
    body = {"kind": kind, "params": parameters(assignments, jobs[kind]["params"]), "priority": priority}
    task = api.call("POST", "/tasks", json={**body, **({"title": title} if title else {})})
    if no_watch:
        click.echo(task["task_id"])
        return
    click.echo(f"{task['title']}: {client.url}/tasks/{task['task_id']}", err=True)
    _end_with(client, task["task_id"], as_json)


@click.command()
@click.argument("task_id")
@click.option("--json", "as_json", is_flag=True, help="Print one event per line.")
@click.option("--data-dir", hidden=True, type=click.Path())
def watch(task_id: str, as_json: bool, data_dir: str | None) -> None:
    """Follow a task to its end; the exit status is the task's."""
    del data_dir
    client = _client()
    Api(client).call("GET", f"/tasks/{task_id}")
    _end_with(client, task_id, as_json)


def _end_with(client: Client, task_id: str, as_json: bool) -> None:
    try:
        status = show(client, task_id, as_json)
    except KeyboardInterrupt:
        click.echo(f"\nThe task goes on. Follow it with: ./taskroom watch {task_id}", err=True)
        status = 130
    sys.stdout.flush()
    os._exit(status)


@click.command()
@click.argument("task_id")
@click.option("--reason", help="Everyone who watches sees it.")
@click.option("--data-dir", hidden=True, type=click.Path())
def cancel(task_id: str, reason: str | None, data_dir: str | None) -> None:
    """Ask for a task to end."""
    del data_dir
    answer = Api(_client()).call("POST", f"/tasks/{task_id}/cancel", json={"reason": reason} if reason else {})
    click.echo(answer.get("status") or answer.get("state") or "asked")
