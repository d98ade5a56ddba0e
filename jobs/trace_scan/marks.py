"""Annotations that are code: pytest's marks, and attributes of Java, Kotlin and C#. Literal arguments only.

`@pytest.mark.req("A8")` names REQ-A8: in pytest's marks the prefix may be left out, for the mark says it already.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from jobs.trace_scan import words
from jobs.trace_scan.comments import attribute_nodes, grammar, lexer
from jobs.trace_scan.ids import id_list, is_id
from jobs.trace_scan.tags import IMPLEMENTS, MAX_BLOCKS, SATISFIES, STORY, TIER_OF, Findings, governed

PYTHON_LINKS = {"req": (SATISFIES, "REQ"), "spec": (IMPLEMENTS, "SPEC"), "trace": (STORY, "US")}
PYTHON_VALUES = frozenset({"test_type", "risk"})
_BARE = re.compile(r"[A-Z0-9]+(?:-[A-Z0-9]+)*")
_ATTRIBUTES = {
    "GxpReq": SATISFIES, "GxpSpec": IMPLEMENTS, "GxpTrace": STORY, "GxpStory": STORY,
    "GxpTestType": "tier", "GxpRisk": "risk",
}  # fmt: skip

_ATTRIBUTE = re.compile(r"(?:[\w.]+\.)?(Gxp(?:Req|Spec|Trace|Story|TestType|Risk))(?:Attribute)?\s*\((.*)\)", re.DOTALL)
_LITERALS = re.compile(r'\{?\s*"[^"\\]*"(?:\s*,\s*"[^"\\]*")*\s*\}?')
MAX_ARGUMENTS = 2_000

Mark = tuple[str, list[str], int]


def read_python(text: str, said: Findings) -> None:
    """The marks of every test function, those of its classes and of its module included, each as a block."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        said.malformed.append([line, "pytest.mark", "This is no Python that can be parsed. No mark is read."])
        return
    everywhere = [mark for node in tree.body if _is_pytestmark(node) for mark in _marks(node, said)]
    for node in tree.body:
        _read_definition(node, everywhere, "", said)


def _is_pytestmark(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
    )


def _read_definition(node: ast.stmt, inherited: list[Mark], prefix: str, said: Findings) -> None:
    if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return
    own = [mark for decorator in node.decorator_list for mark in _marks(decorator, said)]
    if isinstance(node, ast.ClassDef):
        inside = [mark for child in node.body if _is_pytestmark(child) for mark in _marks(child, said)]
        for child in node.body:
            _read_definition(child, inherited + own + inside, f"{prefix}{node.name}::", said)
    elif node.name.startswith("test") and (inherited or own) and len(said.blocks) < MAX_BLOCKS:
        block = _block(inherited + own, f"{prefix}{node.name}", node.lineno, node.col_offset)
        said.blocks.append(block)


def _block(marks: list[Mark], name: str, line: int, column: int) -> dict[str, Any]:
    made: dict[str, Any] = {"line": line, "column": column, "name": name[:200], "is_suite": False, "refs": []}
    made |= {"tier": None, "risk": None, "text": ""}
    for kind, values, at in marks:
        if kind in PYTHON_LINKS:
            meaning = PYTHON_LINKS[kind][0]
            made["refs"] += [[meaning, each, at, f"pytest.mark.{kind}"] for each in values]
        elif kind == "test_type":
            made["tier"] = TIER_OF.get(values[-1].lower()) or made["tier"]
        elif values[-1].upper() in words.RISKS:
            made["risk"] = values[-1].upper()
    return made


