"""The tables of a scan: who reads and who writes each."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.code_scan import facts
from jobs.code_scan.cursors import clamp, decode, encode
from jobs.code_scan.models import CodeNode, CodeScan
from jobs.code_scan.query import alive, get_scan


@dataclass(slots=True)
class _Table:
    name: str
    readers: int = 0
    writers: int = 0
    writing_files: set[str] = field(default_factory=set)

    def row(self) -> dict[str, Any]:
        return {
            "table": self.name,
            "readers": self.readers,
            "writers": self.writers,
            "writing_files": len(self.writing_files),
            "note": _note(self),
        }


def tables(
    session: Session, scan_id: str, text: str = "", sort: str = "readers", cursor: str | None = None, limit: int = 100
) -> dict[str, Any]:
    """Tables with how many places read and write them, sorted by "readers", "writers" or "name".

    An entity counts as the table it is stored in. Places whose table is not known are in no row.
    """
    limit = clamp(limit)
    found = [each for each in _all(session, get_scan(session, scan_id)) if text.lower() in each.name.lower()]
    found.sort(
        key=lambda each: (0 if sort == "name" else -(each.writers if sort == "writers" else each.readers), each.name)
    )
    start = decode(cursor, (int,))[0] if cursor else 0
    page = found[start : start + limit]
    return {
        "items": [each.row() for each in page],
        "next_cursor": encode(start + limit) if len(found) > start + limit else None,
        "total": len(found),
    }


def _all(session: Session, scan: CodeScan) -> list[_Table]:
    stored_in = _declared(session, scan)
    found: dict[str, _Table] = {key: _Table(name) for key, name in stored_in.items() if key == name.lower()}

    def table(target: str | None) -> _Table:
        name = stored_in.get((target or "").lower(), target or "")
        return found.setdefault(name.lower(), _Table(name))

    uses = select(CodeNode.type, CodeNode.target, func.count()).where(
        CodeNode.type.in_((facts.DATABASE_READ, facts.DATABASE_WRITE)),
        CodeNode.target.is_not(None),
        alive(CodeNode, scan),
    )
    for type_, target, count in session.execute(uses.group_by(CodeNode.type, CodeNode.target)):
        if type_ == facts.DATABASE_READ:
            table(target).readers += count
        else:
            table(target).writers += count
    writes = (
        select(CodeNode.target, CodeNode.path)
        .where(CodeNode.type == facts.DATABASE_WRITE, CodeNode.target.is_not(None), alive(CodeNode, scan))
        .distinct()
    )
    for target, path in session.execute(writes):
        table(target).writing_files.add(path)
    return list(found.values())


def _declared(session: Session, scan: CodeScan) -> dict[str, str]:
    """The name of the table for each declared table and entity, by lower-case name."""
    columns = (CodeNode.type, CodeNode.name, CodeNode.target)
    query = select(*columns).where(CodeNode.type.in_((facts.ENTITY, facts.TABLE)), alive(CodeNode, scan))
    names: dict[str, str] = {}
    targets: dict[str, set[str]] = defaultdict(set)
    for type_, name, target in session.execute(query.order_by(CodeNode.type.desc(), CodeNode.path, CodeNode.line)):
        if type_ == facts.TABLE:
            names.setdefault((target or name).lower(), target or name)
        else:
            short = name.rpartition(".")[2]
            stored = names.setdefault((target or short).lower(), target or short)
            targets[short.lower()].add(stored)
    for short, places in targets.items():
        if len(places) == 1:
            names.setdefault(short, next(iter(places)))
    return names


def _note(table: _Table) -> str | None:
    if not table.readers and not table.writers:
        return "not seen in use"
    if not table.writers:
        return "never written"
    if not table.readers:
        return "never read"
    return f"{len(table.writing_files)} files write" if len(table.writing_files) > 1 else None
