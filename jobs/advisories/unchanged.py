"""Whether a source holds what was imported from it last: then nothing is read.

An ecosystem's `fingerprint` is {"source", "digest", "etag", "last_modified", "format", "all"}: what it was imported
from, and `all` ecosystems that this source held. A source is unchanged for whoever wants all of it as long as each of
these still has its digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select

from database import Database, utc_now
from jobs.advisories.fetch import Tags
from jobs.advisories.models import AdvisoryEcosystem
from jobs.advisories.records import FORMAT

Fingerprint = Mapping[str, Any]


def fingerprint(source: str, digest: str, tags: Tags, names: Iterable[str]) -> dict[str, Any]:
    """What is kept of a source that was imported."""
    return {
        "source": source,
        "digest": digest,
        "etag": tags.etag,
        "last_modified": tags.last_modified,
        "format": FORMAT.decode(),
        "all": sorted(names),
    }


class LastImports:
    """The fingerprints of all ecosystems with data."""

    def __init__(self, database: Database) -> None:
        columns = (AdvisoryEcosystem.name, AdvisoryEcosystem.fingerprint)
        with database.read() as session:
            rows = session.execute(select(*columns).where(AdvisoryEcosystem.sequence > 0)).all()
        self._of: dict[str, Fingerprint] = {
            name: found for name, found in rows if found and found["format"] == FORMAT.decode()
        }

    def covered(self, digest: str, wanted: frozenset[str] | None) -> list[str]:
        """The ecosystems that need nothing from a source with this digest; none of them: it has to be read."""
        same = {name: each for name, each in self._of.items() if each["digest"] == digest}
        asked = wanted if wanted is not None else {name for each in same.values() for name in each["all"]}
        return sorted(asked) if asked and asked <= same.keys() else []

    def tags(self, source: str, wanted: frozenset[str] | None) -> tuple[Tags, list[str]]:
        """What to ask the server for, and the ecosystems that its "unchanged" would cover."""
        for each in self._of.values():
            if each["source"] == source and (each["etag"] or each["last_modified"]):
                names = self.covered(each["digest"], wanted)
                if names:
                    return Tags(each["etag"], each["last_modified"]), names
        return Tags(), []


def note_checked(database: Database, unchanged: Mapping[str, Tags | None]) -> None:
    """Remember that these ecosystems were looked at just now and are as they were; with Tags, under which tags."""
    with database.write() as session:
        rows = session.scalars(select(AdvisoryEcosystem).where(AdvisoryEcosystem.name.in_(list(unchanged)))).all()
        for row in rows:
            tags = unchanged[row.name]
            row.checked_at = utc_now()
            if tags and row.fingerprint:
                row.fingerprint = {**row.fingerprint, "etag": tags.etag, "last_modified": tags.last_modified}
                row.data_date = tags.moment or row.data_date
