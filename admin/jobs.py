"""All users' jobs: the list with its filters, one of them with what admins know of it, and orders over many.

All of it works without JavaScript: an order then goes over a page that says what will happen.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import current_app, get_template_attribute, redirect, render_template, request
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

import extensions
from accounts.models import AuditEntry
from admin import asked as requests
from admin.frame import blueprint
from admin.job_words import (
    BASE,
    COLUMNS,
    ROWS,
    SORT_WORDS,
    SORTED_BY,
    JobsAsked,
    choices,
    clock_moment,
    place_words,
    took,
)
from database import rfc3339, utc_now
from tasks import administration, events, job_list, notes, queue_control, store
from tasks.administration import MAX_AT_ONCE, Action, Administration, Order
from tasks.errors import InvalidParams
from tasks.models import Task
from tasks.registry import all_jobs
from tasks.states import Priority, State

MAX_ENTRIES = 50
ROWS_PER_TURN = 10
SENTENCES = {
    Action.CANCEL: ("Cancel", "Keep them running"),
    Action.RETRY: ("Run again", "Leave them"),
    Action.PRIORITY: ("Set the priority of", "Leave them"),
    Action.NOTE: ("Add the note to", "Leave them"),
}


@blueprint.get("/jobs")
def jobs() -> str:
    """Everybody's tasks."""
    asked, now = JobsAsked.of(request.args), utc_now()
    page, suggested = requests.read_aside(
        lambda session: (
            job_list.list_jobs(session, asked.filters, now, asked.sort, asked.cursor, asked.rows),
            job_list.suggestions(session),
        )
    )
    titles = {job.kind: job.title for job in all_jobs()}
    with requests.database().read() as session:
        rows = _rows(session, page)
    return render_template(
        "admin/jobs.html",
        asked=asked,
        rows=_rendered(rows, asked, now),
        made_at=rfc3339(now),
        chips=requests.chips(BASE, choices(suggested, titles), asked.query),
        suggested=suggested,
        titles=titles,
        columns=COLUMNS,
        row_counts=ROWS,
        sorts=SORT_WORDS,
        sorted_by=SORTED_BY,
        priorities=list(Priority),
        total=page.total,
        done_words=administration.DONE,
        count_words=place_words(page, asked),
        next_href=asked.href(cursor=page.next_cursor) if page.next_cursor else "",
    )


@blueprint.get("/jobs/<uuid:task_id>")
def one_job(task_id: UUID) -> str:
    """One task with what only admins see: notes, and what was done to it."""
    now = utc_now()
    with requests.database().read() as session:
        task, owner = store.find_task(session, str(task_id), current_user.identity)
        job = _shown(store.snapshot(task, owner), queue_control.read(session))
        entries = session.scalars(
            select(AuditEntry)
            .where(AuditEntry.subject == f"task:{task.id}")
            .order_by(AuditEntry.id.desc())
            .limit(MAX_ENTRIES)
        ).all()
        return render_template(
            "admin/job.html",
            job=job,
            now=now,
            took=took(job, now),
            moment=clock_moment,
            notes=notes.notes_of(session, task.id),
            attempts=store.attempts(session, task),
            entries=[(clock_moment(rfc3339(each.at), now), each) for each in entries],
            titles={each.kind: each.title for each in all_jobs()},
            priorities=list(Priority),
            lease=clock_moment(rfc3339(task.lease_expires_at), now),
            max_note=notes.MAX_NOTE,
        )


