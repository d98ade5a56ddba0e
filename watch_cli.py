"""`run`, `watch` and `cancel`: a task in the terminal, over the same API and the same live events as the pages.

They need TASKROOM_TOKEN, and TASKROOM_URL unless the server is the local one. The exit status is the task's:
0 completed, 1 failed, 130 cancelled.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from config import Client
from follower import FINAL, Api, Follower

SHOWN_LEVELS = {"warning": "yellow", "error": "red"}


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
