"""How one job has been doing: how long it takes and waits, how often and why it fails, how right its estimates are.

All of it is there without JavaScript; with it the days and runs are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, render_template, request
from flask_login import current_user, login_required

import extensions
from pages import format as words
from pages import reading
from tasks.registry import jobs_for
from tasks.statistics import RANGES, job_statistics

blueprint = Blueprint("job_statistics", __name__)
DEFAULT_RANGE = "30d"
LAST_RUNS = 10
RANGE_WORDS = {"7d": "7 days", "30d": "30 days", "90d": "90 days"}
CAUSES = {
    "error": "Stopped at an unexpected error",
    "failed": "The job said what was wrong",
    "interrupted": "The worker died or was shut down",
    "invalid_params": "Its parameters are not valid any more",
    "retryable": "Tried as often as allowed",
    "timeout": "Ran longer than allowed",
}


@blueprint.get("/jobs/<kind>")
@login_required
def statistics(kind: str) -> str:
    """The numbers of the tasks that this person may see: their own, or everybody's for an admin."""
    identity, now = current_user.identity, reading.now()
    asked = request.args.get("range", "")
    asked = asked if asked in RANGES else DEFAULT_RANGE
    analysis = extensions.current().analysis

    def read() -> dict[str, Any]:
        with analysis.read() as session:
            return job_statistics(session, identity, kind, asked, now)

    found = extensions.offload_read(read)
    return render_template(
        "pages/job_statistics.html",
        found=found,
        ranges=[(name, said, _href(kind, range=name)) for name, said in RANGE_WORDS.items()],
        range_words=RANGE_WORDS[asked],
        ended=found["completed"] + found["failed"] + found["cancelled"],
        stats=_stats(found),
        unit=_unit(found["duration_ms"]["high"] or 0),
        causes=[_cause(each, found, now) for each in found["causes"]],
        runs=[_run(each, now) for each in found["runs"][: -LAST_RUNS - 1 : -1]],
        days=[each for each in reversed(found["days"]) if each["completed"] + each["failed"] + each["cancelled"]],
        list_href=_list(kind, found),
        is_mine=not identity.is_admin,
        may_start=any(job.kind == kind for job in jobs_for(identity.is_admin)),
    )


def _stats(found: Mapping[str, Any]) -> list[dict[str, str]]:
    ended = found["completed"] + found["failed"] + found["cancelled"]
    took, waited = found["duration_ms"], found["wait_ms"]
    failed = words.plural(found["failed"], "failure")
    cancelled = f", {words.count(found['cancelled'])} cancelled" if found["cancelled"] else ""
    return [
        _stat("Ended", words.count(ended), f"{failed}{cancelled}"),
        _stat("Success rate", words.percent(found["success_rate"]), "of those not cancelled"),
        _stat("Takes", words.measured(took["median"]), _nine_tenths(took)),
        _stat("Waits for a worker", words.measured(waited["median"]), _nine_tenths(waited)),
        _stat("Throughput", f"{found['completed_per_day']:,.1f}", "completed a day"),
        estimate_stat(found["estimates"]),
    ]


def _unit(longest_ms: int) -> str:
    """In what durations are drawn."""
    return "seconds" if longest_ms < 300_000 else "minutes" if longest_ms < 5 * 3_600_000 else "hours"


def _stat(label: str, value: str, note: str) -> dict[str, str]:
    return {"label": label, "value": value, "note": note}


def _nine_tenths(spread: Mapping[str, int | None]) -> str:
    if spread["low"] is None:
        return "nothing was measured"
    low, high = words.measured(spread["low"]), words.measured(spread["high"])
    return f"nine of ten {low} – {high}" if low != high else "nearly always"


def estimate_stat(quality: Mapping[str, Any]) -> dict[str, str]:
    """ "8 of 10", "times right; usually 12 % off"; moments are only counted where something was estimated."""
    if quality["held_percent"] is None:
        return _stat("Estimates", words.UNKNOWN, "none was judged yet")
    off = f"; usually {quality['median_error_percent']:.0f} % off"
    if quality["moments"] < 10:
        return _stat("Estimates", f"{quality['held']} of {quality['moments']}", f"times right{off}")
    return _stat("Estimates", f"{round(quality['held_percent'] / 10)} of 10", f"times right{off}")


def _cause(each: Mapping[str, Any], found: Mapping[str, Any], now: Any) -> dict[str, Any]:
    category = each["category"] or ""
    return {
        "title": CAUSES.get(category) or words.humanise(category) or "Unknown",
        "count": each["count"],
        "share": words.percent(100 * each["count"] / max(found["failed"], 1)),
        "newest_id": each["newest_task_id"],
        "newest_at": words.moment(each["newest_at"], now),
        "error": (each["newest_error"] or "").splitlines()[0][:300] if each["newest_error"] else "",
    }


def _run(each: Mapping[str, Any], now: Any) -> dict[str, Any]:
    return {
        "id": each["task_id"],
        "title": each["title"],
        "state": each["status"],
        "word": {"completed": "Completed", "failed": "Failed"}[each["status"]],
        "took": words.measured(each["duration_ms"]),
        "finished": words.moment(each["finished_at"], now),
    }


def _list(kind: str, found: Mapping[str, Any]) -> dict[str, str]:
    """Addresses of the task list for all of these, and for the failed ones."""
    asked = {"kind": kind, "from": found["from"][:10]}
    return {"all": f"/tasks?{urlencode(asked)}", "failed": f"/tasks?{urlencode(asked | {'state': 'failed'})}"}


def _href(kind: str, **query: str) -> str:
    return f"/jobs/{kind}?{urlencode(query)}"
