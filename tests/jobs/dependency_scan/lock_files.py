"""Reading a lock file that stands in a test, and what its packages say of themselves."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

from jobs.dependency_scan.packages import Package
from jobs.dependency_scan.readers import READERS


def read(name: str, text: str) -> dict[str, Package]:
    """The packages of a text by "name version"."""
    found = READERS[name].load()(dedent(text)).packages
    return {f"{each.name} {each.version}" if each.version else each.name: each for each in found}


def ways(packages: dict[str, Package]) -> dict[str, Any]:
    """How each package is reached: "direct", or the names on the way."""
    return {key: each.relation if not each.via else "/".join(each.via) for key, each in packages.items()}


def reasons(packages: dict[str, Package]) -> dict[str, str]:
    """Those that cannot be evaluated, with the reason."""
    return {key: each.reason for key, each in packages.items() if each.reason}
