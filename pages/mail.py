"""A person's mail address, and the two pages to which links in mails lead: these need no login, the link is enough."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request
from flask_login import current_user, login_required
from werkzeug.wrappers import Response

import extensions
from outbound.mail_address import MailAddresses
from pages import format as words
from pages import reading
from pages.notifications import TYPE_WORDS
from tasks.errors import NotFound, TaskroomError
from tasks.notices import MUTABLE_TYPES

blueprint = Blueprint("mail", __name__)
PLACE = "/account/mail"
TOLD_FIRST = ("failed", "needs_review", "alert")
MAX_TOKEN = 500


@blueprint.get(PLACE)
@login_required
def mail_page(error: TaskroomError | None = None) -> str:
    """The address and the types."""
    return render_template("pages/mail.html", **about(), error=error, typed=request.form, done=request.args.get("done"))


@blueprint.post(PLACE)
@login_required
def keep() -> Response | tuple[str, int]:
    """Keep the address and the types; a new address is asked for its confirmation."""
    address, types = request.form.get("address", "")[:300], request.form.getlist("types")
    return _acted(lambda user_id: addresses().keep(user_id, address, types), "kept")


@blueprint.post(f"{PLACE}/again")
@login_required
def ask_again() -> Response | tuple[str, int]:
    """Mail another confirmation."""
    return _acted(lambda user_id: addresses().ask_again(user_id), "asked")


@blueprint.post(f"{PLACE}/remove")
@login_required
def remove() -> Response | tuple[str, int]:
    """Forget the address."""
    return _acted(lambda user_id: addresses().remove(user_id), "removed")


@blueprint.get("/mail/<any(confirm, unsubscribe):purpose>")
def link(purpose: str) -> str:
    """Asks first: programs that look into mails open every link in them."""
    token = request.args.get("token", "")[:MAX_TOKEN]
    return render_template("pages/mail_link.html", purpose=purpose, token=token, outcome="")


@blueprint.post("/mail/<any(confirm, unsubscribe):purpose>")
def decide(purpose: str) -> tuple[str, int]:
    """What the link is for. A mail program's own button (RFC 8058) posts here too, with the token in the address."""
    token = (request.args.get("token") or request.form.get("token", ""))[:MAX_TOKEN]
    is_done = addresses().confirm(token) if purpose == "confirm" else addresses().unsubscribe(token)
    page = render_template("pages/mail_link.html", purpose=purpose, token="", outcome="done" if is_done else "ended")
    return page, 200 if is_done else 404


def addresses() -> MailAddresses:
    """What may be done to mail addresses."""
    room = extensions.current()
    return MailAddresses(room.database, room.config)


def about() -> dict[str, Any]:
    """What the pages say of this person's mail."""
    now = reading.now()
    kept = addresses().of(current_user.identity.user_id)
    last = addresses().last_try(current_user.identity.user_id) if kept else None
    shown = [each for each in MUTABLE_TYPES if each != "alert" or current_user.identity.is_admin]
    chosen = TOLD_FIRST if kept is None else kept.types
    return {
        "mail": kept,
        "has_server": extensions.current().config.mail is not None,
        "mail_types": [(key, *TYPE_WORDS[key], key in chosen) for key in shown],
        "mail_words": ", ".join(TYPE_WORDS[each][0].lower() for each in chosen),
        "asked": words.moment(kept.asked_at, now) if kept else None,
        "mail_trouble": last is not None and last.state == "given_up",
    }


def _acted(act: Any, done: str) -> Response | tuple[str, int]:
    try:
        act(current_user.identity.user_id)
    except NotFound:
        pass  # in another tab it was confirmed or removed meanwhile: the page says so
    except TaskroomError as error:
        return mail_page(error), error.status
    return redirect(f"{PLACE}?done={done}", code=303)