def _marks(node: ast.AST, said: Findings) -> Iterator[Mark]:
    """Every mark of ours below this expression, also in `pytest.param(…, marks=…)`."""
    for each in ast.walk(node):
        if not isinstance(each, ast.Call) or not isinstance(each.func, ast.Attribute):
            continue
        kind, owner = each.func.attr, each.func.value
        is_mark = isinstance(owner, ast.Attribute) and owner.attr == "mark" and _is_name(owner.value, "pytest")
        if not (is_mark or _is_name(owner, "mark")) or kind not in PYTHON_LINKS.keys() | PYTHON_VALUES:
            continue
        texts = [arg.value for arg in each.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        if len(texts) != len(each.args) or not texts:
            said.malformed.append([each.lineno, f"pytest.mark.{kind}", "Its arguments are not all literal texts."])
        values = [value for text in texts for value in _values(kind, text, each.lineno, said)]
        if values:
            yield kind, values, each.lineno


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _values(kind: str, text: str, line: int, said: Findings) -> list[str]:
    if kind in PYTHON_VALUES:
        return [text.strip()[:20]]
    prefix = PYTHON_LINKS[kind][1]
    found = id_list(text)
    if not found.is_malformed:
        return found.ids
    parts = [part.strip() for part in text.split(",")]
    if all(_BARE.fullmatch(part) and is_id(f"{prefix}-{part}") for part in parts):
        return [f"{prefix}-{part}" for part in parts]
    said.malformed.append([line, f"pytest.mark.{kind}", f"{text[:60]!r} is not an id."])
    return []


def read_attributes(language: str, text: str, said: Findings) -> None:
    """`@GxpReq("REQ-001")` of Java and Kotlin, `[GxpReq("REQ-001")]` of C#: those on adjoining lines are one block."""
    lines = text.split("\n")
    block: dict[str, Any] | None = None
    end = 0
    for line, name, arguments in _csharp_attributes(text) if language == "csharp" else _annotations(language, text):
        if not _LITERALS.fullmatch(arguments):
            said.malformed.append([line, name, "Its argument is not a literal text."])
            continue
        if block is None or line > end + 1:
            block = _block([], "", line, len(lines[line - 1]) - len(lines[line - 1].lstrip()))
            said.blocks.append(block)
        end = line
        block["name"], block["is_suite"] = governed(lines, end)
        _take_attribute(block, name, ", ".join(re.findall(r'"([^"]*)"', arguments)), line, said)


def _csharp_attributes(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, name and the text between the brackets of each attribute of ours, by the grammar."""
    source = text.encode()
    parser, _ = grammar("csharp")
    for node in attribute_nodes(parser.parse(source).root_node):
        found = _ATTRIBUTE.fullmatch(source[node.start_byte : node.end_byte].decode(errors="replace"))
        if found:
            yield node.start_point[0] + 1, found[1], found[2].strip()


def _annotations(language: str, text: str) -> Iterator[tuple[int, str, str]]:
    """The same of Java and Kotlin, by the lexer's tokens, in which strings and comments are told apart."""
    from pygments.token import Comment, String

    line, name, at, collected = 1, "", 0, ""
    for _, token, value in lexer(language).get_tokens_unprocessed(text):
        if name and token not in Comment:
            collected += value
            closed = value.endswith(")") and token not in String
            if closed or len(collected) > MAX_ARGUMENTS:
                yield at, name, collected.strip().removeprefix("(").removesuffix(")").strip()
                name = ""
        elif token not in Comment and token not in String and value.lstrip("@") in _ATTRIBUTES and value[:1] == "@":
            name, at, collected = value.lstrip("@"), line, ""
        line += value.count("\n")


def _take_attribute(block: dict[str, Any], name: str, literal: str, line: int, said: Findings) -> None:
    meaning = _ATTRIBUTES[name]
    if meaning == "tier":
        block["tier"] = TIER_OF.get(literal.lower()) or block["tier"]
    elif meaning == "risk":
        block["risk"] = literal.upper() if literal.upper() in words.RISKS else block["risk"]
    else:
        found = id_list(literal)
        if found.is_malformed:
            said.malformed.append([line, name, f"{literal[:60]!r} is not an id."])
        block["refs"] += [[meaning, each, line, name] for each in found.ids]
