"""The forms of limits: a person's own beside their page, and the defaults of everybody with their history."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request
from werkzeug.wrappers import Response

import accounts
import extensions
from accounts import AccountError
from accounts.audit_log import AuditFilters, entries
from accounts.limits import BUILT_IN, FIELDS, SETTINGS, as_fields, checked_limits, set_defaults, set_limits
from admin import asked
from admin import people_view as view
from admin.audit_view import entry_view
from admin.frame import blueprint
from admin.people import LIST, do
from database import utc_now
from server_settings import settings_below

DEFAULTS = f"{LIST}/defaults"
HISTORY = 20


@blueprint.post("/people/<int:user_id>/limits")
def save_limits(user_id: int) -> Response | tuple[str, int]:
    """Keep the role and the limits that the form holds; an empty limit is the default."""

    def change() -> str:
        limits, role = checked_limits(_sent_limits()), request.form.get("role")
        if role:
            accounts.change_user(asked.database(), user_id, asked.actor(), role=role, reason=asked.reason())
        set_limits(asked.database(), user_id, limits, asked.actor(), reason=asked.reason())
        return "Role and limits are kept. Tasks that were started keep their time limit."

    return do(user_id, change)


@blueprint.post("/people/<int:user_id>/defaults")
def use_defaults(user_id: int) -> Response | tuple[str, int]:
    """Take away every limit of this person's own."""

    def change() -> str:
        set_limits(asked.database(), user_id, dict.fromkeys(FIELDS), asked.actor(), reason=asked.reason())
        return "All limits are the defaults now."

    return do(user_id, change)


@blueprint.route("/people/defaults", methods=["GET", "POST"])
def default_limits() -> Response | str | tuple[str, int]:
    """What holds for whoever has no limits of their own, and who changed it when."""
    error = None
    if request.method == "POST":
        try:
            changed = set_defaults(asked.database(), _sent_limits(), asked.actor(), reason=asked.reason())
            flash("The defaults are kept." if changed else "Nothing was changed.")
            return redirect(DEFAULTS, code=303)
        except AccountError as refused:
            error = refused
    page = _defaults_page(error)
    return (page, error.status) if error else page


def _defaults_page(error: AccountError | None) -> str:
    now, config = utc_now(), extensions.current().config
    with asked.database().read() as session:
        known = settings_below(session, SETTINGS)
        history, _ = entries(session, AuditFilters(subject="setting", text=f"setting:{SETTINGS}"), limit=HISTORY)
    own = {name: known.get(name) for name in FIELDS}
    fields = view.limit_fields(own, as_fields(BUILT_IN, asked.configured_running()), {})
    return render_template(
        "admin/people_defaults.html",
        fields=view.with_typed(fields, request.form, error),
        history=[entry_view(each, now) for each in history],
        error=error,
        most_in_all=config.max_concurrent_tasks,
    )


def _sent_limits() -> dict[str, Any]:
    """The limits of the form. Raises AccountError for a number that is none."""
    sent: dict[str, Any] = {
        "max_running": _sent_number("max_running"),
        "tasks_per_day": _sent_number("tasks_per_day"),
        "timeout_s": _sent_number("timeout_min", view.SECONDS_PER_MINUTE),
        "highest_priority": request.form.get("highest_priority") or None,
    }
    rights = {"yes": True, "no": False}
    return sent | {name: rights.get(request.form.get(name, "")) for name in ("may_cancel", "may_retry")}


def _sent_number(name: str, factor: int = 1) -> int | None:
    text = request.form.get(name, "").strip().replace(",", "")
    if not text:
        return None
    try:
        return round((int(text) if factor == 1 else float(text)) * factor)
    except (ValueError, OverflowError):
        raise AccountError("Write a number, or nothing for the default.", field=name) from None
