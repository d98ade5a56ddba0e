"""What a dependency scan is asked to look at: the model behind its form, its command line and its API."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from config import Config
from jobs.repository import asked
from jobs.repository.asked import Word, blank_is_none, one_line_patterns
from jobs.repository.git_address import AddressRefused
from jobs.repository.sources import SourceRefused, resolve_local
from tasks.errors import InvalidParams

USUALLY_LEFT_OUT = ("**/node_modules/**", "**/.venv/**", "**/venv/**", "**/site-packages/**")


class DependencyScanParams(BaseModel):
    """One source: a folder, a git address, this host, or a copy of a host's package database."""

    model_config = ConfigDict(extra="forbid")

    repository_path: str | None = Field(
        None,
        max_length=1000,
        title="Folder on this server",
        description="Its lock files are read, at every depth. Absolute, or relative to a scan root.",
        json_schema_extra={"widget": "repository", "placeholder": "acme/lab-results-portal"},
    )
    git_url: str | None = Field(
        None,
        max_length=1000,
        title="Git address",
        description="An https address on a host that this server may fetch from.",
        json_schema_extra={"widget": "text", "placeholder": "https://git.example.org/acme/portal.git"},
    )
    ref: str | None = Field(
        None,
        max_length=200,
        title="Branch, tag or commit",
        description="Only with a git address. Empty means the default branch.",
        json_schema_extra={"widget": "text"},
    )
    host: bool = Field(
        False,
        title="The worker's own host",
        description="Its installed Debian packages and its pending security updates.",
    )
    dpkg_status: str | None = Field(
        None,
        max_length=1000,
        title="A dpkg status file",
        description="A copy of /var/lib/dpkg/status of another host, below a scan root.",
        json_schema_extra={"widget": "text", "placeholder": "hosts/lab-7/status", "mono": True},
    )
    exclude_patterns: list[Word] = Field(
        default_factory=lambda: list(USUALLY_LEFT_OUT),
        max_length=200,
        title="Leave out",
        description="Patterns like those of .gitignore. What .gitignore names is left out already.",
        json_schema_extra={"advanced": True, "widget": "tokens", "placeholder": "**/examples/**"},
    )

    _blank = field_validator("repository_path", "git_url", "ref", "dpkg_status", mode="before")(blank_is_none)

    _lines = field_validator("exclude_patterns")(one_line_patterns)

    @model_validator(mode="after")
    def _one_source(self) -> DependencyScanParams:
        given = [each for each in (self.repository_path, self.git_url, self.host, self.dpkg_status) if each]
        if len(given) > 1:
            raise ValueError("Give one of: a folder, a git address, this host, a dpkg status file")
        if not given:
            raise ValueError("Say what to check: repository_path, git_url, host or dpkg_status")
        if self.ref and not self.git_url:
            raise ValueError("A branch, tag or commit needs a git address; a folder is checked as it is")
        return self


def resolve_status(text: str, config: Config) -> Path:
    """The status file that `text` names, below a scan root. Raises SourceRefused."""
    folder, _, name = text.rstrip("/").rpartition("/")
    if not name or name in (".", ".."):
        raise SourceRefused(f"{text} is not the path of a file. Give the path of a copy of /var/lib/dpkg/status.")
    path = resolve_local(folder or ("/" if text.startswith("/") else "."), config.scan_roots) / name
    try:
        mode = os.lstat(path).st_mode
    except OSError as error:
        raise SourceRefused(f"There is no file {text} below the scan roots. Check the spelling.") from error
    if not stat.S_ISREG(mode):
        raise SourceRefused(f"{text} is not an ordinary file. Links are not followed.")
    if not os.access(path, os.R_OK):
        raise SourceRefused(f"{text} cannot be read by this server. Check its permissions.")
    return path


def source_of(params: DependencyScanParams, config: Config) -> str:
    """What is checked under one name, however it was written. This host is "host": only the worker knows its name."""
    if params.host:
        return "host"
    if params.dpkg_status:
        return f"dpkg:{resolve_status(params.dpkg_status, config)}"
    return asked.source_of(params.repository_path, params.git_url, params.ref, config)


def check_params(params: DependencyScanParams, config: Config) -> DependencyScanParams:
    """The parameters, when their source may be read. Raises InvalidParams with a sentence for the field."""
    field = "dpkg_status" if params.dpkg_status else "repository_path"
    try:
        source_of(params, config)
    except AddressRefused as error:
        raise InvalidParams({error.field: str(error)}) from error
    except SourceRefused as error:
        raise InvalidParams({field: str(error)}) from error
    return params


def title_for(params: DependencyScanParams) -> str:
    """ "Dependencies of acme/portal", "Packages of this host"."""
    if params.host:
        return "Packages of this host"
    if params.dpkg_status:
        return f"Packages of {params.dpkg_status}"
    return "Dependencies of " + asked.name_of(params.repository_path, params.git_url, params.ref)


def resource_for(params: DependencyScanParams, config: Config) -> str | None:
    """What only one task at a time may hold: this source."""
    try:
        return ("dependencies:" + source_of(params, config))[:500]
    except (AddressRefused, SourceRefused):
        return None
