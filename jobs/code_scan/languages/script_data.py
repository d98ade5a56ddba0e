"""Databases and HTTP from JavaScript and TypeScript, where the way of a library asks for more than a table of names."""

from __future__ import annotations

import re

from tree_sitter import Node

from jobs.code_scan.facts import (
    API_CALL,
    CERTAIN,
    DATABASE_READ,
    DATABASE_WRITE,
    LIKELY,
)
from jobs.code_scan.languages import known_script as known
from jobs.code_scan.languages.call_site import CallSite
from jobs.code_scan.languages.literals import endpoint, script_literal
from jobs.code_scan.languages.script_receivers import ROOT, Receivers
from jobs.code_scan.languages.source import clean

_TYPE_ARGUMENT = re.compile(r"<\s*([\w$]+)")
_METHOD = re.compile(r"method\s*:\s*[\"'`](\w+)", re.IGNORECASE)
_URL = re.compile(r"\b(?:url|uri|path)\s*:\s*([\"'`].*)", re.DOTALL)
_ENTITY_ARGUMENT = re.compile(
    r"getRepository\(\s*(\w+)|createQueryBuilder\(\s*(\w+)|\bmodel(?:<[^()]*>)?\(\s*[\"'`](\w+)"
)
_MODEL_PATH = re.compile(r"(?:^|[./@~])(?:models?|entit(?:y|ies)|schemas?)(?:/|$)|\.(?:model|entity|schema)$")


class DataOperations(Receivers):
    """Judges the calls that reach a database."""

    def _model(self, name: str, receiver: str, site: CallSite) -> bool:
        last = receiver.rpartition(".")[2]
        operation = DATABASE_READ if name in known.MODEL_READS else DATABASE_WRITE
        if receiver in self.models:
            return self._add(operation, receiver, receiver, None, site, CERTAIN, f"{receiver} is a model of this file")
        imported = self.names.get(receiver)
        if (
            imported is not None
            and receiver[:1].isupper()
            and _MODEL_PATH.search(imported[0])
            and name not in ("update", "find", "count", "create")
        ):
            return self._add(
                operation,
                receiver,
                receiver,
                None,
                site,
                LIKELY,
                f"{receiver} is imported from {imported[0]}, a module of models",
            )
        if (
            imported is not None
            and receiver[:1].isupper()
            and re.search(r"(?:^|/)models?(?:/|$)|\.model$", imported[0])
        ):
            return self._add(
                operation,
                receiver,
                receiver,
                None,
                site,
                LIKELY,
                f"{receiver} is imported from {imported[0]}, a module of models",
            )
        variable = self.variable(receiver)
        if (
            variable is not None
            and variable.type
            and re.match(r"(?:PaginateModel|Model)<", variable.type)
            and self.has_import("mongoose", "sequelize")
        ):
            model = _TYPE_ARGUMENT.search(variable.type)
            table = model[1].removesuffix("Document") if model else last
            return self._add(operation, table, table, None, site, CERTAIN, f"{receiver} is declared {variable.type}")
        return False

    def _model_name(self, receiver: str, arguments: list[str]) -> str | None:
        found = _ENTITY_ARGUMENT.search(receiver)
        if found:
            return found[1] or found[2] or found[3]
        root = ROOT.match(receiver)
        variable = self.variable(root[1]) if root else None
        if variable is not None:
            for text in (variable.type or "", variable.made_from):
                found = _TYPE_ARGUMENT.search(text) or _ENTITY_ARGUMENT.search(text)
                if found:
                    name = str(next(part for part in found.groups() if part))
                    return name.removesuffix("Document") if "mongo" in " ".join(self.modules) else name
            if variable.type == "EntityManager" and arguments and re.fullmatch(r"[A-Z]\w*", arguments[0].strip()):
                return arguments[0].strip()
        return None

    def _statement(self, node: Node) -> str:
        """The chain of calls that a call begins."""
        at: Node = node
        for _ in range(24):
            parent = at.parent
            if parent is None or parent.type not in ("member_expression", "call_expression", "await_expression"):
                break
            at = parent
        return self.source.text(at.start_byte, min(at.end_byte, at.start_byte + 4000))

    def _api_by_name(self, name: str, receiver: str, site: CallSite) -> bool:
        last = receiver.rpartition(".")[2].lower()
        if last not in known.API_NAMES and not last.endswith(("api", "httpclient")):
            return False
        arguments = site.arguments
        url = script_literal(arguments[0]) if arguments else None
        if url is None or not url.startswith(("/", "http", "{")):
            return False
        root = ROOT.match(receiver)
        imported = self.names.get(root[1]) if root else None
        if imported is not None and not imported[0].startswith((".", "@/", "~", "#", "src/", "app/", "@app/")):
            return False  # another library's, not a client of this project
        target = endpoint(url)
        verb = known.HTTP[name][1]
        return self._add(
            API_CALL,
            f"{verb or 'HTTP'} {target}",
            target,
            verb,
            site,
            LIKELY,
            f"{receiver}.{name}: named like an HTTP client, a path in its argument",
        )

    def _http(
        self,
        verb: str | None,
        where: str,
        arguments: list[str],
        evidence: str,
        confidence: float,
        site: CallSite,
    ) -> bool:
        if where == "xhr":
            verb = (script_literal(arguments[0]) or "").upper() or None if arguments else None
            value = arguments[1] if len(arguments) > 1 else None
            url = self._text(value) if value else None
        elif where == "request":
            return self._request(evidence, confidence, site)
        else:
            value = arguments[0] if arguments else None
            url = self._text(value) if value else None
        if value is None:
            return False
        target = endpoint(url) if url else None
        return self._add(
            API_CALL, f"{verb or 'HTTP'} {target or clean(value)[:80]}", target, verb, site, confidence, evidence
        )

    def _request(self, evidence: str, confidence: float, site: CallSite) -> bool:
        """A call whose method and address are in its arguments: fetch(url, {method}), axios({url, method})."""
        arguments = site.arguments
        if not arguments:
            return False
        first = arguments[0].strip()
        options = first if first.startswith("{") else (arguments[1] if len(arguments) > 1 else "")
        verb_first = script_literal(first)
        if verb_first and verb_first.upper() in ("GET", "POST", "PUT", "PATCH", "DELETE") and len(arguments) > 1:
            verb: str | None = verb_first.upper()
            value = arguments[1]
        else:
            method = _METHOD.search(options)
            unknown = "method" in options or (options and not options.startswith("{"))
            verb = method[1].upper() if method else (None if unknown else "GET")
            found = _URL.search(first) if first.startswith("{") else None
            value = found[1] if found else first
        url = self._text(value)
        target = endpoint(url) if url else None
        shown = target or (clean(value)[:80] if not value.startswith("{") else "(address not in sight)")
        return self._add(API_CALL, f"{verb or 'HTTP'} {shown}", target, verb, site, confidence, evidence)
