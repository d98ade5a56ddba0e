"""Reads pnpm-lock.yaml, versions 5 to 9."""

from __future__ import annotations

import re

from jobs.dependency_scan.packages import GIT, LOCAL, NPM, URL, Package, Reading, Tree, Unreadable
from jobs.dependency_scan.readers import yaml_plain
from jobs.dependency_scan.readers.npm import source_reason
from jobs.dependency_scan.readers.yaml_plain import Mapping, mapping

_SLASHED = re.compile(r"/?((?:@[^/@]+/)?[^/@]+)/([^/_(]+)(?:_.*)?")
_AT = re.compile(r"/?((?:@[^/@]+/)?[^/@(]+)@([^()_]+)(?:[_(].*)?")
_HOST = re.compile(r"[\w-]+(?:\.[\w-]+)+/")
WANTS = ("dependencies", "optionalDependencies", "devDependencies")


def read_pnpm(text: str) -> Reading:
    """Each package once, however many sets of peers it is installed with."""
    whole = yaml_plain.load(text)
    version = re.match(r"\d+", str(whole.get("lockfileVersion", "")))
    if version is None:
        raise Unreadable("does not say the version of its format")
    major = int(version[0])
    if not 5 <= major <= 9:
        raise Unreadable(f"is of version {major}, which cannot be read")
    packages = mapping(whole.get("packages"))
    details = mapping(whole.get("snapshots")) if major >= 9 else packages
    parts = {key: _parts(key, major) for key in [*packages, *details]}
    importers = mapping(whole.get("importers")) or Mapping()
    if not importers:
        importers["."] = whole
    needs: dict[str, list[str]] = {}
    for folder, importer in importers.items():
        wanted = _wanted(mapping(importer), WANTS, packages, details, parts)
        needs[f"importer {folder}"] = wanted
    for key, entry in details.items():
        needs.setdefault(_plain(key, parts), []).extend(_wanted(mapping(entry), WANTS[:2], packages, details, parts))
    names = {_plain(key, parts): parts[key][0] for key in parts} | {key: key for key in needs if key[:9] == "importer "}
    tree = Tree(needs, names, roots=[key for key in needs if key[:9] == "importer "])
    reading, seen = Reading(), set()
    for key in packages or details:
        plain = _plain(key, parts)
        if plain in seen:
            continue
        seen.add(plain)
        entry = mapping(packages.get(key))
        name, exact = parts[key]
        reason = _reason(key, entry)
        told_name, told_version = entry.get("name"), entry.get("version")
        reading.add(
            Package(
                NPM,
                told_name if isinstance(told_name, str) else name,
                told_version if isinstance(told_version, str) else exact,
                (packages if key in packages else details).lines.get(key),
                *tree.place(plain),
                is_dev=entry.get("dev") == "true",
                condition="optional" if entry.get("optional") == "true" else None,
                reason=reason,
            )
        )
    return reading


def _parts(key: str, major: int) -> tuple[str, str | None]:
    """(name, version) of "/name/1.2.3_peers", "/name@1.2.3(peers)" and "name@1.2.3"; (key, None) of an address."""
    if "://" in key or key.startswith(("file:", "link:")) or _HOST.match(key):
        at = re.match(r"((?:@[^/@]+/)?[^/@]+)@(?:https?|file|git|link)", key)
        return (at[1] if at else key), None
    found = (_SLASHED if major == 5 else _AT).fullmatch(key)
    return (found[1], found[2]) if found else (key, None)


def _plain(key: str, parts: dict[str, tuple[str, str | None]]) -> str:
    name, version = parts[key]
    return f"{name}@{version}" if version else key


def _wanted(
    entry: Mapping,
    kinds: tuple[str, ...],
    packages: Mapping,
    details: Mapping,
    parts: dict[str, tuple[str, str | None]],
) -> list[str]:
    found = []
    for kind in kinds:
        for name, told in mapping(entry.get(kind)).items():
            version = str(told.get("version") if isinstance(told, Mapping) else told)
            for key in (version, f"{name}@{version}", f"/{name}@{version}", f"/{name}/{version}", "/" + version):
                if key in details or key in packages:
                    found.append(_plain(key, parts))
                    break
    return found


def _reason(key: str, entry: Mapping) -> str | None:
    resolution = mapping(entry.get("resolution"))
    address = resolution.get("tarball")
    if resolution.get("type") == "git" or resolution.get("repo"):
        return GIT
    if resolution.get("type") == "directory" or "file:" in key.partition("(")[0]:
        return LOCAL
    if "://" in key.partition("(")[0]:
        return source_reason(address) or (GIT if "git" in key else URL)
    return source_reason(address)
