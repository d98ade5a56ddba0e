"""Routes of ASP.NET's minimal APIs: MapGet and its kin, with the prefixes of their groups."""

from __future__ import annotations

import re

from jobs.code_scan.facts import (
    CERTAIN,
    FUNCTION,
    LIKELY,
    ROUTE,
)
from jobs.code_scan.languages import known_csharp as known
from jobs.code_scan.languages.call_site import CallSite
from jobs.code_scan.languages.csharp_receivers import ROOT, Receivers
from jobs.code_scan.languages.csharp_routes import normalized
from jobs.code_scan.languages.literals import csharp_literal


class MinimalApi(Receivers):
    """Judges the calls that map a path to a handler."""

    def _minimal_api(self, name: str, receiver: str, site: CallSite) -> bool:
        arguments = site.arguments
        path = csharp_literal(arguments[0]) if arguments else None
        root = ROOT.match(receiver)
        prefix = self._group(receiver, root[1] if root else "")
        verb = known.MAP_METHODS.get(name)
        handler = arguments[1].strip() if len(arguments) > 1 else None
        if path is None and verb and arguments and re.fullmatch(r"[A-Z]\w*", arguments[0].strip()):
            handler = arguments[0].strip()
            path = csharp_literal(arguments[1]) if len(arguments) > 1 else ""
        if path is None or verb is None:
            return False
        full = normalized(f"{prefix}/{path}".replace("//", "/"))
        function = handler if handler and re.fullmatch(r"[\w.]+", handler) else self.scopes.function()
        if handler and "." not in handler and function == handler:
            holder = self.scopes.class_scope()
            function = f"{holder.name}.{handler}" if holder else handler
        is_whole = csharp_literal(arguments[0]) is not None
        if handler and "=>" in handler[:200]:
            scope = self.scopes.enter(f"{verb} {full}", False, site.start, site.end)
            function = scope.name
            self.source.add(FUNCTION, function, site.start, site.end, evidence="a handler written where its route is")
        evidence = (
            f"minimal API: {name} with a path" if is_whole else f"minimal API: {name}; its group's path is not in sight"
        )
        return self._add(
            ROUTE,
            f"{verb} {full}",
            full,
            verb,
            site,
            CERTAIN if is_whole else LIKELY,
            evidence,
            function,
        )

    def _group(self, receiver: str, root: str) -> str:
        text, prefix = receiver, ""
        for _ in range(4):
            groups = re.findall(r"\.MapGroup\(\s*(\"[^\"]*\")", text)
            prefix = "/".join((csharp_literal(item) or "").strip("/") for item in groups) + (
                "/" + prefix if prefix else ""
            )
            variable = self.scopes.variable(root)
            if variable is None or not variable.made_from:
                break
            text = variable.made_from
            match = ROOT.match(text)
            if match is None or match[1] == root:
                root = ""
            else:
                root = match[1]
        return prefix
