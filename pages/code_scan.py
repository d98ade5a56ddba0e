"""The results of a code scan: overview, nodes, flow, changes, and the files that gave nothing.

Everything is a link or a GET form, so that it works without JavaScript and each view has an address. The questions go
to the query layer of the job; here is only what a person sees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from flask import current_app
from sqlalchemy.orm import Session

from database import Database
from extensions import offload_read
from jobs.code_scan import endpoints, flow, query, tables
from jobs.code_scan.facts import NODE_TYPES
from jobs.code_scan.filters import NodeFilter
from pages import format as words
from pages.flow_picture import picture
from pages.progress import Snapshot
from pages.results import Tab, register_results

Args = Mapping[str, str]

TABS = (
    Tab("nodes", "Nodes", "nodes_found"),
    Tab("flow", "Flow"),
    Tab("endpoints", "Endpoints", "routes_found"),
    Tab("changes", "Changes", "changed_files"),
    Tab("files", "Skipped and failed"),
)
ROWS = 50
SHORT_LIST = 8
TYPE_WORDS = {each: each.replace("_", " ").replace("ui ", "UI ").replace("api ", "API ") for each in NODE_TYPES}
SURENESS = ("certain", "likely", "guess")
BAR_WIDTH = 100


def register() -> None:
    """Give code scans their own results pages."""
    register_results("code_scan", tabs=TABS, context=context, styles=["code_scan"], scripts=["in_place"])


def context(task: Snapshot, tab: str, args: Args) -> dict[str, Any]:
    """The variables of this tab's template; `missing` instead where the scan's rows have been removed."""
    scan_id = task["task_id"]
    build = {
        "overview": _overview,
        "nodes": _nodes,
        "flow": _flow,
        "endpoints": _endpoints,
        "changes": _changes,
        "files": _files,
    }[tab]
    room = current_app.extensions["taskroom"]
    found = _read(room.analysis, lambda session: _found(session, scan_id, build, args))
    return {"scan_id": scan_id, "base": f"/tasks/{scan_id}", "api": f"/api/v1/scans/{scan_id}", **found}


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


def _overview(session: Session, scan_id: str, args: Args) -> dict[str, Any]:
    summary = query.summary(session, scan_id)
    breakdown = query.breakdown(session, scan_id)
    return {
        "summary": summary,
        "counters": _counters(summary),
        "operations": _operations(breakdown["types"]),
        "languages": breakdown["languages"],
        "structure": breakdown["structure"],
        "type_words": TYPE_WORDS,
        "tables": tables.tables(session, scan_id, limit=SHORT_LIST),
        "endpoints": endpoints.endpoints(session, scan_id, limit=SHORT_LIST),
        **_flow(session, scan_id, args),
    }


COUNTERS = (
    ("nodes", "Nodes"),
    ("edges", "Edges"),
    ("routes", "Routes"),
    ("entities", "Entities"),
    ("files_skipped", "Files skipped"),
    ("files_failed", "Files failed"),
)


def _counters(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """Each counter with what has changed since the last scan of the same folder with the same settings."""
    change = summary["change"]

    def note(key: str) -> str:
        if change is None:
            return ""
        difference = change[key]
        return "no change" if not difference else f"{difference:+,}"

    counted = summary["counters"]
    return [{"label": label, "value": words.count(counted[key]), "note": note(key)} for key, label in COUNTERS]


def _operations(types: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The ten operations with bars relative to the most frequent one."""
    most = max((each["count"] for each in types), default=0) or 1
    rows, group = [], ""
    for each in types:
        share = round(BAR_WIDTH * each["count"] / most, 2)
        width = max(share, 0.6) if each["count"] else 0
        is_first, group = each["group"] != group, each["group"]
        rows.append({**each, "is_first": is_first, "width": f"{width}%", "is_open": each["way"] in ("read", "receive")})
    return rows


def _nodes(session: Session, scan_id: str, args: Args) -> dict[str, Any]:
    filters = NodeFilter.from_args({key: args[key] for key in FILTERS if args.get(key)})
    asked = {key: args[key] for key in FILTERS if args.get(key)}
    found = query.nodes(session, scan_id, filters, cursor=args.get("cursor") or None, limit=ROWS)
    chosen = _chosen(args, found["items"])
    return {
        "asked": asked,
        "found": found,
        "chips": _chips(session, scan_id, filters, asked),
        "chosen": query.node(session, scan_id, chosen) if chosen is not None else None,
        "type_words": TYPE_WORDS,
        "link": lambda **changes: _link(scan_id, "nodes", {**asked, **changes}),
        "page": {key: args[key] for key in ("cursor",) if args.get(key)},
        "filter_query": urlencode(asked),
    }


