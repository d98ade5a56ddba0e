"""Writes the next import of some ecosystems, in short transactions, invisible until all of them are switched over.

Only what changed is written. Every transaction first makes sure that this writer is still the ecosystems' own, so that
an attempt whose worker only seemed dead fails at its next step, and what it left is cleared by the newer one.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table, delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from database import Database, utc_now
from jobs.advisories.licences import licence_of
from jobs.advisories.models import ID_SHIFT, NEVER, Advisory, AdvisoryEcosystem, AdvisoryPackage
from jobs.advisories.records import Part, Record

BATCH = 400
ID_CHUNK = 500


class Superseded(Exception):
    """Another attempt has claimed these ecosystems; this one must stop writing."""


@dataclass(slots=True)
class Known:
    """What the last import has of a record."""

    row_id: int
    digest: bytes
    is_withdrawn: bool
    is_seen: bool = False


@dataclass(slots=True)
class Target:
    """One ecosystem that is being written: its known records, and what is new of it."""

    id: int
    name: str
    sequence: int
    had: int
    next_id: int
    known: dict[str, Known]
    fresh: set[str] = field(default_factory=set)
    tally: Counter[str] = field(default_factory=Counter)
    releases: Counter[str] = field(default_factory=Counter)
    licences: set[str] = field(default_factory=set)

    @property
    def records(self) -> int:
        """How many advisories will count: those of the source, and old ones whose new version cannot be read."""
        return self.tally["active"]


class ImportWriter:
    """The one writer of the ecosystems that it claims, for the duration of an import."""

    def __init__(self, database: Database, task_id: str) -> None:
        self._database = database
        self._task_id = task_id
        self._token = f"{task_id}:{secrets.token_hex(8)}"
        self.targets: dict[str, Target] = {}
        self._advisories: list[dict[str, Any]] = []
        self._packages: list[dict[str, Any]] = []
        self._ended: list[tuple[int, int]] = []

    def target(self, name: str) -> Target:
        """The ecosystem, claimed and cleared of leftovers when it is asked for first."""
        found = self.targets.get(name)
        if found is None:
            found = self._claim(name)
            self.targets[name] = found
            self._clear(found)
            found.known = self._read_known(found)
            found.next_id = self._next_id(found)
        return found

    def _claim(self, name: str) -> Target:
        for _ in range(2):
            try:
                with self._database.write() as session:
                    wanted = select(AdvisoryEcosystem).where(AdvisoryEcosystem.name == name).with_for_update()
                    row = session.scalar(wanted)
                    if row is None:
                        row = AdvisoryEcosystem(name=name, sequence=0, records=0, packages=0, counters={})
                        session.add(row)
                    row.writer = self._token
                return Target(row.id, name, row.sequence + 1, row.records, 0, {})
            except IntegrityError:
                continue  # Somebody else made the row between our look and our insert: it is there now.
        raise Superseded

    @contextmanager
    def _transaction(self, *ids: int) -> Iterator[Session]:
        """A write transaction on these ecosystems (none: on all). Raises Superseded when one is another's by now."""
        wanted = ids or tuple(each.id for each in self.targets.values())
        with self._database.write() as session:
            mine = AdvisoryEcosystem.id.in_(wanted) & (AdvisoryEcosystem.writer == self._token)
            held = session.execute(update(AdvisoryEcosystem).where(mine).values(writer=self._token))
            if held.rowcount != len(wanted):  # type: ignore[attr-defined]
                raise Superseded
            yield session

    def _clear(self, target: Target) -> None:
        """Delete what broken attempts wrote and what no import shows any more, and take back what they ended."""
        mine = Advisory.ecosystem_id == target.id
        self._delete(target, mine & (Advisory.first_import >= target.sequence))
        with self._transaction(target.id) as session:
            ended = mine & Advisory.removed_in.between(target.sequence, NEVER - 1)
            session.execute(update(Advisory).where(ended).values(removed_in=NEVER))
        self._delete(target, mine & (Advisory.removed_in < target.sequence))

    def _delete(self, target: Target, which: Any) -> None:
        while True:
            with self._transaction(target.id) as session:
                ids = session.scalars(select(Advisory.id).where(which).limit(ID_CHUNK)).all()
                session.execute(delete(AdvisoryPackage).where(AdvisoryPackage.advisory_id.in_(ids)))
                session.execute(delete(Advisory).where(Advisory.id.in_(ids)))
            if len(ids) < ID_CHUNK:
                return

    def _read_known(self, target: Target) -> dict[str, Known]:
        columns = (Advisory.record_id, Advisory.id, Advisory.digest, Advisory.is_withdrawn)
        with self._database.read() as session:
            rows = session.execute(select(*columns).where(Advisory.ecosystem_id == target.id))
            return {record_id: Known(row_id, bytes(digest), withdrawn) for record_id, row_id, digest, withdrawn in rows}

    def _next_id(self, target: Target) -> int:
        with self._database.read() as session:
            last = session.scalar(select(func.max(Advisory.id)).where(Advisory.ecosystem_id == target.id))
        return (last or target.id << ID_SHIFT) + 1

    def take(self, target: Target, record: Record, part: Part, digest: bytes) -> None:
        """Note one record of the source, and write a batch when there are enough."""
        before = target.known.get(record.id)
        if record.id in target.fresh or (before and before.is_seen):
            target.tally["repeated"] += 1
            return
        self._count(target, record, part)
        if before is None:
            target.fresh.add(record.id)
            target.tally["added"] += not record.is_withdrawn
        else:
            before.is_seen = True
            if before.digest == digest:
                target.tally["unchanged"] += not record.is_withdrawn
                return
            self._ended.append((target.sequence, before.row_id))
            change = "withdrawn" if record.is_withdrawn and not before.is_withdrawn else "updated"
            target.tally[change] += not (record.is_withdrawn and before.is_withdrawn)
        self._add_rows(target, record, part, digest)
        if len(self._advisories) >= BATCH or len(self._packages) >= BATCH * 4:
            self.flush()

    def _count(self, target: Target, record: Record, part: Part) -> None:
        target.tally["active"] += not record.is_withdrawn
        target.tally["packages"] += len(part.packages)
        target.releases.update({release for _, release, _ in part.packages if release})
        target.licences.add(record.licence or licence_of(record.id))

    def _add_rows(self, target: Target, record: Record, part: Part, digest: bytes) -> None:
        severity, score, vector = part.rating
        self._advisories.append(
            {
                "id": target.next_id,
                "ecosystem_id": target.id,
                "record_id": record.id,
                "digest": digest,
                "is_withdrawn": record.is_withdrawn,
                "first_import": target.sequence,
                "removed_in": NEVER,
                "severity": severity,
                "score": score,
                "vector": vector,
                "summary": record.summary,
                "aliases": record.aliases,
                "upstream": record.upstream,
                "published_at": record.published_at,
                "modified_at": record.modified_at,
            }
        )
        self._packages += [
            {
                "advisory_id": target.next_id,
                "ecosystem_id": target.id,
                "name": name,
                "release": release,
                "facts": facts,
            }
            for name, release, facts in part.packages
        ]
        target.next_id += 1

    def keep(self, stem: str) -> None:
        """A record of this id is there and cannot be read: what is known of it stays as it is."""
        for target in self.targets.values():
            known = target.known.get(stem)
            if known and not known.is_seen:
                known.is_seen = True
                target.tally["active"] += not known.is_withdrawn
                target.tally["unchanged"] += not known.is_withdrawn

    def flush(self) -> None:
        """Write what is waiting. Not to be seen by anybody yet."""
        if not (self._advisories or self._ended):
            return
        with self._transaction() as session:
            for model, rows in ((Advisory, self._advisories), (AdvisoryPackage, self._packages)):
                if rows:
                    self._insert(session, model, rows)
            self._end(session, self._ended)
        self._advisories, self._packages, self._ended = [], [], []

    def _insert(self, session: Session, model: type[Advisory] | type[AdvisoryPackage], rows: Sequence[Any]) -> None:
        table = model.__table__
        assert isinstance(table, Table)
        statement = insert(table)
        if not self._database.is_sqlite:
            # Without it, each row is a journey to the server of its own; with it, a page of rows is one statement.
            statement = statement.returning(table.c.id)
        session.execute(statement, rows)

    def end_missing(self, on_rows: Callable[[int], None]) -> None:
        """Let the records end that the source has no more."""
        for target in self.targets.values():
            gone = [each for each in target.known.values() if not each.is_seen]
            target.tally["withdrawn"] += sum(not each.is_withdrawn for each in gone)
            for start in range(0, len(gone), ID_CHUNK):
                some = gone[start : start + ID_CHUNK]
                with self._transaction(target.id) as session:
                    self._end(session, [(target.sequence, each.row_id) for each in some])
                on_rows(len(some))

    @staticmethod
    def _end(session: Session, rows: Sequence[tuple[int, int]]) -> None:
        for sequence in {each for each, _ in rows}:
            ids = [row_id for each, row_id in rows if each == sequence]
            for start in range(0, len(ids), ID_CHUNK):
                some = Advisory.id.in_(ids[start : start + ID_CHUNK])
                session.execute(update(Advisory).where(some).values(removed_in=sequence))

    def switch(self, facts: Mapping[str, Mapping[str, Any]], unreadable: int) -> None:
        """Make the import of every ecosystem visible, in one transaction. `facts` are further columns of each."""
        now = utc_now()
        with self._transaction() as session:
            for target in self.targets.values():
                counters = {each: target.tally[each] for each in ("added", "updated", "withdrawn", "unchanged")}
                values = {
                    "sequence": target.sequence,
                    "writer": None,
                    "task_id": self._task_id,
                    "records": target.records,
                    "packages": target.tally["packages"],
                    "counters": {**counters, "unreadable": unreadable, "releases": dict(target.releases)},
                    "imported_at": now,
                    "checked_at": now,
                    **facts[target.name],
                }
                session.execute(update(AdvisoryEcosystem).where(AdvisoryEcosystem.id == target.id).values(**values))

    def tidy(self) -> None:
        """Delete what the new import does not show. Readers who began before see that the sequence has moved."""
        for target in self.targets.values():
            while True:
                with self._database.write() as session:
                    old = (Advisory.ecosystem_id == target.id) & (Advisory.removed_in <= target.sequence)
                    ids = session.scalars(select(Advisory.id).where(old).limit(ID_CHUNK)).all()
                    session.execute(delete(AdvisoryPackage).where(AdvisoryPackage.advisory_id.in_(ids)))
                    session.execute(delete(Advisory).where(Advisory.id.in_(ids)))
                if len(ids) < ID_CHUNK:
                    break
        if not self._database.is_sqlite:
            with self._database.write() as session:  # Until then PostgreSQL plans as for empty tables.
                session.execute(text("ANALYZE advisories, advisory_packages"))
