"""What a dependency scan's pages say: the judgement, the differences, and paths, as pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pages import format as words

SEVERITY_WORDS = {"critical": "Critical", "high": "High", "medium": "Medium", "low": "Low", "unknown": "Unknown"}
TONES = {"critical": "fail", "high": "fail", "medium": "warn", "low": "soft", "unknown": "soft"}
HOW_WORDS = {
    "updated": "by another version",
    "removed": "the package is gone",
    "withdrawn": "the advisories say so no more",
    "unsure": "not known: this scan could not look",
}
ARROW = " › "


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement in one bold sentence, and what follows it."""

    tone: str
    icon: str
    sentence: str
    text: str


def verdict(summary: Mapping[str, Any]) -> Verdict:
    """Clean needs packages, no finding, nothing unevaluated or ignored, no waiting update, data within their age."""
    packages, found = summary["packages"], summary["vulnerabilities"]
    if not summary["files"]:
        text = "No lock file was found. Check the folder, and what is left out."
        return Verdict("warn", "silent", "Incomplete. Nothing was checked.", text)
    if not summary["complete"]:
        gaps = summary["not_evaluated"]
        problems = sum(1 for each in summary["files"] if each["problem"])
        parts = [f"{words.count(gaps - problems)} of {words.plural(packages, 'package')}"] if gaps > problems else []
        parts += [f"{words.plural(problems, 'lock file')}"] if problems else []
        rest = max(packages - (gaps - problems), 0)
        text = f"In the other {words.count(rest)} there {_known(summary)}." if rest else ""
        return Verdict("warn", "silent", f"Incomplete. {' and '.join(parts)} could not be evaluated.", text)
    if found:
        is_bad = summary["by_severity"]["critical"] or summary["by_severity"]["high"]
        sentence = f"{_vulnerabilities(found)} in {words.plural(packages, 'package')}."
        return Verdict("fail" if is_bad else "warn", "failed" if is_bad else "silent", sentence, _fixes(summary))
    if summary["ignored"]:
        text = f"{words.count(summary['ignored'])} known, and ignored for a time."
        return Verdict("soft", "look", f"No vulnerability counts in {words.plural(packages, 'package')}.", text)
    waiting = (summary["updates"] or {}).get("security")
    if waiting:
        sentence = (
            f"No known vulnerability, but {words.plural(waiting, 'security update')} wait{'s' if waiting == 1 else ''}."
        )
        return Verdict("warn", "silent", sentence, "The advisories that were imported do not say what they are for.")
    if summary["warnings"] or not summary["data_date"]:
        text = "What is known of them may be old; see below."
        return Verdict("warn", "silent", "No known vulnerability, as far as the data go.", text)
    return Verdict("ok", "completed", "Clean.", f"No advisory names any of the {words.plural(packages, 'package')}.")


def _known(summary: Mapping[str, Any]) -> str:
    found = summary["vulnerabilities"]
    if not found:
        return "is no known vulnerability" + (f" besides {summary['ignored']:,} ignored" if summary["ignored"] else "")
    fixable = summary["fixable"]
    share = "all of them" if fixable == found else f"{words.count(fixable)} of them"
    fix = f", {share} with a fix" if fixable and found > 1 else ", with a fix" if fixable else ""
    return f"{'is' if found == 1 else 'are'} {_vulnerabilities(found)}{fix}"


def _vulnerabilities(number: int) -> str:
    return f"{words.count(number)} known {'vulnerability' if number == 1 else 'vulnerabilities'}"


def _fixes(summary: Mapping[str, Any]) -> str:
    fixable, found = summary["fixable"], summary["vulnerabilities"]
    if not fixable:
        return "No fixed version is known yet."
    return "Fixed versions are known for all of them." if fixable == found else f"{fixable:,} of them have a fix."


def counters(summary: Mapping[str, Any], base: str, now: datetime) -> list[dict[str, Any]]:
    """Each severity with its number, its change since the last scan, and the address of its list."""
    since = summary["since"]
    found = [
        {
            "severity": name,
            "label": SEVERITY_WORDS[name],
            "tone": TONES[name],
            "value": words.count(number),
            "note": _change(since["by_severity"][name]) if since else "",
            "href": f"{base}?severity={name}" if number else "",
        }
        for name, number in summary["by_severity"].items()
    ]
    ends = words.parse_time(summary["next_ignore_ends_at"])
    note = f"next one ends {ends.day} {ends:%b}" + (f" {ends:%Y}" if ends.year != now.year else "") if ends else ""
    href = f"{base}/ignored" if summary["ignored"] else ""
    value = words.count(summary["ignored"])
    return [*found, {"severity": "", "label": "Ignored", "tone": "soft", "value": value, "note": note, "href": href}]


def _change(number: int) -> str:
    return f"{number:+,} since the last scan".replace("-", "−") if number else "no change"


def news(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """What differs from the last scan, a sentence each."""
    since = summary["since"]
    if since is None:
        return []
    told = []
    if since["new"]:
        only = f", {since['new_data']:,} of them only because the data are newer" if since["new_data"] else ""
        told.append({"icon": "plus", "tone": "soft", "text": f"{since['new']:,} new{only}"})
    if since["fixed"]:
        told.append({"icon": "completed", "tone": "ok", "text": f"{since['fixed']:,} fixed or gone"})
    if since["unsure"]:
        text = f"{since['unsure']:,} of which it is not known whether they are gone"
        told.append({"icon": "silent", "tone": "warn", "text": text})
    told.append({"icon": "asof", "tone": "soft", "text": f"{since['same']:,} still there"})
    return told


def age(data_date: str | None, now: datetime) -> str:
    """ "Data of 20 Nov 2026, 02:31 UTC, 1 day old"."""
    when = words.parse_time(data_date)
    if when is None:
        return "The age of the data is not known"
    days = max((now - when).days, 0)
    old = "less than a day old" if days == 0 else f"{words.plural(days, 'day')} old"
    return f"Data of {when.day} {when:%b %Y, %H:%M} UTC, {old}"


def place_words(finding: Mapping[str, Any]) -> dict[str, str]:
    """The way to a package in the tree: the first place in full, the others as a number."""
    places = finding["places"]
    if not places:
        installed = finding["installed"]
        more = f" and {len(installed) - 3:,} more" if len(installed) > 3 else ""
        return {
            "path": ", ".join(installed[:3]) + more,
            "note": "installed packages built from it" if installed else "",
        }
    place = next((each for each in places if not each["is_dev"]), places[0])
    path = ARROW.join((place["file"].rpartition("/")[0] or place["file"], *place["via"]))
    notes = []
    if place["relation"] == "direct":
        notes.append("asked for directly")
    if place["others"]:
        notes.append(f"{'and ' if place['via'] else 'also needed by '}{words.plural(place['others'], 'more package')}")
    if all(each["is_dev"] for each in places):
        notes.append("only for development")
    if len(places) > 1:
        notes.append(f"in {words.plural(len(places), 'place')}")
    if place["condition"]:
        notes.append(f"if {place['condition']}" if place["condition"] != "optional" else "optional")
    return {"path": path, "note": ", ".join(notes)}
