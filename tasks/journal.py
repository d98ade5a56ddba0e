"""The durable writes of a running attempt that are not state changes: log lines, progress, artifacts.

Each is fenced by the attempt's claim: a worker whose lease went to another is refused with LeaseLost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select

from database import Database, rfc3339, utc_now
from tasks.errors import JobFailed
from tasks.lifecycle import Claim, hold
from tasks.models import Artifact, LogLine, Task

LEVELS = ("debug", "info", "warning", "error")
MAX_LINE_LENGTH = 8000
MAX_ARTIFACT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """A log line before it has its number."""

    at: datetime
    level: str
    text: str


def append_lines(database: Database, held: Claim, lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Number and store lines; returns them as they go over the wire. Raises LeaseLost."""
    warnings = sum(line.level == "warning" for line in lines)
    errors = sum(line.level == "error" for line in lines)
    with database.write() as session:
        hold(
            session, held,
            log_total=Task.log_total + len(lines),
            log_warnings=Task.log_warnings + warnings,
            log_errors=Task.log_errors + errors,
        )  # fmt: skip
        total = session.scalar(select(Task.log_total).where(Task.id == held.task_id)) or 0
        first = total - len(lines) + 1
        numbered = list(enumerate(lines, first))
        session.execute(
            insert(LogLine),
            [
                {
                    "task_id": held.task_id,
                    "n": n,
                    "attempt": held.attempt,
                    "at": line.at,
                    "level": line.level,
                    "text": line.text,
                }
                for n, line in numbered
            ],
        )
    return [{"n": n, "at": rfc3339(line.at), "level": line.level, "text": line.text} for n, line in numbered]


def save_progress(database: Database, held: Claim, progress: Mapping[str, Any]) -> None:
    """Keep the newest progress in SQL, for the time when the live tail is gone. Raises LeaseLost."""
    with database.write() as session:
        hold(session, held, progress=dict(progress))


def add_artifact(database: Database, held: Claim, name: str, content: bytes, content_type: str) -> None:
    """Keep a file of the job, replacing one of the same name. Raises LeaseLost, or JobFailed when it is too large."""
    if len(content) > MAX_ARTIFACT_BYTES:
        raise JobFailed(f"The file {name!r} has {len(content):,} bytes; at most {MAX_ARTIFACT_BYTES:,} can be kept.")
    with database.write() as session:
        hold(session, held, attempt=held.attempt)
        session.execute(delete(Artifact).where(Artifact.task_id == held.task_id, Artifact.name == name))
        session.add(
            Artifact(
                task_id=held.task_id,
                name=name,
                content_type=content_type,
                size=len(content),
                content=content,
                created_at=utc_now(),
            )
        )
