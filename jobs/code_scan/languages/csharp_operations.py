"""What a C# call does, and the evidence for it: the receiver's declared or constructed type, imports, arguments."""

from __future__ import annotations

import re

from tree_sitter import Node

from jobs.code_scan.facts import (
    API_CALL,
    CACHE_READ,
    CACHE_WRITE,
    CERTAIN,
    DATA_TRANSFORM,
    DATABASE_READ,
    FILE_READ,
    FILE_WRITE,
    GUESS,
    LIKELY,
)
from jobs.code_scan.languages import known_csharp as known
from jobs.code_scan.languages.call_site import CallSite
from jobs.code_scan.languages.csharp_data import DataOperations
from jobs.code_scan.languages.csharp_minimal_api import MinimalApi
from jobs.code_scan.languages.csharp_receivers import ROOT, simple
from jobs.code_scan.languages.literals import csharp_literal, endpoint
from jobs.code_scan.languages.source import RECEIVER_MAX_BYTES, clean

_PATHLIKE = re.compile(r"(?i)path|file\b|filename")
_HTTP_METHOD = re.compile(r"HttpMethod\.(\w+)")
_NOISE = frozenset(name.encode() for name in known.NOISE - known.METHODS)
_IMPLICIT = ("System", "Microsoft.Extensions", "Microsoft.AspNetCore")


