"""Connects what the files say: classes to functions, functions to what they do and call, clicks to routes to data.

Works in memory on names alone; snippets and evidence are never looked at, so facts read back from the database without
them do. A connection that could mean several things is a guess to at most three of them, or is not given at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from jobs.code_scan.facts import (
    API_CALL,
    CALLS,
    CERTAIN,
    CLASS,
    CONTAINS,
    DATABASE_READ,
    DATABASE_WRITE,
    DELIVERS,
    ENTITY,
    GUESS,
    HANDLED_BY,
    LIKELY,
    MESSAGE_SEND,
    OPERATION_TYPES,
    PERFORMS,
    READS,
    REQUESTS,
    ROUTE,
    STORED_IN,
    TRIGGERS,
    UI_TRIGGER,
    WRITES,
    Edge,
    FileFacts,
    NodeRef,
)
from jobs.code_scan.link_names import MAX_RECEIVERS, MIN_UNIQUE_NAME, Found, Imported, Names, key_of, nearest

_OPERATIONS = frozenset(OPERATION_TYPES)
_VERBS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE"))


def link(files: Iterable[FileFacts]) -> Iterator[Edge]:
    """Every edge between the nodes of these files, each once, in a stable order."""
    project = _Project(files)
    seen: set[tuple[NodeRef, NodeRef, str]] = set()
    for edge in project.edges():
        key = (edge.source, edge.target, edge.label)
        if key not in seen and edge.source != edge.target:
            seen.add(key)
            yield edge


class _Project(Names):
    """What connects the nodes of a project."""

    def edges(self) -> Iterator[Edge]:
        for number, file in enumerate(self.files):
            imports = self.imports_of(number)
            yield from self._structure(number)
            for index, node in enumerate(file.nodes):
                ref = NodeRef(file.path, index)
                if node.type == ROUTE:
                    yield from (
                        Edge(ref, to, HANDLED_BY, sure) for to, sure in self._handler(number, node.function, imports)
                    )
                elif node.type == UI_TRIGGER:
                    yield from self._trigger(number, ref, imports)
                elif node.type == API_CALL:
                    if node.target:
                        yield from (
                            Edge(ref, to, REQUESTS, sure) for to, sure in self.routes.match(node.verb, node.target)
                        )
                elif node.type in (DATABASE_READ, DATABASE_WRITE):
                    yield from self._data(number, ref)
                elif node.type == ENTITY:
                    if node.target:
                        yield from (
                            Edge(ref, to, STORED_IN, CERTAIN)
                            for to in nearest(self.tables.get(key_of(node.target)), file.path)
                        )
                elif node.type == MESSAGE_SEND and node.target:
                    yield from (
                        Edge(ref, to, DELIVERS, LIKELY) for to in self.receivers.get(node.target, ())[:MAX_RECEIVERS]
                    )
            for call in file.calls:
                source = self.functions[number].get(call.caller)
                if source is not None:
                    yield from (
                        Edge(source, to, CALLS, sure)
                        for to, sure in self.callee(number, call.caller, call.callee, call.receiver, imports)
                    )

    def _structure(self, number: int) -> Iterator[Edge]:
        file = self.files[number]
        own = self.functions[number]
        classes = {node.name: NodeRef(file.path, index) for index, node in enumerate(file.nodes) if node.type == CLASS}
        for name, ref in own.items():
            holder = classes.get(name.rpartition(".")[0])
            if holder is not None:
                yield Edge(holder, ref, CONTAINS, CERTAIN)
        for index, node in enumerate(file.nodes):
            if node.type in _OPERATIONS and node.function:
                source = own.get(node.function)
                if source is not None:
                    yield Edge(source, NodeRef(file.path, index), PERFORMS, CERTAIN)

    def _handler(self, number: int, name: str | None, imports: Imported) -> Found:
        if not name:
            return []
        own = self.functions[number]
        if name in own:
            return [(own[name], CERTAIN)]
        first, _, rest = name.partition(".")
        if first in imports:
            file, member = imports[first]
            found = self.in_file(file, rest or member or first)
            if found or file is None:
                return found
            wanted = rest or member or first
            return [(ref, CERTAIN) for owner, ref in self.classes.get(wanted, ()) if owner == file]
        local = self.in_file(number, name)
        if local:
            return local
        short = name.rpartition(".")[2]
        family = self.family(number)
        found = self.unique(short, family, LIKELY)
        classes = [ref for owner, ref in self.classes.get(short, ()) if self.family(owner) == family]
        return found or ([(classes[0], LIKELY)] if len(classes) == 1 else [])

    def _trigger(self, number: int, ref: NodeRef, imports: Imported) -> Iterator[Edge]:
        node = self.files[number].nodes[ref.index]
        verb, space, address = (node.target or "").partition(" ")
        if space and verb in _VERBS:
            yield from (Edge(ref, to, TRIGGERS, sure) for to, sure in self.routes.match(verb, address))
        if node.function:
            yield from (
                Edge(ref, to, TRIGGERS, sure) for to, sure in self._clicked(number, node.function, node.target, imports)
            )

    def _clicked(self, number: int, handler: str, page: str | None, imports: Imported) -> Found:
        own = self.functions[number]
        scope = page or ""
        while scope:
            if f"{scope}.{handler}" in own:
                return [(own[f"{scope}.{handler}"], CERTAIN)]
            scope = scope.rpartition(".")[0]
        if handler in own:
            return [(own[handler], CERTAIN)]
        first, dot, _ = handler.partition(".")
        if not dot:
            found = self.in_file(number, handler)
            if found:
                return found
        if first in imports:
            return self._handler(number, handler, imports)
        for sibling in self._siblings(number):
            for name in _command_names(handler):
                found = self.in_file(sibling, name)
                if found:
                    return [(found[0][0], CERTAIN if name == handler else LIKELY)]
        short = handler.rpartition(".")[2]
        for name in _command_names(short):
            if len(name) >= MIN_UNIQUE_NAME and (found := self.unique(name, self.family(number), GUESS)):
                return found
        return []

    def _siblings(self, number: int) -> list[int]:
        """The files with the code of a template: the same path without its last ending, or with one more."""
        path = self.files[number].path
        if self.files[number].language not in ("html", "razor", "xaml", "vue"):
            return []
        bare = re.sub(r"\.\w+\Z", "", path)
        model = bare.replace("Views/", "ViewModels/")
        wanted = (
            f"{bare}.ts",
            f"{path}.cs",
            f"{bare}.cs",
            f"{bare}.js",
            f"{bare}ViewModel.cs",
            f"{model}ViewModel.cs",
            f"{model.removesuffix('View')}ViewModel.cs",
        )
        return [self.by_path[name] for name in wanted if name in self.by_path]

    def _data(self, number: int, ref: NodeRef) -> Iterator[Edge]:
        node = self.files[number].nodes[ref.index]
        if not node.target:
            return
        label = READS if node.type == DATABASE_READ else WRITES
        path = self.files[number].path
        if node.verb == "EXEC":
            for to, sure in self.unique(node.target, "sql", LIKELY):
                yield Edge(ref, to, CALLS, sure)
            return
        key = key_of(node.target)
        for index in (self.tables, self.entities, self.stored):
            found = nearest(index.get(key), path)
            if found:
                yield Edge(ref, found[0], label, node.confidence)
                return
        for other in (key + "s", key.removesuffix("s"), key + "entity", key.removesuffix("entity")):
            found = nearest(self.entities.get(other) or self.tables.get(other), path) if other != key else []
            if found:
                yield Edge(ref, found[0], label, min(node.confidence, GUESS))
                return


def _command_names(handler: str) -> tuple[str, ...]:
    """A command's name as its method may be called: SaveCommand → Save, SaveAsync, OnSave, ExecuteSave."""
    if not handler.endswith("Command"):
        return (handler,)
    bare = handler.removesuffix("Command")
    return (handler, bare, f"{bare}Async", f"On{bare}", f"Execute{bare}")
