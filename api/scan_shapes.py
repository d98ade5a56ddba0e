"""The shapes of the scanner's calls. Some names are written as older clients of such scanners expect them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from api.parsing import Body, Query, Text
from api.task_shapes import Answer, State, TaskId, Time

Entry = Annotated[Text, StringConstraints(min_length=1, max_length=500)]


class StartScan(Body):
    """Which folder to scan. Empty lists mean everything that can be read."""

    repository_path: Text = Field(
        min_length=1, max_length=1000, description="Absolute, or relative to a scan root; must end up below one."
    )
    file_types: list[Entry] = Field([], max_length=100, description="Endings of file names, like `.py`.")
    exclude_patterns: list[Entry] = Field([], max_length=200, description="Patterns like those of .gitignore.")


class ScanStarted(Answer):
    """The scan waits for a worker; follow it under its id."""

    scan_id: TaskId
    status: State
    message: str


class RepositorySource(Query):
    """Where to look."""

    source: Literal["local"] = "local"


class LocalRepository(Answer):
    """A folder that may be scanned."""

    name: str
    path: str
    relative_path: str
    is_git: bool
    root: str


class RepositoryPage(Answer):
    """The scan roots and the folders right below them."""

    items: list[LocalRepository]
    next_cursor: str | None


class Environment(Answer):
    """What this installation can scan."""

    environment: Literal["docker", "host"]
    is_docker: bool
    supports_local_repos: bool
    supports_cloud_repos: bool
    local_repos_path: str | None


class ScanMetadata(Answer):
    """How far a scan is, in files."""

    filesProcessed: int | None  # noqa: N815
    totalFiles: int | None  # noqa: N815
    currentFile: str | None  # noqa: N815
    artifactsFound: int | None  # noqa: N815


class ScanResult(Answer):
    """How a completed scan ended."""

    status: Literal["completed"]
    artifactsCreated: int | None  # noqa: N815
    durationMs: int | None  # noqa: N815


class ScanStatus(Answer):
    """Where a scan is. `status` is the state of its task, `progress` goes from 0 to 100."""

    scanId: TaskId  # noqa: N815
    scan_id: TaskId
    kind: str
    status: State
    phase: str | None
    progress: float | None
    message: str | None
    metadata: ScanMetadata
    result: ScanResult | None
    error: str | None
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    timestamp: Time
