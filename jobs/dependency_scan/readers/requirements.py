"""Reads pip's requirements files: pins, hashes, markers, includes, and the "via" remarks of what compiled them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from jobs.dependency_scan.packages import (
    DIRECT,
    GIT,
    LOCAL,
    NOT_PINNED,
    PYPI,
    TRANSITIVE,
    UNREADABLE_ENTRY,
    URL,
    Package,
    Reading,
    Tree,
)

MAX_REQUIREMENT = 4_000
_COMMENT = re.compile(r"(?:^|[ \t])#")
_INCLUDE = re.compile(r"(?:-r|--requirement)[ \t=]*(\S.*)")
_EDITABLE = re.compile(r"(?:-e|--editable)[ \t=]*(\S.*)")
_PIN = re.compile(r"([A-Za-z0-9][\w.-]{0,200})(?:\[[^\]]{0,200}\])?[ \t]*===?[ \t]*([^\s;,=]+)")
_VCS = re.compile(r"(?:git|hg|svn|bzr)\+")


@dataclass(slots=True)
class _Line:
    """One logical line, and who its remarks say needs it."""

    number: int
    text: str
    via: list[str] = field(default_factory=list)


def read_requirements(text: str) -> Reading:
    """Every requirement of the file; only `==` and `===` name one version. Markers are kept as a condition."""
    reading = Reading()
    found: list[tuple[Package, list[str]]] = []
    for line in _logical_lines(text):
        include = _INCLUDE.fullmatch(line.text)
        editable = _EDITABLE.fullmatch(line.text)
        if include:
            reading.includes.append(include[1].strip()[:1000])
        elif editable:
            found.append((_from_elsewhere(editable[1], line.number), line.via))
        elif line.text and not line.text.startswith("-"):
            found.append((_package(line), line.via))
    is_compiled = any(via for _, via in found)
    tree = _tree(found)
    for package, via in found:
        is_direct = not is_compiled or not via or any(_is_own(each) for each in via)
        if is_direct:
            reading.add(package._replace(relation=DIRECT, others=len([each for each in via if not _is_own(each)])))
        else:
            place = tree.place(package.name)
            names = place.via or (str(canonicalize_name(via[0])),)
            reading.add(package._replace(relation=TRANSITIVE, via=names, others=len(set(via)) - 1))
    return reading


def _logical_lines(text: str) -> Iterator[_Line]:
    """Lines with their continuations joined and their comments read for "via"."""
    current: _Line | None = None
    is_open, in_via = False, False
    for number, raw in enumerate(text.splitlines(), 1):
        if raw.lstrip().startswith("#"):
            remark = raw[:MAX_REQUIREMENT].lstrip()[1:].strip()
            if current is not None and remark.startswith("via"):
                in_via = True
                remark = remark[3:].strip()
            if current is not None and in_via and remark:
                current.via += _needing(remark)
            continue
        if is_open and current is not None:
            body, is_open = _body(raw)
            if len(current.text) < MAX_REQUIREMENT:
                current.text += " " + body
            continue
        if current is not None:
            current.text = current.text.strip()
            yield current
        in_via = False
        body, is_open = _body(raw)
        current = _Line(number, body)
        behind = _COMMENT.search(raw[: MAX_REQUIREMENT * 2])
        if behind and raw[behind.end() :].strip().startswith("via "):
            current.via = _needing(raw[behind.end() :].strip()[4:])
    if current is not None:
        current.text = current.text.strip()
        yield current


def _needing(remark: str) -> list[str]:
    """Who a "via" names; a constraint needs nothing."""
    return [each.strip() for each in remark.split(",") if each.strip() and not each.strip().startswith("-c ")]


def _body(raw: str) -> tuple[str, bool]:
    """(the line without comment and continuation mark, whether it goes on)."""
    comment = _COMMENT.search(raw)
    body = raw[: comment.start()] if comment else raw
    goes_on = body.rstrip().endswith("\\")
    return body.rstrip().removesuffix("\\").strip(), goes_on


def _package(line: _Line) -> Package:
    text = re.split(r"[ \t]--[a-z]", line.text, maxsplit=1)[0].strip()
    if len(text) > MAX_REQUIREMENT:
        return Package(PYPI, text[:80], None, line.number, reason=UNREADABLE_ENTRY)
    try:
        wanted = Requirement(text)
    except InvalidRequirement:
        if pin := _PIN.fullmatch(text):  # a version that cannot be ordered is said as one
            return Package(PYPI, str(canonicalize_name(pin[1])), pin[2], line.number)
        return _from_elsewhere(text, line.number)
    name = str(canonicalize_name(wanted.name))
    condition = str(wanted.marker) if wanted.marker else None
    package = Package(PYPI, name, None, line.number, condition=condition)
    if wanted.url:
        return package._replace(reason=_reason_of(wanted.url))
    pins = [each.version for each in wanted.specifier if each.operator in ("==", "===") and "*" not in each.version]
    if len(wanted.specifier) != 1 or not pins:
        return package._replace(reason=NOT_PINNED)
    return package._replace(version=pins[0])


def _from_elsewhere(text: str, number: int) -> Package:
    """A requirement that is an address or a path, or nothing that can be read."""
    shown = text.partition("#egg=")[2].partition("&")[0] or text.rstrip("/").rpartition("/")[2] or text
    is_place = "/" in text or text.startswith(".") or "://" in text or text.endswith((".whl", ".gz", ".zip"))
    return Package(PYPI, shown[:80], None, number, reason=_reason_of(text) if is_place else UNREADABLE_ENTRY)


def _reason_of(address: str) -> str:
    if _VCS.match(address) or address.endswith(".git"):
        return GIT
    return URL if "://" in address and not address.startswith("file:") else LOCAL


def _is_own(via: str) -> bool:
    """Whether this names the project's own input and no package: "-r requirements.in", "acme (pyproject.toml)"."""
    return via.startswith("-") or "(" in via or via.endswith((".in", ".toml", ".cfg", ".py"))


def _tree(found: list[tuple[Package, list[str]]]) -> Tree[str]:
    """The "via" remarks the other way round."""
    names: Mapping[str, str] = {package.name: package.name for package, _ in found} | {"": ""}
    needs: dict[str, list[str]] = {}
    for package, via in found:
        for each in via:
            needs.setdefault("" if _is_own(each) else str(canonicalize_name(each)), []).append(package.name)
        if not via:
            needs.setdefault("", []).append(package.name)
    return Tree(needs, names, roots=[""])
