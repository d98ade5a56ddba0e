"""Makes OSV records and archives of them, runs updates, and asks about packages."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from database import Database
from jobs.advisories.job import advisory_update
from jobs.advisories.matching import AdvisoryIndex, Answer, Package
from jobs.advisories.params import AdvisoryUpdateParams, check_params
from tests.jobs.code_scan.scanning import Recorder

Record = dict[str, Any]
MODIFIED = "2026-11-20T02:31:00Z"


def spans(*events: str, kind: str = "ECOSYSTEM") -> dict[str, Any]:
    """A range from words: spans("introduced 0", "fixed 1.2")."""
    return {"type": kind, "events": [dict([each.split(" ", 1)]) for each in events]}


def affects(ecosystem: str, name: str, *ranges: Mapping[str, Any], versions: Iterable[str] = ()) -> dict[str, Any]:
    """One entry of `affected`."""
    found: dict[str, Any] = {"package": {"ecosystem": ecosystem, "name": name}}
    if ranges:
        found["ranges"] = list(ranges)
    if versions:
        found["versions"] = list(versions)
    return found


def record(record_id: str, *affected: Mapping[str, Any], **fields: Any) -> Record:
    """A record; `fields` add to it or replace."""
    return {
        "schema_version": "1.6.0",
        "id": record_id,
        "modified": MODIFIED,
        "published": "2026-11-01T08:00:00Z",
        "summary": f"What {record_id} is about",
        "affected": list(affected),
        **fields,
    }


def simple(
    record_id: str, name: str = "left-pad", fixed: str = "1.3.0", ecosystem: str = "npm", **fields: Any
) -> Record:
    """A record about every version of a package before one."""
    return record(record_id, affects(ecosystem, name, spans("introduced 0", f"fixed {fixed}")), **fields)


def archive(path: Path, records: Iterable[Record], extra: Mapping[str, bytes] | None = None) -> Path:
    """A zip file as the exports have it, with further members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for each in records:
            file.writestr(f"{each['id']}.json", json.dumps(each))
        for name, content in (extra or {}).items():
            file.writestr(name, content)
    return path


def update(context: Recorder, source: Path | str, **params: Any) -> dict[str, Any]:
    """Run the job and return the task's results."""
    checked = check_params(AdvisoryUpdateParams(source=str(source), **params), context.config)
    return advisory_update(context, checked)  # type: ignore[arg-type]


def ask(database: Database, *packages: Package | tuple[str, str, str]) -> Answer:
    """What is known of these packages."""
    asked = [each if isinstance(each, Package) else Package(*each) for each in packages]
    with database.read() as session:
        return AdvisoryIndex(session).findings(asked)


def found(answer: Answer) -> dict[str, str | None]:
    """The ids that were found, with the version that ends each."""
    return {each.id: each.fixed_in for each in answer.findings}
