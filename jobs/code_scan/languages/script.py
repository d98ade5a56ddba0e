"""TypeScript, TSX and JavaScript: one query finds declarations and calls, one sweep over them in order says what they
do."""

from __future__ import annotations

import re
from functools import cache
from operator import itemgetter
from typing import NamedTuple

import tree_sitter_javascript
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser, Query, QueryCursor

from jobs.code_scan.facts import CERTAIN, CLASS, ENTITY, FUNCTION, LIKELY, TABLE, FileFacts
from jobs.code_scan.languages import known_script as known
from jobs.code_scan.languages import sql_text
from jobs.code_scan.languages.literals import add_sql, script_literal
from jobs.code_scan.languages.scopes import Scope, ScopeStack, Variable
from jobs.code_scan.languages.script_interface import add_jsx, add_template
from jobs.code_scan.languages.script_operations import Operations
from jobs.code_scan.languages.script_routes import Routes, add_angular_routes, add_next_routes
from jobs.code_scan.languages.source import Source

_COMMON = """
(class_declaration) @class
(function_declaration) @fn (generator_function_declaration) @fn (method_definition) @fn
(variable_declarator value: [(arrow_function) (function_expression)]) @fn
(variable_declarator
  value: (call_expression function: (identifier)
    arguments: (arguments [(arrow_function) (function_expression)]))) @wrapped
(assignment_expression left: (member_expression) right: [(arrow_function) (function_expression)]) @assigned
(pair key: (property_identifier) value: [(arrow_function) (function_expression)]) @member
(import_statement) @import
(variable_declarator) @var
(decorator) @decorator
(call_expression function: (_) @call)
(new_expression) @new
"""
_TYPED = """
(abstract_class_declaration) @class (interface_declaration) @class
(public_field_definition) @field
(public_field_definition value: [(arrow_function) (function_expression)]) @fn
(required_parameter) @parameter
"""
_PLAIN = """
(field_definition) @field
(field_definition value: [(arrow_function) (function_expression)]) @fn
"""
_JSX = "(jsx_attribute) @jsx"
_STRINGS = "[(string) (template_string)] @string"
_IMPORT = re.compile(r"import\s+(?:type\s+)?(.*?)\s*from\s*[\"']([^\"']+)[\"']", re.DOTALL)
_REQUIRE = re.compile(r"(?:await\s+)?(?:require|import)\(\s*[\"']([^\"']+)[\"']\s*\)(?:\.(\w+))?")
_ALIAS = re.compile(r"(\w+)(?:\s*(?:as|:)\s*(\w+))?")
_CLASS = re.compile(
    r"(?:class|interface)\s+(\w+)\s*(?:<[^{]*?>)?\s*(?:extends\s+([\w.,\s]+(?:<[^{]*?>)?))?\s*(?:implements\s+([^{]+?))?\s*\{"
)
_VARIABLE = re.compile(
    r"(?:(?:public|private|protected|readonly|static|declare|override|abstract|async|@\w+(?:\([^)]*\))?)\s+)*"
    r"(#?[\w$]+)[?!]?\s*(?::\s*([\w.$]+(?:<[^;={}()]*>)?(?:\[\])?(?:\s*\|\s*(?:null|undefined))?))?\s*(?:=(?![=>])\s*(.*))?",
    re.DOTALL,
)
_DESTRUCTURED = re.compile(r"\{([^{}]*)\}\s*=\s*(.*)", re.DOTALL)
_DECORATOR = re.compile(r"@\s*([\w.]+)\s*(?:\((.*)\))?\s*\Z", re.DOTALL)
_NEW = re.compile(r"new\s+([\w.$]+(?:<[\w.,<> \[\]]*>)?)\s*\(?\s*(.*)", re.DOTALL)
_NAMED = re.compile(r"(?:name|tableName|collection)\s*:\s*(.{1,100})", re.DOTALL)

MINIFIED_MIN_BYTES = 10_000
MINIFIED_LINE_BYTES = 400


class _Grammar(NamedTuple):
    parser: Parser
    query: Query
    strings: Query


@cache
def _grammar(language: str) -> _Grammar:
    grammar, query = {
        "typescript": (tree_sitter_typescript.language_typescript, _COMMON + _TYPED),
        "tsx": (tree_sitter_typescript.language_tsx, _COMMON + _TYPED + _JSX),
        "javascript": (tree_sitter_javascript.language, _COMMON + _PLAIN + _JSX),
    }[language]
    loaded = Language(grammar())
    return _Grammar(Parser(loaded), Query(loaded, query), Query(loaded, _STRINGS))


_HANDLERS = {
    "class": "class_",
    "fn": "function",
    "wrapped": "wrapped",
    "assigned": "function",
    "member": "member",
    "import": "import_",
    "decorator": "decorator",
    "parameter": "variable",
    "field": "variable",
    "var": "variable",
    "call": "call",
    "new": "new",
    "jsx": "jsx",
}


