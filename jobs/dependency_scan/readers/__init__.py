"""Which reader reads which file, by its name. Each takes text and gives a Reading, or raises Unreadable."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from jobs.dependency_scan.packages import CRATES, DEBIAN, GO, NPM, PACKAGIST, PYPI, RUBYGEMS, Reading


@dataclass(frozen=True, slots=True)
class Reader:
    """One format. `ecosystem` is OSV's name for what it lists; its module is imported when it is needed."""

    name: str
    ecosystem: str
    module: str
    function: str

    def load(self) -> Callable[[str], Reading]:
        """The function that reads a text of this format."""
        module = importlib.import_module(f"{__name__}.{self.module}")
        return cast("Callable[[str], Reading]", getattr(module, self.function))


READERS = {
    each.name: each
    for each in (
        Reader("requirements.txt", PYPI, "requirements", "read_requirements"),
        Reader("poetry.lock", PYPI, "toml_locks", "read_poetry"),
        Reader("uv.lock", PYPI, "toml_locks", "read_uv"),
        Reader("pdm.lock", PYPI, "toml_locks", "read_pdm"),
        Reader("pylock.toml", PYPI, "toml_locks", "read_pylock"),
        Reader("Pipfile.lock", PYPI, "json_locks", "read_pipfile"),
        Reader("package-lock.json", NPM, "npm", "read_npm"),
        Reader("npm-shrinkwrap.json", NPM, "npm", "read_npm"),
        Reader("yarn.lock", NPM, "yarn", "read_yarn"),
        Reader("pnpm-lock.yaml", NPM, "pnpm", "read_pnpm"),
        Reader("Cargo.lock", CRATES, "toml_locks", "read_cargo"),
        Reader("go.mod", GO, "golang", "read_go_mod"),
        Reader("go.sum", GO, "golang", "read_go_sum"),
        Reader("composer.lock", PACKAGIST, "json_locks", "read_composer"),
        Reader("Gemfile.lock", RUBYGEMS, "gemfile", "read_gemfile"),
        Reader("dpkg", DEBIAN, "dpkg", "read_dpkg"),
    )
}
# Lock files that are known and have no reader: each makes a scan incomplete instead of going unseen.
WITHOUT_READER = {
    "mix.lock": "Hex",
    "pubspec.lock": "Pub",
    "packages.lock.json": "NuGet",
    "gradle.lockfile": "Maven",
    "Package.resolved": "SwiftURL",
    "Podfile.lock": "CocoaPods",
    "conan.lock": "ConanCenter",
    "bun.lock": NPM,
    "bun.lockb": NPM,
    "deno.lock": "JSR",
    "conda-lock.yml": "conda",
    "stack.yaml.lock": "Hackage",
    "renv.lock": "CRAN",
}
_REQUIREMENTS = re.compile(r"(?:[\w.-]*[._-])?requirements(?:[._-][\w.-]*)?\.txt", re.IGNORECASE)
_IN_FOLDER = re.compile(r"(?:.*/)?requirements/[^/]+\.txt", re.IGNORECASE)
_PYLOCK = re.compile(r"pylock(?:\.[\w-]+)?\.toml")


def reader_of(path: str) -> str | None:
    """The name of what reads this file; that of the file itself for a lock file without a reader; None for others."""
    name = path.rpartition("/")[2]
    if (name in READERS and name != "dpkg") or name in WITHOUT_READER:
        return name
    if _PYLOCK.fullmatch(name):
        return "pylock.toml"
    if _REQUIREMENTS.fullmatch(name) or _IN_FOLDER.fullmatch(path):
        return "requirements.txt"
    return None
