"""Reads go.mod, which names every module of a build since Go 1.17, and go.sum for what is older.

go.sum holds checksums of modules that were only looked at, too. So it is asked only where go.mod does not say enough;
then the highest version that was really unpacked counts.
"""

from __future__ import annotations

import re

from jobs.dependency_scan.packages import DIRECT, GO, LOCAL, TRANSITIVE, Package, Reading, Unreadable

MAX_LINE = 10_000
COMPLETE_SINCE = (1, 17)
DIRECT_ONLY = "names only direct modules, it is older than Go 1.17"
_REQUIRE = re.compile(r"(?:require\s+)?([^\s()\"']+)\s+(v[^\s()/]+)\s*(//.*)?")
_REPLACE = re.compile(r"(?:replace\s+)?([^\s()]+)(?:\s+(v\S+))?\s+=>\s+(\S+)(?:\s+(v\S+))?\s*(?://.*)?")
_GO = re.compile(r"go\s+(\d+)\.(\d+)\S*")


def _is_complete(text: str) -> bool:
    """Whether this go.mod names every module of the build."""
    version = next((found for line in text.splitlines()[:2000] if (found := _GO.match(line.strip()[:100]))), None)
    return version is not None and (int(version[1][:6]), int(version[2][:6])) >= COMPLETE_SINCE


def read_go_mod(text: str) -> Reading:
    """The modules that go.mod requires, after its replacements."""
    reading, block = Reading(), ""
    replaced: dict[tuple[str, str | None], tuple[str, str | None]] = {}
    wanted: list[tuple[str, str, int, bool]] = []
    for number, raw in enumerate(text.splitlines(), 1):
        if len(raw) > MAX_LINE:
            raise Unreadable(f"has a line of {len(raw):,} characters")
        line = raw.strip()
        if opened := re.fullmatch(r"(\w+)\s*\(\s*(?://.*)?", line):
            block = opened[1]
        elif line == ")":
            block = ""
        elif (block == "require" or line.startswith("require ")) and (found := _REQUIRE.fullmatch(line)):
            wanted.append((found[1], found[2], number, "indirect" in (found[3] or "")))
        elif (block == "replace" or line.startswith("replace ")) and (swap := _REPLACE.fullmatch(line)):
            replaced[swap[1], swap[2]] = (swap[3], swap[4])
    if not wanted and not re.search(r"^\s*module\s", text, re.MULTILINE):
        raise Unreadable("does not look like a go.mod")
    for name, version, number, is_indirect in wanted:
        other = replaced.get((name, version)) or replaced.get((name, None))
        relation = TRANSITIVE if is_indirect else DIRECT
        package = Package(GO, name, version, number, relation)
        if other and other[1] is None:
            package = package._replace(version=None, reason=LOCAL)
        elif other:
            package = package._replace(name=other[0], version=other[1], condition=f"replaces {name}")
        reading.add(package)
    if not _is_complete(text):
        reading.notes.append(DIRECT_ONLY)
    return reading


def read_go_sum(text: str) -> Reading:
    """The last version of each module that was unpacked: go.sum is sorted by version."""
    newest: dict[str, tuple[str, int]] = {}
    lines = 0
    for number, raw in enumerate(text.splitlines(), 1):
        if len(raw) > MAX_LINE:
            raise Unreadable(f"has a line of {len(raw):,} characters")
        parts = raw.split()
        if len(parts) != 3:
            continue
        lines += 1
        name, version, _ = parts
        if not version.endswith("/go.mod"):
            newest[name] = (version, number)
    if text.strip() and not lines:
        raise Unreadable("does not look like a go.sum")
    reading = Reading()
    for name, (version, number) in newest.items():
        reading.add(Package(GO, name, version, number))
    return reading
