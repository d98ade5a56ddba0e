"""Follows edges of a scan, level by level, in a few queries for many starting points."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.code_scan import facts
from jobs.code_scan.models import CodeEdge, CodeNode, CodeScan

MAX_DEPTH = 6
MAX_REACHED = 2_000
ID_CHUNK = 500
# CONTAINS would lead from a class to everything in it, which says nothing of a path.
FOLLOWED = tuple(label for label in facts.EDGE_LABELS if label != facts.CONTAINS)


class Step(NamedTuple):
    """One edge on the way."""

    source: int
    target: int
    label: str


def edges_from(session: Session, scan: CodeScan, ids: Iterable[int], *, is_backward: bool = False) -> list[Step]:
    """The edges that leave (or reach, if `is_backward`) these nodes in this scan."""
    near = CodeEdge.target_id if is_backward else CodeEdge.source_id
    wanted, found = list(ids), []
    for start in range(0, len(wanted), ID_CHUNK):
        query = select(CodeEdge.source_id, CodeEdge.target_id, CodeEdge.label).where(
            near.in_(wanted[start : start + ID_CHUNK]),
            CodeEdge.label.in_(FOLLOWED),
            CodeEdge.first_scan <= scan.sequence,
            CodeEdge.removed_in > scan.sequence,
        )
        found += [Step(*row) for row in session.execute(query.order_by(CodeEdge.id))]
    return found


def walk(
    session: Session, scan: CodeScan, starts: Sequence[int], *, is_backward: bool = False, depth: int = MAX_DEPTH
) -> dict[int, set[int]]:
    """For each start, the nodes that can be reached from it in at most `depth` steps, MAX_REACHED at most."""
    reached: dict[int, set[int]] = {start: set() for start in starts}
    front: dict[int, set[int]] = {start: {start} for start in starts}
    known: dict[int, list[int]] = {}
    for _ in range(depth):
        unknown = {node for nodes in front.values() for node in nodes} - known.keys()
        if unknown:
            following: dict[int, list[int]] = defaultdict(list)
            for step in edges_from(session, scan, unknown, is_backward=is_backward):
                near, far = (step.target, step.source) if is_backward else (step.source, step.target)
                following[near].append(far)
            known.update((node, following.get(node, [])) for node in unknown)
        for start in starts:
            ahead = {far for node in front[start] for far in known[node]} - reached[start]
            if len(reached[start]) + len(ahead) > MAX_REACHED:
                ahead = set()
            reached[start] |= ahead
            front[start] = ahead
        if not any(front.values()):
            break
    return reached


def types_of(session: Session, ids: Iterable[int]) -> dict[int, str]:
    """The types of these nodes."""
    wanted, found = list(ids), dict[int, str]()
    for start in range(0, len(wanted), ID_CHUNK):
        query = select(CodeNode.id, CodeNode.type).where(CodeNode.id.in_(wanted[start : start + ID_CHUNK]))
        found.update((row[0], row[1]) for row in session.execute(query))
    return found
