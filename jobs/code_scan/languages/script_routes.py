"""Routes of Express and its kin, Nest, Next.js and Angular."""

from __future__ import annotations

import re

from tree_sitter import Node

from jobs.code_scan.facts import CERTAIN, FUNCTION, LIKELY, MESSAGE_RECEIVE, ROUTE
from jobs.code_scan.languages import known_script as known
from jobs.code_scan.languages.call_site import CallSite
from jobs.code_scan.languages.literals import script_literal
from jobs.code_scan.languages.scopes import Scope, ScopeStack
from jobs.code_scan.languages.script_operations import Operations, is_inline_function
from jobs.code_scan.languages.source import Source

_PARAMETER = re.compile(r":(\w+)(?:\([^)]*\))?[?*+]?")
_HANDLER = re.compile(r"[\w$]+(?:\.[\w$]+)*\Z")
_CHAIN = re.compile(r"([\w$.]+?)\.route\(\s*([\"'`][^\"'`]*[\"'`])\s*\)")
_NEXT_APP = re.compile(r"(?:^|/)app/(.*?)route\.[jt]sx?\Z")
_NEXT_PAGES = re.compile(r"(?:^|/)pages/(api/.*?)\.[jt]sx?\Z")
_NEXT_EXPORT = re.compile(rb"export\s+(?:async\s+)?(?:function|const)\s+(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)\b")
_NEXT_DEFAULT = re.compile(rb"export\s+default\s+(?:async\s+)?(?:function\s+)?(\w*)")
_ANGULAR = re.compile(rb"\{\s*path:\s*[\"']([^\"']*)[\"'][^{}]{0,300}?\bcomponent:\s*(\w+)")


def normalized(path: str) -> str:
    return "/" + _PARAMETER.sub(r"{\1}", path).strip("/") if path.strip("/") else "/"


