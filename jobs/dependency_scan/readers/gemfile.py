"""Reads Gemfile.lock."""

from __future__ import annotations

import re

from jobs.dependency_scan.packages import GIT, LOCAL, RUBYGEMS, Package, Reading, Tree, Unreadable

MAX_LINE = 10_000
_SPEC = re.compile(r"    ([^\s()!]+) \(([^()]*)\)")
_NEED = re.compile(r"      ([^\s()!]+)(?: \([^()]*\))?")
_WANTED = re.compile(r"  ([^\s()!]+)(?: \([^()]*\))?!?")
_PLATFORM = re.compile(
    r"-(?:x86|x64|i[3-6]86|arm|aarch64|universal|java|jruby|mswin|mingw|linux|darwin|musl|ruby|truffleruby).*"
)
SOURCES = {"GEM": None, "GIT": GIT, "PATH": LOCAL, "PLUGIN SOURCE": None}


def read_gemfile(text: str) -> Reading:
    """Every gem with its version; of a gem for several platforms, one."""
    found: dict[str, tuple[str, int, str | None]] = {}
    needs: dict[str, list[str]] = {}
    section, current = "", ""
    asked: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > MAX_LINE:
            raise Unreadable(f"has a line of {len(line):,} characters")
        if line and not line.startswith(" "):
            section = line.strip()
            continue
        if section in SOURCES:
            if spec := _SPEC.fullmatch(line):
                current = spec[1]
                found.setdefault(current, (_PLATFORM.sub("", spec[2]), number, SOURCES[section]))
            elif current and (need := _NEED.fullmatch(line)):
                needs.setdefault(current, []).append(need[1])
        elif section == "DEPENDENCIES" and (wanted := _WANTED.fullmatch(line)):
            asked.append(wanted[1])
    if not found and not asked:
        raise Unreadable("does not look like a Gemfile.lock")
    own = [name for name, (_, _, reason) in found.items() if reason == LOCAL]
    needs[""] = [*asked, *(each for name in own for each in needs.get(name, ()))]
    tree = Tree(needs, {name: name for name in found} | {"": ""}, roots=[""])
    reading = Reading()
    for name, (version, number, reason) in found.items():
        reading.add(Package(RUBYGEMS, name, version, number, *tree.place(name), reason=reason))
    return reading
