"""Connections: now and today, by room, person and address, what was refused and caught up; one of them can be ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from flask import flash, redirect, render_template, request
from sqlalchemy import select
from werkzeug.wrappers import Response

import extensions
from admin import asked
from admin.frame import blueprint
from admin.metric_words import figures, number
from admin.overview import RANGES
from admin.overview_parts import room_rows
from database import utc_now
from delivery.roll_call import Roll
from monitoring.connections import call_roll, end_connection, shown
from monitoring.history import SPANS
from tasks import words
from tasks.errors import TaskroomError
from tasks.models import Task

ADDRESS = "/admin/connections"
ROWS = 100
TOP = 10
REASONS = {
    "rate_limited": "Too many requests or packets",
    "no_login": "No valid login in time",
    "address_limit": "Too many connections of one address",
    "server_full": "The process is full",
    "slow_request": "A request that took too long to arrive",
    "foreign_origin": "A page of another site",
    "too_large": "Too large",
    "malformed": "Not what the protocol allows",
    "binary": "Binary packets",
    "reserved_event": "Reserved events",
    "forged": "Messages that nothing of ours published",
    "slow_reader": "A client that read nothing",
}
COUNTED = {
    "refused": "Refused",
    "rate_limited": "Rate-limited",
    "slow_readers_ended": "Ended for reading nothing",
    "replays": "Caught up by replay",
    "snapshots": "Caught up by snapshot",
}


@blueprint.get("/connections")
def connection_list() -> str:
    """Who is connected, over all web processes."""
    room, now, text = extensions.current(), utc_now(), asked.words()
    span = SPANS[request.args.get("range", "1h") if request.args.get("range") in SPANS else "1h"]
    metrics: dict[str, Any] = room.metrics.now()
    roll, is_whole = call_roll(room, text, ROWS)
    past: dict[str, Any] = room.history.of(span.name)
    with asked.database().read() as session:
        titles = _titles(session, roll)
    found = shown(metrics, roll, is_whole=is_whole)
    return render_template(
        "admin/connections.html",
        figures=figures(metrics),
        found=found,
        listed=roll.connections,
        rows=[_row(row, titles, now) for row in found["sockets"]],
        rooms=room_rows(metrics),
        users=found["by_user"][:TOP],
        addresses=found["by_address"][:TOP],
        reasons=_reasons(found["refused_by_reason"]),
        counts=[(title, _total(past, name)) for name, title in COUNTED.items()],
        peak=past["peaks"]["connections"],
        q=text,
        ranges=[
            {"title": title, "href": asked.href(ADDRESS, {"q": text, "range": "" if name == "1h" else name})}
            | {"current": name == span.name}
            for name, title in RANGES.items()
        ],
        range=span.name,
        range_words=RANGES[span.name],
        here=asked.href(ADDRESS, {"q": text}),
        as_of=words.clock(now),
    )


@blueprint.post("/connections/disconnect")
def disconnect() -> Response:
    """End one socket, and show the list again."""
    try:
        row = end_connection(extensions.current(), request.form.get("sid", "")[:200], asked.actor(), asked.reason())
        flash(f"The connection of {row['username']} from {row['address']} is ended. They may connect again.")
    except TaskroomError as error:
        flash(error.message)
    return redirect(asked.href(ADDRESS, {"q": request.form.get("q", "")[:200]}), 303)


def _titles(session: Any, roll: Roll) -> dict[str, str]:
    """The titles of the first task that each listed socket watches."""
    wanted = {row["tasks"][0] for row in roll.rows if row["tasks"]}
    found = session.execute(select(Task.id, Task.title).where(Task.id.in_(wanted)))
    return {task_id: title for task_id, title in found}  # noqa: C416  # a Row is no pair to mypy


def _row(row: Mapping[str, Any], titles: Mapping[str, str], now: datetime) -> dict[str, Any]:
    tasks: Sequence[str] = row["tasks"]
    return {
        **row,
        "since": words.moment(row["since"], now),
        "first_task": {"id": tasks[0], "title": titles.get(tasks[0], f"Task {tasks[0][:8]}")} if tasks else None,
        "more": f"and {number(len(tasks) - 1)} more" if len(tasks) > 1 else "",
    }


def _reasons(by_reason: Mapping[str, int] | None) -> list[tuple[str, str]] | None:
    if by_reason is None:
        return None
    most = sorted(by_reason.items(), key=lambda each: -each[1])
    return [(REASONS.get(reason, words.humanise(reason)), number(count)) for reason, count in most if count]


def _total(past: Mapping[str, Any], name: str) -> str:
    known = [value for value in past["counts"]["series"][name] if value is not None]
    return number(sum(known) if known else None)
