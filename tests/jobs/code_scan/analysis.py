"""What the tests of the analyzers share: facts of a small source, and nodes as short tuples to compare with."""

from __future__ import annotations

from textwrap import dedent

from jobs.code_scan import languages
from jobs.code_scan.facts import OPERATION_TYPES, FileFacts, Node, confidence_level

_PATHS = {name: f"src/sample{language.extensions[0]}" for name, language in languages.LANGUAGES.items()}


def facts(language: str, text: str, path: str | None = None) -> FileFacts:
    return languages.analyze(path or _PATHS[language], language, dedent(text).lstrip("\n").encode())


def short(node: Node) -> tuple[str, str, int, str]:
    return node.type, node.name, node.line, confidence_level(node.confidence)


def operations(language: str, text: str) -> list[tuple[str, str, int, str]]:
    """(type, name, line, level) of the operations found, in the order of the file."""
    return [short(node) for node in facts(language, text).nodes if node.type in OPERATION_TYPES]


def of_type(language: str, text: str, *types: str, path: str | None = None) -> list[tuple[str, str, int, str]]:
    return [short(node) for node in facts(language, text, path).nodes if node.type in types]


def one(language: str, text: str, type_: str, path: str | None = None) -> Node:
    """The only node of a type; fails when there is none or another."""
    (node,) = (node for node in facts(language, text, path).nodes if node.type == type_)
    return node
