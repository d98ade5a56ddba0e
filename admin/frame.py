"""What every page of the dashboard shares: the blueprint, its one guard, and the navigation between its pages."""

from __future__ import annotations

from flask import Blueprint, current_app, request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from extensions import login_manager
from tasks.errors import NotFound

blueprint = Blueprint("admin", __name__, url_prefix="/admin", template_folder="templates", static_folder="static")

# The order of the navigation. An entry shows once a page answers at its address.
PLACES = (
    ("overview", "Overview", "/admin"),
    ("jobs", "Jobs", "/admin/jobs"),
    ("queue", "Queue and workers", "/admin/queue"),
    ("alerts", "Alerts", "/admin/alerts"),
    ("connections", "Connections", "/admin/connections"),
    ("people", "People", "/admin/people"),
    ("tokens", "API tokens", "/admin/tokens"),
    ("audit", "Audit log", "/admin/audit"),
    ("operations", "Operations", "/admin/operations"),
)


@blueprint.before_request
def _admins_only() -> ResponseReturnValue | None:
    """Whoever is no admin learns nothing of these pages; whoever is not signed in is asked to."""
    if request.endpoint == "admin.static":
        return None
    if not current_user.is_authenticated:
        answer: ResponseReturnValue = login_manager.unauthorized()
        return answer
    if not current_user.identity.is_admin:
        page = f"page:{request.url_rule.rule}" if request.url_rule else "page:/admin"
        raise NotFound("There is no such page, or you may not see it.", refused=page)
    return None


@blueprint.context_processor
def _places() -> dict[str, object]:
    answers = {rule.rule.rstrip("/") for rule in current_app.url_map.iter_rules()}
    shown = [{"key": key, "title": title, "href": href} for key, title, href in PLACES if href in answers]
    return {"admin_places": shown}
