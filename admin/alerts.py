"""Alerts: the open ones, the history, one with what happened to it, the thresholds. All of it works without scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from flask import g, redirect, render_template, request
from werkzeug.wrappers import Response

import extensions
from admin import alert_words as words
from admin import asked
from admin.alert_graphs import graph_of
from admin.frame import blueprint
from database import utc_now
from delivery.event_log import EventLog
from monitoring import samples
from monitoring.alerts import people, store, thresholds
from monitoring.alerts.models import Alert
from monitoring.alerts.rules import RULES, Severity
from monitoring.alerts.store import Filters
from monitoring.alerts.telling import Teller
from tasks.errors import InvalidParams, NotFound, TaskroomError

ROWS = 50
JUDGED_WITHIN = timedelta(seconds=20)
AS_IT_COMES = "default"


@blueprint.context_processor
def _for_every_page() -> dict[str, Any]:
    """The count in the navigation, and the rows of the overview, both asked for only where they are shown."""
    return {"open_alert_count": _open_count, "open_alert_rows": _open_rows}


@blueprint.get("/alerts")
def alert_list() -> str:
    """The open alerts first, then those that are over; or what the filters ask for."""
    now, chosen = utc_now(), asked.chosen_filters(words.CHOICES)
    filters = Filters(**chosen)
    cursor = request.args.get("cursor", "")[:30]
    with asked.database().read() as session:
        shown_open = [] if any((filters.state, cursor)) else _matching(store.open_alerts(session), filters)
        listed = filters if filters.state else Filters("resolved", filters.severity, filters.type)
        found, following = store.listed(session, listed, cursor or None, ROWS)
    rows = [words.row(each, now) for each in shown_open]
    return render_template(
        "admin/alerts.html",
        open_rows=rows,
        rows=[words.row(each, now) for each in found],
        filters=filters,
        chips=asked.chips(words.LIST, words.CHOICES, chosen),
        is_filtered=bool(chosen),
        count_words=words.count_words(_open_rows()),
        unjudged=_unjudged(now),
        list_title=words.STATES[filters.state] if filters.state else "History",
        shows_open=not filters.state and not cursor,
        next_href=asked.href(words.LIST, chosen | {"cursor": following}) if following else "",
    )


@blueprint.get("/alerts/<int:alert_id>")
def alert(alert_id: int) -> str:
    """One alert: what is wrong, since when, what to do, and what happened to it."""
    return _alert_page(alert_id)


@blueprint.post("/alerts/<int:alert_id>/acknowledge")
def acknowledge_alert(alert_id: int) -> Response | tuple[str, int]:
    """Say that somebody knows of it."""
    return _do(
        alert_id, lambda: people.acknowledge(asked.database(), alert_id, asked.actor(), request.form.get("text", ""))
    )


@blueprint.post("/alerts/<int:alert_id>/resolve")
def resolve_alert(alert_id: int) -> Response | tuple[str, int]:
    """Say that it is over."""
    return _do(
        alert_id, lambda: people.resolve(asked.database(), alert_id, asked.actor(), request.form.get("text", ""))
    )


@blueprint.post("/alerts/<int:alert_id>/notes")
def note_alert(alert_id: int) -> Response | tuple[str, int]:
    """Keep words beside it."""
    return _do(
        alert_id, lambda: people.add_note(asked.database(), alert_id, asked.actor(), request.form.get("text", ""))
    )


@blueprint.get("/alerts/thresholds", defaults={"type_": ""})
@blueprint.get("/alerts/thresholds/<type_>")
def alert_thresholds(type_: str) -> str:
    """All rules, with one to be changed beside them."""
    return _thresholds_page(type_)


@blueprint.post("/alerts/thresholds/<type_>")
def set_alert_thresholds(type_: str) -> Response | tuple[str, int]:
    """Set a rule, or bring back what it was when it came."""
    rule = RULES.get(type_)
    if rule is None:
        raise NotFound("There is no such type of alert.")
    sent = {name: request.form[name][:40] for name in thresholds.names(rule) if name in request.form}
    wished: dict[str, Any] = {name: _number(text) for name, text in sent.items()}
    wished |= {"on": request.form.get("on") == "true", "severity": sent.get("severity", "")}
    if request.form.get("reset") == AS_IT_COMES:
        wished = dict.fromkeys(thresholds.names(rule))
    try:
        with asked.database().write() as session:
            thresholds.change(session, type_, wished, asked.actor(), asked.reason())
    except InvalidParams as error:
        return _thresholds_page(type_, sent, error.problems), error.status
    return redirect(f"{words.LIST}/thresholds/{type_}", code=303)


def _alert_page(alert_id: int, error: TaskroomError | None = None) -> str:
    now = utc_now()
    with asked.database().read() as session:
        found = store.find(session, alert_id)
        story = [words.event_row(each, now) for each in store.happened(session, alert_id)]
        limit = thresholds.thresholds(session).get(found.type)
    rule = RULES.get(found.type)
    return render_template(
        "admin/alert.html",
        alert=words.row(found, now),
        acknowledged=words.moment(found.acknowledged_at, now),
        rule=rule,
        facts=found.facts,
        task_id=found.task_id,
        story=story,
        lead=words.lead(found),
        graph=graph_of(found, limit, samples.newest(asked.database()), now),
        error=error,
        max_note=people.MAX_NOTE,
    )


def _thresholds_page(
    type_: str, sent: Mapping[str, str] | None = None, problems: Mapping[str, str] | None = None
) -> str:
    if type_ and type_ not in RULES:
        raise NotFound("There is no such type of alert.")
    now, chosen_type = utc_now(), type_ or next(iter(RULES))
    with asked.database().read() as session:
        limits = thresholds.thresholds(session)
        history = [words.change_row(each, now) for each in thresholds.changes(session, chosen_type)]
    chosen = limits[chosen_type]
    return render_template(
        "admin/alert_thresholds.html",
        rows=[words.rule_row(each) for each in limits.values()],
        chosen=words.rule_row(chosen),
        is_chosen=bool(type_),
        rule=chosen.rule,
        fields=words.fields(chosen, sent or {}, problems or {}),
        severity=(sent or {}).get("severity", chosen.severity.value),
        is_on=bool((sent or {}).get("on")) if sent is not None else chosen.on,
        severities=list(Severity),
        problems=problems or {},
        history=history,
        as_it_comes=AS_IT_COMES,
    )


def _do(alert_id: int, act: Callable[[], object]) -> Response | tuple[str, int]:
    try:
        done = act()
    except (InvalidParams, TaskroomError) as error:
        if error.status == 404:
            raise
        return _alert_page(alert_id, error), error.status
    if isinstance(done, Alert):
        room = extensions.current()
        Teller(EventLog(room.redis, room.config.redis_prefix)).tell_of(done)
    back = {"/admin": "/admin", words.LIST: words.LIST}.get(request.form.get("back", ""), f"{words.LIST}/{alert_id}")
    return redirect(back, code=303)


def _unjudged(now: datetime) -> dict[str, str] | None:
    """Since when no scheduler measures, and so none judges; None while one does. `iso` is empty where none ever did."""
    newest = samples.newest(asked.database())
    if newest is None:
        return {"iso": ""}
    at = datetime.fromisoformat(newest["sampled_at"])
    return words.moment(at, now) if abs(now - at) > JUDGED_WITHIN else None


def _open_count() -> int:
    if "open_alert_count" not in g:
        with asked.database().read() as session:
            g.open_alert_count = store.count_open(session)
    return int(g.open_alert_count)


def _open_rows() -> list[dict[str, Any]]:
    now = utc_now()
    with asked.database().read() as session:
        return [words.row(each, now) for each in store.open_alerts(session)]


def _matching(found: list[Alert], filters: Filters) -> list[Alert]:
    wanted = {"severity": filters.severity, "type": filters.type}
    return [each for each in found if all(not value or getattr(each, name) == value for name, value in wanted.items())]


def _number(text: str) -> int | str:
    """What was typed, as a number if it is one."""
    plain = text.strip().replace(",", "")
    return int(plain) if plain.isascii() and plain.isdigit() and len(plain) < 12 else text
