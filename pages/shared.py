"""The page of one task for whoever has a link to it: live and read-only, without a login, and nothing else.

All it shows has passed `tasks.sharing.Veil`. A link that has ended looks like one that never was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flask import Blueprint, Response, current_app, make_response, render_template, request
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

import extensions
from database import Database
from delivery.newest_state import add_tail
from pages import format as words
from pages import reading
from pages.log_view import LEVELS, WINDOW, LogAsked, asked_log, log_view
from pages.outcome import outcome
from pages.progress import LABELS, LEFT_OUT_DETAILS, Snapshot
from pages.results import plain_results
from pages.tasks import empty_phase, page_title
from pages.view import task_view
from tasks import events, store
from tasks.errors import NotFound, RateLimited
from tasks.models import Task, TaskEvent
from tasks.registry import all_jobs
from tasks.sharing import OpenLink, Sharing
from tasks.states import ACTIVE

blueprint = Blueprint("shared", __name__, url_prefix="/shared")
HEADERS = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow", "Cache-Control": "no-store"}
LINES_AT_ONCE = 500


@blueprint.after_request
def _keep_private(response: Response) -> Response:
    response.headers.update(HEADERS)
    return response


@blueprint.get("/<token>")
def shared_task(token: str) -> BaseResponse:
    """The task as it is now."""
    try:
        link = _opened(token)
    except (NotFound, RateLimited) as error:
        page = make_response(render_template("pages/shared_ended.html", message=error.message), error.status)
        if error.retry_after_s:
            page.headers["Retry-After"] = str(round(error.retry_after_s))
        return page
    if request.headers.get("Sec-Fetch-Dest", "document") == "document":  # and not a page that brings itself up to date
        _sharing().note_use(link)
    task, now = _task(link), reading.now()
    if task["status"] in ACTIVE and not task["details"]:
        task = {**task, "details": dict.fromkeys(reading.usual_details(task["kind"], only_numbers=True))}
    view = task_view(task, now)
    asked = asked_log(request.args)
    lines, matches = _log_lines(task, link, asked)
    place = f"/shared/{token}"
    shown = _sharing().veil.lines(lines)
    job = next((each for each in all_jobs() if each.kind == task["kind"]), None)
    return make_response(
        render_template(
            "pages/shared.html",
            share=token,
            place=place,
            task=view,
            job=job,
            until=words.moment(link.expires_at, now),
            log=log_view(task, asked, shown, matches, place=place, text_href=f"{place}/log.txt"),
            outcome=outcome(task),
            page_title=page_title(view),
            results=task["results"],
            detail_labels=LABELS,
            left_out_details=LEFT_OUT_DETAILS,
            empty_phase=empty_phase(task, now),
            plain_results=plain_results,
        )
    )


@blueprint.get("/<token>/task")
def shared_state(token: str) -> Response:
    """The state of the task as JSON, for a page that has lost its connection."""
    return _json(_task(_opened(token)))


@blueprint.get("/<token>/log")
def shared_log(token: str) -> Response:
    """Lines of the log as JSON: `?from=&limit=&q=&level=`, `level` meaning this one and worse."""
    link, asked = _opened(token), asked_log(request.args)
    limit = request.args.get("limit", "")
    most = int(limit) if limit.isascii() and limit.isdigit() and len(limit) < 6 else LINES_AT_ONCE
    found = _search(link, asked, most)
    return _json({**found, "lines": _sharing().veil.lines(found["lines"])})


@blueprint.get("/<token>/log.txt")
def shared_log_text(token: str) -> Response:
    """All lines that there are now, as text."""
    link = _opened(token)
    with reading.database().read() as session:
        total = _row(session, link)[0].log_total
    response = Response(_text_lines(link, total, _sharing(), reading.database()), mimetype="text/plain")
    response.headers["Content-Disposition"] = f'attachment; filename="log-{link.task_id[:8]}.txt"'
    return response


def _log_lines(task: Snapshot, link: OpenLink, asked: LogAsked) -> tuple[list[Mapping[str, Any]], int | None]:
    """The window of the log that the page shows."""
    if not asked.query and asked.level == "all":
        return reading.log_lines(task, asked)
    found = _search(link, asked, WINDOW)
    return found["lines"], found.get("matches")


def _search(link: OpenLink, asked: LogAsked, most: int) -> dict[str, Any]:
    """Lines of the log. Strangers may ask for a search through all of it, so nobody else waits for that."""
    levels = LEVELS[LEVELS.index(asked.level) :] if asked.level != "all" else ()

    def read(session: Session) -> dict[str, Any]:
        task = _row(session, link)[0]
        return store.log_lines(session, task, max(asked.start, 1), most, asked.query or None, levels)

    return reading.reader_aside()(read)


def _sharing() -> Sharing:
    found: Sharing = extensions.current().sharing
    return found


def _opened(token: str) -> OpenLink:
    return _sharing().open(token, request.remote_addr or "")


def _row(session: Session, link: OpenLink) -> tuple[Task, str]:
    found = store.load_task(session, link.task_id)
    if found is None:
        raise NotFound("There is no such task.")
    return found


def _task(link: OpenLink) -> Snapshot:
    """The newest state of the task, veiled: what a visitor may not see is None."""
    tail = current_app.extensions[reading.LIVE_TAIL].ask_tail(lambda log: log.read(link.task_id))
    with reading.database().read() as session:
        snapshot = reading.snapshot_of(session, *_row(session, link))
        newest = session.scalar(select(func.max(TaskEvent.id)).where(TaskEvent.task_id == link.task_id))
    add_tail(snapshot, tail, newest)
    return {**dict.fromkeys(snapshot), **_sharing().veil.task(snapshot)}


def _json(data: Mapping[str, Any]) -> Response:
    return Response(events.encode(data), mimetype="application/json")


def _text_lines(link: OpenLink, total: int, sharing: Sharing, database: Database) -> Iterator[str]:
    """Each page read in a transaction of its own, while the link holds."""
    after = 0
    while after < total and not sharing.ended({link.link_id}):
        with database.read() as session:
            task = _row(session, link)[0]
            lines = sharing.veil.lines(store.log_lines(session, task, after + 1, LINES_AT_ONCE)["lines"])
        if not lines:
            return
        after = lines[-1]["n"]
        yield "".join(map(store.text_line, lines))
