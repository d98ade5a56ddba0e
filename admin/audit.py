"""The audit log: who did what, when, why and from where, with what it was before and after. Nobody can change it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
from flask import render_template, request, stream_with_context
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from accounts import AuditEntry, User, audit_log
from accounts.audit_log import AuditFilters
from admin import asked
from admin.audit_view import action_words, entry_view
from admin.frame import blueprint
from database import rfc3339, utc_now
from jobs.code_scan.exports import cell
from tasks import words
from tasks.models import Task
from tasks.schedules.models import Schedule

LIST = "/admin/audit"
ROWS = 50
MAX_ADMINS = 30
SPANS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
WHEN = {"today": "Today", "day": "The last 24 h", "week": "The last 7 days", "month": "The last 30 days"}
KINDS = {
    "user": "People", "task": "Tasks", "schedule": "Schedules", "setting": "Settings", "alert": "Alerts",
    "page": "Pages", "api": "API",
}  # fmt: skip
COLUMNS = ("id", "at", "actor", "action", "subject", "reason", "before", "after", "address", "request_id")


@blueprint.get("/audit")
def audit_page() -> str:
    """Entries, newest first, as the address narrows them."""
    now, kept = utc_now(), _kept()
    filters, before = _filters(kept, now), _number("cursor")

    def read(session: Session) -> dict[str, Any]:
        rows, following = audit_log.entries(session, filters, before, ROWS)
        titles = _titles(session, rows)
        return {
            "rows": [entry_view(each, now, titles) for each in rows],
            "next_href": asked.href(LIST, {**kept, "cursor": str(following)}) if following else "",
            "matching": audit_log.count(session, filters),
            "total": audit_log.count(session, AuditFilters()),
            "chips": asked.chips(LIST, _choices(session), kept),
        }

    found = asked.read_aside(read)
    matching, total = found.pop("matching"), found.pop("total")
    everything = words.plural(total, "entry").replace("entrys", "entries")
    return render_template(
        "admin/audit.html",
        **found,
        asked=kept,
        here=asked.href(LIST, {**kept, "cursor": request.args.get("cursor", "")[:20]}),
        keep=asked.href("", kept),
        opened=_number("open"),
        count_words=everything if matching == total else f"{words.count(matching)} of {everything}",
        is_first=before is None,
        as_of=now,
    )


@blueprint.get("/audit/export.<any(csv, jsonl):form>")
def export_audit(form: str) -> Response:
    """All that the address narrows the log to, as CSV or as one JSON object a line, while it is read."""
    now = utc_now()
    found = audit_log.all_entries(asked.read_aside, _filters(_kept(), now))
    lines = _csv(found) if form == "csv" else _json_lines(found)
    name = f"audit-{now:%Y%m%d-%H%M%S}.{form}"
    response = Response(stream_with_context(lines), mimetype="text/csv" if form == "csv" else "application/jsonl")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _csv(found: Iterator[AuditEntry]) -> Iterator[bytes]:
    yield _line(COLUMNS)
    for entry in found:
        yield _line(
            (
                entry.id, rfc3339(entry.at), entry.actor_name, entry.action, entry.subject, entry.reason,
                _json(entry.before), _json(entry.after), entry.address, entry.request_id,
            )
        )  # fmt: skip


def _json_lines(found: Iterator[AuditEntry]) -> Iterator[bytes]:
    for entry in found:
        yield orjson.dumps(audit_log.as_fields(entry), default=str) + b"\n"


def _line(values: tuple[Any, ...]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow([cell(each) for each in values])
    return out.getvalue().encode()


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else orjson.dumps(value, default=str).decode()


def _kept() -> dict[str, str]:
    """The filters of the address, as they are written in it."""
    kept = {name: asked.words(name) for name in ("q", "actor", "action", "subject")}
    when = request.args.get("when", "")
    return kept | {"when": when if when in WHEN else ""}


def _filters(kept: Mapping[str, str], now: datetime) -> AuditFilters:
    since = None
    if kept["when"]:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        since = midnight if kept["when"] == "today" else now - SPANS[kept["when"]]
    return AuditFilters(kept["actor"], kept["action"], kept["subject"], kept["q"], since)


def _choices(session: Session) -> asked.Choices:
    admins = session.scalars(
        select(User.username).where(User.role == "admin").order_by(User.name_key).limit(MAX_ADMINS)
    )
    names = [*admins, *audit_log.actors(session)]
    actions = sorted(audit_log.actions(session), key=action_words)
    return {
        "when": ("When", WHEN),
        "actor": ("Who", {each: each for each in names}),
        "action": ("Action", {each: action_words(each) for each in actions}),
        "subject": ("Thing", KINDS),
    }


def _titles(session: Session, rows: Any) -> dict[str, str]:
    """What tasks and schedules are called, by subject."""
    found: dict[str, str] = {}
    for kind, table, title in (("task", Task, Task.title), ("schedule", Schedule, Schedule.name)):
        ids = {each.subject.removeprefix(f"{kind}:") for each in rows if each.subject.startswith(f"{kind}:")}
        if ids:
            named = session.execute(select(table.id, title).where(table.id.in_(ids)))
            found |= {f"{kind}:{each_id}": name for each_id, name in named}
    return found


def _number(name: str) -> int | None:
    text = request.args.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 10 else None
