"""The results of a dependency scan: the judgement and the findings, what was not evaluated, packages, what is ignored.

Everything is a link or a form, so that it works without JavaScript and each view has an address. What counts depends on
what is ignored at the moment, so the numbers are asked for anew at each look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import Blueprint, Flask, current_app, g, redirect, request
from flask_login import current_user, login_required
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from database import Database, utc_now
from extensions import offload_read
from jobs.dependency_scan import ignoring, query
from jobs.dependency_scan.documents import advisory_address
from jobs.dependency_scan.query import FindingFilter
from pages import dependency_words as said
from pages import format as words
from pages import logins, reading
from pages.progress import Snapshot
from pages.results import Tab, register_results
from pages.tasks import task_page
from tasks.errors import Conflict, Forbidden, InvalidParams, NotFound

Args = Mapping[str, str]

KIND = "dependency_scan"
TABS = (
    Tab("gaps", "Not evaluated", "not_evaluated"),
    Tab("packages", "Packages", "packages"),
    Tab("fixed", "Fixed"),
    Tab("ignored", "Ignored"),
    Tab("updates", "System updates", "pending_updates", needs="is_host"),
)
ROWS = 50
FILTERS = ("severity", "ecosystem", "new", "fixable", "q")
DAYS = (7, 30, 90, 180, 365)
USUAL_DAYS = 90
blueprint = Blueprint(KIND, __name__)


def register(app: Flask) -> None:
    """Give dependency scans their own results pages, and the forms that ignore findings."""
    register_results(KIND, tabs=TABS, context=context, styles=[KIND])
    app.register_blueprint(blueprint)


def context(task: Snapshot, tab: str, args: Args) -> dict[str, Any]:
    """The variables of this tab's template; `missing` instead where the scan's rows have been removed."""
    scan_id = task["task_id"]
    build = {
        "overview": _overview,
        "gaps": _gaps,
        "packages": _packages,
        "fixed": _fixed,
        "ignored": _ignored,
        "updates": _updates,
    }[tab]
    room = current_app.extensions["taskroom"]
    typed = request.form.to_dict() if request.method == "POST" else {}
    args = {**args, "finding": typed["finding"]} if typed.get("finding") else args
    found = _read(room.analysis, lambda session: _found(session, scan_id, build, args))
    return {
        "scan_id": scan_id,
        "base": f"/tasks/{scan_id}",
        "api": f"/api/v1/scans/{scan_id}",
        "typed": typed,
        "problems": g.get("ignore_problems") or {},
        "may_ignore": reading.can_act(task, current_user.identity),
        "severity_words": said.SEVERITY_WORDS,
        "tones": said.TONES,
        "place_words": said.place_words,
        "advisory_address": advisory_address,
        "moment": lambda at: words.moment(at, utc_now()),
        "day": _day,
        **found,
    }


def _day(at: str | None) -> str:
    when = words.parse_time(at)
    return f"{when.day} {when:%B %Y}" if when else words.UNKNOWN


def _read(database: Database, ask: Callable[[Session], dict[str, Any]]) -> dict[str, Any]:
    """Ask in one reading transaction. SQLite answers in C, so its longer answers are waited for beside the loop."""

    def answer() -> dict[str, Any]:
        with database.read() as session:
            return ask(session)

    return offload_read(answer) if database.is_sqlite else answer()


def _found(session: Session, scan_id: str, build: Callable[..., dict[str, Any]], args: Args) -> dict[str, Any]:
    if query.find_scan(session, scan_id) is None:
        return {"missing": True}
    return build(session, scan_id, args)


def _overview(session: Session, scan_id: str, args: Args) -> dict[str, Any]:
    now, base = utc_now(), f"/tasks/{scan_id}"
    known = query.findings_of(session, query.get_scan(session, scan_id), now)
    summary = query.summary(session, scan_id, now, known)
    asked = {name: args[name][:200] for name in FILTERS if args.get(name)}
    filters = FindingFilter(
        severity=asked.get("severity", ""),
        ecosystem=asked.get("ecosystem", ""),
        is_new=asked.get("new") == "1",
        is_fixable=asked.get("fixable") == "1",
        text=asked.get("q", ""),
    )
    found = query.findings(session, scan_id, now, filters, args.get("cursor") or None, ROWS, known)
    page = {"cursor": args["cursor"]} if args.get("cursor") else {}
    chosen = _chosen(session, scan_id, args, found["items"])
    return {
        "summary": summary,
        "verdict": said.verdict(summary),
        "counters": said.counters(summary, base, now),
        "news": said.news(summary),
        "age": said.age(summary["data_date"], now),
        "asked": asked,
        "found": found,
        "chosen": chosen,
        "chips": _chips(base, asked, found["facets"]),
        "link": lambda **changes: _link(base, {**asked, **page, **changes}),
        "plain_link": lambda **changes: _link(base, {**asked, **changes}),
        "next_href": _link(base, {**asked, "cursor": found["next_cursor"]}) if found["next_cursor"] else "",
        "days": DAYS,
        "usual_days": USUAL_DAYS,
        "just_ignored": _just_ignored(session, scan_id, args),
    }


def _chosen(session: Session, scan_id: str, args: Args, items: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The finding that the address names, if this scan has it."""
    finding_id = _number(args.get("finding", ""))
    if finding_id is None:
        return None
    on_page = next((each for each in items if each["id"] == finding_id), None)
    try:
        return on_page or query.finding(session, scan_id, finding_id, utc_now())
    except NotFound:
        return None


