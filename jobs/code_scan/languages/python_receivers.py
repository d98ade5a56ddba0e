"""What a name in Python stands for: full dotted names through imports, types of variables, constant strings."""

from __future__ import annotations

import re

from jobs.code_scan.languages import known_python as known
from jobs.code_scan.languages.call_site import CallSite
from jobs.code_scan.languages.literals import python_literal
from jobs.code_scan.languages.scopes import ScopeStack, Variable
from jobs.code_scan.languages.source import Source

DOTTED = re.compile(r"(?:self\.|cls\.)?[A-Za-z_][\w.]*")
_KEYWORD = re.compile(r"(\w+)\s*=(?!=)\s*(.*)", re.DOTALL)
_BOTO = re.compile(r"(?:boto3\.|session\.)(?:client|resource)\(\s*[\"'](\w+)")
MADE = re.compile(r"([A-Z]\w*)\s*\(")


class Receivers:
    """What one file says of the names in it; everything found is recorded through it."""

    def __init__(self, source: Source, scopes: ScopeStack) -> None:
        self.source = source
        self.data = source.data
        self.scopes = scopes
        self.names: dict[str, str] = {}
        self.modules: set[str] = set()
        self.models: set[str] = set()

    def bring_in(self, name: str, full: str, module: str) -> None:
        self.names[name] = full
        self.modules.add(module)

    def has_import(self, *libraries: str) -> bool:
        return any(module == name or module.startswith(name + ".") for module in self.modules for name in libraries)

    def full_name(self, dotted: str) -> str:
        """A dotted name with its first part replaced by what it was imported as."""
        first, dot, rest = dotted.partition(".")
        return self.names.get(first, first) + dot + rest

    def _variable(self, dotted: str) -> tuple[Variable | None, str]:
        """The variable that a dotted text starts with, and the rest of the text."""
        parts = dotted.split(".")
        if parts[0] in ("self", "cls") and len(parts) > 1:
            holder = self.scopes.class_scope()
            return (holder.variables.get(parts[1]) if holder else None), ".".join(parts[2:])
        return self.scopes.variable(parts[0]), ".".join(parts[1:])

    def type_name(self, text: str, depth: int = 0) -> str | None:
        """The full dotted name of the type of an expression, or of the function that gave it."""
        if depth > 3 or not text:
            return None
        text = text.removeprefix("await ").lstrip("(")
        boto = _BOTO.match(text)
        if boto:
            return f"boto3.{boto[1]}"
        match = DOTTED.match(text)
        if match is None:
            return None
        dotted, after = match[0].rstrip("."), text[match.end() :]
        variable, rest = self._variable(dotted)
        if variable is not None:
            base = self.full_name(variable.type) if variable.type else self.type_name(variable.made_from, depth + 1)
            if base is None:
                return None
            dotted = f"{base}.{rest}" if rest else base
        else:
            dotted = self.full_name(dotted)
        if dotted in known.TYPES or dotted in known.ROUTERS:
            return dotted
        base, _, method = dotted.rpartition(".")
        if base in known.TYPES and after.startswith("("):
            return known.GIVES.get(method)
        if (
            method in known.GIVES
            and after.startswith("(")
            and (self.has_import(*known.SQL_LIBRARIES) or self.has_import("pika", "redis"))
        ):
            return known.GIVES[method]
        return dotted

    def _made(self, argument: str) -> str | None:
        made = MADE.match(argument)
        if made:
            return made[1]
        variable, rest = self._variable(argument.strip())
        if variable is None or rest:
            return None
        if variable.type and variable.type.rpartition(".")[2][:1].isupper():
            return variable.type.rpartition(".")[2]
        made = re.match(r"([A-Z]\w*)(?:\(|\.model_validate\(|\.query\b|\.objects\b)", variable.made_from)
        return made[1] if made else None

    def _text(self, argument: str) -> str | None:
        """The string an argument is: a literal, or a name that the file gives one."""
        literal = python_literal(argument)
        if literal is not None:
            return literal
        if not re.fullmatch(r"(?:self\.|cls\.)?\w+", argument.strip()):
            return None
        variable, rest = self._variable(argument.strip())
        return python_literal(variable.made_from) if variable and not rest else None

    def _argument(self, arguments: list[str], where: str) -> str | None:
        name, _, position = where.partition("|")
        for argument in arguments:
            match = _KEYWORD.match(argument)
            if match and match[1] == name:
                return match[2]
        position = position or (name if name.isdigit() else "")
        if position and len(arguments) > int(position) and not _KEYWORD.match(arguments[int(position)]):
            return arguments[int(position)]
        return None

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
        holder = self.scopes.function() if function is None else function or None
        self.source.add(
            operation,
            name,
            site.start,
            site.end,
            function=holder,
            target=target,
            verb=verb,
            confidence=confidence,
            evidence=evidence,
        )
        return True