def analyze(path: str, language: str, data: bytes) -> FileFacts:
    """The facts of one TypeScript, TSX or JavaScript file; a minified one has none, since no person wrote its lines."""
    source = Source(path, language, data)
    if not is_minified(data):
        read_into(source, language)
    return source.facts()


def is_minified(data: bytes) -> bool:
    return len(data) > MINIFIED_MIN_BYTES and len(data) / (data.count(b"\n") + 1) > MINIFIED_LINE_BYTES


def read_into(source: Source, language: str) -> None:
    """Add everything that `source` says as a script: for whole files, and for script sections blanked to keep their
    lines."""
    data = source.data
    grammar = _grammar(language)
    root = grammar.parser.parse(data).root_node
    source.broken += int(root.has_error)
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
    add_next_routes(source)
    if sweep.operations.has_import("@angular/router"):
        add_angular_routes(source)


class _Sweep:
    """Handles each capture in the order of the file."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.data = source.data
        self.scopes = ScopeStack(fields_are_bare=False)
        self.operations = Operations(source, self.scopes)
        self.routes = Routes(source, self.scopes, self.operations)
        self.pending: list[tuple[str, str, int, int]] = []

    def import_(self, start: int, end: int, _node: Node) -> None:
        match = _IMPORT.match(self.source.text(start, end))
        if match is None:
            return
        clause, module = match.groups()
        head, brace, named = clause.partition("{")
        for part in head.strip().rstrip(",").split(","):
            name = part.strip().removeprefix("* as ").strip()
            if name.isidentifier():
                self._bring_in(name, module, None)
        for item in named.rstrip("} \n").split(",") if brace else ():
            alias = _ALIAS.match(item.strip().removeprefix("type "))
            if alias:
                self._bring_in(alias[2] or alias[1], module, alias[1])

    def _bring_in(self, name: str, module: str, member: str | None) -> None:
        self.source.bring_in(name, module, member)
        self.operations.bring_in(name, module, member)

    def class_(self, start: int, end: int, node: Node) -> None:
        name_node = node.child_by_field_name("name")
        if name_node is None:
            return
        name = self.source.text(name_node.start_byte, name_node.end_byte)
        header = self.source.text(max(start, name_node.start_byte - 12), min(end, name_node.start_byte + 600))
        match = _CLASS.search(header)
        bases = ", ".join(part.strip() for part in (match[2], match[3]) if part) if match else ""
        scope = self.scopes.enter(name, True, start, end, " ".join(bases.split()))
        self.source.add(
            CLASS, scope.name, name_node.start_byte, end, target=scope.bases or None, evidence="declaration"
        )
        if re.match(r"Model\b", bases) and self.operations.has_import("sequelize", "sequelize-typescript"):
            self.operations.models.add(name)
        for decorator in self.pending:
            self._class_decorator(scope, *decorator)
        self.pending.clear()

    def function(self, start: int, end: int, node: Node) -> None:
        name_node = next(filter(None, map(node.child_by_field_name, ("name", "left", "property", "key"))), None)
        if name_node is None:
            return
        name = self.source.text(name_node.start_byte, name_node.end_byte)
        name = name.removeprefix("module.").removeprefix("exports.").removeprefix("this.").replace("\n", "")
        if not re.fullmatch(r"#?[\w$]+(?:\.[\w$]+)*", name):
            return
        scope = self.scopes.enter(name, False, start, end)
        self.source.add(FUNCTION, scope.name, name_node.start_byte, end, evidence="declaration")
        for dotted, arguments, at, _ in self.pending:
            self.routes.decorated(scope, dotted, arguments, at)
        self.pending.clear()

    def wrapped(self, start: int, end: int, node: Node) -> None:
        """`const create = asyncHandler(async () => …)` names a function too."""
        value = node.child_by_field_name("value")
        callee = value.child_by_field_name("function") if value is not None else None
        if (
            callee is not None
            and self.source.text(callee.start_byte, callee.end_byte) not in known.WRAPPERS_NOT_FUNCTIONS
        ):
            self.function(start, end, node)

    def member(self, start: int, end: int, node: Node) -> None:
        """A function in an object of the module is a function of it; one among options inside a function is not."""
        if self.scopes.function() is None:
            self.function(start, end, node)

    def decorator(self, start: int, end: int, node: Node) -> None:
        match = _DECORATOR.match(self.source.text(start, min(end, start + 60_000)))
        if match is None:
            return
        parent = node.parent
        holder = self.scopes.current
        found = (match[1], match[2] or "", start, end)
        if (
            parent is not None
            and parent.type in ("class_declaration", "abstract_class_declaration")
            and holder.is_class
            and holder.start == parent.start_byte
        ):
            self._class_decorator(holder, *found)
        elif parent is not None and parent.type == "class_body":
            following = node.next_named_sibling
            while following is not None and following.type == "decorator":
                following = following.next_named_sibling
            if following is not None and following.type == "method_definition":
                self.pending.append(found)
        elif parent is not None and parent.type in ("method_definition", "export_statement", "program"):
            self.pending.append(found)

    def _class_decorator(self, scope: Scope, dotted: str, arguments: str, start: int, end: int) -> None:
        if dotted == "Controller" and self.operations.has_import("@nestjs/common"):
            path = script_literal(arguments)
            named = re.search(r"path\s*:\s*(.{1,100})", arguments)
            scope.notes["controller"] = path if path is not None else (script_literal(named[1]) or "" if named else "")
        elif dotted in ("Entity", "Table", "Schema") and self.operations.has_import(
            "typeorm", "sequelize-typescript", "@nestjs/mongoose", "@mikro-orm/core"
        ):
            named = _NAMED.search(arguments)
            table = script_literal(arguments) or (script_literal(named[1]) if named else None)
            self.operations.models.add(scope.short)
            self.source.add(
                ENTITY, scope.short, start, end, target=table or scope.short.lower(), evidence=f"@{dotted} decorator"
            )
            self.source.add(
                TABLE,
                table or scope.short.lower(),
                start,
                end,
                target=table or scope.short.lower(),
                confidence=CERTAIN if table else LIKELY,
                evidence=f"@{dotted} decorator of {scope.short}" + ("" if table else ", named by convention"),
            )
        elif dotted == "Component":
            template = re.search(r"template\s*:\s*(?=`)", arguments)
            if template:
                at = self.data.find(b"`", start + 1, end)
                close = self.data.find(b"`", at + 1, end)
                if at >= 0 and close > at:
                    add_template(self.source, at + 1, close, scope.name)

    def variable(self, start: int, end: int, node: Node) -> None:
        text = self.data[start : min(end, start + 400)].decode("utf-8", "replace")
        if text.startswith("{"):
            self._destructured(text)
            return
        while text.startswith("@"):
            stripped = re.sub(r"\A@[\w.]+(?:\((?:[^()]|\([^()]*\))*\))?\s*", "", text)
            if stripped == text:
                return
            text = stripped
        match = _VARIABLE.match(text)
        if match is None:
            return
        name, type_, value = match.groups()
        value = (value or "").removeprefix("await ").strip()
        required = _REQUIRE.match(value)
        if required:
            self._bring_in(name, required[1], required[2])
            return
        made = _NEW.match(value)
        injected = re.match(r"inject\(\s*(\w+)", value)
        variable = Variable(
            type_ or (made[1] if made else injected[1] if injected else None),
            "declared" if type_ else "constructed" if made else "injected" if injected else "assigned",
            value[:300],
        )
        if node.type == "required_parameter" and re.match(r"(?:@.*\s)?(?:public|private|protected|readonly)\b", text):
            owner = self.scopes.class_scope()
            if owner is not None:
                owner.variables[name] = variable
        holder = self.scopes.current
        if holder.start == start and len(self.scopes.open) > 1:  # the function that this very declaration has opened
            holder = self.scopes.open[-2]
        holder.variables[name] = variable
        self._model(name, value, start, end)

    def _destructured(self, text: str) -> None:
        match = _DESTRUCTURED.match(text)
        if match is None:
            return
        required = _REQUIRE.match(match[2].strip())
        for item in match[1].split(","):
            alias = _ALIAS.match(item.strip())
            if alias and required:
                self._bring_in(alias[2] or alias[1], required[1], alias[1])

    def _model(self, name: str, value: str, start: int, end: int) -> None:
        match = re.match(
            r"(?:mongoose\.)?model\s*(?:<[^()]*>)?\(\s*([\"'`]\w+[\"'`])|(\w+)\.define\(\s*([\"'`]\w+[\"'`])", value
        )
        if match is None or not self.operations.has_import("mongoose", "sequelize"):
            return
        table = script_literal(match[1] or match[3])
        if table:
            self.operations.models.add(name)
            evidence = "mongoose model" if match[1] else "Sequelize define"
            self.source.add(ENTITY, table, start, end, target=table, evidence=evidence)

    def call(self, start: int, end: int, node: Node) -> None:
        if not self.routes.call(start, end, node):
            self.operations.call(start, end, node)

    def new(self, start: int, end: int, _node: Node) -> None:
        match = _NEW.match(self.source.text(start, min(end, start + 400)))
        if match:
            self.operations.construct(match[1], match[2], start, end)

    def jsx(self, start: int, end: int, node: Node) -> None:
        add_jsx(self.source, self.scopes, start, end, node)

    def string(self, start: int, end: int, _node: Node) -> None:
        text = script_literal(self.source.text(start, end))
        if text and sql_text.looks_like_sql(text) and not sql_text.is_speech(text):
            library = self.operations.sql_library()
            note = f"SQL text in a string, {library} imported" if library else "SQL text in a string"
            add_sql(self.source, text, start, end, self.scopes.function(), CERTAIN if library else LIKELY, note)
