"""The names of a project's files, indexed, and which function a call means."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from jobs.code_scan.facts import (
    CERTAIN,
    CLASS,
    ENTITY,
    FUNCTION,
    GUESS,
    LIKELY,
    MESSAGE_RECEIVE,
    ROUTE,
    SELF,
    TABLE,
    FileFacts,
    NodeRef,
)
from jobs.code_scan.link_paths import MAX_MATCHES, Modules, RouteTable, shared_folders

_FAMILIES = {
    "typescript": "script",
    "tsx": "script",
    "javascript": "script",
    "vue": "script",
    "html": "script",
    "razor": "csharp",
    "xaml": "csharp",
}
_BASE = re.compile(r"[\w.]+")
_GENERIC = re.compile(r"<[^<>]*>")
MAX_RECEIVERS = 20
MAX_BASES = 5
MIN_UNIQUE_NAME = 6
Found = list[tuple[NodeRef, float]]
Imported = dict[str, tuple[int | None, str | None]]  # name in a file → (file, name there)


class Names:
    """Every function, class, route, entity, table and topic by its names."""

    def __init__(self, files: Iterable[FileFacts]) -> None:
        self.files = [file for file in files if file.nodes or file.calls]
        self.by_path = {file.path: number for number, file in enumerate(self.files)}
        self.functions: list[dict[str, NodeRef]] = []
        self.by_short: dict[str, list[tuple[int, NodeRef]]] = defaultdict(list)
        self.in_class: dict[tuple[str, str], list[tuple[int, NodeRef]]] = defaultdict(list)
        self.classes: dict[str, list[tuple[int, NodeRef]]] = defaultdict(list)
        self.bases: dict[str, list[str]] = defaultdict(list)
        self.derived: dict[str, list[str]] = defaultdict(list)
        self.routes = RouteTable()
        self.tables: dict[str, list[tuple[str, NodeRef]]] = defaultdict(list)
        self.entities: dict[str, list[tuple[str, NodeRef]]] = defaultdict(list)
        self.stored: dict[str, list[tuple[str, NodeRef]]] = defaultdict(list)
        self.receivers: dict[str, list[NodeRef]] = defaultdict(list)
        self.modules = Modules()
        for number, file in enumerate(self.files):
            self._add(number, file)

    def _add(self, number: int, file: FileFacts) -> None:
        path = file.path
        own: dict[str, NodeRef] = {}
        self.functions.append(own)
        self.modules.add(path, number)
        for index, node in enumerate(file.nodes):
            type_ = node.type
            if type_ in (FUNCTION, CLASS):
                ref = NodeRef(path, index)
                holder, _, short = node.name.rpartition(".")
                if type_ == FUNCTION:
                    own.setdefault(node.name, ref)
                    self.by_short[short].append((number, ref))
                    if holder:
                        self.in_class[(holder.rpartition(".")[2], short)].append((number, ref))
                else:
                    self.classes[short].append((number, ref))
                    for base in _bases(node.target):
                        if base not in self.bases[short]:
                            self.bases[short].append(base)
                            self.derived[base].append(short)
            elif type_ == ROUTE:
                if node.target:
                    self.routes.add(NodeRef(path, index), node.verb, node.target)
            elif type_ == TABLE:
                self.tables[key_of(node.target or node.name)].append((path, NodeRef(path, index)))
            elif type_ == ENTITY:
                ref = NodeRef(path, index)
                self.entities[key_of(node.name.rpartition(".")[2])].append((path, ref))
                if node.target:
                    self.stored[key_of(node.target)].append((path, ref))
            elif type_ == MESSAGE_RECEIVE and node.target:
                self.receivers[node.target].append(NodeRef(path, index))

    def imports_of(self, number: int) -> Imported:
        """What each imported name means: (file, the name there), as far as it is a file of the project."""
        file = self.files[number]
        is_python = file.language == "python"
        found: Imported = {}
        for name, module, member in file.imports:
            if name == "*":
                continue
            target = None
            if is_python and member:
                below = self.modules.find(file.path, f"{module}{'' if module.endswith('.') else '.'}{member}", True)
                if below is not None:
                    found[name] = (below, None)
                    continue
            target = self.modules.find(file.path, module, is_python)
            if target is not None:
                found[name] = (target, member)
        return found

    def callee(
        self,
        number: int,
        caller: str,
        callee: str,
        receiver: str | None,
        imports: Imported,
    ) -> Found:
        own = self.functions[number]
        family = self.family(number)
        if family == "sql":
            return self.unique(callee, family, CERTAIN)
        if receiver == "":
            scope = caller
            while scope:
                ref = own.get(f"{scope}.{callee}")
                if ref is not None:
                    return [(ref, CERTAIN)]
                scope = scope.rpartition(".")[0]
            if callee in own:
                return [(own[callee], CERTAIN)]
            if callee in imports:
                file, member = imports[callee]
                return self.in_file(file, member or callee)
            return self._inherited(caller, callee, family) if family == "csharp" else []
        if receiver == SELF:
            ref = own.get(f"{caller.rpartition('.')[0]}.{callee}")
            return [(ref, CERTAIN)] if ref is not None else self._inherited(caller, callee, family)
        if receiver is None:
            return self.unique(callee, family, GUESS) if len(callee) >= MIN_UNIQUE_NAME else []
        if receiver in imports:
            file, member = imports[receiver]
            found = self.in_file(file, f"{member}.{callee}") if member else []
            found = found or self.in_file(file, callee)
            if found:
                return found
        return self._method(number, receiver, callee, family)

    def in_file(self, file: int | None, name: str) -> Found:
        """A function of a file by its name, or the only one of it that ends so."""
        if file is None:
            return []
        own = self.functions[file]
        if name in own:
            return [(own[name], CERTAIN)]
        short = name.rpartition(".")[2]
        ends = [ref for full, ref in own.items() if full == short or full.endswith("." + short)]
        return [(ends[0], LIKELY)] if len(ends) == 1 else []

    def _method(self, number: int, class_name: str, callee: str, family: str) -> Found:
        """A method of a class or of what implements it, by the name of the class."""
        direct = [ref for file, ref in self.in_class.get((class_name, callee), ()) if self.family(file) == family]
        below = [
            ref
            for child in self.derived.get(class_name, ())[:MAX_RECEIVERS]
            for file, ref in self.in_class.get((child, callee), ())
            if self.family(file) == family
        ]
        path = self.files[number].path
        found: Found = []
        if direct:
            near = nearest([(ref.path, ref) for ref in direct], path)
            found = [(ref, CERTAIN if len(direct) == 1 else LIKELY) for ref in near[:1]]
        if below and len(below) <= MAX_MATCHES:
            found += [(ref, LIKELY if len(below) == 1 else GUESS) for ref in below]
        return found or self._inherited_from(class_name, callee, family, 0)

    def _inherited(self, caller: str, callee: str, family: str) -> Found:
        holder = caller.rpartition(".")[0].rpartition(".")[2]
        return self._inherited_from(holder, callee, family, 0) if holder else []

    def _inherited_from(self, class_name: str, callee: str, family: str, depth: int) -> Found:
        if depth >= MAX_BASES:
            return []
        for base in self.bases.get(class_name, ())[:MAX_BASES]:
            found = [ref for file, ref in self.in_class.get((base, callee), ()) if self.family(file) == family]
            if found and len(found) <= MAX_MATCHES:
                return [(found[0], LIKELY)] if len(found) == 1 else [(ref, GUESS) for ref in found]
            above = self._inherited_from(base, callee, family, depth + 1)
            if above:
                return above
        return []

    def unique(self, name: str, family: str, confidence: float) -> Found:
        found = [ref for file, ref in self.by_short.get(name, ()) if self.family(file) == family]
        return [(found[0], confidence)] if len(found) == 1 else []

    def family(self, number: int) -> str:
        language = self.files[number].language
        return _FAMILIES.get(language, language)


def key_of(name: str) -> str:
    return name.lower().replace("_", "")


def _bases(target: str | None) -> list[str]:
    if not target:
        return []
    text = target
    for _ in range(4):
        shorter = _GENERIC.sub("", text)
        if shorter == text:
            break
        text = shorter
    return [
        match[0].rpartition(".")[2] for part in text.split(",") if "=" not in part and (match := _BASE.search(part))
    ]


def nearest(found: list[tuple[str, NodeRef]] | None, path: str) -> list[NodeRef]:
    """The one that shares most folders with `path`, of several of the same name."""
    if not found:
        return []
    return [max(found, key=lambda item: (shared_folders(item[0], path), item[1].path, -item[1].index))[1]]
