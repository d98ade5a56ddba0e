"""A person's pages: home, start forms, the task list and task pages, all useful without JavaScript.

One blueprint without a prefix. Pages read through `tasks.store` and change things only through the task service; they
know nothing of Redis or sockets. `register(app)` is all that `web_app` calls.
"""

from __future__ import annotations

from flask import Flask

from pages import (
    advisory_update,
    captions,
    code_scan,
    command,
    dependency_scan,
    frame,
    home,
    job_statistics,
    mail,
    notifications,
    outbound,
    reading,
    registered,
    rights,
    schedule_form,
    schedules,
    shared,
    sharing,
    start,
    task_actions,
    task_list,
    tasks,
    trace_scan,
)


def register(app: Flask) -> None:
    """Add the pages and what their frame needs (filters, navigation, theme) to `app`."""
    frame.prepare(app)
    reading.prepare(app)
    advisory_update.register(app)
    code_scan.register()
    command.register()
    dependency_scan.register(app)
    captions.register(app)
    trace_scan.register()
    for module in (
        frame,
        home,
        start,
        captions,
        task_list,
        job_statistics,
        tasks,
        task_actions,
        rights,
        sharing,
        shared,
        registered,
        schedules,
        schedule_form,
        notifications,
        outbound,
        mail,
    ):
        app.register_blueprint(module.blueprint)
