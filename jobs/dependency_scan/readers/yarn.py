"""Reads yarn.lock: the first version's own format, and the YAML of the later ones ("berry").

In the later format the workspaces stand in the file. The first one does not say what the project asks for: what nothing
else needs must have been asked for directly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from jobs.dependency_scan.packages import GIT, LOCAL, NPM, URL, Package, Reading, Tree, Unreadable
from jobs.dependency_scan.readers import yaml_plain
from jobs.dependency_scan.readers.npm import source_reason
from jobs.dependency_scan.readers.yaml_plain import mapping

MAX_LINE = 100_000
_SPEC = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s",:][^\s",]*)')
_PAIR = re.compile(r'[ ]{2,4}(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))[ ]+(?:"((?:[^"\\]|\\.)*)"|(\S+))[ ]*')


@dataclass(slots=True)
class _Entry:
    specs: list[str]
    line: int
    version: str | None = None
    resolved: str | None = None
    needs: list[str] = field(default_factory=list)


def read_yarn(text: str) -> Reading:
    """Either format; the later one begins with its metadata."""
    return _berry(text) if re.search(r"^__metadata:", text, re.MULTILINE) else _classic(text)


def _classic(text: str) -> Reading:
    entries = _entries(text)
    if not entries and "yarn lockfile v1" not in text[:500]:
        raise Unreadable("does not look like a yarn.lock")
    names = {index: _spec_name(entry.specs[0]) for index, entry in enumerate(entries)}
    by_spec = {spec: index for index, entry in enumerate(entries) for spec in entry.specs}
    needs = {index: [by_spec[spec] for spec in entry.needs if spec in by_spec] for index, entry in enumerate(entries)}
    tree, reading = Tree(needs, names), Reading()
    for index, entry in enumerate(entries):
        spec = entry.specs[0]
        reason = source_reason(entry.resolved) or source_reason(_spec_range(spec))
        reading.add(Package(NPM, names[index], entry.version, entry.line, *tree.place(index), reason=reason))
    return reading


def _entries(text: str) -> list[_Entry]:
    entries: list[_Entry] = []
    in_needs = False
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if len(line) > MAX_LINE:
            raise Unreadable(f"has a line of {len(line):,} characters")
        if not line.startswith(" "):
            if not line.endswith(":"):
                raise Unreadable(f"is not in yarn's format at line {number:,}")
            specs = [quoted or plain for quoted, plain in _SPEC.findall(line[:-1])]
            if not specs:
                raise Unreadable(f"is not in yarn's format at line {number:,}")
            entries.append(_Entry(specs, number))
            in_needs = False
            continue
        pair = _PAIR.fullmatch(line)
        if not line.startswith("    "):
            in_needs = line.strip() in ("dependencies:", "optionalDependencies:")
        if not entries or not pair:
            continue
        key, value = pair[1] or pair[2], pair[3] or pair[4] or ""
        if line.startswith("    "):
            if in_needs:
                entries[-1].needs.append(f"{key}@{value}")
        elif key == "version":
            entries[-1].version = value
        elif key == "resolved":
            entries[-1].resolved = value
    return entries


def _split(spec: str) -> tuple[str, str]:
    """("@babel/core", "^7.0.0") of "@babel/core@^7.0.0"."""
    at = spec.find("@", 1)
    return (spec, "") if at < 0 else (spec[:at], spec[at + 1 :])


def _spec_name(spec: str) -> str:
    name, wanted = _split(spec)
    return _split(wanted[4:])[0] if wanted.startswith("npm:") and "@" in wanted[5:] else name


def _spec_range(spec: str) -> str:
    return _split(spec)[1]


def _berry(text: str) -> Reading:
    whole = yaml_plain.load(text)
    entries = {key: mapping(entry) for key, entry in whole.items() if key != "__metadata"}
    by_spec = {spec.strip(): key for key in entries for spec in key.split(",")}
    names, reasons, roots = {}, {}, set()
    for key, entry in entries.items():
        name, protocol = _split(str(entry.get("resolution") or key.split(",")[0]))
        names[key] = name
        if protocol.startswith("workspace:"):
            roots.add(key)
        reasons[key] = _berry_reason(protocol)
    needs = {
        key: [
            by_spec[spec]
            for name, wanted in mapping(entry.get("dependencies")).items()
            for spec in (f"{name}@{wanted}", f"{name}@npm:{wanted}")
            if spec in by_spec
        ]
        for key, entry in entries.items()
    }
    tree, reading = Tree(needs, names, roots), Reading()
    for key, entry in entries.items():
        if key in roots:
            continue
        version = entry.get("version")
        exact = version if isinstance(version, str) else None
        reading.add(Package(NPM, names[key], exact, whole.lines.get(key), *tree.place(key), reason=reasons[key]))
    return reading


def _berry_reason(protocol: str) -> str | None:
    if protocol.startswith(("npm:", "patch:", "virtual:")) or ":" not in protocol:
        return None
    if protocol.startswith(("file:", "link:", "portal:", "workspace:")):
        return LOCAL
    return GIT if "commit=" in protocol or protocol.startswith("git") else URL
