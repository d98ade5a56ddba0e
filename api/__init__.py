"""The HTTP API below /api/v1, and what monitoring asks: health, readiness, metrics.

`register(app)` is all that `web_app` calls. Login, CSRF tokens, body size and the error shape are the whole app's
(pages.security, pages.problems); an operation is one row of the table in `api.operations`.
"""

from __future__ import annotations

from flask import Flask

from api import (
    admin_alert_calls,
    admin_audit_calls,
    admin_metrics_calls,
    admin_operations_calls,
    admin_people_calls,
    admin_queue_calls,
    caption_calls,
    code_calls,
    command_calls,
    dependency_calls,
    dispatch,
    docs_page,
    health,
    history_calls,
    notification_calls,
    openapi,
    outbound_calls,
    person_calls,
    repository_calls,
    scan_calls,
    schedule_calls,
    share_calls,
    statistics_calls,
    task_calls,
    test_notification_calls,
    trace_calls,
)

# Importing a module adds its operations to the table.
CALLS = (
    task_calls,
    command_calls,
    history_calls,
    scan_calls,
    code_calls,
    repository_calls,
    trace_calls,
    dependency_calls,
    caption_calls,
    schedule_calls,
    notification_calls,
    outbound_calls,
    share_calls,
    statistics_calls,
    person_calls,
    admin_metrics_calls,
    admin_alert_calls,
    admin_audit_calls,
    admin_queue_calls,
    admin_people_calls,
    admin_operations_calls,
    test_notification_calls,
)


def register(app: Flask) -> None:
    """Add the API to an app whose `extensions["taskroom"]` has `.config`, `.database`, `.redis` and `.tasks`."""
    room = app.extensions["taskroom"]
    dispatch.prepare(app, room.config)
    health.prepare(app, room.config, room.database)
    for blueprint in (dispatch.make_blueprint(), openapi.blueprint, docs_page.blueprint, health.blueprint):
        app.register_blueprint(blueprint)
