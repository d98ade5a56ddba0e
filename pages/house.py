"""What everybody is told of the house: the queue is paused, some jobs are, or there is maintenance.

The words are those of static/js/house_words.js, which shows the same once it is live.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from database import Database, DatabaseBusy, utc_now
from delivery import server_status
from pages import format as words

QUEUE = "/admin/queue"


def status(database: Database) -> dict[str, Any] | None:
    """The status as `server_status` tells it; None while the database does not answer."""
    try:
        with database.read() as session:
            return server_status.shown(session)
    except (SQLAlchemyError, DatabaseBusy):
        return None


def banner(told: Mapping[str, Any] | None, now: datetime | None = None) -> dict[str, str] | None:
    """The banner that leads, as `{key, symbol, title, text, act, act_href}`; None when all is as always."""
    now = now or utc_now()
    if not told:
        return None
    if told["paused"]:
        text = f"{_who(told['paused'], now)} Running tasks go on; what waits begins after it is resumed."
        return _banner("paused", "paused", "The queue is paused.", text, "Resume the queue", f"{QUEUE}/resume")
    if told["maintenance"]:
        hold = told["maintenance"]
        left = f"{words.plural(hold['running'], 'task')} still {'runs' if hold['running'] == 1 else 'run'}."
        done = "Nothing runs any more: ready for the restart."
        text = f"{_who(hold, now)} No new tasks are taken. {left if hold['running'] else done}"
        return _banner("maintenance", "asof", "Maintenance.", text, "End maintenance", f"{QUEUE}/maintenance")
    if told["paused_kinds"]:
        kinds = list(told["paused_kinds"].values())
        titles = ", ".join(hold["title"] for hold in kinds)
        title = f"{titles} is paused." if len(kinds) == 1 else f"{len(kinds)} kinds of jobs are paused."
        who = _who(kinds[0], now) if len(kinds) == 1 else f"{titles}."
        return _banner("kinds", "paused", title, f"{who} Other jobs go on.", "Queue and workers", QUEUE)
    return None


def _banner(key: str, symbol: str, title: str, text: str, act: str, act_href: str) -> dict[str, str]:
    return {"key": key, "symbol": symbol, "title": title, "text": text, "act": act, "act_href": act_href}


def _who(hold: Mapping[str, Any], now: datetime) -> str:
    """ "ada, since 13:58 UTC: “moving repositories”." """
    since = words.parse_time(hold["since"]) or now
    day = "" if since.date() == now.date() else f"{since.day} {since:%b} "
    reason = f": “{hold['reason']}”" if hold["reason"] else ""
    return f"{hold['by']}, since {day}{since:%H:%M} UTC{reason}."
