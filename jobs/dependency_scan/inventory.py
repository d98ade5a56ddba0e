"""Puts together what all the files of a source name: each package version once, with every place that names it."""

from __future__ import annotations

import os
import posixpath
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.dependency_scan.confined import MAX_FILE_BYTES, TOO_LARGE, read_confined
from jobs.dependency_scan.packages import MAX_PACKAGES, Package, Reading, Unreadable
from jobs.dependency_scan.readers import WITHOUT_READER, reader_of
from jobs.dependency_scan.readers.golang import DIRECT_ONLY
from jobs.repository.discovery import Filters, Found, list_files

MAX_PLACES = 50
MAX_FILES = 5_000

Identity = tuple[str, str, str | None, str | None, str | None]


@dataclass(slots=True)
class Entry:
    """One package version of the source. `places` are as DependencyPackage keeps them."""

    package: Package
    places: list[dict[str, Any]] = field(default_factory=list)
    reason: str | None = None
    note: str | None = None


@dataclass(slots=True)
class Inventory:
    """All packages, and the files they come from: {path, reader, packages, problem}."""

    entries: dict[Identity, Entry] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, path: str, reader: str, reading: Reading) -> None:
        """Take what a file gave."""
        room = MAX_PACKAGES - len(self.entries)
        for package in reading.packages:
            key = (package.ecosystem, package.name, package.version, package.source_version, package.reason)
            entry = self.entries.get(key)
            if entry is None:
                if room <= 0:
                    self.fail(path, reader, f"would make more than {MAX_PACKAGES:,} packages")
                    return
                room -= 1
                entry = self.entries[key] = Entry(package, reason=package.reason)
            if len(entry.places) < MAX_PLACES:
                entry.places.append(_place(path, package))
        self.files.append({"path": path, "reader": reader, "packages": len(reading.packages), "problem": None})
        self.notes += [f"{path}: {note}" for note in reading.notes]

    def fail(self, path: str, reader: str, problem: str) -> None:
        """Keep a file that could not be read, with a clause that says why."""
        self.files.append({"path": path, "reader": reader, "packages": 0, "problem": problem})

    @property
    def problems(self) -> list[dict[str, Any]]:
        """The files that could not be read."""
        return [each for each in self.files if each["problem"]]


def _place(path: str, package: Package) -> dict[str, Any]:
    return {
        "file": path,
        "line": package.line,
        "relation": package.relation,
        "via": list(package.via),
        "others": package.others,
        "is_dev": package.is_dev,
        "condition": package.condition,
    }


def lock_files(root: Path, exclude_patterns: list[str], on_progress: Callable[[int], None]) -> list[Found]:
    """The files below `root` that are read, and those that ought to be. Raises TooManyFiles and OSError."""
    filters = Filters(reader_of, (), exclude_patterns, MAX_FILE_BYTES)
    return [each for each in list_files(root, filters, on_progress).files if reader_of(each.path)]


class FolderReader:
    """Reads the lock files of a folder, follows what they include, and leaves out what another file says better."""

    def __init__(self, root: Path, inventory: Inventory, on_wait: Callable[[], None]) -> None:
        self._root = root
        self._inventory = inventory
        self._on_wait = on_wait
        self._taken: set[str] = set()

    def read(self, found: list[Found], on_file: Callable[[str, int], None]) -> None:
        """Read them all. `on_file` hears each path before it is read, and how many there are by then."""
        listed = {each.path: each for each in found}
        pending = deque(found)
        total = len(found)
        while pending:
            each = pending.popleft()
            if each.path in self._taken:
                total -= 1
                continue
            self._taken.add(each.path)
            on_file(each.path, total)
            if len(self._taken) > MAX_FILES:
                self._inventory.fail(each.path, "", f"is one of more than {MAX_FILES:,}; check parts of the folder")
                return
            for path in self._read_one(each, listed):
                if path not in self._taken and path not in listed:
                    listed[path] = self._included(path)
                    pending.append(listed[path])
                    total += 1

    def _read_one(self, found: Found, listed: dict[str, Found]) -> list[str]:
        """Read one file. Returns the paths, from the root, of files that it includes."""
        reader = reader_of(found.path) or "requirements.txt"
        if found.reason == "too_large":
            self._inventory.fail(found.path, reader, TOO_LARGE)
        elif found.reason:
            self._inventory.fail(found.path, reader, _REASONS.get(found.reason, "cannot be read"))
        elif reader in WITHOUT_READER:
            self._inventory.fail(found.path, reader, f"is a lock file of {WITHOUT_READER[reader]}, which has no reader")
        elif reader == "go.sum" and found.path.removesuffix("go.sum") + "go.mod" in listed:
            return []  # go.mod asks for it where it needs it
        else:
            return self._take(found, reader, listed)
        return []

    def _take(self, found: Found, reader: str, listed: dict[str, Found]) -> list[str]:
        try:
            reading = read_confined(found.raw, reader, self._on_wait)
            if reader == "go.mod" and DIRECT_ONLY in reading.notes:
                reading = self._with_sums(found, reading, listed)
        except Unreadable as error:
            self._inventory.fail(found.path, reader, str(error))
            return []
        self._inventory.add(found.path, reader, reading)
        included = []
        for name in reading.includes:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(found.path), name))
            if "://" in name or path.startswith(("/", "..")):
                self._inventory.fail(found.path, reader, f"includes {name[:100]}, which is not below this folder")
            else:
                included.append(path)
        return included

    def _with_sums(self, found: Found, mod: Reading, listed: dict[str, Found]) -> Reading:
        """What go.sum adds to a go.mod that names only what the project itself asks for."""
        sums = listed.get(found.path.removesuffix("go.mod") + "go.sum")
        if sums is None:
            raise Unreadable("names only direct modules (it is older than Go 1.17), and there is no go.sum beside it")
        reading = read_confined(sums.raw, "go.sum", self._on_wait)
        asked = {each.name: each for each in mod.packages}
        others = [each for each in reading.packages if each.name not in asked]
        return Reading([*mod.packages, *others], [], [*reading.notes, "completed from go.sum"])

    def _included(self, path: str) -> Found:
        raw = os.fsencode(self._root / path)
        return Found(path, raw, "requirements.txt", 0, 0)


_REASONS = {
    "symlink": "is reached through a link, which is not followed",
    "special": "is not an ordinary file",
    "long_path": "has a path that is too long",
    "unreadable": "cannot be read; check its permissions",
}
