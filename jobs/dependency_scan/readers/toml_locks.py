"""Reads the lock files that are TOML: poetry.lock, uv.lock, pdm.lock, pylock.toml and Cargo.lock."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from jobs.dependency_scan.packages import (
    CRATES,
    GIT,
    LOCAL,
    PYPI,
    URL,
    Package,
    Reading,
    Tree,
    Unreadable,
)

_HEADER = re.compile(r"^\[\[packages?\]\][ \t]*$", re.MULTILINE)
MAX_KEY_DOTS = 50
_DOTTED = re.compile(r"^[ \t]*\[{0,2}(?:[^\s.=\"'\[\]]{0,200}\.){" + str(MAX_KEY_DOTS) + "}", re.MULTILINE)


def _load(text: str, table: str) -> list[Mapping[str, Any]]:
    if _DOTTED.search(text):
        raise Unreadable("has keys that are nested deeper than any lock file's")
    try:
        whole = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise Unreadable("is not valid TOML") from error
    found = whole.get(table, [])
    if not isinstance(found, list):
        raise Unreadable(f"has no list of {table}")
    return [each for each in found if isinstance(each, dict)]


def _lines(text: str, count: int) -> list[int | None]:
    """The line at which each entry begins; unknown where the text does not look as its writer leaves it."""
    starts: list[int | None] = []
    line, seen = 1, 0
    for header in _HEADER.finditer(text):
        line += text.count("\n", seen, header.start())
        seen = header.start()
        starts.append(line)
    return starts if len(starts) == count else [None] * count


def _name(value: object) -> str:
    return str(canonicalize_name(value)) if isinstance(value, str) else ""


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _python(
    text: str,
    wanted: Mapping[int, Iterable[str]],
    entries: list[Mapping[str, Any]],
    reasons: Mapping[int, str | None],
    roots: set[int],
) -> Reading:
    """The reading of a Python lock file, whose dependencies go by name; `roots` are the project itself.

    A version that is listed once for each of its extras is one package.
    """
    by_name: dict[str, list[int]] = {}
    first: dict[tuple[str, str], int] = {}
    for index, entry in enumerate(entries):
        name = _name(entry.get("name"))
        kept = first.setdefault((name, str(entry.get("version"))), index)
        if kept == index:
            by_name.setdefault(name, []).append(index)
    needs: dict[int, list[int]] = {}
    for index, names in wanted.items():
        kept = first[_name(entries[index].get("name")), str(entries[index].get("version"))]
        needs.setdefault(kept, []).extend(each for name in names for each in by_name.get(name, ()))
    tree = Tree(needs, {index: _name(entries[index].get("name")) for index in first.values()}, roots)
    reading, lines = Reading(), _lines(text, len(entries))
    for index in first.values():
        entry = entries[index]
        if index in roots:
            continue
        place = tree.place(index)
        groups = _items(entry.get("groups"))
        is_dev = entry.get("category") == "dev" or (bool(groups) and "main" not in groups and "default" not in groups)
        reading.add(
            Package(
                PYPI,
                _name(entry.get("name")),
                _text(entry.get("version")),
                lines[index],
                place.relation,
                place.via,
                place.others,
                is_dev,
                _text(entry.get("markers")) or _text(entry.get("marker")),
                reasons.get(index),
            )
        )
    return reading


def read_poetry(text: str) -> Reading:
    """poetry.lock. It does not say what the project asks for: what nothing else needs must be that."""
    entries = _load(text, "package")
    wanted = {index: [_name(name) for name in _table(entry.get("dependencies"))] for index, entry in enumerate(entries)}
    kinds = {"git": GIT, "directory": LOCAL, "file": LOCAL, "url": URL}
    reasons = {index: kinds.get(str(_table(entry.get("source")).get("type"))) for index, entry in enumerate(entries)}
    return _python(text, wanted, entries, reasons, set())


def read_uv(text: str) -> Reading:
    """uv.lock, with the project and its workspace as the top of the tree."""
    entries = _load(text, "package")
    wanted: dict[int, list[str]] = {}
    reasons: dict[int, str | None] = {}
    roots: set[int] = set()
    for index, entry in enumerate(entries):
        groups = [_items(entry.get("dependencies"))]
        for more in ("optional-dependencies", "dev-dependencies"):
            groups += [_items(each) for each in _table(entry.get(more)).values()]
        wanted[index] = [_name(_table(each).get("name")) for group in groups for each in group]
        source = _table(entry.get("source"))
        if "virtual" in source or "editable" in source:
            roots.add(index)
        elif "git" in source:
            reasons[index] = GIT
        elif "directory" in source or "path" in source:
            reasons[index] = LOCAL
        elif "url" in source:
            reasons[index] = URL
    return _python(text, wanted, entries, reasons, roots)


def read_pdm(text: str) -> Reading:
    """pdm.lock."""
    entries = _load(text, "package")
    wanted = {
        index: [_required(each) for each in _items(entry.get("dependencies"))] for index, entry in enumerate(entries)
    }
    reasons = {
        index: GIT if "git" in entry else LOCAL if "path" in entry else URL if "url" in entry else None
        for index, entry in enumerate(entries)
    }
    return _python(text, wanted, entries, reasons, set())


def _required(text: object) -> str:
    try:
        return _name(Requirement(text[:2000]).name) if isinstance(text, str) else ""
    except InvalidRequirement:
        return ""


def read_pylock(text: str) -> Reading:
    """pylock.toml, the common lock file of Python's tools (PEP 751)."""
    entries = _load(text, "packages")
    wanted = {
        index: [_name(_table(each).get("name")) for each in _items(entry.get("dependencies"))]
        for index, entry in enumerate(entries)
    }
    reasons = {
        index: GIT if "vcs" in entry else LOCAL if "directory" in entry else URL if "archive" in entry else None
        for index, entry in enumerate(entries)
    }
    return _python(text, wanted, entries, reasons, set())


def read_cargo(text: str) -> Reading:
    """Cargo.lock. An entry without a source is the project or a part of its workspace."""
    entries = _load(text, "package")
    names = {index: str(entry.get("name") or "") for index, entry in enumerate(entries)}
    versions = {index: _text(entry.get("version")) for index, entry in enumerate(entries)}
    by_name: dict[str, list[int]] = {}
    for index, name in names.items():
        by_name.setdefault(name, []).append(index)

    def resolved(wanted: object) -> list[int]:
        name, _, rest = str(wanted).partition(" ")
        version = rest.partition(" ")[0]
        return [index for index in by_name.get(name, ()) if not version or versions[index] == version]

    needs = {
        index: [found for each in _items(entry.get("dependencies")) for found in resolved(each)]
        for index, entry in enumerate(entries)
    }
    roots = {index for index, entry in enumerate(entries) if not entry.get("source")}
    tree = Tree(needs, names, roots)
    reading, lines = Reading(), _lines(text, len(entries))
    for index, entry in enumerate(entries):
        if index in roots:
            continue
        reason = GIT if str(entry.get("source")).startswith("git+") else None
        place = tree.place(index)
        reading.add(Package(CRATES, names[index], versions[index], lines[index], *place, reason=reason))
    return reading