FILTERS = ("type", "language", "table", "sureness", "q", "path")


def _chosen(args: Args, items: Sequence[Mapping[str, Any]]) -> int | None:
    asked = args.get("node", "")
    if asked.isdigit() and len(asked) < 17:
        return int(asked)
    return items[0]["id"] if items else None


def _chips(session: Session, scan_id: str, filters: NodeFilter, asked: Mapping[str, str]) -> list[dict[str, Any]]:
    facets = query.facets(session, scan_id, filters)
    types = [(each["value"], TYPE_WORDS[each["value"]], each["count"]) for each in facets["types"]]
    languages = [(each["value"], each["title"], each["count"]) for each in facets["languages"]]
    return [
        _chip(scan_id, asked, "type", "Type", types),
        _chip(scan_id, asked, "language", "Language", languages),
        _chip(scan_id, asked, "sureness", "How sure", [(each, each, None) for each in SURENESS]),
        *([_chip(scan_id, asked, "table", "Table", [])] if "table" in asked else []),
        *([_chip(scan_id, asked, "path", "Path", [])] if "path" in asked else []),
    ]


def _chip(scan_id: str, asked: Mapping[str, str], name: str, title: str, options: Sequence[Any]) -> dict[str, Any]:
    if name in asked:
        rest = {key: value for key, value in asked.items() if key != name}
        said = next((word for value, word, _ in options if value == asked[name]), asked[name])
        return {"title": title, "set": True, "value": said, "clear_href": _link(scan_id, "nodes", rest)}
    choices = [
        {
            "title": word,
            "count": words.count(count) if count is not None else "",
            "href": _link(scan_id, "nodes", {**asked, name: value}),
        }
        for value, word, count in options
    ]
    return {"title": title, "set": False, "options": choices}


def _link(scan_id: str, tab: str, asked: Mapping[str, Any]) -> str:
    given = urlencode({key: value for key, value in asked.items() if value not in (None, "")})
    return f"/tasks/{scan_id}/{tab}" + (f"?{given}" if given else "")


def _flow(session: Session, scan_id: str, args: Args) -> dict[str, Any]:
    asked = args.get("start", "")
    start = int(asked) if asked.isdigit() and len(asked) < 17 else None
    found = flow.flow(session, scan_id, start)
    return {
        "flow": found,
        "picture": picture(found),
        "triggers": flow.triggers(
            session, scan_id, text=args.get("q", "")[:200], cursor=args.get("cursor"), limit=ROWS
        ),
        "asked_text": args.get("q", "")[:200],
        "start": found["start_id"],
    }


def _endpoints(session: Session, scan_id: str, args: Args) -> dict[str, Any]:
    text = args.get("q", "")[:200]
    found = endpoints.endpoints(session, scan_id, text=text, cursor=args.get("cursor") or None, limit=ROWS)
    return {"endpoints": found, "asked_text": text, "next_href": _next(scan_id, "endpoints", found, {"q": text})}


def _changes(session: Session, scan_id: str, args: Args) -> dict[str, Any]:
    found = query.changes(session, scan_id, cursor=args.get("cursor") or None, limit=ROWS)
    return {"changes": found, "next_href": _next(scan_id, "changes", found, {})}


def _files(session: Session, scan_id: str, args: Args) -> dict[str, Any]:
    status = args.get("status") if args.get("status") in ("skipped", "failed") else None
    text = args.get("q", "")[:200]
    asked = {"q": text, "status": status, "reason": args.get("reason", "")[:60]}
    found = query.files(
        session,
        scan_id,
        status=status,
        reason=asked["reason"] or None,
        text=text,
        cursor=args.get("cursor") or None,
        limit=ROWS,
    )
    summary = query.summary(session, scan_id)
    return {
        "files": found,
        "reasons": [*summary["failed_by_reason"], *summary["skipped_by_reason"]],
        "asked": asked,
        "next_href": _next(scan_id, "files", found, asked),
    }


def _next(scan_id: str, tab: str, found: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    return _link(scan_id, tab, {**asked, "cursor": found["next_cursor"]}) if found["next_cursor"] else ""
