"""What the limits of whoever looks do not let them do, so that a button that is disabled says why."""

from __future__ import annotations

from flask import Blueprint
from flask_login import current_user

from accounts.limits import limits_for
from pages import reading
from pages.forms import PRIORITIES
from tasks.lifecycle import NO_CANCEL, NO_RETRY, why_not_start

blueprint = Blueprint("rights", __name__)


@blueprint.app_template_global("barred")
def barred() -> dict[str, str]:
    """The sentences of what this person may not do to any task: `cancel`, `retry`."""
    with reading.database().read() as session:
        limits = limits_for(session, current_user.identity)
    said = {"cancel": (limits.may_cancel, NO_CANCEL), "retry": (limits.may_retry, NO_RETRY)}
    return {name: sentence for name, (may, sentence) in said.items() if not may}


@blueprint.app_template_global("may_not_start")
def may_not_start() -> str:
    """Why nothing that this person starts now would be accepted; empty where it would be."""
    with reading.database().read() as session:
        return why_not_start(session, current_user.identity)


@blueprint.app_template_global("barred_priorities")
def barred_priorities() -> list[str]:
    """The priorities that this person may not use."""
    with reading.database().read() as session:
        limits = limits_for(session, current_user.identity)
    return [name for name, _ in PRIORITIES if not limits.allows_priority(name)]


@blueprint.app_template_global("usable_priority")
def usable_priority(wished: str, barred_ones: list[str]) -> str:
    """The wished one, or the most urgent that is left."""
    return wished if wished not in barred_ones else next(name for name, _ in PRIORITIES if name not in barred_ones)
