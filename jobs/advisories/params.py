"""Where advisories are to be taken from: the model behind the update's form, its command line and its API."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from config import Config
from jobs.advisories.ecosystems import ECOSYSTEMS
from jobs.repository.git_address import AddressRefused, GitAddress, parse_address
from jobs.repository.sources import SourceRefused, resolve_local
from tasks.errors import InvalidParams

Name = Literal[
    "PyPI", "npm", "crates.io", "Go", "Packagist", "RubyGems", "Maven", "NuGet", "Debian", "Ubuntu",
    "Hex", "Pub", "SwiftURL", "GitHub Actions",
]  # fmt: skip
assert set(get_args(Name)) == set(ECOSYSTEMS)
EACH = "{ecosystem}"
LABELS = {name: name for name in get_args(Name)}


class AdvisoryUpdateParams(BaseModel):
    """A zip file, a folder or an address with OSV records, and which ecosystems of it to take."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field(
        min_length=1,
        max_length=1000,
        title="Source",
        description=(
            "A zip file or a folder of OSV records below a scan root or DATA_DIR/advisories, or an https address that "
            "this server may fetch from. {ecosystem} in it stands for each of the ecosystems below"
        ),
        json_schema_extra={"placeholder": "https://advisories.example.org/{ecosystem}/all.zip", "mono": True},
    )
    ecosystems: list[Name] = Field(
        default_factory=list,
        title="Ecosystems",
        description="None means all that the source holds. Each is replaced whole",
        json_schema_extra={"widget": "checks", "labels": LABELS},
    )
    licence: str | None = Field(
        None,
        max_length=300,
        title="Licence",
        description="Shown with the data. Empty: what the records and their databases say",
        json_schema_extra={"advanced": True},
    )
    accept_fewer: bool = Field(
        False,
        title="Accept far fewer records",
        description="A source with less than half of the records of today is refused otherwise",
        json_schema_extra={"advanced": True},
    )

    @field_validator("source", "licence", mode="before")
    @classmethod
    def _stripped(cls, value: Any) -> Any:
        return (value.strip() or None) if isinstance(value, str) else value

    @field_validator("ecosystems")
    @classmethod
    def _once(cls, values: list[Name]) -> list[Name]:
        return list(dict.fromkeys(values))

    @model_validator(mode="after")
    def _each_needs_names(self) -> AdvisoryUpdateParams:
        if EACH in self.source and not self.ecosystems:
            raise ValueError("The source has a place for the ecosystem. Say which ecosystems to take")
        return self


@dataclass(frozen=True, slots=True)
class Piece:
    """One archive or folder to read. `wanted` None: every ecosystem in it. One of `path` and `address` is set."""

    text: str
    wanted: frozenset[str] | None
    path: Path | None
    address: GitAddress | None


def pieces_of(params: AdvisoryUpdateParams, config: Config) -> list[Piece]:
    """What the parameters name, checked. Raises AddressRefused and SourceRefused."""
    if EACH not in params.source:
        return [_piece(params.source, params.source, frozenset(params.ecosystems) or None, config)]
    is_address = _is_address(params.source)
    return [
        _piece(
            params.source.replace(EACH, name),
            params.source.replace(EACH, quote(name) if is_address else name),
            frozenset({name}),
            config,
        )
        for name in params.ecosystems
    ]


def _piece(text: str, place: str, wanted: frozenset[str] | None, config: Config) -> Piece:
    if _is_address(place):
        return Piece(text, wanted, None, parse_address(place, config.advisory_hosts, "ADVISORY_ALLOWED_HOSTS"))
    return Piece(text, wanted, resolve_source(place, (*config.scan_roots, config.data_dir / "advisories")), None)


def _is_address(text: str) -> bool:
    return "://" in text or text.startswith("-")


def resolve_source(text: str, roots: Sequence[Path]) -> Path:
    """The folder or the zip file that `text` names, below a root, every link resolved. Raises SourceRefused."""
    folder, _, name = text.rpartition("/")
    if not name.endswith(".zip") or "\0" in text:
        return resolve_local(text, roots)
    for root in roots:
        try:
            path = resolve_local(folder or "/", roots) if text.startswith("/") else resolve_local(folder or ".", [root])
            mode = os.lstat(path / name).st_mode
        except (SourceRefused, OSError):
            continue
        if not stat.S_ISREG(mode):
            raise SourceRefused(f"{text} is not an ordinary file. Links are not followed.")
        if not os.access(path / name, os.R_OK):
            raise SourceRefused(f"{text} cannot be read by this server. Check its permissions.")
        return path / name
    resolve_local(folder or ".", roots)  # Says what is wrong with the folder, if it is that.
    raise SourceRefused(f"There is no file {text} below the scan roots or DATA_DIR/advisories. Check the spelling.")


def check_params(params: AdvisoryUpdateParams, config: Config) -> AdvisoryUpdateParams:
    """The parameters, when their source may be read. Raises InvalidParams with a sentence for the field."""
    try:
        pieces_of(params, config)
    except (AddressRefused, SourceRefused) as error:
        raise InvalidParams({"source": str(error)}) from error
    return params


def title_for(params: AdvisoryUpdateParams) -> str:
    """ "Advisories for npm, PyPI" or "Advisories of osv/all.zip"."""
    if params.ecosystems:
        return "Advisories for " + ", ".join(params.ecosystems)
    return "Advisories of " + "/".join(params.source.rstrip("/").split("/")[-2:])


def resource_for(params: AdvisoryUpdateParams, config: Config) -> str | None:  # noqa: ARG001
    """One update at a time: each may write any ecosystem."""
    return "advisories"
