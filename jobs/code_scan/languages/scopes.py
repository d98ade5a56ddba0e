"""The classes and functions around a place in a file, while its captures are swept in order."""

from __future__ import annotations


class Variable:
    """What is known of a name: its declared or constructed type, and the text it was made from."""

    __slots__ = ("how", "made_from", "type")

    def __init__(self, type_: str | None, how: str, made_from: str = "") -> None:
        self.type = type_
        self.how = how
        self.made_from = made_from


class Scope:
    """A class or a function; `name` is qualified, `variables` are those declared directly in it."""

    __slots__ = ("bases", "end", "is_class", "name", "notes", "routes", "short", "start", "variables")

    def __init__(self, name: str, short: str, is_class: bool, start: int, end: int, bases: str = "") -> None:
        self.name = name
        self.short = short
        self.is_class = is_class
        self.start = start
        self.end = end
        self.bases = bases
        self.variables: dict[str, Variable] = {}
        self.routes: list[tuple[str | None, str | None, int, int]] = []
        self.notes: dict[str, str] = {}


class ScopeStack:
    """Sweep offsets in rising order: `leave` what ended before one, `enter` what starts there.

    `fields_are_bare`: whether a class's fields are named without `this` in its methods, as in C#.
    """

    def __init__(self, fields_are_bare: bool = True) -> None:
        self.fields_are_bare = fields_are_bare
        self.top = Scope("", "", True, 0, 1 << 62)
        self.open: list[Scope] = [self.top]
        self.left: list[Scope] = []

    def leave(self, offset: int) -> None:
        while self.open[-1].end <= offset:
            self.left.append(self.open.pop())

    def enter(self, short: str, is_class: bool, start: int, end: int, bases: str = "") -> Scope:
        outer = self.open[-1].name
        scope = Scope(f"{outer}.{short}" if outer else short, short, is_class, start, end, bases)
        self.open.append(scope)
        return scope

    @property
    def current(self) -> Scope:
        return self.open[-1]

    def function(self) -> str | None:
        """The qualified name of the innermost function, if any."""
        for scope in reversed(self.open):
            if not scope.is_class:
                return scope.name
        return None

    def class_scope(self) -> Scope | None:
        for scope in reversed(self.open):
            if scope.is_class and scope is not self.top:
                return scope
        return None

    def variable(self, name: str) -> Variable | None:
        for scope in reversed(self.open):
            found = scope.variables.get(name)
            if found is not None and (self.fields_are_bare or not scope.is_class or scope is self.top):
                return found
        return None
