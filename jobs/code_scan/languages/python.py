"""Python: one query finds declarations and calls, one sweep over them in order says what they do."""

from __future__ import annotations

import re
from functools import cache
from operator import itemgetter
from typing import NamedTuple

import tree_sitter_python
from tree_sitter import Language, Node, Parser, Query, QueryCursor

from jobs.code_scan.facts import CACHE_READ, CERTAIN, CLASS, ENTITY, FUNCTION, LIKELY, MESSAGE_RECEIVE, TABLE, FileFacts
from jobs.code_scan.languages import known_python as known
from jobs.code_scan.languages import sql_text
from jobs.code_scan.languages.literals import add_sql, python_literal
from jobs.code_scan.languages.python_operations import Operations
from jobs.code_scan.languages.scopes import Scope, ScopeStack, Variable
from jobs.code_scan.languages.source import Source

_QUERY = """
(class_definition) @class
(function_definition) @fn
(import_statement) @import (import_from_statement) @import
(decorator) @decorator
(typed_parameter) @parameter (typed_default_parameter) @parameter
(assignment) @assignment
(as_pattern) @alias
(call function: (_) @call)
"""
_STRINGS = "(string) @string"
_FROM = re.compile(r"from\s+(\.*\s*[\w.]*)\s+import\s+(.*)", re.DOTALL)
_ITEM = re.compile(r"(\*|[\w.]+)(?:\s+as\s+(\w+))?")
_PARAMETER = re.compile(r"(\w+)\s*:\s*(.{1,200})", re.DOTALL)
_ASSIGNMENT = re.compile(r"((?:self\.|cls\.)?\w+)\s*(?::\s*([^=]{1,120}?))?\s*(?:=(?!=)\s*(.*))?\Z", re.DOTALL)
_COMMENT = re.compile(r"#[^\n]*")
_TYPE = re.compile(r"(?:Optional\[|Annotated\[|typing\.Optional\[|\"|')?\s*([A-Za-z_][\w.]*)")
_DECORATOR = re.compile(r"@\s*([\w.]+)\s*(?:\((.*)\))?\s*\Z", re.DOTALL)
_DJANGO_BASE = re.compile(r"(?:^|[\s,])models\.Model\b")
_DJANGO_FIELD = re.compile(r"^    \w+\s*(?::[^=\n]*)?=\s*models\.(?:\w*Field|ForeignKey)\(", re.MULTILINE)
_TABLE_NAME = re.compile(r"__tablename__\s*(?::[^=]*)?=\s*(.{1,120})")
_DB_TABLE = re.compile(r"db_table\s*=\s*(.{1,120})")


class _Grammar(NamedTuple):
    parser: Parser
    query: Query
    strings: Query


@cache
def _grammar() -> _Grammar:
    language = Language(tree_sitter_python.language())
    return _Grammar(Parser(language), Query(language, _QUERY), Query(language, _STRINGS))


_HANDLERS = {
    "class": "class_",
    "fn": "function",
    "import": "import_",
    "decorator": "decorator",
    "parameter": "parameter",
    "assignment": "assignment",
    "alias": "alias",
    "call": "call",
}


def analyze(path: str, language: str, data: bytes) -> FileFacts:
    """The facts of one Python file."""
    source = Source(path, language, data)
    grammar = _grammar()
    root = grammar.parser.parse(data).root_node
    source.broken = int(root.has_error)
    captures = QueryCursor(grammar.query).captures(root)
    sweep = _Sweep(source)
    events = [
        (node.start_byte, node.end_byte, order, node)
        for order, kind in enumerate(_HANDLERS)
        for node in captures.get(kind, ())
    ]
    if sql_text.mentions_sql(data):
        strings = QueryCursor(grammar.strings).captures(root).get("string", ())
        events.extend((node.start_byte, node.end_byte, len(_HANDLERS), node) for node in strings)
    events.sort(key=itemgetter(0))
    handlers = [getattr(sweep, name) for name in (*_HANDLERS.values(), "string")]
    open_scopes, leave = sweep.scopes.open, sweep.scopes.leave
    for start, end, order, node in events:
        if open_scopes[-1].end <= start:
            leave(start)
        handlers[order](start, end, node)
    return source.facts()


