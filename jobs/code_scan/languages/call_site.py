"""A call that is being judged: where it is, and what it is given."""

from __future__ import annotations

from tree_sitter import Node

from jobs.code_scan.languages.source import Source

ARGUMENT_MAX_BYTES = 4000
ARGUMENTS_MAX = 6


class CallSite:
    """`node` is the function part of a call; its arguments are read when they are first asked for."""

    __slots__ = ("_arguments", "node", "source", "start")

    def __init__(self, source: Source, node: Node, start: int) -> None:
        self.source = source
        self.node = node
        self.start = start
        self._arguments: list[str] | None = None

    @property
    def end(self) -> int:
        parent = self.node.parent
        return parent.end_byte if parent is not None else self.node.end_byte

    @property
    def arguments(self) -> list[str]:
        """The texts of the first few arguments, long ones cut."""
        if self._arguments is None:
            parent = self.node.parent
            listed = parent.child_by_field_name("arguments") if parent is not None else None
            given = listed.named_children[:ARGUMENTS_MAX] if listed is not None and listed.type in _LISTS else ()
            self._arguments = [
                self.source.text(child.start_byte, min(child.end_byte, child.start_byte + ARGUMENT_MAX_BYTES))
                for child in given
                if child.type != "comment"
            ]
        return self._arguments


_LISTS = ("argument_list", "arguments")
