"""Writes a new version of an index, in short transactions, invisible until it is finished.

Every transaction first makes sure that this writer is still the index's: another claim (a retry of a task whose worker
only seemed dead) makes the older writer fail at its next step, and what it left is cleared by the newer one.
"""

from __future__ import annotations

import secrets
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from database import Database, utc_now
from jobs.code_scan.models import ID_SHIFT, NEVER, CodeEdge, CodeFile, CodeIndex, CodeNode, CodeScan

CHUNK = 2_000
ID_CHUNK = 500
VERSIONED: tuple[type[CodeFile] | type[CodeNode] | type[CodeEdge], ...] = (CodeFile, CodeNode, CodeEdge)

T = TypeVar("T")


class Superseded(Exception):
    """Another attempt has claimed this index; this one must stop writing."""


class KnownFile(NamedTuple):
    """What the last scan knows of a file."""

    id: int
    path: str
    language: str | None
    size: int
    mtime_ns: int
    digest: str | None
    status: str
    reason: str | None
    note: str | None


@dataclass(slots=True)
class Ids:
    """Numbers of the next rows. Stored when the scan is finished: until then nobody else gives any out."""

    file: int
    node: int
    edge: int


def chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Lists of at most `size` items."""
    source = iter(items)
    while chunk := list(islice(source, size)):
        yield chunk


class IndexWriter:
    """The one writer of an index for the duration of a scan. `sequence` is the number of the scan being made."""

    def __init__(self, database: Database, digest: str, source: str, options: dict[str, Any], task_id: str) -> None:
        self._database = database
        self._token = f"{task_id}:{secrets.token_hex(8)}"
        row = self._claim(digest, source, options)
        self.index_id: int = row.id
        self.sequence: int = row.sequence + 1
        self.analyzer: str | None = row.analyzer
        base = row.id << ID_SHIFT
        self.ids = Ids(base + row.next_file, base + row.next_node, base + row.next_edge)
        self._clear_leftovers()

    def _claim(self, digest: str, source: str, options: dict[str, Any]) -> CodeIndex:
        for _ in range(2):
            try:
                with self._database.write() as session:
                    row = session.scalar(select(CodeIndex).where(CodeIndex.digest == digest).with_for_update())
                    if row is None:
                        row = CodeIndex(digest=digest, source=source[:2000], options=options, sequence=0)
                        row.next_file = row.next_node = row.next_edge = 1
                        session.add(row)
                    row.writer = self._token
                return row
            except IntegrityError:
                continue  # Somebody else made the row between our look and our insert: it is there now.
        raise Superseded

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A write transaction of this writer. Raises Superseded when the index is another's by now."""
        with self._database.write() as session:
            mine = (CodeIndex.id == self.index_id) & (CodeIndex.writer == self._token)
            held = session.execute(update(CodeIndex).where(mine).values(writer=self._token))
            if held.rowcount != 1:  # type: ignore[attr-defined]
                raise Superseded
            yield session

    def _clear_leftovers(self) -> None:
        """Undo what an attempt that broke off has written for the scan that is now being made."""
        for model in VERSIONED:
            fresh = select(model.id).where(model.index_id == self.index_id, model.first_scan >= self.sequence)
            while True:
                with self.transaction() as session:
                    ids = session.scalars(fresh.limit(CHUNK)).all()
                    for part in chunks(ids, ID_CHUNK):
                        session.execute(delete(model).where(model.id.in_(part)))
                if len(ids) < CHUNK:
                    break
            with self.transaction() as session:
                ended = (model.index_id == self.index_id) & model.removed_in.between(self.sequence, NEVER - 1)
                session.execute(update(model).where(ended).values(removed_in=NEVER))

    def known_files(self) -> dict[str, KnownFile]:
        """What the last finished scan knows, by path."""
        columns = [getattr(CodeFile, name) for name in KnownFile._fields]
        with self._database.read() as session:
            rows = session.execute(select(*columns).where(self._alive(CodeFile)))
            return {row[1]: KnownFile(*row) for row in rows}

    def _alive(self, model: Any) -> Any:
        return (model.index_id == self.index_id) & (model.removed_in == NEVER)

    def node_ids(self, file_ids: Sequence[int]) -> dict[int, array[int]]:
        """The ids of the nodes of these files, in the order of the analyzer."""
        found: dict[int, array[int]] = {}
        with self._database.read() as session:
            for part in chunks(file_ids, ID_CHUNK):
                for file_id, packed in session.execute(
                    select(CodeFile.id, CodeFile.node_ids).where(CodeFile.id.in_(part))
                ):
                    found[file_id] = array("q", packed or b"")
        return found

    def read(self) -> Any:
        """A reading session."""
        return self._database.read()

    def insert(self, model: type[CodeFile] | type[CodeNode] | type[CodeEdge], rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows of this scan; `index_id` and the lifetime are filled in."""
        table = model.__table__
        assert isinstance(table, Table)
        lifetime = {"index_id": self.index_id, "first_scan": self.sequence, "removed_in": NEVER}
        for part in chunks(rows):
            with self.transaction() as session:
                session.execute(insert(table), [{**row, **lifetime} for row in part])

    def end(self, model: type[CodeFile] | type[CodeNode] | type[CodeEdge], ids: Sequence[int]) -> None:
        """Let rows end with the scan before this one."""
        for part in chunks(ids):
            with self.transaction() as session:
                for some in chunks(part, ID_CHUNK):
                    session.execute(update(model).where(model.id.in_(some)).values(removed_in=self.sequence))

    def note_times(self, times: Sequence[tuple[int, int, int]]) -> None:
        """Remember (file id, size, mtime_ns) of files whose content turned out to be the same."""
        table = CodeFile.__table__
        for part in chunks(times):
            with self.transaction() as session:
                for file_id, size, mtime_ns in part:
                    values = {"size": size, "mtime_ns": mtime_ns}
                    session.execute(update(table).where(table.c.id == file_id).values(**values))  # type: ignore[arg-type]

    def last_counters(self) -> dict[str, Any] | None:
        """The counters of the last finished scan."""
        with self._database.read() as session:
            last = (CodeScan.index_id == self.index_id) & (CodeScan.sequence == self.sequence - 1)
            return session.scalar(select(CodeScan.counters).where(last))

    def finish(self, scan: CodeScan, analyzer: str) -> None:
        """Make the scan visible: its row and the index's new number, in one transaction."""
        low = (1 << ID_SHIFT) - 1
        with self.transaction() as session:
            scan.index_id, scan.sequence, scan.finished_at = self.index_id, self.sequence, utc_now()
            scan.duration_ms = round((scan.finished_at - scan.started_at).total_seconds() * 1000)
            session.add(scan)
            session.execute(
                update(CodeIndex)
                .where(CodeIndex.id == self.index_id)
                .values(
                    sequence=self.sequence,
                    analyzer=analyzer,
                    writer=None,
                    next_file=self.ids.file & low,
                    next_node=self.ids.node & low,
                    next_edge=self.ids.edge & low,
                )
            )