class Routes:
    """Finds routes among calls and decorators."""

    def __init__(self, source: Source, scopes: ScopeStack, operations: Operations) -> None:
        self.source = source
        self.scopes = scopes
        self.operations = operations

    def call(self, start: int, end: int, node: Node) -> bool:
        """Whether a call made a route, which then was recorded."""
        data = self.source.data
        dot = data.rfind(b".", start, end)
        if dot < start:
            return False
        verb = known.ROUTE_VERBS.get(data[dot + 1 : end].decode("utf-8", "replace").strip())
        if verb is None:
            return False
        receiver = data[start:dot].decode("utf-8", "replace").strip()
        chain = _CHAIN.match(receiver)
        owner = chain[1] if chain else receiver
        confidence, why = self._router(owner)
        if not why:
            return False
        arguments = CallSite(self.source, node, start).arguments
        path = script_literal(chain[2]) if chain else (script_literal(arguments[0]) if arguments else None)
        handlers = arguments if chain else arguments[1:]
        if (
            path is None
            or not handlers
            or not (path.startswith(("/", "*", ":")) or path == "" or confidence == CERTAIN)
        ):
            return False
        handler = handlers[-1].strip()
        name = handler if _HANDLER.match(handler) else self._wrapped(handler)
        full = normalized(path)
        parent = node.parent
        stop = parent.end_byte if parent is not None else end
        if name is None and not chain and is_inline_function(handler):
            scope = self.scopes.enter(f"{verb} {full}", False, start, stop)
            name = scope.name
            self.source.add(FUNCTION, name, start, stop, evidence="a handler written where its route is")
        self.source.add(
            ROUTE,
            f"{verb} {full}",
            start if not chain else dot + 1,
            stop,
            function=name or self.scopes.function(),
            target=full,
            verb=verb,
            confidence=confidence,
            evidence=f"{owner}.{data[dot + 1 : end].decode('utf-8', 'replace')}: {why}",
        )
        return True

    def _wrapped(self, handler: str) -> str | None:
        match = re.match(r"\w+\(\s*([\w$]+(?:\.[\w$]+)*)\s*\)\Z", handler)
        return match[1] if match else None

    def _router(self, owner: str) -> tuple[float, str]:
        if not re.fullmatch(r"(?:this\.)?[\w$]+(?:\.[\w$]+)?", owner):
            return 0.0, ""
        full = self.operations.full_type(owner)
        if full in known.EXPRESS:
            return CERTAIN, f"{owner} comes from {full}"
        last = owner.rpartition(".")[2].lower()
        library = next((name for name in known.ROUTE_LIBRARIES if self.operations.has_import(name)), None)
        if library and (last in ("app", "router", "server", "fastify", "api") or last.endswith("router")):
            return LIKELY, f"named like a router, {library} imported"
        return 0.0, ""

    def decorated(self, scope: Scope, dotted: str, arguments: str, start: int) -> None:
        """A decorator on a method of a Nest controller or listener."""
        holder = self.scopes.class_scope()
        verb = known.NEST_VERBS.get(dotted)
        if verb and holder is not None and "controller" in holder.notes:
            paths = [script_literal(arguments) or ""]
            if arguments.strip().startswith("["):
                paths = [script_literal(item) or "" for item in arguments.strip(" []").split(",")]
            for path in paths:
                full = normalized(
                    "/".join(part.strip("/") for part in (holder.notes["controller"], path) if part.strip("/"))
                )
                self.source.add(
                    ROUTE,
                    f"{verb} {full}",
                    start,
                    scope.end,
                    function=scope.name,
                    target=full,
                    verb=verb,
                    evidence=f"@{dotted} in the Nest controller {holder.short}",
                )
        elif known.NEST_MESSAGES.get(dotted) and self.operations.has_import("@nestjs"):
            named = re.search(r"(?:cmd|topic|name)\s*:\s*(.{1,80})", arguments)
            topic = script_literal(arguments) or (script_literal(named[1]) if named else None)
            self.source.add(
                MESSAGE_RECEIVE,
                topic or arguments.strip()[:80] or scope.short,
                start,
                scope.end,
                function=scope.name,
                target=topic,
                evidence=f"@{dotted}: {known.NEST_MESSAGES[dotted]}",
            )


def add_next_routes(source: Source) -> None:
    """Next.js names its routes by the paths of files."""
    path = "/" + source.path
    match = _NEXT_APP.search(path)
    if match:
        full = normalized(_bracketed(re.sub(r"\([^)/]*\)/", "", match[1])))
        for found in _NEXT_EXPORT.finditer(source.data):
            verb = found[1].decode()
            source.add(
                ROUTE,
                f"{verb} {full}",
                found.start(),
                found.end(),
                function=verb,
                target=full,
                verb=verb,
                evidence="an exported method in a Next.js route file",
            )
        return
    match = _NEXT_PAGES.search(path)
    if match:
        default = _NEXT_DEFAULT.search(source.data)
        if default:
            full = normalized(_bracketed(re.sub(r"(?:^|/)index\Z", "", match[1])))
            source.add(
                ROUTE,
                f"ANY {full}",
                default.start(),
                default.end(),
                function=default[1].decode() or None,
                target=full,
                verb="ANY",
                confidence=LIKELY,
                evidence="the default export of a file below pages/api",
            )


def _bracketed(path: str) -> str:
    return re.sub(r"\[+(?:\.\.\.)?(\w+)\]+", r"{\1}", path)


def add_angular_routes(source: Source) -> None:
    """Paths of an Angular router; a person's, so their verb is VIEW."""
    for match in _ANGULAR.finditer(source.data):
        full = normalized(match[1].decode("utf-8", "replace"))
        source.add(
            ROUTE,
            f"VIEW {full}",
            match.start(),
            match.end(),
            function=match[2].decode(),
            target=full,
            verb="VIEW",
            confidence=LIKELY,
            evidence="path and component in a file that imports @angular/router",
        )
