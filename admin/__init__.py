"""What operators see: the dashboard's page and the sampler of true metrics. For admins only.

`register(app)` is all that `web_app` calls.
"""

from flask import Flask

from admin import overview


def register(app: Flask) -> None:
    """Add the dashboard to `app`."""
    app.register_blueprint(overview.blueprint)
