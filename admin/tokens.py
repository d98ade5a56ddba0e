"""Everybody's API tokens: which of them work, for whom, since when, and which deserve a look."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import flash, redirect, render_template, request
from werkzeug.wrappers import Response

import accounts
from accounts import token_list
from accounts.token_list import TokenFilters
from admin import asked
from admin.frame import blueprint
from database import utc_now
from tasks import words

LIST = "/admin/tokens"
ROWS = 50
STATE_WORDS = {
    "active": ("completed", "Works"), "expired": ("cancelled", "Ended"), "revoked": ("cancelled", "Revoked"),
    "asleep": ("paused", "Sleeps"),
}  # fmt: skip
FILTERS: asked.Choices = {
    "state": (
        "State",
        {"active": "Works", "asleep": "Sleeps, owner disabled", "expired": "Ended", "revoked": "Revoked"},
    ),
    "care": ("Deserves a look", {"no_end": "Never ends", "never_used": "Never used"}),
}


@blueprint.get("/tokens")
def tokens_page() -> str:
    """Tokens, newest first; the revoked ones only where they are asked for."""
    now, kept = utc_now(), asked.chosen_filters(FILTERS) | {"q": asked.words(), "owner": asked.words("owner")}
    text = request.args.get("cursor", "")
    before = int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 10 else None
    filters = TokenFilters(kept["q"], kept["owner"], kept.get("state") or "living", kept.get("care", ""))
    with asked.database().read() as session:
        rows, following = token_list.list_all_tokens(session, filters, now, before, ROWS)
        figures = token_list.figures(session, now)
    return render_template(
        "admin/tokens.html",
        rows=[_row(each, now) for each in rows],
        asked=kept,
        chips=asked.chips(LIST, FILTERS, kept),
        figures=figures,
        here=asked.href("", kept),
        next_href=asked.href(LIST, {**kept, "cursor": str(following)}) if following else "",
    )


@blueprint.post("/tokens/<int:token_id>/revoke")
def revoke_api_token(token_id: int) -> Response:
    """End a token; what it has open closes."""
    accounts.revoke_token(asked.database(), token_id, asked.actor(), reason=asked.reason())
    flash("The token is revoked. What it had open is closed.")
    return redirect(asked.href(LIST, asked.chosen_filters(FILTERS) | {"q": asked.words()}), code=303)


def _row(token: dict[str, Any], now: datetime) -> dict[str, Any]:
    icon, word = STATE_WORDS[token["state"]]
    ends = words.parse_time(token["expires_at"])
    return token | {
        "icon": icon,
        "word": word,
        "scope_words": ", ".join(token["scopes"]),
        "made": words.moment(token["created_at"], now),
        "used": words.moment(token["last_used_at"], now),
        "ends": f"{ends.day} {ends:%b %Y}" if ends else "never",
        "can_end": token["state"] != "revoked",
    }
