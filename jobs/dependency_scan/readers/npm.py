"""Reads package-lock.json and npm-shrinkwrap.json, versions 1 to 3."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jobs.dependency_scan.packages import GIT, LOCAL, NPM, URL, Package, Reading, Tree, Unreadable
from jobs.dependency_scan.readers.json_locks import lines_of, load, table

MAX_DEPTH = 200
MODULES = "node_modules/"
WANTS = ("dependencies", "optionalDependencies", "peerDependencies", "devDependencies")
_GIT = re.compile(r"(?:git[+:@]|github:|gitlab:|bitbucket:|https?://(?:www\.)?github\.com/.+\.git)")


def read_npm(text: str) -> Reading:
    """Every package that would be installed. Links to the project's own folders are the project."""
    whole = load(text)
    if isinstance(whole.get("packages"), dict):
        return _flat(whole["packages"], text)
    if isinstance(whole.get("dependencies"), dict):
        return _nested(whole, text)
    if whole.get("lockfileVersion") in (1, 2, 3):
        return Reading()
    raise Unreadable("has neither packages nor dependencies")


def source_reason(address: object) -> str | None:
    """Why a package from this address has no published version; None for a registry's."""
    if not isinstance(address, str) or not address:
        return None
    if _GIT.match(address):
        return GIT
    if address.startswith(("file:", "link:", "portal:", "workspace:")):
        return LOCAL
    if address.startswith(("http://codeload.github.com/", "https://codeload.github.com/")):
        return GIT
    return None


def _flat(places: Mapping[str, Any], text: str) -> Reading:
    """Versions 2 and 3: each installed folder with what it needs, found by walking up as node does."""
    entries = {place: table(entry) for place, entry in places.items()}
    linked = {str(entry.get("resolved")) for entry in entries.values() if entry.get("link")}
    roots = {place for place in entries if MODULES not in place or place in linked}
    names = {place: _name(place, entry) for place, entry in entries.items()}
    needs = {place: list(_resolved(place, entry, entries)) for place, entry in entries.items()}
    for place, entry in entries.items():
        if entry.get("link"):
            needs[place] = [str(entry.get("resolved"))]
            roots.add(place)
    tree, lines, reading = Tree(needs, names, roots), lines_of(text), Reading()
    for place, entry in entries.items():
        if place in roots and (MODULES not in place or entry.get("link")):
            if entry.get("link") and str(entry.get("resolved")) not in entries:
                reading.add(Package(NPM, names[place], None, lines.get(place), reason=LOCAL))
            continue
        version = entry.get("version") if isinstance(entry.get("version"), str) else None
        reason = source_reason(entry.get("resolved")) or source_reason(version)
        is_dev = bool(entry.get("dev") or entry.get("devOptional"))
        condition = "optional" if entry.get("optional") else None
        where = tree.place(place)
        reading.add(Package(NPM, names[place], version, lines.get(place), *where, is_dev, condition, reason))
    return reading


def _name(place: str, entry: Mapping[str, Any]) -> str:
    """What the registry calls it: an alias is installed under another name."""
    told = entry.get("name")
    return told if isinstance(told, str) and told else place.rpartition(MODULES)[2]


def _resolved(place: str, entry: Mapping[str, Any], entries: Mapping[str, Any]) -> Iterator[str]:
    for kind in WANTS:
        for name in table(entry.get(kind)):
            folder = place
            for _ in range(MAX_DEPTH):
                found = f"{folder}/{MODULES}{name}" if folder else MODULES + name
                if found in entries:
                    yield found
                    break
                if not folder:
                    break
                folder = folder.rpartition("/" + MODULES)[0] if "/" + MODULES in folder else ""


def _nested(whole: Mapping[str, Any], text: str) -> Reading:
    """Version 1: a tree of folders, each entry with what it requires."""
    entries: dict[str, Mapping[str, Any]] = {}
    pending: list[tuple[str, Mapping[str, Any], int]] = [("", whole, 0)]
    reading = Reading()
    while pending:
        folder, holder, depth = pending.pop()
        for name, entry in table(holder.get("dependencies")).items():
            place = f"{folder}/{MODULES}{name}" if folder else MODULES + name
            entries[place] = table(entry)
            if depth < MAX_DEPTH:
                pending.append((place, entries[place], depth + 1))
            elif entries[place].get("dependencies"):
                raise Unreadable(f"is nested more than {MAX_DEPTH} folders deep")
    names, exact = {}, {}
    for place, entry in entries.items():
        version = entry.get("version")
        alias = re.fullmatch(r"npm:(.+)@([^@]+)", version) if isinstance(version, str) else None
        names[place] = alias[1] if alias else place.rpartition(MODULES)[2]
        exact[place] = alias[2] if alias else version if isinstance(version, str) else None
    known: dict[str, Any] = {**entries}
    needs = {
        place: list(_resolved(place, {"dependencies": entry.get("requires")}, known))
        for place, entry in entries.items()
    }
    tree, lines = Tree(needs, names), lines_of(text)
    for place, entry in entries.items():
        version = exact[place]
        reason = source_reason(version) or (URL if version and "://" in version else None)
        is_dev = bool(entry.get("dev"))
        line = lines.get(place.rpartition(MODULES)[2])
        reading.add(Package(NPM, names[place], version, line, *tree.place(place), is_dev, None, reason))
    return reading
