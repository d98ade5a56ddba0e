"""Which file an import means, and which route an address means."""

from __future__ import annotations

import re
from collections import defaultdict
from posixpath import dirname, join, normpath
from typing import NamedTuple
from urllib.parse import urlsplit

from jobs.code_scan.facts import CERTAIN, GUESS, LIKELY, NodeRef

_EXTENSION = re.compile(r"(?:\.(?:component|service|module))?\.[A-Za-z]+\Z")
_OWN_HOSTS = ("localhost", "127.0.0.1", "0.0.0.0", "testserver", "")
MAX_MATCHES = 3


def stem(path: str) -> str:
    """A file's path as imports write it: no ending, no `index` or `__init__`."""
    bare = re.sub(r"\.[A-Za-z]+\Z", "", path)
    for tail in ("/__init__", "/index", "/mod"):
        bare = bare.removesuffix(tail)
    return bare


class Modules:
    """Finds the files an import may mean, by the end of their paths."""

    def __init__(self) -> None:
        self._by_last: dict[str, list[tuple[str, int]]] = defaultdict(list)
        self._exact: dict[str, int] = {}

    def add(self, path: str, file: int) -> None:
        bare = stem(path)
        self._exact.setdefault(bare, file)
        self._by_last[bare.rpartition("/")[2]].append((bare, file))

    def find(self, importer: str, module: str, is_python: bool) -> int | None:
        """The one file meant, or None when there is none or more than one that fits as well."""
        if is_python:
            return self._python(importer, module)
        if module.startswith("."):
            return self._exact.get(stem_of_import(normpath(join(dirname(importer), module))))
        first, slash, rest = module.partition("/")
        if not slash or (
            first.startswith("@")
            and len(first) > 1
            and "/" not in rest
            and first not in ("@app", "@server", "@shared", "@src")
        ):
            return None
        return self._by_end(
            stem_of_import(rest if first in ("@", "~", "#", "src") or first.startswith(("@", "~", "#")) else module),
            importer,
        )

    def _python(self, importer: str, module: str) -> int | None:
        dots = len(module) - len(module.lstrip("."))
        tail = module.lstrip(".").replace(".", "/")
        if dots:
            base = importer
            for _ in range(dots):
                base = dirname(base)
            return self._exact.get(normpath(join(base, tail)) if tail else base)
        return self._by_end(tail, importer)

    def _by_end(self, tail: str, importer: str) -> int | None:
        found = [
            (bare, file)
            for bare, file in self._by_last.get(tail.rpartition("/")[2], ())
            if bare == tail or bare.endswith("/" + tail)
        ]
        if len(found) > 1:
            found.sort(key=lambda item: (-shared_folders(item[0], importer), len(item[0])))
            if shared_folders(found[0][0], importer) == shared_folders(found[1][0], importer) and len(
                found[0][0]
            ) == len(found[1][0]):
                return None
        return found[0][1] if found else None


def stem_of_import(path: str) -> str:
    bare = re.sub(r"\.(?:js|ts|jsx|tsx|mjs|mts|vue)\Z", "", path)
    return bare.removesuffix("/index")


def shared_folders(one: str, other: str) -> int:
    """How many leading folders two paths have in common."""
    count = 0
    for left, right in zip(one.split("/"), other.split("/"), strict=False):
        if left != right:
            break
        count += 1
    return count


class _Route(NamedTuple):
    ref: NodeRef
    verb: str
    parts: tuple[str, ...]


class RouteTable:
    """Finds the routes that a method and an address reach; placeholders match any one segment."""

    def __init__(self) -> None:
        self._by_key: dict[str, list[_Route]] = defaultdict(list)

    def add(self, ref: NodeRef, verb: str | None, path: str) -> None:
        parts = segments(path)
        literal = [part for part in parts if "{" not in part]
        if verb != "VIEW" and literal:
            self._by_key[literal[-1]].append(_Route(ref, verb or "ANY", tuple(parts)))

    def match(self, verb: str | None, address: str) -> list[tuple[NodeRef, float]]:
        """The best routes for a call, with how sure: all of the path certain, its end alone likely or a guess."""
        own = own_path(address)
        if own is None:
            return []
        parts = segments(own)
        best: dict[NodeRef, tuple[int, float]] = {}
        for key in {part for part in parts if "{" not in part}:
            for route in self._by_key.get(key, ()):
                if verb and route.verb not in ("ANY", verb):
                    continue
                score = _score(parts, route.parts)
                if score is not None and score > best.get(route.ref, (-1, 0.0)):
                    best[route.ref] = score
        if not best:
            return []
        top = max(best.values())
        winners = sorted(ref for ref, score in best.items() if score == top)
        if len(winners) > MAX_MATCHES:
            return []
        confidence = top[1] if verb else min(top[1], LIKELY)
        return [(ref, confidence if len(winners) == 1 else min(confidence, GUESS)) for ref in winners]


def own_path(address: str) -> str | None:
    """The path of an address of this project; None for another host's."""
    if "://" in address:
        split = urlsplit(address.replace("{", "%7B").replace("}", "%7D"))
        host = split.netloc.partition(":")[0]
        if host.lower() not in _OWN_HOSTS and not host.startswith("%7B"):
            return None
        return split.path.replace("%7B", "{").replace("%7D", "}")
    if address.startswith("//"):
        return None
    return address


def segments(path: str) -> list[str]:
    return [part.lower() if "{" not in part else "{}" for part in path.strip("/").split("/") if part]


def _score(call: list[str], route: tuple[str, ...]) -> tuple[int, float] | None:
    """(literal segments that agree, confidence), or None when the two do not fit."""
    shorter = min(len(call), len(route))
    literals = 0
    is_loose = False
    for left, right in zip(reversed(call[-shorter:]), reversed(route[-shorter:]), strict=True):
        if right == "{}":
            is_loose = is_loose or (left != "{}" and not any(character.isdigit() for character in left))
            continue
        if left != right:
            return None
        literals += 1
    if literals == 0:
        return None
    if len(call) == len(route):
        return literals * 2 + 1, LIKELY if is_loose else CERTAIN
    # One side knows a prefix that the other gets from a mount point or a base address.
    missing = abs(len(call) - len(route))
    if missing > 4 or (literals == 1 and missing > 2):
        return None
    return literals * 2, LIKELY if literals > 1 else GUESS
