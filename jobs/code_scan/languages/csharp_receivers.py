"""What a name in C# stands for: its declared or constructed type, the file's imports, constant strings."""

from __future__ import annotations

import re

from jobs.code_scan.facts import (
    SELF,
)
from jobs.code_scan.languages import known_csharp as known
from jobs.code_scan.languages.call_site import CallSite
from jobs.code_scan.languages.literals import csharp_literal
from jobs.code_scan.languages.scopes import ScopeStack, Variable
from jobs.code_scan.languages.source import Source, clean

MATERIALIZED = re.compile(
    r"\Aawait\b|\.(?:ToList|ToArray|ToDictionary|ToHashSet|First|Single|Last|Find|Any|All|Count|Sum|Max|Min|Load)"
    r"(?:OrDefault)?(?:Async)?(?:<[^<>]*>)?\("
)
ROOT = re.compile(r"(?:await\s+|\()*(?:this\.)?([A-Za-z_]\w*)((?:[?!]?\.\w+)*)")
MEMBER = re.compile(r"[?!]?\.(\w+)(?:<(\w+)>)?")
_GENERIC = re.compile(r"<\s*([\w.]+)\s*(?:,|>)")
NEW = re.compile(r"new\s+([\w.]+)")
_CREATED_BY = {
    "CreateClient": "HttpClient",
    "CreateCommand": "DbCommand",
    "GetDatabase": "IDatabase",
    "GetSubscriber": "ISubscriber",
    "CreateModel": "IModel",
    "CreateChannelAsync": "IChannel",
    "CreateSender": "ServiceBusSender",
    "GetDatabaseContext": "DbContext",
    "CreateDbContext": "DbContext",
    "CreateDbContextAsync": "DbContext",
    "CreateReceiver": "ServiceBusReceiver",
    "CreateProcessor": "ServiceBusProcessor",
}
_CREATED = re.compile(r"\.?\b(" + "|".join(_CREATED_BY) + r")(?:<[^>]*>)?\s*\(")
_SERVICE = re.compile(r"Get(?:Required)?Service<([\w.]+)>\s*\(\s*\)\s*;?\s*$")
_ARGUMENT_NAME = re.compile(r"^\w+:\s+")
_SQL_LIBRARIES = (
    "Dapper",
    "System.Data",
    "Microsoft.Data",
    "Npgsql",
    "MySql",
    "Microsoft.EntityFrameworkCore",
    "LinqToDB",
    "Oracle",
)


def simple(type_: str) -> str:
    """The bare name of a type: no namespace, type arguments, nullability or array."""
    return type_.partition("<")[0].rstrip("?[]").rpartition(".")[2]


class Receivers:
    """What one file says of the names in it; everything found is recorded through it."""

    def __init__(self, source: Source, scopes: ScopeStack) -> None:
        self.source = source
        self.data = source.data
        self.scopes = scopes
        self.namespaces: set[str] = set()
        self.contexts: set[str] = set()
        self.groups: dict[str, str] = {}

    def has_import(self, *libraries: str) -> bool:
        return any(name.startswith(libraries) for name in self.namespaces)

    def has_sql_library(self) -> bool:
        return self.has_import(*_SQL_LIBRARIES)

    def sql_library_note(self) -> str:
        used = next((name for name in sorted(self.namespaces) if name.startswith(_SQL_LIBRARIES)), None)
        return f", {used} imported" if used else ""

    def _receiver_type(self, receiver: str) -> str | None:
        receiver = receiver.removeprefix("this.").rstrip("?!")
        if receiver in ("this", "base"):
            return SELF
        variable = self.scopes.variable(receiver)
        if variable is not None:
            type_ = self._type_of(variable)
            return simple(type_) if type_ else None
        last = receiver.rpartition(".")[2]
        return last if last[:1].isupper() else None

    def _type_of(self, variable: Variable, depth: int = 0) -> str | None:
        if variable.type or not variable.made_from or depth > 2:
            return variable.type
        made = variable.made_from.removeprefix("await ")
        service = _SERVICE.search(made)
        if service:
            return service[1]
        created = _CREATED.search(made)
        if created:
            return _CREATED_BY[created[1]]
        return None

    def _resolve(self, receiver: str) -> tuple[str | None, str, str]:
        """(type, how it is known, the members after the root) of a receiver's text."""
        text, how = receiver, ""
        for _ in range(3):
            match = ROOT.match(text)
            if match is None:
                break
            variable = self.scopes.variable(match[1])
            rest = text[match.end(1) :]
            if variable is None:
                if match[1][0].isupper():
                    static = match[1]
                    for member in MEMBER.findall(match[2]):
                        if member[0] in known.TYPES:
                            static = member[0]
                    return static, how or "static", rest
                created = _CREATED.search(text)
                return (_CREATED_BY[created[1]], how or "created", rest) if created else (None, "", rest)
            type_ = self._type_of(variable)
            if type_ is not None:
                return type_, f"{variable.how} {match[1]}", rest
            if MATERIALIZED.search(variable.made_from):
                return None, "", ""  # what a query gave, no longer the query
            how = f"assigned to {match[1]}"
            text = variable.made_from.removeprefix("await ").removeprefix("(await ") + rest
        return None, "", ""

    def _target(self, where: str, raw: bytes, arguments: list[str]) -> str | None:
        if where == "type":
            generic = _GENERIC.search(raw.decode("utf-8", "replace"))
            if generic:
                return generic[1].rpartition(".")[2]
            if not arguments:
                return None
            made = NEW.match(arguments[0])
            if made:
                return made[1].rpartition(".")[2]
            variable = self.scopes.variable(arguments[0].strip())
            typed = self._type_of(variable) if variable else None
            return simple(typed) if typed else None
        if where in ("0", "1"):
            index = int(where)
            return self._literal(arguments[index]) if len(arguments) > index else None
        return None

    def _literal(self, argument: str) -> str | None:
        """The string an argument is: a literal, or a name that the file gives one."""
        literal = csharp_literal(argument)
        if literal is not None:
            return literal
        variable = self.scopes.variable(_ARGUMENT_NAME.sub("", argument).strip())
        return csharp_literal(variable.made_from) if variable is not None and variable.made_from else None

    def _shown(self, arguments: list[str], where: str) -> str | None:
        index = int(where) if where in ("0", "1") else 0
        return clean(_ARGUMENT_NAME.sub("", arguments[index]))[:80] if len(arguments) > index else None

    def _add(
        self,
        operation: str,
        name: str,
        target: str | None,
        verb: str | None,
        site: CallSite,
        confidence: float,
        evidence: str,
        function: str | None = None,
    ) -> bool:
        # A fluent chain starts lines above its last call; what is shown is the whole statement.
        self.source.add(
            operation,
            name,
            site.start,
            site.end,
            function=function or self.scopes.function(),
            target=target,
            verb=verb,
            confidence=confidence,
            evidence=evidence,
        )
        return True
