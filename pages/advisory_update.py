"""Which advisories are there: a page of their own, and the results of an update."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import Blueprint, Flask, render_template
from flask_login import login_required

from accounts import Identity
from jobs.advisories.matching import AdvisoryIndex, DataSet
from pages import format as words
from pages import reading, start
from pages.progress import Snapshot
from pages.results import register_results
from tasks.registry import find_job

blueprint = Blueprint("advisories", __name__)
KIND = "advisory_update"
SECONDS_A_DAY = 86_400


def register(app: Flask) -> None:
    """Add the page, the results of updates, and what their form shows beside itself."""
    register_results(KIND, context=context)
    start.register_own_form(KIND, own_form)
    app.register_blueprint(blueprint)


@blueprint.get("/advisories")
@login_required
def advisories() -> str:
    """Every ecosystem with advisories: how many, from where, how old, under which licence."""
    return render_template("pages/advisories.html", **_data())


def own_form(_asked: Mapping[str, str], _identity: Identity) -> start.OwnForm:
    """The form of every update, with what is there already."""
    job = find_job(KIND)
    return start.OwnForm(title=job.title, text=job.description, about=_data())


def context(task: Snapshot, _tab: str, _args: Mapping[str, str]) -> dict[str, Any]:
    """The judgement of one update, and what is there now."""
    results = task["results"]
    return {"judgement": verdict(results), "source_date": _day(words.parse_time(results["data_date"])), **_data()}


def _data() -> dict[str, Any]:
    with reading.database().read() as session:
        found = AdvisoryIndex(session).data_sets()
    now, max_days = reading.now(), reading.config().advisory_max_age_days
    sets = [_shown(each, now, max_days) for each in sorted(found, key=lambda each: each.ecosystem.lower())]
    return {"data_sets": sets, "records": sum(each.records for each in found), "max_days": max_days}


def _shown(data: DataSet, now: datetime, max_days: int) -> dict[str, Any]:
    days = int((now - data.data_date).total_seconds() // SECONDS_A_DAY) if data.data_date else None
    return {
        "ecosystem": data.ecosystem,
        "records": data.records,
        "packages": data.packages,
        "source": data.source,
        "licence": data.licence or words.UNKNOWN,
        "unreadable": data.unreadable,
        "date": _day(data.data_date),
        "age": age_words(days),
        "is_old": days is None or days > max_days,
        "imported": words.moment(data.imported_at, now),
        "checked": words.moment(data.checked_at, now),
    }


def age_words(days: int | None) -> str:
    """ "age not known", "less than a day old", "1 day old", "12 days old"."""
    if days is None:
        return "age not known"
    return "less than a day old" if days < 1 else f"{words.plural(days, 'day')} old"


def verdict(results: Mapping[str, Any]) -> dict[str, str]:
    """The judgement of an update before any number: tone, icon, sentence and what follows it."""
    total = sum(results["ecosystems"].values())
    if not results["imported"]:
        text = "The source is as it was, so nothing was read. The advisories were only marked as looked at now."
        return {"tone": "ok", "icon": "completed", "sentence": "Nothing has changed.", "text": text}
    said = f"{'1 advisory' if total == 1 else f'{total:,} advisories'} of this source can be matched now."
    if results["unreadable"]:
        text = f"{words.plural(results['unreadable'], 'record')} could not be read; what was known before stays."
        return {"tone": "warn", "icon": "silent", "sentence": said, "text": f"{text} The log names the first ones."}
    return {"tone": "ok", "icon": "completed", "sentence": said, "text": "Every record could be read."}


def _day(moment: datetime | None) -> words.Moment | None:
    """A time with its year, however long ago it is."""
    if moment is None:
        return None
    return words.Moment(moment.isoformat(), f"{moment.day} {moment:%b %Y, %H:%M} UTC", words.full_time(moment))
