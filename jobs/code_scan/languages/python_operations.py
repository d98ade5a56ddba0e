"""What a Python call does, and the evidence for it."""

from __future__ import annotations

import re

from tree_sitter import Node

from jobs.code_scan.facts import (
    API_CALL,
    CERTAIN,
    DATA_TRANSFORM,
    DATABASE_READ,
    DATABASE_WRITE,
    FILE_READ,
    FILE_WRITE,
    LIKELY,
    SELF,
)
from jobs.code_scan.languages import known_python as known
from jobs.code_scan.languages import sql_text
from jobs.code_scan.languages.call_site import CallSite
from jobs.code_scan.languages.literals import add_sql, endpoint, python_literal
from jobs.code_scan.languages.python_frameworks import MANAGER, QUERY, Frameworks
from jobs.code_scan.languages.python_receivers import DOTTED, MADE
from jobs.code_scan.languages.source import RECEIVER_MAX_BYTES, clean

_MODE = re.compile(r"""(?:mode\s*=\s*)?["']([rwaxbt+]{1,4})["']\Z""")


class Operations(Frameworks):
    """Judges the calls of one file against what is known of their receivers."""

    def call(self, start: int, end: int, node: Node) -> None:
        data = self.data
        dot = data.rfind(b".", start, end) if node.type == "attribute" else -1
        name = data[dot + 1 if dot >= 0 else start : end].decode("utf-8", "replace").strip()
        receiver = (
            data[start : min(dot, start + RECEIVER_MAX_BYTES)].decode("utf-8", "replace").rstrip() if dot >= 0 else ""
        )
        if (name in known.METHODS or receiver.endswith((".objects", ".query"))) and self._judge(
            name, receiver, CallSite(self.source, node, start)
        ):
            return
        if name in known.NOISE or len(receiver) > 80 or "(" in receiver:
            return
        self._call(name, receiver, start)

    def _call(self, name: str, receiver: str, start: int) -> None:
        caller = self.scopes.function()
        if caller is None or not name.isidentifier():
            return
        if receiver in ("self", "cls", "super()"):
            known_type: str | None = SELF
        elif not receiver:
            known_type = ""
        elif receiver in self.names:
            known_type = receiver
        else:
            variable, rest = self._variable(receiver)
            made = MADE.match(variable.made_from) if variable and variable.made_from else None
            type_ = variable.type if variable and variable.type else (made[1] if made else None)
            known_type = (
                type_.rpartition(".")[2] if type_ and not rest else (receiver if receiver[:1].isupper() else None)
            )
        self.source.call(caller, name, known_type, start)

    def _judge(self, name: str, receiver: str, site: CallSite) -> bool:
        manager = MANAGER.match(receiver)
        if manager:
            return self._django(name, receiver, manager, site)
        if not receiver:
            return self._function(name, site)
        full = self.full_name(receiver) if DOTTED.fullmatch(receiver) else receiver
        rule = known.FUNCTIONS.get(f"{full}.{name}")
        if rule is not None:
            return self._apply(rule, name, f"{full}.{name}, {full} imported", CERTAIN, receiver, site)
        if name in ("delay", "apply_async"):
            return self._celery(name, receiver, site)
        if full in ("alembic.op", "op") and name == "create_table" and self.has_import("alembic"):
            return self._table(site, "alembic create_table")
        if name == "register" and self.has_import("rest_framework"):
            return self._registered(site)
        type_ = self.type_name(receiver)
        rules = known.TYPES.get(type_) if type_ else None
        if rules is not None and name in rules:
            how = "" if receiver == type_ else f" ({clean(receiver)[:40]})"
            return self._apply(rules[name], name, f"{type_}.{name}{how}", CERTAIN, receiver, site)
        query = QUERY.match(receiver)
        if query and name in known.QUERY_READS:
            table = query[1].rpartition(".")[2]
            certain = CERTAIN if table in self.models or self.has_import("flask_sqlalchemy", "sqlalchemy") else LIKELY
            return self._add(DATABASE_READ, table, table, "SELECT", site, certain, f"{table}.query, Flask-SQLAlchemy's")
        if name in ("save", "delete"):
            return self._save(name, receiver, site)
        last = receiver.rpartition(".")[2].strip("_").lower()
        convention = known.CONVENTIONS.get(last)
        is_unknown = type_ is None or type_ == receiver or type_.startswith(("self.", "cls.")) or "." not in type_
        if convention and is_unknown and self.has_import(*convention[0]) and name in known.TYPES[convention[1]]:
            library = next(item for item in convention[0] if self.has_import(item))
            return self._apply(
                known.TYPES[convention[1]][name],
                name,
                f"{receiver}.{name}: named like one, {library} imported",
                LIKELY,
                receiver,
                site,
            )
        if name in ("read_text", "write_text", "read_bytes", "write_bytes") and self.has_import("pathlib"):
            return self._apply(
                known.TYPES["pathlib.Path"][name],
                name,
                f"{name} is a path's, pathlib imported",
                LIKELY,
                receiver,
                site,
            )
        if name in ("model_dump", "model_validate") and self.has_import("pydantic", "sqlmodel", "fastapi"):
            return self._add(
                DATA_TRANSFORM, f"{clean(receiver)[:60]}.{name}", None, None, site, LIKELY, f"pydantic {name}"
            )
        return False

    def _function(self, name: str, site: CallSite) -> bool:
        full = self.full_name(name)
        if name == "open" and full == "open":
            if self.scopes.variable("open") is not None:
                return False
            return self._apply((FILE_READ, None, "mode"), name, "the builtin open", CERTAIN, "", site)
        rule = known.FUNCTIONS.get(full)
        if rule is not None:
            return self._apply(rule, name, f"{full}, imported", CERTAIN, "", site)
        if full in ("django.urls.path", "django.urls.re_path", "django.conf.urls.url", "django.conf.urls.re_path"):
            return self._django_path(site)
        if full in ("sqlalchemy.Table", "sqlalchemy.schema.Table"):
            return self._table(site, "SQLAlchemy Table")
        return False

    def _apply(
        self, rule: known.Rule, name: str, evidence: str, confidence: float, receiver: str, site: CallSite
    ) -> bool:
        operation, verb, where = rule
        arguments = site.arguments
        if where == "sql":
            return self._sql(arguments, evidence, site, confidence)
        if where in ("mode", "path mode"):
            position = 1 if where == "mode" else 0
            mode = next(
                (
                    match[1]
                    for argument in arguments[position : position + 3]
                    if (match := _MODE.match(argument.strip()))
                ),
                "r",
            )
            operation = FILE_WRITE if set(mode) & set("wax+") else FILE_READ
            where = "0" if where == "mode" else "receiver"
        if where == "name":
            return self._add(
                operation,
                f"{receiver}.{name}" if receiver and len(receiver) < 40 else name,
                None,
                None,
                site,
                confidence,
                evidence,
            )
        if where == "model":
            return self._model(operation, name, arguments, site, confidence, evidence)
        if where == "made":
            target = self._made(arguments[0]) if arguments else None
            if target is None and "sqlalchemy" not in evidence and "sqlmodel" not in evidence:
                return False
            return self._add(operation, target or "(table not in sight)", target, verb, site, confidence, evidence)
        target = shown = None
        if where == "receiver":
            target = python_literal(re.sub(r"^(?:pathlib\.)?Path\(", "", receiver)) if "Path(" in receiver else None
            shown = clean(receiver)[:80]
        elif where:
            value = self._argument(arguments, where)
            target = self._text(value) if value is not None else None
            shown = clean(value)[:80] if value else None
        if operation == API_CALL:
            if verb is None and arguments:
                method = python_literal(arguments[0])
                verb = method.upper() if method else None
            target = endpoint(target) if target else None
            return self._add(
                operation,
                f"{verb or 'HTTP'} {target or shown or '(address not in sight)'}",
                target,
                verb,
                site,
                confidence,
                evidence,
            )
        return self._add(operation, target or shown or name, target, verb, site, confidence, evidence)

    def _sql(self, arguments: list[str], evidence: str, site: CallSite, confidence: float) -> bool:
        first = arguments[0].strip() if arguments else ""
        wrapped = re.match(r"(?:\w+\.)?text\(\s*(.*)\)\Z", first, re.DOTALL)
        text = self._text(wrapped[1] if wrapped else first)
        if text is None:
            return True  # a statement object, recorded where it is built
        if not sql_text.looks_like_sql(text, strict=False):
            return True
        return add_sql(
            self.source,
            text,
            site.start,
            site.end,
            self.scopes.function(),
            confidence,
            f"SQL text given to {evidence}",
        )

    def _model(
        self, operation: str, name: str, arguments: list[str], site: CallSite, confidence: float, evidence: str
    ) -> bool:
        match = re.match(r"\s*((?:\w+\.)*[A-Z]\w*|\w+(?:\.\w+)*)", arguments[0]) if arguments else None
        if match is None:
            return False
        parts = match[1].split(".")
        table = next((part for part in parts if part[:1].isupper()), None)
        if table is None and (name == "get" or parts[0] in ("func", "text", "literal", "literal_column", "sa")):
            return False
        verb = name.upper() if operation == DATABASE_WRITE else "SELECT"
        return self._add(operation, table or parts[0], table or parts[0], verb, site, confidence, evidence)
