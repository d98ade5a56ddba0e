"""Databases from C#: Entity Framework, Dapper and ADO.NET, and the mapping of entities to tables."""

from __future__ import annotations

import re

from jobs.code_scan.facts import (
    CERTAIN,
    DATABASE_READ,
    DATABASE_WRITE,
    ENTITY,
    LIKELY,
    TABLE,
)
from jobs.code_scan.languages import known_csharp as known
from jobs.code_scan.languages import sql_text
from jobs.code_scan.languages.call_site import CallSite
from jobs.code_scan.languages.csharp_receivers import MEMBER, NEW, ROOT, Receivers, simple
from jobs.code_scan.languages.literals import add_sql, csharp_literal

_PROCEDURE = re.compile(r"^(?:\{?\[?[\w{}]+\]?\}?\.)?\[?(\w+)\]?$")
_MODEL = re.compile(r"Entity<(\w+)>")


class DataOperations(Receivers):
    """Judges the calls that reach a database."""

    def is_context_class(self, name: str, bases: str) -> bool:
        return bool(re.search(r"\b\w*DbContext\b", bases)) and not name.startswith("I")

    def _sql(
        self, operation: str, where: str, arguments: list[str], site: CallSite, confidence: float, evidence: str
    ) -> bool:
        text = None
        if where == "sql":
            text = csharp_literal(arguments[0]) if arguments else None
            if text is None and arguments:
                variable = self.scopes.variable(arguments[0].strip())
                text = csharp_literal(variable.made_from) if variable and variable.made_from else None
        if text and sql_text.looks_like_sql(text, strict=False):
            if not sql_text.looks_like_sql(text):  # capitals are found by the sweep over strings
                add_sql(self.source, text, site.start, site.end, self.scopes.function(), confidence, evidence)
            return True
        procedure = _PROCEDURE.match(text.strip()) if text else None
        target = procedure[1] if procedure else None
        if where == "command" and any(
            item.type.startswith("database_") and item.function == self.scopes.function()
            for item in self.source.nodes[-8:]
        ):
            return True  # its SQL text was recorded where it stands
        return self._add(
            operation,
            target or "SQL",
            target,
            "EXEC" if target else None,
            site,
            confidence,
            evidence + (", a stored procedure" if target else ""),
        )

    def _is_context(self, type_: str, name: str = "") -> str | None:
        base = simple(type_)
        if base == "DbContext":
            return "a DbContext"
        if base.endswith("DbContext"):
            return f"{base} is a DbContext by its name"
        if base in self.contexts:
            return f"{base} derives from DbContext"
        if (
            base.endswith("Context")
            and base not in ("HttpContext", "ConsumeContext")
            and self.has_import("Microsoft.EntityFrameworkCore")
        ):
            return f"{base} is a context by its name, Entity Framework imported"
        if base.endswith("Context") and name in ("SaveChangesAsync", "SaveChanges"):
            return f"{base} is a context by its name"
        return None

    def _entity_framework(self, name: str, type_: str, how: str, rest: str, site: CallSite) -> bool:
        set_match = re.match(r"(?:Microsoft\.EntityFrameworkCore\.)?DbSet<([\w.]+)>|IQueryable<([\w.]+)>", type_)
        why = None
        table: str | None = None
        if set_match:
            if set_match[2] and not self.has_import("Microsoft.EntityFrameworkCore"):
                return False
            table = (set_match[1] or set_match[2]).rpartition(".")[2]
            why = f"{simple(type_)}<{table}>"
            if table in ("Guid", "String", "DateTime") or table[0].islower():
                table = None
        else:
            why = self._is_context(type_, name)
            if why:
                table = self._table_member(rest)
        if not why:
            return False
        writes = name in known.EF_WRITES
        if (
            writes
            and not set_match
            and rest.count(".") > 1
            and "Set<" not in rest
            and ".Database" not in rest
            and not name.startswith("Execute")
        ):
            return False  # context.Thing.Collection.Add(…) is not the database
        arguments = site.arguments
        if name in known.EF_SQL:
            text = csharp_literal(arguments[0]) if arguments else None
            if text and add_sql(
                self.source, text, site.start, site.end, self.scopes.function(), CERTAIN, f"{name}, {why}"
            ):
                return True
        if writes and table is None and arguments and not name.startswith("SaveChanges"):
            variable = self.scopes.variable(arguments[0].strip())
            made = NEW.match(arguments[0])
            typed = self._type_of(variable) if variable else None
            table = made[1].rpartition(".")[2] if made else (simple(typed) if typed else None)
        confidence = (
            CERTAIN if self.has_import("Microsoft.EntityFrameworkCore") or set_match or "derives" in why else LIKELY
        )
        self._add_database(
            DATABASE_WRITE if writes else DATABASE_READ,
            table,
            site,
            confidence,
            f"{name} on {why}" + (f" ({how})" if how else ""),
            name,
        )
        return True

    def _table_member(self, rest: str) -> str | None:
        generic = re.match(r"[?!]?\.Set<([\w.]+)>", rest)
        if generic:
            return generic[1].rpartition(".")[2]
        member = MEMBER.match(rest)
        return (
            member[1] if member and member[1] not in ("Database", "ChangeTracker") and member[1][0].isupper() else None
        )

    def _chain_table(self, receiver: str) -> str | None:
        match = re.search(
            r"(?:[cC]ontext|[dD]b)\.(?:Set<(\w+)>|(?!Entry\b|Database\b|ChangeTracker\b)([A-Z]\w+))", receiver
        )
        return (match[1] or match[2]) if match else None

    def query_source(self, text: str, start: int, end: int, operation: str) -> None:
        """`from x in context.Table`: a read when the context is one."""
        root = ROOT.match(text)
        if root is None or not root[2]:
            return
        type_, _, rest = self._resolve(text)
        named = root[1].lower().endswith("context") and self.has_import("Microsoft.EntityFrameworkCore")
        why = (
            self._is_context(type_) if type_ else ("named like a context, Entity Framework imported" if named else None)
        )
        table = self._table_member(rest if type_ else root[2])
        if why and table:
            confidence = CERTAIN if type_ and self.has_import("Microsoft.EntityFrameworkCore") else LIKELY
            self.source.add(
                operation,
                table,
                start,
                end,
                function=self.scopes.function(),
                target=table,
                verb="SELECT",
                confidence=confidence,
                evidence=f"query expression over {text}: {why}",
            )

    def _mapping(self, name: str, receiver: str, site: CallSite) -> bool:
        arguments = site.arguments
        table = csharp_literal(arguments[0]) if arguments else None
        if not table:
            return False
        evidence = f"{name} in the model's configuration" if name != "CreateTable" else "CreateTable in a migration"
        if name == "CreateTable" and "igration" not in receiver:
            return False
        self.source.add(TABLE, table, site.start, site.end, target=table, evidence=evidence)
        if name != "CreateTable":
            holder = self.scopes.class_scope()
            entity = _MODEL.search(receiver) or re.search(
                r"IEntityTypeConfiguration<(\w+)>", holder.bases if holder else ""
            )
            if entity:
                self.source.add(ENTITY, entity[1], site.start, site.end, target=table, evidence=evidence)
        return True

    def _add_database(
        self,
        operation: str,
        table: str | None,
        site: CallSite,
        confidence: float,
        evidence: str,
        name: str = "",
    ) -> None:
        verb = "SELECT" if operation == DATABASE_READ else None
        self._add(
            operation,
            table or (name if name.startswith("SaveChanges") else "(table not in sight)"),
            table,
            verb,
            site,
            confidence,
            evidence,
        )
