"""What admins measure: now and over time, processes and connections."""

from __future__ import annotations

from typing import Any

import extensions
from api.admin_metrics_shapes import (
    ConnectionFilters,
    Connections,
    Disconnect,
    Disconnected,
    HistoryRange,
    Metrics,
    MetricsHistory,
)
from api.operations import Call, operation
from monitoring.connections import call_roll, end_connection, shown


@operation("GET", "/admin/metrics", summary="Read the metrics", tag="Admin", answer=Metrics)
def read_metrics(_call: Call) -> dict[str, Any]:
    """The newest sample, measured every five seconds; `sampled_at` says when."""
    newest: dict[str, Any] = extensions.current().metrics.now()
    return newest


@operation(
    "GET",
    "/admin/metrics/history",
    summary="Read the history of the metrics",
    tag="Admin",
    answer=MetricsHistory,
    query=HistoryRange,
)
def read_metrics_history(call: Call) -> dict[str, Any]:
    """An hour, a day or a week, in at most some hundred steps."""
    found: dict[str, Any] = extensions.current().history.of(call.query.range)
    return found


@operation(
    "GET",
    "/admin/connections",
    summary="List connections",
    tag="Admin",
    answer=Connections,
    query=ConnectionFilters,
)
def list_connections(call: Call) -> dict[str, Any]:
    """Who is connected now, over all web processes, and what of the past concerns connections."""
    room = extensions.current()
    roll, is_whole = call_roll(room, call.query.q, call.query.limit)
    return shown(room.metrics.now(), roll, is_whole=is_whole)


@operation(
    "POST",
    "/admin/connections/{sid}/disconnect",
    summary="End a connection",
    tag="Admin",
    answer=Disconnected,
    body=Disconnect,
    body_required=False,
)
def end_one_connection(call: Call) -> dict[str, Any]:
    """Close one socket. Its person may connect again; to keep somebody out, disable the account."""
    reason = call.body.reason if call.body else None
    return end_connection(extensions.current(), call.path["sid"], call.actor, reason)