class Operations(DataOperations, MinimalApi):
    """Judges the calls of one file against what is known of their receivers."""

    def call(self, start: int, end: int, node: Node) -> None:
        data = self.data
        dot = data.rfind(b".", start, end)
        if data[end - 1] == 62:  # a generic call, whose type argument may hold dots
            name_node = node.child_by_field_name("name") if node.type == "member_access_expression" else None
            dot = data.rfind(b".", start, name_node.start_byte) if name_node is not None else -1
        raw = data[dot + 1 : end] if dot >= start else data[start:end]
        if raw in _NOISE or data.startswith(b"Assert.", start):
            return
        if b"<" in raw:
            name = raw.partition(b"<")[0].decode("utf-8", "replace").strip()
        else:
            name = raw.decode("utf-8", "replace").strip()
        if name in known.METHODS:
            receiver = (
                data[start : min(dot, start + RECEIVER_MAX_BYTES)].decode("utf-8", "replace") if dot >= start else ""
            )
            if self._judge(name, raw, receiver, CallSite(self.source, node, start)):
                return
        if name in known.NOISE:
            return
        caller = self.scopes.function()
        if caller is None:
            return
        if dot < start:
            self.source.call(caller, name, "", start)
            return
        if dot - start > 80:
            return
        if data.find(b"(", start, dot) < 0:
            self.source.call(caller, name, self._receiver_type(self.source.text(start, dot)), start)

    def _judge(self, name: str, raw: bytes, receiver: str, site: CallSite) -> bool:
        """Whether the call was recorded as something a person would look for."""
        if name in known.MAP_METHODS or name in ("MapGroup", "MapMethods", "MapHub"):
            return self._minimal_api(name, receiver, site)
        if name in ("ToTable", "ToView", "CreateTable"):
            return self._mapping(name, receiver, site)
        root = ROOT.match(receiver)
        if receiver.startswith("."):
            return False
        type_, how, rest = self._resolve(receiver) if root else (None, "", "")
        if type_ is not None:
            base = simple(type_)
            entry = known.TYPES.get(base)
            if entry is not None and name in entry[1]:
                return self._known(name, raw, type_, entry, how, receiver, site)
            if (name in known.EF_READS or name in known.EF_WRITES) and self._entity_framework(
                name, type_, how, rest, site
            ):
                return True
        if name in known.EF_ONLY and receiver and self.has_import("Microsoft.EntityFrameworkCore"):
            self._add_database(
                DATABASE_READ,
                self._chain_table(receiver),
                site,
                LIKELY,
                f"{name} is Entity Framework's, which the file imports",
            )
            return True
        if name in known.EF_ONLY and self._chain_table(receiver):
            self._add_database(
                DATABASE_READ,
                self._chain_table(receiver),
                site,
                GUESS,
                f"{name} on a member of something named context, its library not in sight",
            )
            return True
        if type_ is None and root and root[1].lower().strip("_") in known.CONVENTIONS:
            return self._by_convention(name, raw, root[1], receiver, site)
        if name in known.LINQ:
            return self._linq(name, receiver, site)
        return False

    def _known(
        self,
        name: str,
        raw: bytes,
        type_: str,
        entry: tuple[str, dict[str, known.Rule]],
        how: str,
        receiver: str,
        site: CallSite,
    ) -> bool:
        library, rules = entry
        operation, verb, where = rules[name]
        base = simple(type_)
        if ".Received(" in receiver or ".DidNotReceive" in receiver:
            return True  # a test's expectation, not a call
        imported = self.has_import(library)
        if base in known.AMBIGUOUS and not imported:
            return False
        if how == "static" and base not in ("File", "Directory", "JsonSerializer", "JsonConvert"):
            return False
        if base in ("File", "Directory") and how != "static":
            return False
        implicit = library.startswith(_IMPLICIT)
        confidence = CERTAIN if imported or implicit else LIKELY
        evidence = (
            f"{base}.{name}" + (f", {library} imported" if imported else "") + (f", {how}" if how != "static" else "")
        )
        arguments = site.arguments
        if arguments and arguments[0].startswith(("Arg.", "It.Is", "A<")):
            return True  # the set-up of a stand-in, not a call
        if where in ("sql", "command"):
            return self._sql(operation, where, arguments, site, confidence, evidence)
        if operation == DATA_TRANSFORM:
            return self._add(
                operation, f"{base}.{raw.decode('utf-8', 'replace')}", None, None, site, confidence, evidence
            )
        target = self._target(where, raw, arguments)
        if operation == API_CALL:
            return self._api(verb, where, arguments, site, confidence, evidence)
        shown = target or (self._shown(arguments, where) if where else receiver.rpartition(".")[2].strip()) or name
        self._add(operation, shown, target, None, site, confidence, evidence)
        if operation == CACHE_READ and name.startswith(("GetOrCreate", "GetOrSet")):
            self._add(CACHE_WRITE, shown, target, None, site, confidence, evidence)
        return True

    def _by_convention(self, name: str, raw: bytes, root: str, receiver: str, site: CallSite) -> bool:
        type_ = known.CONVENTIONS[root.lower().strip("_")]
        library, rules = known.TYPES[type_]
        if name not in rules or not self.has_import(library) or "(" in receiver:
            return False
        operation, verb, where = rules[name]
        arguments = site.arguments
        evidence = f"{root}.{name}: named like a {type_}, {library} imported"
        if where in ("sql", "command"):
            return self._sql(operation, where, arguments, site, LIKELY, evidence)
        if operation == API_CALL:
            return self._api(verb, where, arguments, site, LIKELY, evidence)
        target = self._target(where, raw, arguments)
        return self._add(
            operation, target or self._shown(arguments, where) or name, target, None, site, LIKELY, evidence
        )

    def _api(
        self,
        verb: str | None,
        where: str,
        arguments: list[str],
        site: CallSite,
        confidence: float,
        evidence: str,
    ) -> bool:
        url = self._literal(arguments[0]) if arguments and where == "0" else None
        if where == "request":
            request = self._request(arguments[0] if arguments else "")
            method = _HTTP_METHOD.search(request)
            verb = method[1].upper() if method else None
            url = csharp_literal(request.partition(",")[2]) if method else None
        target = endpoint(url) if url else None
        shown = target or (self._shown(arguments, "0") if where == "0" else None) or "(address not in sight)"
        return self._add(API_CALL, f"{verb or 'HTTP'} {shown}", target, verb, site, confidence, evidence)

    def _request(self, argument: str) -> str:
        variable = self.scopes.variable(argument.strip())
        return (variable.made_from if variable else argument) or ""

    def _linq(self, name: str, receiver: str, site: CallSite) -> bool:
        arguments = site.arguments
        if (
            not receiver
            or not arguments
            or not any("=>" in argument[:200] for argument in (arguments[0], arguments[-1]))
        ):
            return False
        imported = self.has_import("System.Linq")
        evidence = f"LINQ {name} with a lambda" + (", System.Linq imported" if imported else "")
        self._add(DATA_TRANSFORM, name, None, None, site, CERTAIN if imported else LIKELY, evidence)
        return True

    def construct(self, start: int, end: int) -> None:
        text = self.source.text(start, min(end, start + 300))
        match = re.match(r"new\s+([\w.]+)\s*\((.*)", text, re.DOTALL)
        if not match:
            return
        name = match[1].rpartition(".")[2]
        if name not in ("FileStream", "StreamReader", "StreamWriter"):
            return
        arguments = match[2]
        literal = csharp_literal(arguments)
        first = re.split(r"[,)]", arguments, maxsplit=1)[0].strip()
        if name != "FileStream" and literal is None and not _PATHLIKE.search(first):
            return
        writes = name == "StreamWriter" or re.search(
            r"FileMode\.(?:Create|Append|Truncate|CreateNew)|FileAccess\.(?:Write|ReadWrite)", arguments
        )
        shown = literal or clean(first)[:80]
        confidence = CERTAIN if name == "FileStream" or literal else LIKELY
        self.source.add(
            FILE_WRITE if writes else FILE_READ,
            shown or name,
            start,
            end,
            function=self.scopes.function(),
            target=literal,
            confidence=confidence,
            evidence=f"new {name} on a path",
        )
