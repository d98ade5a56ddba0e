"""A trace scan in words: its verdict, its counters, what is new, and what to do about each kind of finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.trace_scan import words as trace
from jobs.trace_scan.filters import UNKNOWN_RISK
from pages import format as words

RISK_WORDS = {"HIGH": "High", "MEDIUM": "Medium", "LOW": "Low", UNKNOWN_RISK: "Not stated"}
SEVERITY_WORDS = {trace.ERROR: "Error", trace.WARNING: "Warning", trace.NOTICE: "Notice"}
SEVERITY_ICONS = {trace.ERROR: "failed", trace.WARNING: "missing", trace.NOTICE: "look"}
WAYS_ON = {
    "broken": "Correct the id or the path, or add what it names.",
    "missing": "Write the document that is missing, or name the id where the work is done.",
    "malformed": "Mend the line that is named; until then nothing in it counts.",
    "field": "Add or correct the field in the front matter.",
    "duplicate": "Give one of the two documents an id of its own.",
    "cycle": "Take one of the parents away.",
    "uncovered": "Name the requirement, or a specification below it, in a test.",
    "tier": "Add a test of that tier, or say the tier of one that is there.",
    "orphan_test": "Correct the ids that these tests name.",
    "unannotated_test": "Say in the test what it verifies.",
    "evidence": "Complete the package, or make it anew.",
    "skipped": "Look at the reason. What is in such a file counts for nothing.",
    "notice": "Nothing has to be done now.",
}


def place(path: str | None, line: int | None) -> str:
    """ "src/a.py:12", or the path alone where no line is known."""
    return f"{path}:{line}" if path and line else path or ""


def verdict(summary: Mapping[str, Any]) -> dict[str, str]:
    """The judgement in one bold sentence, and what stands behind it: `{tone, icon, sentence, text}`."""
    numbers = summary["counters"]
    total, traced = numbers["requirements"], numbers["traced"]
    if not total:
        return _nothing_to_trace(numbers)
    text = " ".join(_why_not_all(numbers))
    every = "The one requirement is" if total == 1 else f"All {words.count(total)} requirements are"
    some = f"{words.count(traced)} of {words.plural(total, 'requirement')} {'is' if traced == 1 else 'are'}"
    sentence = f"{every if traced == total else some} traced to a test."
    if numbers["broken_links"]:
        return {"tone": "fail", "icon": "failed", "sentence": sentence, "text": text}
    if traced < total:
        return {"tone": "warn", "icon": "missing", "sentence": sentence, "text": text}
    tone, icon = ("warn", "look") if text else ("ok", "completed")
    return {"tone": tone, "icon": icon, "sentence": sentence, "text": text}


def _nothing_to_trace(numbers: Mapping[str, int]) -> dict[str, str]:
    if numbers["artifacts"]:
        text = "There are artifacts, but none of them is a requirement. Add one below .gxp/requirements/."
    else:
        text = "Put the first one below .gxp/requirements/, as Markdown with its id and risk at the top."
    return {"tone": "warn", "icon": "missing", "sentence": "This repository keeps no requirements.", "text": text}


def _why_not_all(numbers: Mapping[str, int]) -> list[str]:
    said = []
    broken, missing, again = (numbers[name] for name in ("stopped_broken", "stopped_missing", "look_again"))
    if broken and missing:
        said.append(f"{words.count(broken)} {_stop(broken)} at a broken link, {words.count(missing)} at a missing one.")
    elif broken or missing:
        number, what = (broken, "broken") if broken else (missing, "missing")
        said.append(f"{words.count(number)} {_stop(number)} at a {what} link.")
    if numbers["broken_links"] and not broken:
        number = numbers["broken_links"]
        said.append(f"{words.plural(number, 'broken link')} {'is' if number == 1 else 'are'} to be mended.")
    if again:
        verb, whose = ("is", "its") if again == 1 else ("are", "their")
        said.append(f"{words.count(again)} {verb} to be looked at again, because {whose} code has changed.")
    return said


def _stop(number: int) -> str:
    return "stops" if number == 1 else "stop"


COUNTERS = (
    ("requirements", "Requirements", "", "matrix"),
    ("artifacts", "Artifacts", "", "artifacts"),
    ("links", "Links", "", ""),
    ("broken_links", "Broken", "failed", "findings?kind=broken"),
    ("missing_links", "Missing", "missing", "findings?kind=missing,unannotated_test"),
    ("look_again", "To look at again", "look", "matrix?show=look_again"),
)


def counters(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """The numbers that lead, each with what has changed since the last scan and where they are listed."""
    numbers, change = summary["counters"], summary["change"]

    def note(name: str) -> str:
        if change is None:
            return ""
        return f"{change[name]:+,} since the last scan" if change[name] else "no change"

    return [
        {
            "label": label,
            "icon": icon,
            "tone": ("ink-fail" if icon == "failed" else "ink-warn") if numbers[name] else "quiet",
            "value": words.count(numbers[name]),
            "note": note(name),
            "href": href,
        }
        for name, label, icon, href in COUNTERS
    ]


PARTS = ("with_story", "with_specification", "with_code", "with_tests")


def coverage_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Coverage by risk with words and the width of its bar; a part that not all have is marked."""
    found = []
    for row in rows:
        percent, target = row["percent"], row["target_percent"]
        found.append(
            {
                "risk": row["risk"] or UNKNOWN_RISK,
                "title": "All" if row["risk"] == "ALL" else RISK_WORDS[row["risk"] or UNKNOWN_RISK],
                "requirements": words.count(row["requirements"]),
                "parts": [(words.count(row[name]), row[name] < row["requirements"]) for name in PARTS],
                "percent": words.percent(percent),
                "width": f"{percent or 0}%",
                "target": f"{target:g} %" if target is not None else "",
                "target_at": f"{target}%" if target is not None else "",
                "is_below": percent is not None and target is not None and percent < target,
                "is_all": row["risk"] == "ALL",
            }
        )
    return found


