"""Reads the lock files that are JSON: Pipfile.lock and composer.lock; and JSON itself, safely."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson
from packaging.utils import canonicalize_name

from jobs.dependency_scan.packages import (
    BRANCH,
    GIT,
    LOCAL,
    NOT_PINNED,
    PACKAGIST,
    PYPI,
    URL,
    Package,
    Reading,
    Tree,
    Unreadable,
)

_KEY = re.compile(r'^[ \t]{0,40}"([^"\\\n]{1,300})":[ \t]{0,4}\{', re.MULTILINE)
_NAME = re.compile(r'^[ \t]{0,40}"name":[ \t]{0,4}"([^"\\\n]{1,300})"', re.MULTILINE)


def load(text: str) -> Mapping[str, Any]:
    """A JSON object. Raises Unreadable, also for what is nested deeper than 1,024 levels."""
    try:
        whole = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Unreadable("is not valid JSON") from error
    if not isinstance(whole, dict):
        raise Unreadable("holds no JSON object")
    return whole


def lines_of(text: str, pattern: re.Pattern[str] = _KEY) -> dict[str, int]:
    """The line of the first object under each key, as formatters write it."""
    found: dict[str, int] = {}
    line, seen = 1, 0
    for match in pattern.finditer(text):
        line += text.count("\n", seen, match.start())
        seen = match.start()
        found.setdefault(match[1], line)
    return found


def table(value: object) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def read_pipfile(text: str) -> Reading:
    """Pipfile.lock. It holds no tree."""
    whole, lines, reading = load(text), lines_of(text), Reading()
    for section, is_dev in (("default", False), ("develop", True)):
        for name, entry in table(whole.get(section)).items():
            entry = table(entry)
            version, reason = entry.get("version"), None
            if "git" in entry:
                reason = GIT
            elif "path" in entry or entry.get("editable"):
                reason = LOCAL
            elif "file" in entry or "url" in entry:
                reason = URL
            elif not isinstance(version, str) or not version.startswith("=="):
                reason = NOT_PINNED
            exact = version.lstrip("=").strip() if isinstance(version, str) and not reason else None
            condition = entry.get("markers") if isinstance(entry.get("markers"), str) else None
            reading.add(
                Package(
                    PYPI,
                    str(canonicalize_name(name)),
                    exact,
                    lines.get(name),
                    is_dev=is_dev,
                    condition=condition,
                    reason=reason,
                )
            )
    return reading


def read_composer(text: str) -> Reading:
    """composer.lock. What nothing else needs must have been asked for by the project."""
    whole, lines, reading = load(text), lines_of(text, _NAME), Reading()
    entries: dict[str, tuple[Mapping[str, Any], bool]] = {}
    for section, is_dev in (("packages", False), ("packages-dev", True)):
        found = whole.get(section)
        for entry in found if isinstance(found, list) else ():
            entries.setdefault(str(table(entry).get("name") or "").lower(), (table(entry), is_dev))
    needs = {name: [each.lower() for each in table(entry.get("require"))] for name, (entry, _) in entries.items()}
    tree = Tree(needs, {name: name for name in entries})
    for name, (entry, is_dev) in entries.items():
        version = entry.get("version")
        reason = None
        if isinstance(version, str) and (version.startswith("dev-") or version.endswith("-dev")):
            reason = BRANCH
        elif table(entry.get("dist")).get("type") == "path":
            reason = LOCAL
        place = tree.place(name)
        exact = version if isinstance(version, str) else None
        line = lines.get(str(entry.get("name")))
        reading.add(Package(PACKAGIST, name, exact, line, *place, is_dev=is_dev, reason=reason))
    return reading
