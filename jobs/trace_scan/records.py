"""What a scan found as rows of tables, and a digest of it all, by which a scan knows that nothing is different."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from jobs.repository.discovery import cut
from jobs.trace_scan.assemble import Found
from jobs.trace_scan.found import Artifact, Finding, Link, Test
from jobs.trace_scan.matrix import Row, cells, chain_links
from jobs.trace_scan.models import TraceArtifact, TraceFinding, TraceLink, TraceRow, TraceTest

Record = dict[str, Any]
MAX_SEARCH = 4_000
MAX_FIELDS_BYTES = 200_000


def records(found: Found, tick: Callable[[], None]) -> dict[Any, list[Record]]:
    """The rows by table, each with its `position`, without `snapshot_id`. `tick` may raise to stop."""
    links = sorted(
        found.graph.links,
        key=lambda link: (link.is_valid, link.from_type, link.from_ref, link.relation, link.to_type, link.to_ref),
    )
    tests = sorted(found.graph.tests, key=lambda test: (test.path, test.line, test.name))
    parts: dict[Any, Iterator[Record]] = {
        TraceArtifact: (_artifact(each) for each in found.artifacts),
        TraceLink: (_link(each) for each in links),
        TraceTest: (_test(each) for each in tests),
        TraceFinding: (_finding(each) for each in found.findings),
        TraceRow: (_row(found, each) for each in found.rows),
    }
    made: dict[Any, list[Record]] = {}
    for model, rows in parts.items():
        made[model] = []
        for position, row in enumerate(rows):
            tick()
            made[model].append(_storable(row) | {"position": position})
    return made


def digest_of(made: dict[Any, list[Record]]) -> str:
    """The same for the same rows."""
    digest = hashlib.blake2b(digest_size=32)
    for model, rows in made.items():
        digest.update(model.__tablename__.encode())
        digest.update(orjson.dumps(rows))
    return digest.hexdigest()


def _storable(row: Record) -> Record:
    """The row with nothing in it that a database cannot hold: no NUL, no lone surrogate."""
    try:
        return _clean(row) if b"\\u0000" in orjson.dumps(row) else row
    except TypeError:
        return _clean(row)  # type: ignore[no-any-return]


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, dict):
        return {_clean(key): _clean(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return value


def _artifact(made: Artifact) -> Record:
    fields = made.fields
    said = orjson.dumps(fields, default=str).decode()
    if len(said) > MAX_FIELDS_BYTES:
        fields, said = {"too_large": "The fields are too large to be kept."}, ""
    searched = f"{made.id} {made.title} {made.path} {said} {made.body}"
    return {
        "type": made.type,
        "artifact_id": made.id,
        "title": made.title,
        "path": cut(made.path, 1000),
        "line": made.line,
        "state": made.state,
        "risk": made.risk,
        "tier": made.tier,
        "status": made.status,
        "fields": fields,
        "problems": [each.as_dict() for each in made.problems[:200]],
        "body": made.body,
        "search": searched[:MAX_SEARCH].lower(),
    }


def _link(link: Link) -> Record:
    names = ("relation", "from_type", "to_type", "state", "reason", "is_inferred", "places")
    return {name: getattr(link, name) for name in names} | {
        "from_ref": cut(link.from_ref, 1000),
        "to_ref": cut(link.to_ref, 1000),
        "hint": link.hint[:500] if link.hint else None,
    }


def _test(test: Test) -> Record:
    names = ("path", "line", "name", "state", "tier", "is_tier_inferred", "risk", "refs")
    return {name: getattr(test, name) for name in names}


def _finding(each: Finding) -> Record:
    names = ("kind", "severity", "code", "key", "path", "line", "message", "risk")
    hint = each.hint[:500] if each.hint else None
    return {name: getattr(each, name) for name in names} | {"subject": cut(each.subject, 1000), "hint": hint}


def _row(found: Found, row: Row) -> Record:
    made = row.made
    kept = cells(row) | {"links": chain_links(found.graph, row)}
    refs = [each["ref"] for name in ("stories", "specifications") for each in kept[name]]
    refs += [each["path"] for name in ("code", "tests") for each in kept[name]]
    return {
        "requirement": made.id,
        "title": made.title,
        "path": made.path,
        "risk": row.risk,
        "state": row.state,
        "is_look_again": row.is_look_again,
        "cells": kept,
        "search": " ".join((made.id, made.title, made.path, *refs))[: 4 * MAX_SEARCH].lower(),
    }
