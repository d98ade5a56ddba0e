"""Reads YAML as tools write lock files: mappings, lists and text. Nothing else of YAML is believed.

Every scalar stays the text that it is (a version 1.10 is no number), and an alias is refused: no lock file has one, and
a few of them can stand for gigabytes. The parser's events are put together without recursion.
"""

from __future__ import annotations

from typing import Any

import yaml

from jobs.dependency_scan.packages import Unreadable

MAX_DEPTH = 40
MAX_NODES = 3_000_000
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Mapping(dict[str, Any]):
    """A mapping that knows the line of each of its keys, from 1."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}


def load(text: str) -> Mapping:
    """The first document, which has to be a mapping. Raises Unreadable."""
    try:
        return _build(text)
    except yaml.YAMLError as error:
        raise Unreadable("is not valid YAML") from error
    except RecursionError as error:
        raise Unreadable("is nested too deeply") from error


def _build(text: str) -> Mapping:
    stack: list[Mapping | list[Any]] = []
    keys: list[tuple[str, int] | None] = []
    nodes = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise Unreadable("uses aliases, which no lock file needs")
        if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            done = stack.pop()
            keys.pop()
            if not stack:
                if isinstance(done, Mapping):
                    return done
                break
            continue
        if isinstance(event, yaml.ScalarEvent):
            value: Any = event.value
        elif isinstance(event, yaml.MappingStartEvent):
            value = Mapping()
        elif isinstance(event, yaml.SequenceStartEvent):
            value = []
        else:
            continue
        nodes += 1
        if nodes > MAX_NODES:
            raise Unreadable(f"has more than {MAX_NODES:,} entries")
        if stack:
            holder = stack[-1]
            if isinstance(holder, list):
                holder.append(value)
            elif keys[-1] is None:
                if not isinstance(value, str):
                    raise Unreadable("has keys that are no text")
                keys[-1] = (value, event.start_mark.line + 1)
                continue
            else:
                key, line = keys[-1]
                holder[key], holder.lines[key] = value, line
                keys[-1] = None
        if isinstance(value, Mapping | list):
            if len(stack) >= MAX_DEPTH:
                raise Unreadable(f"is nested more than {MAX_DEPTH} levels deep")
            stack.append(value)
            keys.append(None)
        elif not stack:
            break
    raise Unreadable("holds no mapping")


def mapping(value: object) -> Mapping:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else Mapping()
