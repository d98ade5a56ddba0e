"""Registered repositories: a name for a folder below a scan root, or for a git address that the operator allowed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from config import Config
from database import Database, rfc3339, utc_now
from jobs.repository.git_address import AddressRefused, check_ref, parse_address
from jobs.repository.sources import SourceRefused, resolve_local
from jobs.trace_scan.models import Repository
from tasks.errors import Conflict, InvalidParams, NotFound

MAX_NAME = 200


def is_address(source: str) -> bool:
    """Whether this is meant as a git address, not as a folder."""
    return "://" in source or source.startswith("git@")


def source_of(source: str, ref: str | None, config: Config) -> str:
    """The repository under one name, however it was written: a resolved folder, or an address and its ref.

    Raises SourceRefused and AddressRefused.
    """
    if is_address(source):
        check_ref(ref)
        return f"{parse_address(source, config.git_hosts).url}@{ref or 'HEAD'}"
    if ref:
        message = "A branch, tag or commit needs a git address; a folder is scanned as it is. Leave it out."
        raise AddressRefused(message, "ref")
    return str(resolve_local(source, config.scan_roots))


def register(
    database: Database, config: Config, name: str, source: str, ref: str | None, user_id: int | None
) -> dict[str, Any]:
    """Register a repository and return it as `shown`. Raises InvalidParams (name, source, ref), Conflict (name)."""
    name, source, ref = name.strip(), source.strip(), (ref or "").strip() or None
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise InvalidParams({"name": f"A name is one line of up to {MAX_NAME} characters."})
    try:
        source_of(source, ref, config)
    except AddressRefused as error:
        raise InvalidParams({"ref" if error.field == "ref" else "source": str(error)}) from error
    except SourceRefused as error:
        raise InvalidParams({"source": str(error)}) from error
    row = Repository(name=name, source=source, ref=ref, created_by=user_id, created_at=utc_now())
    try:
        with database.write() as session:
            session.add(row)
    except IntegrityError as error:
        raise Conflict("There is a repository with this name already. Choose another name.") from error
    return shown(row)


def shown(row: Repository) -> dict[str, Any]:
    """`{id, name, source, ref, is_git_address, created_by, created_at}`."""
    names = ("id", "name", "source", "ref", "created_by")
    return {name: getattr(row, name) for name in names} | {
        "is_git_address": is_address(row.source),
        "created_at": rfc3339(row.created_at),
    }


def listed(session: Session) -> list[dict[str, Any]]:
    """Every registered repository, by name whatever its case."""
    return [
        shown(row) for row in session.scalars(select(Repository).order_by(func.lower(Repository.name), Repository.id))
    ]


def find(session: Session, repository_id: int) -> Repository:
    """The repository with this number. Raises NotFound."""
    row = session.get(Repository, repository_id)
    if row is None:
        raise NotFound("There is no repository with this number.")
    return row


def remove(database: Database, repository_id: int) -> None:
    """Remove a registration; its scans stay. Raises NotFound."""
    with database.write() as session:
        session.delete(find(session, repository_id))
