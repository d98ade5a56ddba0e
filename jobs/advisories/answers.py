"""What is asked of the imported advisories, and what they answer.

The rule: a package is either evaluated whole, or named among `not_evaluated` with the reason. Silence means clean.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from jobs.advisories.severity import Severity

# Why a package, or one advisory about it, could not be evaluated.
Reason = Literal[
    "no_version",  # it comes without a version, as from git
    "no_rules",  # no rules are known for the versions of its ecosystem
    "no_data",  # no advisories of its ecosystem, or of its release, were imported
    "version_unreadable",  # its ecosystem's rules cannot order its version
    "range_unreadable",  # an advisory says only commits, or versions that cannot be ordered
]


@dataclass(frozen=True, slots=True)
class Package:
    """One installed version. `ecosystem` is OSV's name, with its release where it has any: "npm", "Debian:12".

    Debian's advisories speak of source packages: give `source_name` and `source_version` where they differ.
    """

    ecosystem: str
    name: str
    version: str
    source_name: str | None = None
    source_version: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One vulnerability of one package, from every record that speaks of it under any of its names.

    `id` leads (CVE before GHSA before others); `ids` are all names, `id` first. `fixed_in` is the version that ends it
    for who has this one, None when none is known. `vector` is the CVSS vector that `score` (0 to 10) comes from.
    """

    package: Package
    id: str
    ids: tuple[str, ...]
    summary: str
    severity: Severity
    score: float | None
    vector: str | None
    fixed_in: str | None
    published_at: datetime | None
    modified_at: datetime | None


@dataclass(frozen=True, slots=True)
class NotEvaluated:
    """A package of which not everything can be said. `text` is a sentence; `ids` the advisories at fault."""

    package: Package
    reason: Reason
    text: str
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataSet:
    """The imported data of one ecosystem. `unreadable` records of its source could not be taken."""

    ecosystem: str
    records: int
    packages: int
    source: str
    licence: str | None
    data_date: datetime | None
    imported_at: datetime
    checked_at: datetime
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of the packages that were asked for. `data` holds the data sets that were looked at.

    `evaluated` counts the packages that are not in `not_evaluated`. A package may be in both lists: it has a finding,
    and there is a further advisory that could not be evaluated.
    """

    findings: list[Finding]
    not_evaluated: list[NotEvaluated]
    evaluated: int
    data: list[DataSet]

    @property
    def data_date(self) -> datetime | None:
        """The date of the oldest data set that was looked at."""
        return min((each.data_date for each in self.data if each.data_date), default=None)
