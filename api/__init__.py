"""The HTTP API below /api/v1, and what monitoring asks: health, readiness, metrics.

`register(app)` is all that `web_app` calls. Login, CSRF tokens, body size and the error shape are the whole app's
(pages.security, pages.problems); an operation is one row of the table in `api.operations`.
"""

from __future__ import annotations

from flask import Flask

from api import (
    caption_calls,
    code_calls,
    command_calls,
    dependency_calls,
    dispatch,
    docs_page,
    health,
    history_calls,
    openapi,
    person_calls,
    repository_calls,
    scan_calls,
    schedule_calls,
    task_calls,
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
    person_calls,
)


def register(app: Flask) -> None:
    """Add the API to an app whose `extensions["taskroom"]` has `.config`, `.database`, `.redis` and `.tasks`."""
    room = app.extensions["taskroom"]
    dispatch.prepare(app, room.config)
    health.prepare(app, room.config, room.database)
    for blueprint in (dispatch.make_blueprint(), openapi.blueprint, docs_page.blueprint, health.blueprint):
        app.register_blueprint(blueprint)