ARTIFACT_NEWS = (("added", "plus"), ("updated", "again"), ("removed", "x"))


def news(summary: Mapping[str, Any], counts: Mapping[str, Mapping[str, int]]) -> list[dict[str, str]]:
    """What is new since the last scan, worst first: `{icon, tone, text, href}`."""
    change = summary["change"]
    if change is None:
        return []
    artifacts, findings = counts["artifact"], counts["finding"]
    said = [
        _piece(change["broken_links"], "broken link", "more", "failed", "fail", "findings?kind=broken"),
        _piece(change["missing_links"], "missing link", "more", "missing", "warn", "findings?kind=missing"),
        _piece(findings.get("added", 0), "finding", "new", "look", "warn", "changes?subject=finding"),
        *(
            _piece(artifacts.get(name, 0), "artifact", name, icon, "soft", "changes?subject=artifact")
            for name, icon in ARTIFACT_NEWS
        ),
        _piece(findings.get("removed", 0), "finding", "gone", "completed", "ok", "changes?subject=finding"),
    ]
    return [each for each in said if each]


def _piece(number: int, what: str, how: str, icon: str, tone: str, href: str) -> dict[str, str]:
    if number <= 0:
        return {}
    counted = words.plural(number, what)
    text = f"{words.count(number)} {how} {counted.split(' ', 1)[1]}" if how in ("more", "new") else f"{counted} {how}"
    return {"icon": icon, "tone": tone, "text": text, "href": href}


def field_facts(fields: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Front matter as (name, lines); nested values are flattened into "key: value"."""
    return [(name, _lines(value) or [words.UNKNOWN]) for name, value in fields.items()]


def _lines(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{key}: {', '.join(_lines(each))}" for key, each in value.items()]
    if isinstance(value, list):
        return [line for each in value for line in _lines(each)]
    return [] if value is None or value == "" else [str(value)]
