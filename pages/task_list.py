"""The list of tasks: what somebody may see, narrowed and sorted by the address, page by page, and as a download."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Any

from flask import Blueprint, Response, render_template, request
from flask_login import current_user, login_required
from sqlalchemy.orm import Session

from accounts import Identity
from database import rfc3339
from jobs.code_scan.exports import cell
from pages import reading
from pages.listing import Choices, ListAsked, chips, count_words, sorts
from pages.outcome import in_a_row
from pages.view import task_view
from tasks import store
from tasks.events import encode
from tasks.listing import Filters, Sort, list_tasks
from tasks.models import Task
from tasks.registry import all_jobs
from tasks.states import is_final

blueprint = Blueprint("task_list", __name__)
PAGE_SIZE = 50
EXPORTED_AT_ONCE = 100
Part = tuple[bytes, str | None]
COLUMNS = (
    "task_id", "title", "kind", "status", "owner", "priority", "visibility", "schedule_id", "attempt",
    "created_at", "started_at", "finished_at", "duration_ms", "outcome",
)  # fmt: skip


@blueprint.get("/tasks")
@login_required
def task_list() -> str:
    """The tasks that this person may see, filtered by the address."""
    asked, identity, now = ListAsked.from_args(request.args), current_user.identity, reading.now()
    found = reading.list_tasks(identity, asked, PAGE_SIZE)
    titles = {job.kind: job.title for job in all_jobs()}
    schedules, owners = reading.list_choices(identity)
    rows = [(task_view(task, now), in_a_row(task), titles.get(task["kind"], task["kind"])) for task in found.items]
    return render_template(
        "pages/task_list.html",
        asked=asked,
        rows=rows,
        chips=chips(asked, Choices(titles, schedules, owners)),
        sorts=sorts(asked),
        retention_days=reading.config().retention_days,
        identity=identity,
        count_words=count_words(found, asked),
        no_match_title=asked.no_match_title,
        next_href=asked.href(cursor=found.next_cursor) if found.next_cursor else "",
        newest_href=asked.href() if asked.cursor else "",
    )


@blueprint.get("/tasks/export.<any(csv, json):form>")
@login_required
def export_tasks(form: str) -> Response:
    """All tasks that the filters leave, not only one page, as a download that is written while it is read."""
    asked, now = ListAsked.from_args(request.args), reading.now()
    said = _Csv() if form == "csv" else _Json(asked, now)
    response = Response(_parts(current_user.identity, asked, now, said, reading.reader_aside()), mimetype=said.type)
    response.headers["Content-Disposition"] = f'attachment; filename="tasks-{now:%Y-%m-%d}.{form}"'
    return response


class _Csv:
    """UTF-8 with a mark, as spreadsheets want it; no cell can be taken for a formula."""

    type = "text/csv"
    end = b""

    @property
    def head(self) -> bytes:
        return b"\xef\xbb\xbf" + self._lines([COLUMNS])

    def part(self, tasks: list[dict[str, Any]], is_first: bool) -> bytes:  # noqa: ARG002  # as in JSON
        return self._lines([[cell(task[name]) for name in COLUMNS] for task in tasks])

    @staticmethod
    def _lines(rows: Iterable[Iterable[Any]]) -> bytes:
        out = io.StringIO()
        csv.writer(out).writerows(rows)
        return out.getvalue().encode("utf-8", "replace")


class _Json:
    """One object: what was asked for, and the tasks with their parameters and results."""

    type = "application/json"
    end = b"]}\n"

    def __init__(self, asked: ListAsked, now: datetime) -> None:
        head = {"filters": dict(asked.others("sort")), "sort": asked.order, "exported_at": rfc3339(now)}
        self.head = encode(head)[:-1].encode() + b',"items":['

    def part(self, tasks: list[dict[str, Any]], is_first: bool) -> bytes:
        shown = [{name: task[name] for name in (*COLUMNS, "params", "results", "error")} for task in tasks]
        return (b"" if is_first or not tasks else b",\n") + encode(shown)[1:-1].encode()


def _parts(
    identity: Identity, asked: ListAsked, now: datetime, said: _Csv | _Json, read: Callable[..., Part]
) -> Iterator[bytes]:
    """The file in parts, each read and written in a transaction of its own, beside the loop; what begins meanwhile
    moves none of them.
    """
    yield said.head
    ask = partial(_part, identity, asked.filters(now), asked.order, said)
    part, cursor = read(partial(ask, None))
    yield part
    while cursor is not None:
        part, cursor = read(partial(ask, cursor))
        yield part
    yield said.end


def _part(
    identity: Identity, filters: Filters, sort: Sort, said: _Csv | _Json, cursor: str | None, session: Session
) -> Part:
    page = list_tasks(session, identity, filters, cursor, EXPORTED_AT_ONCE, sort)
    return said.part([_exported(*each) for each in page.items], cursor is None), page.next_cursor


def _exported(task: Task, owner: str) -> dict[str, Any]:
    snapshot = store.snapshot(task, owner)
    return {**snapshot, "owner": owner, "outcome": in_a_row(snapshot) if is_final(task.state) else ""}
