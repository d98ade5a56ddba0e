"""The comments of a source file, told from strings, templates and regular expressions by a grammar or a lexer.

TypeScript, JavaScript, Python and C# go through their grammars; the rest through Pygments. Linear in practice, but
what a hostile file costs is bounded by who calls: in a child, with a deadline.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from tree_sitter import Language, Node, Parser, Query, QueryCursor

BLOCK = "block"
LINE = "line"


class Comment(NamedTuple):
    """A comment: the line (from 1) and column (from 0) where it begins, its text with its marks, BLOCK or LINE.

    `is_alone`: nothing but space stands before it on its line. Docstrings are BLOCK.
    """

    line: int
    column: int
    text: str
    kind: str
    is_alone: bool


_GRAMMARS: dict[str, tuple[str, str, str]] = {
    "typescript": ("tree_sitter_typescript", "language_typescript", "(comment) @comment"),
    "tsx": ("tree_sitter_typescript", "language_tsx", "(comment) @comment"),
    "javascript": ("tree_sitter_javascript", "language", "[(comment) (html_comment)] @comment"),
    "csharp": ("tree_sitter_c_sharp", "language", "(comment) @comment"),
    "python": (
        "tree_sitter_python",
        "language",
        "(comment) @comment (module . (comment)* . (expression_statement (string) @doc)) "
        "(block . (expression_statement (string) @doc))",
    ),
}
_PYGMENTS = {
    "java": "java", "kotlin": "kotlin", "go": "go", "rust": "rust", "swift": "swift", "c": "c", "cpp": "cpp",
    "php": "php", "ruby": "ruby", "bash": "bash", "yaml": "yaml", "dockerfile": "docker", "sql": "sql", "lua": "lua",
    "html": "html", "vue": "vue",
}  # fmt: skip
_RAZOR = re.compile(r"@\*.*?\*@|<!--.*?-->|/\*.*?\*/", re.DOTALL)
_LINE_MARKS = ("//", "#", "--", ";")


def comments(language: str, text: str) -> list[Comment]:
    """Every comment of a file, in order. The text has newlines only as line ends."""
    if language in _GRAMMARS:
        return _by_grammar(language, text)
    spans = _razor(text) if language == "razor" else _by_lexer(language, text)
    place = _placer(text)
    return [_comment(*place(start), body) for start, body in spans]


def _comment(line: int, column: int, before: str, body: str) -> Comment:
    is_line = body.startswith(_LINE_MARKS) and not body.startswith("--[[")
    return Comment(line, column, body, LINE if is_line else BLOCK, not before.strip())


def _placer(text: str) -> Callable[[int], tuple[int, int, str]]:
    """A function from rising offsets to line, column and what stands before on that line."""
    state = [1, 0]

    def place(offset: int) -> tuple[int, int, str]:
        line, start = state
        while (end := text.find("\n", start, offset)) >= 0:
            line, start = line + 1, end + 1
        state[:] = [line, start]
        return line, offset - start, text[start:offset]

    return place


@cache
def grammar(language: str) -> tuple[Parser, Query]:
    """The parser of a language and the query for its comments, loaded when its first file comes."""
    module, function, query = _GRAMMARS[language]
    loaded = Language(getattr(import_module(module), function)())
    return Parser(loaded), Query(loaded, query)


@cache
def _attributes() -> Query:
    module, function, _ = _GRAMMARS["csharp"]
    return Query(Language(getattr(import_module(module), function)()), "(attribute) @attribute")


def attribute_nodes(root: Node) -> list[Node]:
    """The attributes of a C# file, in order."""
    found = QueryCursor(_attributes()).captures(root).get("attribute", [])
    return sorted(found, key=lambda node: node.start_byte)


def _by_grammar(language: str, text: str) -> list[Comment]:
    parser, query = grammar(language)
    source = text.encode()
    root = parser.parse(source).root_node
    captured = QueryCursor(query).captures(root)
    found = [_of_node(node, source) for node in captured.get("comment", ())]
    found += [_of_docstring(node, source) for node in captured.get("doc", ())]
    return sorted(found)


def _of_node(node: Node, source: bytes) -> Comment:
    row, column = node.start_point
    before = source[node.start_byte - column : node.start_byte]
    return _comment(row + 1, column, before.decode(errors="replace"), _text(node, source))


def _of_docstring(node: Node, source: bytes) -> Comment:
    body = re.sub(r"^[rRuUbB]{0,2}(\"\"\"|'''|\"|')|(\"\"\"|'''|\"|')$", "", _text(node, source))
    row, column = node.start_point
    return Comment(row + 1, column, body, BLOCK, True)


def _text(node: Node, source: bytes) -> str:
    return source[node.start_byte : node.end_byte].decode(errors="replace")


def _by_lexer(language: str, text: str) -> Iterator[tuple[int, str]]:
    """Start and text of each comment; the pieces that a lexer cuts one into are put together again."""
    from pygments.token import Comment as CommentToken
    from pygments.token import String

    start, pieces, end, depth = 0, list[str](), -1, 0
    for offset, token, value in lexer(language).get_tokens_unprocessed(text):
        if not (token is String.Doc or (token in CommentToken and not _is_preprocessor(token))):
            continue
        if pieces and (offset != end or _is_whole(pieces[-1], depth)):
            yield start, "".join(pieces)
            pieces, depth = [], 0
        if not pieces:
            start = offset
        pieces.append(value)
        depth += value.count("/*") - value.count("*/")
        end = offset + len(value)
    if pieces:
        yield start, "".join(pieces)


@cache
def lexer(language: str) -> Any:
    """The Pygments lexer of a language, which keeps every character where it is."""
    from pygments.lexers import get_lexer_by_name

    return get_lexer_by_name(_PYGMENTS[language], ensurenl=False, stripnl=False)


def _is_preprocessor(token: Any) -> bool:
    from pygments.token import Comment as CommentToken

    return any(token in each for each in (CommentToken.Preproc, CommentToken.PreprocFile, CommentToken.Hashbang))


def _is_whole(piece: str, depth: int) -> bool:
    """Whether a comment ends with this piece, so that what follows directly is another. `depth` counts open `/*`."""
    return piece.endswith(("\n", "-->")) or (piece.endswith("*/") and depth <= 0)


def _razor(text: str) -> Iterator[tuple[int, str]]:
    for found in _RAZOR.finditer(text):
        yield found.start(), found[0]
