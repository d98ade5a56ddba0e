"""The dashboard's pages, for admins only. What they show is measured in `monitoring` and changed in `tasks`.

`register(app)` is all that `web_app` calls; importing a module adds its pages to the blueprint.
"""

from flask import Flask

from admin import (
    alerts,
    audit,
    connections,
    jobs,
    limits,
    operations,
    overview,
    people,
    queue,
    test_notification,
    tokens,
)
from admin.frame import blueprint

PAGES = (overview, jobs, queue, alerts, connections, people, limits, tokens, audit, test_notification, operations)


def register(app: Flask) -> None:
    """Add the dashboard to `app`."""
    app.register_blueprint(blueprint)
