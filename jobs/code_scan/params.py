"""What a code scan is asked to do: the model behind its form, its command line and its API."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from config import Config
from jobs.code_scan import facts
from jobs.repository import asked
from jobs.repository.asked import Word, blank_is_none, one_line_patterns
from jobs.repository.git_address import AddressRefused
from jobs.repository.sources import SourceRefused
from tasks.errors import InvalidParams

Detect = Literal["operations", "routes", "ui_triggers", "entities", "dependencies"]
NODE_TYPES_OF: dict[str, tuple[str, ...]] = {
    "operations": facts.OPERATION_TYPES,
    "routes": (facts.ROUTE,),
    "ui_triggers": (facts.UI_TRIGGER,),
    "entities": (facts.ENTITY, facts.TABLE),
    "dependencies": (),
}
ALL_DETECT: tuple[Detect, ...] = ("operations", "routes", "ui_triggers", "entities", "dependencies")
_FILE_TYPE = re.compile(r"\.[a-z0-9][a-z0-9._+-]{0,30}")



class CodeScanParams(BaseModel):
    """Either a folder on this server or a git address; the rest narrows what is read."""

    model_config = ConfigDict(extra="forbid")

    repository_path: str | None = Field(
        None,
        max_length=1000,
        title="Folder on this server",
        description="Absolute, or relative to a scan root.",
        json_schema_extra={"widget": "repository", "placeholder": "acme/warehouse-platform"},
    )
    git_url: str | None = Field(
        None,
        max_length=1000,
        title="Git address",
        description="An https address on a host that this server may fetch from.",
        json_schema_extra={"widget": "text", "placeholder": "https://git.example.org/acme/platform.git"},
    )
    ref: str | None = Field(
        None,
        max_length=200,
        title="Branch, tag or commit",
        description="Only with a git address. Empty means the default branch.",
        json_schema_extra={"widget": "text"},
    )
    file_types: list[Word] = Field(
        default_factory=list,
        max_length=100,
        title="File types",
        description="Press Enter after each. Empty means all that can be read.",
        json_schema_extra={"widget": "tokens", "placeholder": ".py"},
    )
    exclude_patterns: list[Word] = Field(
        default_factory=list,
        max_length=200,
        title="Leave out",
        description="Patterns like those of .gitignore. What .gitignore names is left out already.",
        json_schema_extra={"widget": "tokens", "placeholder": "**/node_modules/**"},
    )
    detect: list[Detect] = Field(
        default_factory=lambda: list(ALL_DETECT),
        title="Look for",
        description="Classes and functions are always found. Without dependencies, nothing is connected.",
        json_schema_extra={"widget": "checks"},
    )
    max_file_bytes: int = Field(
        2_000_000,
        ge=1_000,
        le=20_000_000,
        title="Largest file",
        description="Larger files are skipped and listed.",
        json_schema_extra={"advanced": True, "widget": "number", "unit": "bytes"},
    )
    parse_deadline_s: float = Field(
        5.0,
        ge=0.1,
        le=120.0,
        title="Longest time for one file",
        description="A file that takes longer is given up and listed.",
        json_schema_extra={"advanced": True, "widget": "number", "unit": "s"},
    )

    _blank = field_validator("repository_path", "git_url", "ref", mode="before")(blank_is_none)

    @field_validator("file_types")
    @classmethod
    def _endings(cls, values: list[str]) -> list[str]:
        endings = dict.fromkeys("." + value.lower().lstrip("*").lstrip(".") for value in values)
        for ending in endings:
            if not _FILE_TYPE.fullmatch(ending):
                raise ValueError(f"{ending[:40]} is not the ending of a file name. Write it like .py")
        return list(endings)

    _lines = field_validator("exclude_patterns")(one_line_patterns)

    @field_validator("detect")
    @classmethod
    def _all_when_empty(cls, values: list[Detect]) -> list[Detect]:
        return [each for each in ALL_DETECT if each in values] or list(ALL_DETECT)

    @model_validator(mode="after")
    def _one_source(self) -> CodeScanParams:
        if self.repository_path and self.git_url:
            raise ValueError("Give a folder or a git address, not both")
        if not self.repository_path and not self.git_url:
            raise ValueError("Give the folder to scan in repository_path, or a git address in git_url")
        if self.ref and not self.git_url:
            raise ValueError("A branch, tag or commit needs a git address; a folder is scanned as it is")
        return self

    @property
    def node_types(self) -> frozenset[str]:
        """The types of nodes that are kept."""
        kept = {facts.CLASS, facts.FUNCTION}
        return frozenset(kept.union(*(NODE_TYPES_OF[each] for each in self.detect)))

    def options(self) -> dict[str, Any]:
        """What, besides the source, decides the result."""
        return {
            "file_types": sorted(self.file_types),
            "exclude_patterns": self.exclude_patterns,
            "detect": list(self.detect),
            "max_file_bytes": self.max_file_bytes,
            "parse_deadline_s": self.parse_deadline_s,
        }


def source_of(params: CodeScanParams, config: Config) -> str:
    """The source under one name, however it was written: a resolved folder, or an address and its ref."""
    return asked.source_of(params.repository_path, params.git_url, params.ref, config)


def index_digest(source: str, options: dict[str, Any]) -> str:
    """The name of the index for this source and these options."""
    content = orjson.dumps([source, options], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(content, digest_size=32).hexdigest()


def check_params(params: CodeScanParams, config: Config) -> CodeScanParams:
    """The parameters, when their source may be scanned. Raises InvalidParams with a sentence for the field."""
    try:
        source_of(params, config)
    except AddressRefused as error:
        raise InvalidParams({error.field: str(error)}) from error
    except SourceRefused as error:
        raise InvalidParams({"repository_path": str(error)}) from error
    return params


def title_for(params: CodeScanParams) -> str:
    """ "Scan of acme/platform at main"."""
    return "Scan of " + asked.name_of(params.repository_path, params.git_url, params.ref)


def resource_for(params: CodeScanParams, config: Config) -> str | None:
    """What only one task at a time may hold: this source, under any options."""
    try:
        return ("code:" + source_of(params, config))[:500]
    except (AddressRefused, SourceRefused):
        return None
