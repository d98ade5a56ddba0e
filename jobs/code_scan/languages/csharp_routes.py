"""Routes of ASP.NET: attributes on controllers and minimal APIs."""

from __future__ import annotations

import re

from jobs.code_scan.facts import API_CALL, CERTAIN, LIKELY, ROUTE
from jobs.code_scan.languages.known_csharp import HTTP_ATTRIBUTES, REFIT_ATTRIBUTES
from jobs.code_scan.languages.literals import csharp_literal
from jobs.code_scan.languages.scopes import Scope
from jobs.code_scan.languages.source import Source

_ROUTE_NAMES = frozenset((*HTTP_ATTRIBUTES, "Route", "RoutePrefix", "AcceptVerbs"))
_TYPED = re.compile(r"\{\*{0,2}(\w+)[^{}]*\}")


def is_route_attribute(name: str) -> bool:
    return name in _ROUTE_NAMES or name in REFIT_ATTRIBUTES


def note_route(scope: Scope, name: str, arguments: str, start: int, end: int, is_refit: bool) -> None:
    """Remember a routing attribute until its class and method are complete."""
    if name in REFIT_ATTRIBUTES:
        if is_refit and not scope.is_class:
            scope.routes.append(("refit " + REFIT_ATTRIBUTES[name], csharp_literal(arguments), start, end))
        return
    if name == "AcceptVerbs":
        verb, template = (csharp_literal(arguments) or "").upper() or None, None
    else:
        verb = HTTP_ATTRIBUTES.get(name)
        template = csharp_literal(arguments) if arguments and not arguments.lstrip().startswith("Name") else None
    scope.routes.append((verb, template, start, end))


def normalized(path: str) -> str:
    """A route's path with a leading slash and placeholders as {name}."""
    return "/" + _TYPED.sub(r"{\1}", path.strip()).strip("/")


def add_routes(source: Source, scopes: list[Scope], namespaces: set[str]) -> None:
    """Turn the attributes that were noted into routes; `scopes` are all classes and functions that were left."""
    is_mvc = any(
        name.startswith(("Microsoft.AspNetCore.Mvc", "System.Web", "Microsoft.AspNetCore.Components"))
        for name in namespaces
    )
    classes = {scope.name: scope for scope in scopes if scope.is_class}
    for scope in scopes:
        if scope.is_class or not scope.routes:
            continue
        holder = classes.get(scope.name.rpartition(".")[0])
        refit = [route for route in scope.routes if route[0] and route[0].startswith("refit ")]
        for verb, template, start, end in refit:
            if verb and template:
                method = verb.removeprefix("refit ")
                source.add(
                    API_CALL,
                    f"{method} {template}",
                    start,
                    end,
                    function=scope.name,
                    target=template,
                    verb=method,
                    confidence=CERTAIN,
                    evidence=f"Refit [{method.title()}] attribute",
                )
        if not refit and holder is not None:
            _add_action(source, scope, holder, is_mvc)


def _add_action(source: Source, scope: Scope, holder: Scope, is_mvc: bool) -> None:
    templates = [template for verb, template, *_ in scope.routes if verb is None and template]
    verbs = [route for route in scope.routes if route[0]] or scope.routes
    prefixes = [template for _, template, *_ in holder.routes if template] or [""]
    is_conventional = prefixes == [""] and not templates and not any(route[1] for route in verbs)
    if is_conventional:
        prefixes = ["[controller]/[action]"]
    for verb, template, start, _ in verbs:
        for own in [template] if template else (templates or [""]):
            for prefix in [""] if own.startswith(("/", "~/")) else prefixes:
                path = normalized(_filled(f"{prefix}/{own.lstrip('~')}", holder.short, scope.short))
                source.add(
                    ROUTE,
                    f"{verb or 'ANY'} {path}",
                    start,
                    scope.end,
                    function=scope.name,
                    target=path,
                    verb=verb or "ANY",
                    confidence=CERTAIN if is_mvc and not is_conventional else LIKELY,
                    evidence=f"routing attribute on an action of {holder.short}"
                    + (", its path by convention" if is_conventional else ""),
                )


def _filled(path: str, controller: str, action: str) -> str:
    name = controller.removesuffix("Controller")
    path = path.replace("[controller]", name.lower()).replace("[action]", action)
    return re.sub(r"/{2,}", "/", path)
