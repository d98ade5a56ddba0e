"""What the parameters of scans share: how a source is written, and what an empty field of a form means."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import StringConstraints

from config import Config
from jobs.repository.git_address import check_ref, parse_address
from jobs.repository.sources import resolve_local

Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


def blank_is_none(value: Any) -> Any:
    """What a form sends for a field that was left empty."""
    return None if isinstance(value, str) and not value.strip() else value


def one_line_patterns(values: list[str]) -> list[str]:
    """The patterns, each once. Raises ValueError for one that is no line."""
    if any("\n" in value or "\0" in value for value in values):
        raise ValueError("A pattern is one line. Give several patterns one by one")
    return list(dict.fromkeys(values))


def source_of(path: str | None, git_url: str | None, ref: str | None, config: Config) -> str:
    """A source under one name, however it was written: a resolved folder, or an address and its ref.

    Raises AddressRefused and SourceRefused for what may not be read.
    """
    if git_url:
        check_ref(ref)
        return f"{parse_address(git_url, config.git_hosts).url}@{ref or 'HEAD'}"
    return str(resolve_local(path or "", config.scan_roots))


def name_of(path: str | None, git_url: str | None, ref: str | None) -> str:
    """What people call a source: "acme/platform at main"."""
    if git_url:
        name = "/".join(git_url.rstrip("/").removesuffix(".git").split("/")[3:]) or git_url
        return name + (f" at {ref}" if ref else "")
    return (path or "").rstrip("/").rpartition("/")[2] or "/"
