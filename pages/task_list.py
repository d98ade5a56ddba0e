"""The list of tasks: what somebody may see, narrowed and sorted by the address, page by page, and as a download."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import orjson
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
from tasks import listing, store
from tasks.events import encode
from tasks.models import Task
from tasks.registry import all_jobs
from tasks.states import is_final

blueprint = Blueprint("task_list", __name__)
PAGE_SIZE = 50
EXPORTED_AT_ONCE = 200
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
    asked = ListAsked.from_args(request.args)
    pages = _pages(current_user.identity, asked, reading.reader_aside())
    body, kind = (_as_csv(pages), "text/csv") if form == "csv" else (_as_json(pages, asked), "application/json")
    response = Response(body, mimetype=kind)
    response.headers["Content-Disposition"] = f'attachment; filename="tasks-{reading.now():%Y-%m-%d}.{form}"'
    return response


def _pages(identity: Identity, asked: ListAsked, read: Callable[..., listing.Page]) -> Iterator[list[dict[str, Any]]]:
    """The tasks page by page, each read in a transaction of its own; what begins meanwhile moves none of them."""
    filters, cursor, is_last = asked.filters(reading.now()), None, False
    while not is_last:
        page = read(partial(_page, identity, filters, cursor, asked))
        yield [_exported(*each) for each in page.items]
        cursor = page.next_cursor
        is_last = cursor is None


def _page(
    identity: Identity, filters: listing.Filters, cursor: str | None, asked: ListAsked, session: Session
) -> listing.Page:
    return listing.list_tasks(session, identity, filters, cursor, EXPORTED_AT_ONCE, asked.order)


def _exported(task: Task, owner: str) -> dict[str, Any]:
    snapshot = store.snapshot(task, owner) | {"owner": owner}
    return {**snapshot, "outcome": in_a_row({**snapshot}) if is_final(task.state) else ""}


def _as_csv(pages: Iterator[list[dict[str, Any]]]) -> Iterator[bytes]:
    """UTF-8 with a mark, as spreadsheets want it; no cell can be taken for a formula."""
    yield b"\xef\xbb\xbf" + _lines([COLUMNS])
    for page in pages:
        yield _lines([[cell(task[name]) for name in COLUMNS] for task in page])


def _lines(rows: Iterable[Iterable[Any]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode("utf-8", "replace")


def _as_json(pages: Iterator[list[dict[str, Any]]], asked: ListAsked) -> Iterator[bytes]:
    head = {"filters": dict(asked.others("sort")), "sort": asked.order, "exported_at": rfc3339(reading.now())}
    yield orjson.dumps(head)[:-1] + b',"items":['
    is_first = True
    for page in pages:
        if page:
            shown = [{name: task[name] for name in (*COLUMNS, "params", "results", "error")} for task in page]
            yield (b"" if is_first else b",\n") + encode(shown)[1:-1].encode()
            is_first = False
    yield b"]}\n"
