"""Alerts: the list, one with what happened to it, what admins do to them, and the thresholds."""

from __future__ import annotations

import re
from typing import Any

import extensions
from api import admin_alert_shapes as shapes
from api import reading
from api.operations import Call, Reply, operation
from delivery.event_log import EventLog
from monitoring.alerts import people, store, thresholds
from monitoring.alerts.models import Alert
from monitoring.alerts.telling import Teller
from monitoring.alerts.thresholds import Threshold
from tasks.errors import InvalidParams, NotFound

ALL = "/admin/alerts"
ONE = f"{ALL}/{{alert_id}}"
NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


@operation(
    "GET",
    ALL,
    summary="List alerts",
    tag="Admin",
    answer=shapes.AlertPage,
    query=shapes.AlertQuery,
    refuses=(400,),
)
def list_alerts(call: Call) -> dict[str, Any]:
    """The newest first."""
    asked: shapes.AlertQuery = call.query
    filters = store.Filters(asked.state, asked.severity, asked.type)
    with reading.database().read() as session:
        found, cursor = store.listed(session, filters, asked.cursor or None, asked.limit)
    return {"items": [store.shown(each) for each in found], "next_cursor": cursor}


@operation("GET", f"{ALL}/thresholds", summary="See the thresholds", tag="Admin", answer=shapes.ThresholdList)
def show_thresholds(_call: Call) -> dict[str, Any]:
    """All rules of alerts as they count now, with their defaults and ranges."""
    with reading.database().read() as session:
        return {"items": [_shown(each) for each in thresholds.thresholds(session).values()]}


@operation(
    "PUT",
    f"{ALL}/thresholds",
    summary="Set thresholds",
    tag="Admin",
    answer=shapes.ThresholdList,
    body=shapes.ChangeThresholds,
)
def set_thresholds(call: Call) -> dict[str, Any]:
    """All of it or nothing. Takes effect within seconds; each value leaves an entry in the audit log."""
    asked: shapes.ChangeThresholds = call.body
    wrong: dict[str, str] = {}
    with reading.database().write() as session:
        for type_, wished in asked.thresholds.items():
            try:
                thresholds.change(session, type_, wished, call.actor, asked.reason)
            except NotFound as error:
                wrong[f"thresholds.{type_[:40]}"] = error.message
            except InvalidParams as error:
                wrong |= {f"thresholds.{type_}.{name[:40]}": text for name, text in error.problems.items()}
        if wrong:
            raise InvalidParams(wrong)
    return show_thresholds(call)


@operation("GET", ONE, summary="Look at one alert", tag="Admin", answer=shapes.WholeAlert)
def show_alert(call: Call) -> dict[str, Any]:
    """With what happened to it, the newest first."""
    with reading.database().read() as session:
        alert = store.find(session, _id(call))
        events = store.happened(session, alert.id)
    return store.shown(alert) | {"events": [store.shown_event(each) for each in events]}


@operation(
    "POST",
    f"{ONE}/acknowledge",
    summary="Acknowledge an alert",
    tag="Admin",
    answer=shapes.AlertShape,
    body=shapes.Remark,
    body_required=False,
    refuses=(409,),
)
def acknowledge_alert(call: Call) -> dict[str, Any]:
    """Somebody knows of it: its severity rises no more. Doing it again changes nothing."""
    return _told(people.acknowledge(reading.database(), _id(call), call.actor, call.body.note))


@operation(
    "POST",
    f"{ONE}/resolve",
    summary="Resolve an alert",
    tag="Admin",
    answer=shapes.AlertShape,
    body=shapes.Remark,
    body_required=False,
)
def resolve_alert(call: Call) -> dict[str, Any]:
    """It is over. A cause that lasts is an alert again after five minutes. Doing it again changes nothing."""
    return _told(people.resolve(reading.database(), _id(call), call.actor, call.body.note))


@operation(
    "POST",
    f"{ONE}/notes",
    summary="Write a note on an alert",
    tag="Admin",
    status=201,
    answer=shapes.AlertEventShape,
    body=shapes.NewNote,
)
def note_alert(call: Call) -> Reply:
    """For those who look at it next."""
    return Reply(store.shown_event(people.add_note(reading.database(), _id(call), call.actor, call.body.text)))


def _told(alert: Alert) -> dict[str, Any]:
    room = extensions.current()
    Teller(EventLog(room.redis, room.config.redis_prefix)).tell_of(alert)
    return store.shown(alert)


def _shown(limit: Threshold) -> dict[str, Any]:
    rule = limit.rule
    return {
        "type": rule.type,
        "title": rule.title,
        "measures": limit.measures,
        "step": rule.step,
        "on": limit.on,
        "severity": limit.severity.value,
        "default_severity": rule.severity.value,
        "numbers": [
            {
                "name": each.name,
                "title": each.title,
                "unit": each.unit,
                "value": thresholds.value_of(limit, each.name),
                "default": each.default,
                "low": each.low,
                "high": each.high,
            }
            for each in thresholds.numbers(rule)
        ],
        "changed": thresholds.changed(limit),
    }


def _id(call: Call) -> int:
    text = call.path["alert_id"]
    if not NUMBER.fullmatch(text):
        raise NotFound("There is no such alert.")
    return int(text)
