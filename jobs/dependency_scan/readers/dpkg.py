"""Reads dpkg's status file: which Debian packages are installed, and from which source package each was built."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from jobs.dependency_scan.packages import DEBIAN, Package, Reading, Unreadable, clean

WANTED = frozenset({"package", "status", "version", "architecture", "source"})
MAX_VALUE = 2_000
_SOURCE = re.compile(r"(\S+)(?:\s+\(([^()\s]+)\))?")
_OS_FIELD = re.compile(r"""^([A-Z_]+)=(?:"([^"\n]*)"|'([^'\n]*)'|([^\s"']*))[ \t]*$""", re.MULTILINE)
_BASE_FILES = re.compile(r"(\d{1,3})(?:\.\d+)*(?:\+deb\d+u\d+|\+nmu\d+)?")
UNPACKED = frozenset({"installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending"})


def read_dpkg(text: str) -> Reading:
    """Every package whose files are on the disk, of "Debian" with the release that base-files tells, if any.

    Packages that were removed and left only their settings behind are not among them.
    """
    reading, rows = Reading(), []
    release = None
    for entry in _paragraphs(text):
        name, version = entry.get("package", ""), entry.get("version", "")
        state = entry.get("status", "").split()
        if not name or not state or state[-1] not in UNPACKED:
            continue
        if name == "base-files" and (found := _BASE_FILES.fullmatch(version)):
            release = found[1]
        source = _SOURCE.fullmatch(entry.get("source", ""))
        rows.append((name, version, source[1] if source else name, source[2] if source and source[2] else version))
    if not rows:
        raise Unreadable("names no installed package")
    ecosystem = f"{DEBIAN}:{release}" if release else DEBIAN
    seen = set()
    for row in rows:
        if row not in seen:
            seen.add(row)
            name, version, source_name, source_version = row
            reading.add(Package(ecosystem, name, version, source=source_name, source_version=source_version))
    return reading


def _paragraphs(text: str) -> Iterator[Mapping[str, str]]:
    """The fields that matter of each paragraph, by lower-case name. Continued lines carry none of them."""
    entry: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip():
            if entry:
                yield entry
                entry = {}
            continue
        if line[0] in " \t#":
            continue
        key, colon, value = line[: MAX_VALUE + 50].partition(":")
        name = key.strip().lower()
        if colon and name in WANTED and name not in entry:
            entry[name] = value.strip()[:MAX_VALUE]
    if entry:
        yield entry


def ecosystem_of(os_release: str) -> str:
    """OSV's name for what an os-release file tells of: "Debian:12"; without a number for a release that is not out.

    Other distributions are named, too ("Ubuntu:24.04"): whether there are advisories for them is another question.
    """
    fields = {name: a or b or c for name, a, b, c in _OS_FIELD.findall(os_release[:20_000])}
    name = {"debian": DEBIAN, "ubuntu": "Ubuntu"}.get(fields.get("ID", ""), fields.get("ID", "linux"))
    version = fields.get("VERSION_ID")
    return clean(f"{name}:{version}" if version else name, 60)
