"""The dashboard's first page: what is wrong, what runs and waits, and how the machine does, now and over time.

True before JavaScript: every number, and each graph in one sentence. Live by the dashboard room alone.
"""

from __future__ import annotations

from typing import Any

from flask import render_template, request

import extensions
from admin import asked, graph_words, overview_parts
from admin.frame import blueprint
from admin.metric_words import figures
from database import utc_now
from monitoring.alerts.thresholds import thresholds
from monitoring.history import SPANS
from tasks import words

RANGES = {"1h": "1 h", "24h": "24 h", "7d": "7 d"}
IN_WORDS = {"1h": "the last hour", "24h": "the last 24 hours", "7d": "the last 7 days"}


@blueprint.get("")
def overview() -> str:
    """Alerts, eight graphs, workers, queue, health, connections by room, delivery."""
    room, now = extensions.current(), utc_now()
    chosen = request.args.get("range", "1h")
    span = SPANS[chosen if chosen in SPANS else "1h"]
    metrics: dict[str, Any] = room.metrics.now()
    queue: dict[str, Any] = room.queue_view.look()
    past: dict[str, Any] = room.history.of(span.name)
    with asked.database().read() as session:
        limits = graph_words.limits(thresholds(session), metrics)
    return render_template(
        "admin/overview.html",
        figures=figures(metrics, queue["queue"]["limit"]),
        notes=graph_words.notes(past, metrics, limits, span),
        summaries=graph_words.summaries(past, IN_WORDS[span.name]),
        limits=limits,
        ranges=[{"name": name, "title": title, "current": name == span.name} for name, title in RANGES.items()],
        range=span.name,
        in_words=IN_WORDS[span.name],
        measured=words.moment(metrics["sampled_at"], now),
        measured_at=words.clock(words.parse_time(metrics["sampled_at"])),
        measured_on=metrics["sampled_on"],
        data_dir=str(room.config.data_dir),
        limit=queue["queue"]["limit"],
        workers=overview_parts.worker_rows(queue["workers"], now),
        workers_known=queue["workers"] is not None,
        workers_words=overview_parts.workers_words(queue["workers"]),
        queue=overview_parts.queue_rows(queue["queue"], now),
        health=overview_parts.health(metrics),
        rooms=overview_parts.room_rows(metrics),
        other_rooms=overview_parts.other_rooms(metrics),
        rooms_words=overview_parts.rooms_words(metrics, past),
        feeds=overview_parts.feeds(metrics),
        latency=overview_parts.latency(past["latency"]),
        has_samples=bool(past["times"]),
    )