@blueprint.post("/jobs/bulk")
def bulk() -> str | Response | tuple[str, int]:
    """What will happen, and once that is confirmed, what has happened. A note needs no question."""
    form, identity = request.form, current_user.identity
    asked = JobsAsked.of(form)
    try:
        order = _order()
    except InvalidParams as error:
        return render_template("admin/jobs_order.html", problem=error.message, asked=asked, back=asked.href()), 422
    ids, matched = _selected(asked)
    room = extensions.current()
    orders = Administration(room.database, room.tasks, lambda: time.sleep(0))
    is_sure = form.get("confirm") == "1" or order.action == Action.NOTE
    results = orders.act(identity, requests.actor(), ids, order) if is_sure else orders.preview(ids, order)
    if is_sure and len(ids) == 1:
        return redirect(f"{BASE}/{ids[0]}", code=303)
    return render_template(
        "admin/jobs_order.html",
        asked=asked,
        back=asked.href(),
        order=order,
        is_done=is_sure,
        results=_with_titles(results),
        matched=matched,
        most=MAX_AT_ONCE,
        summary=(administration.result_words if is_sure else administration.preview_words)(results),
        sentences=SENTENCES[order.action],
    )


def _rows(session: Session, page: job_list.JobPage) -> list[dict[str, Any]]:
    control = queue_control.read(session)
    noted = notes.count_notes(session, [task.id for task, _ in page.items])
    shown = [_shown(store.snapshot(task, owner), control) for task, owner in page.items]
    return [{**job, "notes": noted.get(job["task_id"], 0), "live": _live(job)} for job in shown]


def _rendered(rows: list[dict[str, Any]], asked: JobsAsked, now: datetime) -> list[str]:
    """The rows as HTML. The loop has a turn after every few of them: hundreds take longer than anybody should wait."""
    view_of: Any = current_app.jinja_env.globals["task_view"]
    row_of = get_template_attribute("admin/job_parts.html", "jobrow")
    rendered = []
    for job in rows:
        times = (clock_moment(job["started_at"], now), clock_moment(job["created_at"], now), took(job, now))
        rendered.append(row_of(job, view_of(job, now), asked.columns, *times))
        if len(rendered) % ROWS_PER_TURN == 0:
            time.sleep(0)
    return rendered


def _shown(job: dict[str, Any], control: queue_control.Control) -> dict[str, Any]:
    held = control.holds(job["kind"]) if job["status"] == State.QUEUED else None
    return {**job, "held": held}


def _live(job: dict[str, Any]) -> dict[str, Any]:
    """What the page's script goes on from: the fields of `job_update`."""
    return {name: job.get(name) for name in events.JOB_FIELDS}


def _order() -> Order:
    """What the form asks for. Raises InvalidParams."""
    action, _, priority = request.form.get("action", "").partition(":")
    priority = priority or request.form.get("priority", "")
    note = request.form.get("note", "").strip()[: notes.MAX_NOTE]
    if action not in tuple(Action):
        raise InvalidParams({"action": "Say what is to be done: cancel, run again, a priority or a note."})
    if action == Action.PRIORITY and priority not in tuple(Priority):
        raise InvalidParams({"priority": "Choose a priority."})
    if action == Action.NOTE and not note:
        raise InvalidParams({"note": "Write what is to be noted."})
    chosen = Priority(priority) if action == Action.PRIORITY else Priority.NORMAL
    return Order(Action(action), requests.reason(), chosen, note)


def _selected(asked: JobsAsked) -> tuple[list[str], int]:
    """The ticked tasks, or all that match."""
    if request.form.get("scope") == "all":
        return requests.read_aside(
            lambda session: job_list.matching_ids(session, asked.filters, utc_now(), MAX_AT_ONCE)
        )
    ids = list(dict.fromkeys(each[:36] for each in request.form.getlist("task")))[:MAX_AT_ONCE]
    return ids, len(ids)


def _with_titles(results: list[administration.Result]) -> list[dict[str, Any]]:
    """The results with what each task is called, and in words."""
    query = select(Task.id, Task.title).where(Task.id.in_([each.task_id for each in results]))
    with requests.database().read() as session:
        titles = {task_id: title for task_id, title in session.execute(query)}  # noqa: C416  # a Row is no pair to mypy
    words = administration.DONE
    return [
        {
            "id": each.task_id,
            "title": titles.get(each.task_id, each.task_id),
            "says": each.message or words[each.outcome],
        }
        for each in results
    ]
