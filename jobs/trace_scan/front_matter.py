"""Reads the YAML between two lines of `---`, and nothing of YAML that a hostile file could use.

The tree is made from the parser's events: every scalar is text (dates, `001` and `NO` too), only a plain null is None.
Anchors, aliases, tags, duplicate keys, keys that are no plain words, deep nesting and too many values are refused.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import yaml

MAX_FRONT_CHARS = 64_000
MAX_DEPTH = 12
MAX_VALUES = 5_000
NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Malformed(Exception):
    """The front matter cannot be read. `line` counts from 1 in the whole file."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


class Front(NamedTuple):
    """The fields; the line of each value by its path (`a`, `a/b`, `a/0`); the text below, and the line it begins at."""

    fields: dict[str, Any]
    lines: dict[str, int]
    body: str
    body_line: int


def split(text: str) -> tuple[str, str, int]:
    """Front matter, body, and the line where the body begins. Raises Malformed when there is no front matter."""
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        raise Malformed("It has no front matter: the first line is not ---.", 1)
    for number, line in enumerate(lines[1:], start=1):
        if line.rstrip() == "---":
            return "\n".join(lines[1:number]), "\n".join(lines[number + 1 :]), number + 2
    raise Malformed("Its front matter is not closed: there is no second line of ---.", 1)


def read(text: str) -> Front:
    """The front matter of a document whose line ends are newlines. Raises Malformed."""
    front, body, body_line = split(text)
    if len(front) > MAX_FRONT_CHARS:
        raise Malformed(f"Its front matter is longer than {MAX_FRONT_CHARS:,} characters.", 1)
    fields, lines = _Tree(front).read()
    return Front(fields, lines, body, body_line)


class _Tree:
    """Builds the values of one document from its events; only as deep as MAX_DEPTH, so that recursion is safe."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._values = 0
        self.lines: dict[str, int] = {}

    def read(self) -> tuple[dict[str, Any], dict[str, int]]:
        try:
            self._events = yaml.parse(self._text, Loader=_Loader)
            root = self._next()
            while isinstance(root, (yaml.StreamStartEvent, yaml.DocumentStartEvent)):
                root = self._next()
            if isinstance(root, yaml.StreamEndEvent):
                return {}, {}
            value = self._value(root, "", 0)
            if isinstance(self._next(), yaml.DocumentEndEvent) and not isinstance(self._next(), yaml.StreamEndEvent):
                raise Malformed("Its front matter holds more than one document.", 2)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = str(getattr(error, "problem", None) or "it is no YAML")[:200]
            raise Malformed(f"Its front matter is not valid YAML: {problem}.", (mark.line if mark else 0) + 2) from None
        if value is None:
            return {}, {}
        if not isinstance(value, dict):
            raise Malformed("Its front matter is not a list of fields with values.", 2)
        return value, self.lines

    def _next(self) -> Any:
        return next(self._events)

    def _value(self, event: Any, path: str, depth: int) -> Any:
        line = event.start_mark.line + 2
        self._values += 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise Malformed("Its front matter uses anchors, which are not taken. Write the value out.", line)
        if event.tag not in (None, "!"):
            raise Malformed("Its front matter uses tags (!), which are not taken.", line)
        if depth > MAX_DEPTH or self._values > MAX_VALUES:
            raise Malformed("Its front matter is nested too deeply or holds too many values.", line)
        if path:
            self.lines[path] = line
        if isinstance(event, yaml.ScalarEvent):
            return None if event.style in (None, "") and event.value in NULLS else event.value
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(item := self._next(), yaml.SequenceEndEvent):
                items.append(self._value(item, f"{path}/{len(items)}", depth + 1))
            return items
        fields: dict[str, Any] = {}
        while not isinstance(key := self._next(), yaml.MappingEndEvent):
            at = key.start_mark.line + 2
            if not isinstance(key, yaml.ScalarEvent) or key.anchor or key.tag not in (None, "!"):
                raise Malformed("Its front matter has a key that is no plain word.", at)
            if key.value in fields:
                raise Malformed(f"Its front matter has the field {key.value[:60]} twice.", at)
            below = f"{path}/{key.value}" if path else key.value
            fields[key.value] = self._value(self._next(), below, depth + 1)
            self.lines[below] = at
        return fields
