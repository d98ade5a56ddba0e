"""How facts travel: from a parse child to the scan, and through the database until they are linked again.

JSON, never pickle: what a hostile file makes of a child must not run in its parent.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

import orjson

from jobs.code_scan.facts import Call, FileFacts, Import, Node

_NODE_FIELDS = tuple(each.name for each in fields(Node))
_as_row = attrgetter(*_NODE_FIELDS)
_ESCAPED_NUL = b"\\u0000"


def encode_nodes(nodes: Sequence[Node]) -> bytes:
    """The nodes, whole. Text that cannot be stored (NUL, lone surrogates) is replaced."""
    rows = [_as_row(node) for node in nodes]
    try:
        encoded = orjson.dumps(rows)
    except TypeError:
        encoded = orjson.dumps(_clean(rows))
    return encoded if _ESCAPED_NUL not in encoded else orjson.dumps(_clean(rows))


def decode_nodes(encoded: bytes) -> list[Node]:
    """The nodes again."""
    return [Node(*row) for row in orjson.loads(encoded)]


def encode_linkage(facts: FileFacts) -> bytes:
    """What linking needs besides the nodes: calls and imports, compressed."""
    content = [facts.lines, facts.broken, facts.calls, facts.imports]
    try:
        encoded = orjson.dumps(content)
    except TypeError:
        encoded = orjson.dumps(_clean(content))
    return zlib.compress(encoded, 1)


def decode_facts(path: str, language: str, nodes: Sequence[Node], linkage: bytes) -> FileFacts:
    """The facts of a file, from its nodes and its linkage."""
    lines, broken, calls, imports = orjson.loads(zlib.decompress(linkage))
    called, imported = tuple(Call(*row) for row in calls), tuple(Import(*row) for row in imports)
    return FileFacts(path, language, lines, tuple(nodes), called, imported, broken)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, (list, tuple)):
        return [_clean(each) for each in value]
    return value
