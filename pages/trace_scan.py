"""The results of a trace scan: what is broken and what to do, the matrix, artifacts, findings, and what has changed.

Everything is a link or a GET form, so that it works without JavaScript and each view has an address. The questions go
to the query layer of the job; here is only what a person sees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from flask import current_app
from sqlalchemy.orm import Session

from database import Database
from extensions import offload_read
from jobs.trace_scan import query
from jobs.trace_scan import words as trace
from jobs.trace_scan.filters import UNKNOWN_RISK, ArtifactFilter, FindingFilter, RowFilter
from pages.progress import Snapshot
from pages.result_filters import Asked
from pages.results import Tab, register_results
from pages.trace_words import (
    RISK_WORDS,
    SEVERITY_ICONS,
    SEVERITY_WORDS,
    WAYS_ON,
    counters,
    coverage_rows,
    field_facts,
    news,
    place,
    verdict,
)

Args = Mapping[str, str]

TABS = (
    Tab("matrix", "Matrix", "requirements"),
    Tab("artifacts", "Artifacts", "artifacts"),
    Tab("findings", "Findings"),
    Tab("changes", "Changes", "changed_files"),
)
ROWS = 50
MATRIX_ROWS = 100
FIRST_FINDINGS = 8
# That no test reaches a requirement follows from a link that is broken or missing, which is said itself.
FIRST = FindingFilter(
    kinds=tuple(each for each in trace.FINDING_KINDS if each != "uncovered"), severities=(trace.ERROR, trace.WARNING)
)
CELL = 3
SHARED = {
    "risk_words": RISK_WORDS,
    "severity_icons": SEVERITY_ICONS,
    "severity_words": SEVERITY_WORDS,
    "type_words": trace.ARTIFACT_TYPES,
    "state_words": trace.ARTIFACT_STATES,
    "relation_words": trace.RELATIONS,
    "place": place,
}


def register() -> None:
    """Give trace scans their own results pages."""
    register_results("trace_scan", tabs=TABS, context=context, styles=["trace_scan"], scripts=["in_place"])


def context(task: Snapshot, tab: str, args: Args) -> dict[str, Any]:
    """The variables of this tab's template; `missing` instead where the scan's rows have been removed."""
    scan_id = task["task_id"]
    build = {
        "overview": _overview,
        "matrix": _matrix,
        "artifacts": _artifacts,
        "findings": _findings,
        "changes": _changes,
    }[tab]
    found = _read(current_app.extensions["taskroom"].analysis, lambda session: _found(session, scan_id, build, args))
    return {"base": f"/tasks/{scan_id}", "api": f"/api/v1/scans/{scan_id}", **SHARED, **found}


def _read(database: Database, ask: Callable[[Session], dict[str, Any]]) -> dict[str, Any]:
    """Ask in one reading transaction. SQLite answers in C, so its longer answers are waited for beside the loop."""

    def answer() -> dict[str, Any]:
        with database.read() as session:
            return ask(session)

    return offload_read(answer) if database.is_sqlite else answer()


def _found(session: Session, scan_id: str, build: Callable[..., dict[str, Any]], args: Args) -> dict[str, Any]:
    if query.find_scan(session, scan_id) is None:
        return {"missing": True}
    return build(session, scan_id, args)


def _overview(session: Session, scan_id: str, args: Args) -> dict[str, Any]:  # noqa: ARG001
    summary = query.summary(session, scan_id)
    first = query.findings(session, scan_id, FIRST, limit=FIRST_FINDINGS)
    kinds = [each for each in summary["findings_by_kind"] if each["count"]]
    return {
        "summary": summary,
        "verdict": verdict(summary),
        "counters": counters(summary),
        "coverage": coverage_rows(query.coverage(session, scan_id)),
        "kinds": [{**each, "way_on": WAYS_ON[each["kind"]]} for each in kinds],
        "first": first,
        "since": summary["since"],
        "news": news(summary, query.changes(session, scan_id, limit=1)["counts"]),
    }


def _matrix(session: Session, scan_id: str, args: Args) -> dict[str, Any]:
    asked = Asked.from_args(f"/tasks/{scan_id}/matrix", args, ("show", "state", "risk", "q"))
    found = query.matrix(session, scan_id, RowFilter.from_args(asked.values), args.get("cursor") or None, MATRIX_ROWS)
    facets = query.matrix_facets(session, scan_id)
    risks = [(name, RISK_WORDS[name], facets["risks"].get(name, 0)) for name in (*trace.RISKS, UNKNOWN_RISK)]
    states = [(name, STATE_WORDS[name], None) for name in trace.ROW_STATES]
    return {
        "asked": asked,
        "found": found,
        "facets": facets,
        "chips": [
            asked.chip("risk", "Risk", [each for each in risks if each[2]]),
            asked.chip("state", "State", states),
        ],
        "opened": args.get("open", "")[:200],
        "page": {"cursor": args["cursor"]} if args.get("cursor") else {},
        "next_href": asked.href(cursor=found["next_cursor"]) if found["next_cursor"] else "",
        "cell_size": CELL,
        "gaps_of": _gaps_of,
        "ref_links": lambda items: [_ref_link(scan_id, each) for each in items],
        "place_links": lambda items: [_place_link(each) for each in items],
    }


STATE_WORDS = {trace.BROKEN: "Broken", trace.MISSING: "Missing", trace.LINKED: "Linked"}


def _gaps_of(row: Mapping[str, Any], column: str) -> list[Mapping[str, Any]]:
    return [gap for gap in row["gaps"] if gap["column"] == column]


def _ref_link(scan_id: str, each: Mapping[str, Any]) -> tuple[str, str, str]:
    """(text, title, href) of a story or a specification in its cell."""
    return each["ref"], each["title"], f"/tasks/{scan_id}/artifacts?{urlencode({'ref': each['ref']})}#artifact"


def _place_link(each: Mapping[str, Any]) -> tuple[str, str, str]:
    """(text, title, no href) of a place in code or tests: the file's own name, the whole path in the title."""
    whole = place(each["path"], each["line"])
    tier, name = each.get("tier"), each.get("name")
    text = whole.rpartition("/")[2]
    return f"{tier} {text}" if tier else text, f"{whole} {name}" if name else whole, ""


