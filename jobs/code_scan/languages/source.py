"""A file being analyzed, and the facts collected from it: offsets in, nodes with lines and snippets out."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

from jobs.code_scan.facts import (
    CERTAIN,
    CLASS,
    FUNCTION,
    NAME_MAX_CHARS,
    SNIPPET_MAX_CHARS,
    Call,
    FileFacts,
    Import,
    Node,
)

_LINE_END = re.compile(rb"\n")
_HEADER_ONLY = frozenset((CLASS, FUNCTION))
SNIPPET_MAX_LINES = 6
RECEIVER_MAX_BYTES = 2000  # of what a call is made on; a chain of thousands of calls must not cost its length squared


def clean(text: str) -> str:
    """One line without control characters, so that it can be stored and shown anywhere."""
    return " ".join(text.replace("\0", "\ufffd").split())


class Source:
    """The bytes of one file and everything found in them so far."""

    def __init__(self, path: str, language: str, data: bytes) -> None:
        self.path = path
        self.language = language
        self.data = data
        self._line_starts = [0, *(match.end() for match in _LINE_END.finditer(data))]
        self.nodes: list[Node] = []
        self._seen: set[tuple[object, ...]] = set()
        self._calls: dict[tuple[str, str, str | None], int] = {}
        self._imports: dict[Import, None] = {}
        self.broken = 0

    def text(self, start: int, end: int) -> str:
        return self.data[start:end].decode("utf-8", "replace")

    def line(self, offset: int) -> int:
        """The line, from 1, that the byte at `offset` is on."""
        return bisect_right(self._line_starts, offset)

    def add(
        self,
        type_: str,
        name: str,
        start: int,
        end: int,
        *,
        function: str | None = None,
        target: str | None = None,
        verb: str | None = None,
        confidence: float = CERTAIN,
        evidence: str = "",
    ) -> None:
        """Record a node at these byte offsets; the same thing said twice about one line is kept once."""
        line = bisect_right(self._line_starts, start)
        name = clean(name)[:NAME_MAX_CHARS]
        key = (type_, name, line, function, target, verb)
        if not name or key in self._seen:
            return
        self._seen.add(key)
        self.nodes.append(
            Node(
                type_,
                name,
                line,
                bisect_right(self._line_starts, max(start, end - 1)),
                self._snippet(type_, line, start, end),
                function,
                clean(target)[:NAME_MAX_CHARS] if target else None,
                verb,
                confidence,
                evidence,
            )
        )

    def call(self, caller: str, callee: str, receiver: str | None, offset: int) -> None:
        key = (caller, callee, receiver)
        if key not in self._calls:
            self._calls[key] = bisect_right(self._line_starts, offset)

    def bring_in(self, name: str, module: str, member: str | None = None) -> None:
        self._imports[Import(name, module, member)] = None

    def take(self, other: Source) -> None:
        """Add what another reading of the same lines found."""
        self.nodes.extend(other.nodes)
        self._calls.update(other._calls)
        self._imports.update(other._imports)
        self.broken += other.broken

    @property
    def imports(self) -> Iterable[Import]:
        return self._imports

    def facts(self) -> FileFacts:
        """All of it, in the order of the file."""
        self.nodes.sort(key=lambda node: (node.line, node.end_line, node.type, node.name))
        return FileFacts(
            self.path,
            self.language,
            len(self._line_starts) - (1 if self.data.endswith(b"\n") or not self.data else 0),
            tuple(self.nodes),
            tuple(Call(*key, line) for key, line in self._calls.items()),
            tuple(self._imports),
            self.broken,
        )

    def _snippet(self, type_: str, line: int, start: int, end: int) -> str:
        begin = self._line_starts[line - 1]
        if start - begin > SNIPPET_MAX_CHARS // 2:  # a long line, as in minified code
            begin = start
        if type_ in _HEADER_ONLY:
            stop = self._line_starts[line] if line < len(self._line_starts) else len(self.data)
            return clean(self.text(begin, min(stop, begin + 4 * SNIPPET_MAX_CHARS)))[:SNIPPET_MAX_CHARS]
        last = min(bisect_right(self._line_starts, max(begin, end - 1)), line + SNIPPET_MAX_LINES - 1)
        stop = self._line_starts[last] if last < len(self._line_starts) else len(self.data)
        text = self.data[begin : min(stop, begin + 4 * SNIPPET_MAX_CHARS)].decode("utf-8", "replace")
        first, *others = text.replace("\0", "\ufffd").expandtabs(4).rstrip().split("\n")
        indent = len(first) - len(first.lstrip())
        kept = [first.strip(), *(row[indent:].rstrip() if not row[:indent].strip() else row.strip() for row in others)]
        return "\n".join(kept)[:SNIPPET_MAX_CHARS]