class _Sweep:
    """Handles each capture in the order of the file."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.data = source.data
        self.scopes = ScopeStack(fields_are_bare=False)
        self.operations = Operations(source, self.scopes)
        self.decorators: list[tuple[str, str, int, int]] = []

    def import_(self, start: int, end: int, _node: Node) -> None:
        text = _COMMENT.sub("", self.source.text(start, end))
        match = _FROM.match(text)
        items = match[2].strip("() \n\\") if match else text[len("import") :]
        for item in items.split(","):
            part = _ITEM.match(item.strip())
            if not part:
                continue
            name, alias = part[1], part[2]
            if match:
                module = match[1].replace(" ", "")
                self.source.bring_in(alias or name, module, name)
                self.operations.bring_in(alias or name, f"{module}.{name}", module)
            else:
                self.source.bring_in(alias or name, name)
                self.operations.bring_in(
                    alias or name.partition(".")[0], name if alias else name.partition(".")[0], name
                )

    def class_(self, start: int, end: int, node: Node) -> None:
        name_node, bases_node = node.child_by_field_name("name"), node.child_by_field_name("superclasses")
        if name_node is None:
            return
        name = self.source.text(name_node.start_byte, name_node.end_byte)
        bases = self.source.text(bases_node.start_byte + 1, bases_node.end_byte - 1) if bases_node is not None else ""
        bases = " ".join(bases.split())
        self.decorators.clear()
        scope = self.scopes.enter(name, True, start, end, bases)
        self.source.add(CLASS, scope.name, start, end, target=bases or None, evidence="declaration")
        if bases:
            self._entity(scope, bases, start, end)

    def _entity(self, scope: Scope, bases: str, start: int, end: int) -> None:
        body = self.source.text(start, min(end, start + 20_000))
        named = _TABLE_NAME.search(body)
        table = python_literal(named[1]) if named else None
        operations = self.operations
        if table:
            evidence = f'__tablename__ = "{table}"'
        elif "table=True" in bases.replace(" ", "") and operations.has_import("sqlmodel"):
            table, evidence = scope.short.lower(), "SQLModel with table=True, its table named by convention"
        elif operations.has_import("django") and (_DJANGO_BASE.search(bases) or _DJANGO_FIELD.search(body)):
            if re.search(r"^\s+abstract\s*=\s*True", body, re.MULTILINE):
                return
            named = _DB_TABLE.search(body)
            table = python_literal(named[1]) if named else None
            evidence = "Django model"
        elif re.search(r"(?:^|[\s,])db\.Model\b", bases):
            evidence = "Flask-SQLAlchemy model"
        else:
            return
        operations.models.add(scope.short)
        self.source.add(ENTITY, scope.name, start, end, target=table, evidence=evidence)
        if table:
            certain = CERTAIN if "convention" not in evidence else LIKELY
            self.source.add(
                TABLE, table, start, end, target=table, confidence=certain, evidence=f"{evidence} of {scope.short}"
            )

    def function(self, start: int, end: int, node: Node) -> None:
        name_node = node.child_by_field_name("name")
        if name_node is None:
            return
        name = self.source.text(name_node.start_byte, name_node.end_byte)
        scope = self.scopes.enter(name, False, start, end)
        self.source.add(FUNCTION, scope.name, start, end, evidence="declaration")
        for dotted, arguments, at, to in self.decorators:
            self._decorated(scope, dotted, arguments, at, to)
        self.decorators.clear()

    def decorator(self, start: int, end: int, _node: Node) -> None:
        match = _DECORATOR.match(
            _COMMENT.sub("", self.source.text(start, min(end, start + 2000)))
            if b"#" in self.data[start:end]
            else self.source.text(start, min(end, start + 2000))
        )
        if match:
            self.decorators.append((match[1], match[2] or "", start, end))

    def _decorated(self, scope: Scope, dotted: str, arguments: str, start: int, end: int) -> None:
        full = self.operations.full_name(dotted)
        last = dotted.rpartition(".")[2]
        if self.operations.route(scope, dotted, last, arguments, start):
            return
        if full in known.CACHING_DECORATORS or (
            last in ("cached", "memoize") and self.operations.has_import("flask_caching")
        ):
            self.source.add(
                CACHE_READ,
                scope.short,
                start,
                end,
                function=scope.name,
                target=scope.short,
                evidence=f"{full} keeps its results",
            )
        elif last in ("task", "shared_task", "periodic_task", "actor") and (
            full.startswith(("celery.", "dramatiq."))
            or self.operations.has_import("celery", "dramatiq")
            or "celery" in dotted
        ):
            self.source.add(
                MESSAGE_RECEIVE,
                scope.short,
                start,
                end,
                function=scope.name,
                target=scope.short,
                evidence=f"@{dotted} makes it a task that a worker takes from a queue",
            )

    def parameter(self, start: int, end: int, _node: Node) -> None:
        match = _PARAMETER.match(self.source.text(start, min(end, start + 260)))
        if match:
            type_ = _TYPE.match(match[2])
            if type_:
                self.scopes.current.variables[match[1]] = Variable(type_[1], "declared")

    def assignment(self, start: int, end: int, _node: Node) -> None:
        match = _ASSIGNMENT.match(self.data[start : min(end, start + 260)].decode("utf-8", "replace"))
        if match is None:
            return
        name, type_, value = match.groups()
        value = (value or "").removeprefix("await ").strip()
        declared = _TYPE.match(type_) if type_ else None
        variable = Variable(declared[1] if declared else None, "declared" if declared else "assigned", value)
        if name.startswith(("self.", "cls.")):
            holder = self.scopes.class_scope()
            if holder is not None:
                if variable.type is None and re.fullmatch(r"\w+", value):
                    handed = self.scopes.variable(value)
                    variable = handed or variable
                holder.variables.setdefault(name.partition(".")[2], variable)
            return
        self.scopes.current.variables[name] = variable

    def alias(self, start: int, end: int, _node: Node) -> None:
        value, _, name = self.source.text(start, min(end, start + 260)).rpartition(" as ")
        if value and name.isidentifier():
            self.scopes.current.variables[name] = Variable(None, "opened", value.strip().removeprefix("await "))

    def call(self, start: int, end: int, node: Node) -> None:
        self.operations.call(start, end, node)

    def string(self, start: int, end: int, node: Node) -> None:
        if node.parent is not None and node.parent.type == "expression_statement":
            return  # a docstring
        text = python_literal(self.source.text(start, end))
        if text and sql_text.looks_like_sql(text) and not sql_text.is_speech(text):
            library = next((name for name in known.SQL_LIBRARIES if self.operations.has_import(name)), None)
            note = f"SQL text in a string, {library} imported" if library else "SQL text in a string"
            add_sql(self.source, text, start, end, self.scopes.function(), CERTAIN if library else LIKELY, note)