def _artifacts(session: Session, scan_id: str, args: Args) -> dict[str, Any]:
    asked = Asked.from_args(f"/tasks/{scan_id}/artifacts", args, ("type", "risk", "state", "q"))
    filters = ArtifactFilter.from_args(asked.values)
    found = query.artifacts(session, scan_id, filters, args.get("cursor") or None, ROWS)
    facets = query.artifact_facets(session, scan_id)
    number = _chosen(session, scan_id, args, found["items"])
    chosen = query.artifact(session, scan_id, number) if number is not None else None
    groups = (
        ("type", "Type", trace.ARTIFACT_TYPES, facets["types"]),
        ("risk", "Risk", RISK_WORDS, facets["risks"]),
        ("state", "State", trace.ARTIFACT_STATES, facets["states"]),
    )
    return {
        "asked": asked,
        "found": found,
        "chips": [
            asked.chip(name, title, [(value, said[value], counts[value]) for value in said if value in counts])
            for name, title, said, counts in groups
        ],
        "chosen": chosen,
        "facts": field_facts(chosen["fields"]) if chosen else [],
        "page": {"cursor": args["cursor"]} if args.get("cursor") else {},
        "next_href": asked.href(cursor=found["next_cursor"]) if found["next_cursor"] else "",
    }


def _chosen(session: Session, scan_id: str, args: Args, items: list[dict[str, Any]]) -> int | None:
    """The artifact that is opened: by its number, by its id (`?ref=REQ-001`), or else the first of the list."""
    asked = args.get("artifact", "")
    if asked.isascii() and asked.isdigit() and len(asked) < 17:
        return int(asked)
    if args.get("ref") and (known := query.find_artifact(session, scan_id, args["ref"][:200])) is not None:
        return known
    return items[0]["id"] if items else None


def _findings(session: Session, scan_id: str, args: Args) -> dict[str, Any]:
    asked = Asked.from_args(f"/tasks/{scan_id}/findings", args, ("kind", "severity", "risk", "q"))
    found = query.findings(session, scan_id, FindingFilter.from_args(asked.values), args.get("cursor") or None, ROWS)
    present = [each for each in query.summary(session, scan_id)["findings_by_kind"] if each["count"]]
    return {
        "asked": asked,
        "found": found,
        "kind_words": trace.FINDING_KINDS,
        "way_on": WAYS_ON.get(asked.values.get("kind", ""), ""),
        "chips": [
            asked.chip("kind", "Kind", [(each["kind"], each["title"], each["count"]) for each in present]),
            asked.chip("severity", "Severity", [(name, word, None) for name, word in SEVERITY_WORDS.items()]),
            asked.chip("risk", "Risk", [(name, word, None) for name, word in RISK_WORDS.items()]),
        ],
        "next_href": asked.href(cursor=found["next_cursor"]) if found["next_cursor"] else "",
    }


SUBJECTS = {"artifact": "Artifacts", "finding": "Findings", "file": "Files"}


def _changes(session: Session, scan_id: str, args: Args) -> dict[str, Any]:
    asked = Asked.from_args(f"/tasks/{scan_id}/changes", args, ("subject",))
    subject = asked.values.get("subject", "")
    subject = subject if subject in SUBJECTS else ""
    found = query.changes(session, scan_id, subject or None, args.get("cursor") or None, ROWS)
    return {
        "asked": asked,
        "subject": subject,
        "subjects": [(name, title, sum(found["counts"][name].values())) for name, title in SUBJECTS.items()],
        "changes": found,
        "kind_words": trace.FINDING_KINDS,
        "next_href": asked.href(cursor=found["next_cursor"]) if found["next_cursor"] else "",
    }
