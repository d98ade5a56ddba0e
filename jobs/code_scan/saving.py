"""Turns a parsed repository into a new version of its index: links it, compares, writes only what differs.

Linking comes first and in memory, on nodes without snippets; then rows are written file by file, edges last.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select

from jobs.code_scan import facts
from jobs.code_scan.changes import Plan, match, trusted_mtime
from jobs.code_scan.facts import FileFacts, Node
from jobs.code_scan.index_writer import CHUNK, ID_CHUNK, IndexWriter, chunks
from jobs.code_scan.link import link
from jobs.code_scan.models import NEVER, CodeEdge, CodeFile, CodeNode
from jobs.code_scan.reasons import FAILED, PARSED, SKIPPED, status_of
from jobs.code_scan.spool import Place, Spool
from jobs.code_scan.wire import decode_facts, decode_nodes
from jobs.repository.discovery import cut

FILES_AT_ONCE = 100
FILE_BITS = 24
NODE_FIELDS = ("type", "name", "line", "end_line", "snippet", "function", "target", "verb", "confidence", "evidence")
# Longest texts in bytes: an entry of a PostgreSQL index holds at most about 2,700.
LIMITS = {"name": 200, "function": 300, "target": 300, "verb": 40, "evidence": 300, "snippet": 4_000}
SEARCH_BYTES = 900


@dataclass(frozen=True, slots=True)
class Parsed:
    """What parsing said of one file; `place` is None unless it was parsed anew."""

    head: dict[str, Any]
    place: Place | None = None


@dataclass(slots=True)
class Tally:
    """What the new version changes."""

    files: Counter[str] = field(default_factory=Counter)
    nodes_added: int = 0
    nodes_removed: int = 0
    edges_added: int = 0
    edges_removed: int = 0


class Saver:
    """Saves one scan. `on_rows(n, step)` is told of rows as they are written, and may raise to stop."""

    def __init__(
        self,
        writer: IndexWriter,
        plan: Plan,
        parsed: dict[int, Parsed],
        spool: Spool,
        listed_at_ns: int,
        on_rows: Callable[[int, str], None],
    ) -> None:
        self._writer = writer
        self._plan = plan
        self._parsed = parsed
        self._spool = spool
        self._listed_at_ns = listed_at_ns
        self._on_rows = on_rows
        self._ids: dict[int, array[int]] = {}
        self._moved: dict[int, int] = {}
        self._edges: list[tuple[int, int, str, float]] = []
        self.tally = Tally()
        self.wrote_files = bool(plan.gone)

    @property
    def has_changes(self) -> bool:
        """Whether anything that nodes come from differs from the last scan."""
        plan = self._plan
        before = plan.known
        return (
            any(each.place is not None for each in self._parsed.values())
            or any(each.status == PARSED for each in plan.gone)
            or any(
                plan.files[n].path in before and before[plan.files[n].path].status == PARSED
                for n in self._positions_without_facts()
            )
        )

    def _positions_without_facts(self) -> Iterator[int]:
        yield from self._plan.skipped
        yield from (n for n, each in self._parsed.items() if each.place is None and each.head["status"] != "same")

    # Linking

    def connect(self) -> int:
        """Link all files in memory. Returns the number of edges."""
        plan = self._plan
        number_of = {found.path: position for position, found in enumerate(plan.files)}
        for edge in link(self._all_facts()):
            source = number_of[edge.source.path] << FILE_BITS | edge.source.index
            target = number_of[edge.target.path] << FILE_BITS | edge.target.index
            self._edges.append((source, target, edge.label, edge.confidence))
        return len(self._edges)

    def _all_facts(self) -> Iterator[FileFacts]:
        plan, known = self._plan, self._plan.known
        remembered = []
        for position, found in enumerate(plan.files):
            parsed = self._parsed.get(position)
            if parsed is not None and parsed.place is not None:
                nodes = [_light(node) for node in decode_nodes(self._spool.nodes(parsed.place))]
                yield decode_facts(found.path, found.language or "", nodes, self._spool.linkage(parsed.place))
            elif (parsed is None or parsed.head["status"] == "same") and found.path in known:
                remembered.append(position)
        for part in chunks(remembered, FILES_AT_ONCE):
            yield from self._remembered_facts(part)

    def _remembered_facts(self, positions: list[int]) -> Iterator[FileFacts]:
        files, known = self._plan.files, self._plan.known
        by_id = {known[files[position].path].id: position for position in positions}
        with self._writer.read() as session:
            stored = session.execute(
                select(CodeFile.id, CodeFile.node_ids, CodeFile.linkage).where(CodeFile.id.in_(by_id))
            ).all()
        packed = {file_id: array("q", ids or b"") for file_id, ids, _ in stored}
        nodes = self._stored_nodes([each for ids in packed.values() for each in ids], is_light=True)
        for file_id, _, linkage in stored:
            if linkage is not None:
                found = files[by_id[file_id]]
                own = [nodes[node_id] for node_id in packed[file_id]]
                yield decode_facts(found.path, found.language or "", own, linkage)

    def _stored_nodes(self, ids: Iterable[int], *, is_light: bool = False) -> dict[int, Node]:
        """The stored nodes with these ids; without snippets and evidence if `is_light`."""
        names = [name for name in NODE_FIELDS if not is_light or name not in ("snippet", "evidence")]
        columns = [getattr(CodeNode, name) for name in names]
        found: dict[int, Node] = {}
        with self._writer.read() as session:
            for part in chunks(ids, ID_CHUNK):
                for row in session.execute(select(CodeNode.id, *columns).where(CodeNode.id.in_(part))):
                    found[row[0]] = Node(**dict(zip(names, row[1:], strict=True)))
        return found

    # Files and nodes

    def save_files(self) -> None:
        """Write what is new of files and nodes, and end what is no more."""
        plan = self._plan
        self._end_files([each.id for each in plan.gone])
        self.tally.files["removed"] += sum(each.status != SKIPPED for each in plan.gone)
        self._save_skipped()
        same = []
        for part in chunks(sorted(self._parsed), FILES_AT_ONCE):
            same += [n for n in part if self._parsed[n].head["status"] == "same"]
            self._save_parsed([n for n in part if self._parsed[n].head["status"] != "same"])
        self._remember_times(same)
        self._load_ids([*plan.unchanged, *same])

    def _remember_times(self, positions: list[int]) -> None:
        times = []
        for position in positions:
            found = self._plan.files[position]
            before = self._plan.known[found.path]
            mtime_ns = trusted_mtime(found, self._listed_at_ns)
            if mtime_ns and mtime_ns != before.mtime_ns:
                times.append((before.id, found.size, mtime_ns))
        self._writer.note_times(times)

    def _load_ids(self, positions: list[int]) -> None:
        if not self._edges:
            return
        known = self._plan.known
        by_id = {known[self._plan.files[position].path].id: position for position in positions}
        for file_id, ids in self._writer.node_ids(list(by_id)).items():
            self._ids[by_id[file_id]] = ids

    def _save_skipped(self) -> None:
        rows, ended = [], []
        for position in self._plan.skipped:
            found = self._plan.files[position]
            before = self._plan.known.get(found.path)
            is_sized = found.reason == "too_large"
            is_same = before is not None and (before.reason, before.note) == (found.reason, found.note)
            if before and is_same and not (is_sized and before.size != found.size):
                continue
            if before:
                ended.append(before.id)
            rows.append(self._file_row(position, {"reason": found.reason, "note": found.note}))
        self._end_files(ended)
        self._writer.insert(CodeFile, rows)
        self.wrote_files = self.wrote_files or bool(rows)

    def _end_files(self, file_ids: list[int]) -> None:
        for ids in self._writer.node_ids(file_ids).values():
            self._writer.end(CodeNode, ids)
            self.tally.nodes_removed += len(ids)
        self._writer.end(CodeFile, file_ids)

    def _save_parsed(self, positions: list[int]) -> None:
        if not positions:
            return
        self.wrote_files = True
        known, files = self._plan.known, self._plan.files
        before = {position: known[files[position].path] for position in positions if files[position].path in known}
        old_ids = self._writer.node_ids([each.id for each in before.values()])
        old_nodes = self._stored_nodes([each for ids in old_ids.values() for each in ids])
        file_rows, node_rows, ended = [], [], []
        for position in positions:
            parsed = self._parsed[position]
            earlier = before.get(position)
            old = [(node_id, old_nodes[node_id]) for node_id in old_ids.get(earlier.id, ())] if earlier else []
            nodes = self._limited(parsed)
            matched = match(old, nodes)
            ids = array("q")
            for node, kept in zip(nodes, matched.ids, strict=True):
                if kept is None:
                    kept = self._writer.ids.node
                    self._writer.ids.node += 1
                    node_rows.append(_node_row(kept, files[position].path, files[position].language or "", node))
                ids.append(kept)
            ended += matched.ended
            self._moved.update((node_id, ids[place]) for node_id, place in matched.moved.items())
            self._ids[position] = ids
            self.tally.nodes_added += matched.added
            self.tally.nodes_removed += matched.removed
            self._count_change(parsed, earlier.digest if earlier else None, earlier is not None)
            file_rows.append(self._file_row(position, parsed.head, ids))
        self._writer.end(CodeNode, ended)
        self._writer.end(CodeFile, [each.id for each in before.values()])
        self._writer.insert(CodeNode, node_rows)
        self._writer.insert(CodeFile, file_rows)
        self._on_rows(sum(len(self._ids[position]) + 1 for position in positions), files[positions[0]].path)

    def _count_change(self, parsed: Parsed, digest: str | None, was_known: bool) -> None:
        head = parsed.head
        if head["status"] == "refused" and status_of(head["reason"]) == SKIPPED:
            return
        if not was_known:
            self.tally.files["added"] += 1
        elif digest is None or head.get("digest") != digest:
            self.tally.files["modified"] += 1

    def _limited(self, parsed: Parsed) -> list[Node]:
        return [] if parsed.place is None else [_cut(node) for node in decode_nodes(self._spool.nodes(parsed.place))]

    def _file_row(self, position: int, head: dict[str, Any], ids: array[int] | None = None) -> dict[str, Any]:
        found = self._plan.files[position]
        parsed = self._parsed.get(position)
        number = self._writer.ids.file
        self._writer.ids.file += 1
        reason = head.get("reason")
        return {
            "id": number,
            "path": found.path,
            "language": found.language,
            "size": head.get("size", found.size),
            "mtime_ns": trusted_mtime(found, self._listed_at_ns),
            "digest": head.get("digest"),
            "lines": head.get("lines", 0),
            "status": PARSED if reason is None else status_of(reason),
            "reason": reason,
            "note": cut(head["note"], 300) if head.get("note") else None,
            "node_ids": ids.tobytes() if ids else None,
            "linkage": self._spool.linkage(parsed.place) if parsed and parsed.place else None,
        }

    # Edges

    def save_edges(self) -> None:
        """Write new edges and end those that are no more."""
        with self._writer.read() as session:
            alive = (CodeEdge.index_id == self._writer.index_id) & (CodeEdge.removed_in == NEVER)
            columns = (CodeEdge.source_id, CodeEdge.target_id, CodeEdge.label, CodeEdge.confidence, CodeEdge.id)
            old = {tuple(row[:4]): row[4] for row in session.execute(select(*columns).where(alive))}
        moved, seen = self._moved, set(old)
        continued = {(moved.get(key[0], key[0]), moved.get(key[1], key[1]), key[2]) for key in seen}
        fresh = []
        for part in chunks(self._edges, CHUNK):
            rows = []
            for source, target, label, confidence in part:
                key = (self._node_id(source), self._node_id(target), label, confidence)
                if key in old:
                    seen.discard(key)
                else:
                    rows.append(self._edge_row(key))
                    fresh.append(key[:3])
            self._writer.insert(CodeEdge, rows)
            self._on_rows(len(part), "")
        self._writer.end(CodeEdge, [old[key] for key in seen])
        added = sum(key not in continued for key in fresh)
        self.tally.edges_added = added
        self.tally.edges_removed = len(seen) - (len(fresh) - added)

    def _node_id(self, reference: int) -> int:
        return self._ids[reference >> FILE_BITS][reference & (1 << FILE_BITS) - 1]

    def _edge_row(self, key: tuple[int, int, str, float]) -> dict[str, Any]:
        number = self._writer.ids.edge
        self._writer.ids.edge += 1
        return {"id": number, "source_id": key[0], "target_id": key[1], "label": key[2], "confidence": key[3]}

    # Sums

    def counters(self) -> dict[str, Any]:
        """The sums of the version that was just written."""
        with self._writer.read() as session:
            sums = _sums(session, self._writer.index_id)
        return sums | self.changes()

    def changes(self) -> dict[str, Any]:
        """How many files, nodes and edges this version changes."""
        tally = self.tally
        return {
            "changed_files": sum(tally.files.values()),
            **{f"files_{change}": tally.files[change] for change in ("added", "modified", "removed")},
            "nodes_added": tally.nodes_added,
            "nodes_removed": tally.nodes_removed,
            "edges_added": tally.edges_added,
            "edges_removed": tally.edges_removed,
        }


def _sums(session: Any, index_id: int) -> dict[str, Any]:
    def alive(model: Any) -> Any:
        return (model.index_id == index_id) & (model.removed_in == NEVER)

    def counted(model: Any, *columns: Any) -> list[Any]:
        return list(session.execute(select(*columns, func.count()).where(alive(model)).group_by(*columns)))

    types: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    for type_, language, count in counted(CodeNode, CodeNode.type, CodeNode.language):
        types[type_] += count
        languages[language] += count
    files = counted(CodeFile, CodeFile.status, CodeFile.reason, CodeFile.language)
    statuses = Counter[str]()
    for status, _, _, count in files:
        statuses[status] += count
    return {
        "nodes": types.total(),
        "edges": session.scalar(select(func.count()).select_from(CodeEdge).where(alive(CodeEdge))),
        "routes": types[facts.ROUTE],
        "entities": types[facts.ENTITY] + types[facts.TABLE],
        "files_scanned": statuses[PARSED] + statuses[FAILED],
        "files_skipped": statuses[SKIPPED],
        "files_failed": statuses[FAILED],
        "nodes_by_type": dict(types.most_common()),
        "nodes_by_language": dict(languages.most_common()),
        "files_by_language": _by(files, 2, PARSED, FAILED),
        "skipped_by_reason": _by(files, 1, SKIPPED),
        "failed_by_reason": _by(files, 1, FAILED),
    }


def _by(rows: list[Any], column: int, *statuses: str) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for row in rows:
        if row[0] in statuses and row[column]:
            sums[row[column]] += row[3]
    return dict(sums.most_common())


def _light(node: Node) -> Node:
    return Node(
        node.type, node.name, node.line, node.end_line, "", node.function, node.target, node.verb, node.confidence
    )


def _cut(node: Node) -> Node:
    """The node with its texts cut to what the columns hold."""
    values = {name: getattr(node, name) for name in NODE_FIELDS}
    for name, limit in LIMITS.items():
        if values[name] and len(values[name]) * 4 > limit:
            values[name] = cut(values[name], limit)
    return Node(**values)


def _node_row(node_id: int, path: str, language: str, node: Node) -> dict[str, Any]:
    words = f"{node.name} {node.target or ''} {node.function or ''} {path}".lower()
    return {
        "id": node_id,
        "path": path,
        "language": language,
        "search": cut(words, SEARCH_BYTES),
        **{name: getattr(node, name) for name in NODE_FIELDS},
    }