def _just_ignored(session: Session, scan_id: str, args: Args) -> dict[str, Any] | None:
    """The decision that was made a moment ago, to be said and to be taken back."""
    number = _number(args.get("ignored", ""))
    if number is None:
        return None
    return next((each for each in query.decisions(session, scan_id, utc_now()) if each["id"] == number), None)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 17 else None


def _link(base: str, asked: Mapping[str, Any]) -> str:
    given = urlencode({key: value for key, value in asked.items() if value not in (None, "")})
    return base + (f"?{given}" if given else "")


def _chips(base: str, asked: Mapping[str, str], facets: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
    """The filters, each set to a value or with the values that it could have."""
    labels = {"severity": ("Severity", said.SEVERITY_WORDS), "ecosystem": ("Ecosystem", {})}
    chips: list[dict[str, Any]] = []
    for name, (title, names) in labels.items():
        rest = {key: value for key, value in asked.items() if key != name}
        if name in asked:
            value = names.get(asked[name], asked[name])
            chips.append({"title": title, "set": True, "value": value, "clear_href": _link(base, rest)})
            continue
        options = [
            {
                "title": names.get(value, value),
                "count": words.count(count),
                "href": _link(base, {**rest, name: value}),
            }
            for value, count in facets[name].items()
            if count
        ]
        chips.append({"title": title, "set": False, "options": options})
    return chips


def _gaps(session: Session, scan_id: str, args: Args) -> dict[str, Any]:
    scan = query.get_scan(session, scan_id)
    base, reason = f"/tasks/{scan_id}/gaps", args.get("reason", "")[:20]
    found = query.packages(
        session,
        scan_id,
        ecosystem=args.get("ecosystem", "")[:60],
        reason=reason,
        only_gaps=True,
        cursor=args.get("cursor") or None,
        limit=ROWS,
    )
    asked = {"reason": reason, "ecosystem": args.get("ecosystem", "")[:60]}
    return {
        "reasons": query.gaps(session, scan),
        "unread": [each for each in scan.facts["files"] if each["problem"]],
        "found": found,
        "asked": asked,
        "next_href": _link(base, {**asked, "cursor": found["next_cursor"]}) if found["next_cursor"] else "",
    }


def _packages(session: Session, scan_id: str, args: Args) -> dict[str, Any]:
    scan = query.get_scan(session, scan_id)
    text, base = args.get("q", "")[:200], f"/tasks/{scan_id}/packages"
    found = query.packages(session, scan_id, text=text, cursor=args.get("cursor") or None, limit=ROWS)
    return {
        "found": found,
        "files": scan.facts["files"],
        "asked": {"q": text},
        "next_href": _link(base, {"q": text, "cursor": found["next_cursor"]}) if found["next_cursor"] else "",
    }


def _fixed(session: Session, scan_id: str, args: Args) -> dict[str, Any]:  # noqa: ARG001
    summary = query.summary(session, scan_id, utc_now())
    return {"fixed": summary["fixed"], "since": summary["since"], "how_words": said.HOW_WORDS}


def _ignored(session: Session, scan_id: str, args: Args) -> dict[str, Any]:
    found = query.findings(session, scan_id, utc_now(), FindingFilter(show="ignored"), args.get("cursor") or None, ROWS)
    base = f"/tasks/{scan_id}/ignored"
    past = [each for each in query.decisions(session, scan_id, utc_now()) if each["state"] != "holds"]
    return {
        "found": found,
        "past": past,
        "next_href": _link(base, {"cursor": found["next_cursor"]}) if found["next_cursor"] else "",
    }


def _updates(session: Session, scan_id: str, args: Args) -> dict[str, Any]:  # noqa: ARG001
    scan = query.get_scan(session, scan_id)
    return {"updates": scan.facts.get("updates"), "host": scan.facts.get("host")}


@blueprint.post("/tasks/<uuid:task_id>/ignore")
@login_required
def ignore(task_id: UUID) -> Response | tuple[str, int]:
    """Ignore a finding; what is wrong with the form is said in it, with everything typed still there."""
    scan_id = _own_scan(str(task_id))
    asked = {"reason": request.form.get("reason", ""), "days": _number(request.form.get("days", ""))}
    finding_id = _number(request.form.get("finding", "")) or 0
    try:
        with reading.database().write() as session:
            scan = query.get_scan(session, scan_id)
            made = ignoring.ignore(session, scan, finding_id, asked, logins.actor()).id
    except InvalidParams as error:
        g.ignore_problems = error.problems
        return task_page(task_id), error.status
    except Conflict:
        return redirect(f"/tasks/{scan_id}/ignored", code=303)
    return redirect(f"/tasks/{scan_id}?ignored={made}#findings", code=303)


@blueprint.post("/tasks/<uuid:task_id>/ignores/<int:ignore_id>/end")
@login_required
def end_ignore(task_id: UUID, ignore_id: int) -> Response:
    """Take an ignore back: what it covered counts again."""
    scan_id = _own_scan(str(task_id))
    with reading.database().write() as session:
        ignoring.take_back(session, query.get_scan(session, scan_id), ignore_id, logins.actor())
    return redirect(f"/tasks/{scan_id}#findings", code=303)


def _own_scan(task_id: str) -> str:
    """The id of a scan that this person may change. Raises NotFound, or Forbidden where they may only watch."""
    task = reading.task(task_id, current_user.identity)
    if task["kind"] != KIND:
        raise NotFound("There is no such page, or you may not see it.")
    if not reading.can_act(task, current_user.identity):
        raise Forbidden("You may look at this scan. Only its owner and admins decide what is ignored.")
    return str(task["task_id"])
