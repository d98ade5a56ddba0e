"""Django, Celery, Flask and FastAPI: managers, tasks and routes, which are known by their shape and imports."""

from __future__ import annotations

import re

from jobs.code_scan.facts import (
    CERTAIN,
    DATABASE_READ,
    DATABASE_WRITE,
    LIKELY,
    MESSAGE_SEND,
    ROUTE,
    TABLE,
)
from jobs.code_scan.languages import known_python as known
from jobs.code_scan.languages.call_site import CallSite
from jobs.code_scan.languages.literals import python_literal
from jobs.code_scan.languages.python_receivers import MADE, Receivers
from jobs.code_scan.languages.scopes import Scope

MANAGER = re.compile(r"\(*\s*((?:\w+\.)*[A-Z]\w*)\.(objects|_default_manager|all_objects|_base_manager)\b")
QUERY = re.compile(r"\(*\s*((?:\w+\.)*[A-Z]\w*)\.query\b")
_METHODS = re.compile(r"methods\s*=\s*[\[({]([^\])}]*)")
_PREFIX = re.compile(r"(?:url_prefix|prefix)\s*=\s*(.{1,120})", re.DOTALL)
_PARAMETER = re.compile(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>")


class Frameworks(Receivers):
    """Judges the calls and decorators of frameworks with ways of their own."""

    def _django(self, name: str, receiver: str, manager: re.Match[str], site: CallSite) -> bool:
        model = manager[1].rpartition(".")[2]
        is_first = manager.end() == len(receiver)
        writes = name in known.DJANGO_WRITES or name.startswith(("create_", "bulk_"))
        if not is_first and name not in ("update", "delete", "aupdate", "adelete"):
            return True
        certain = CERTAIN if self.has_import("django") or model in self.models else LIKELY
        operation = DATABASE_WRITE if writes else DATABASE_READ
        verb = {"update": "UPDATE", "delete": "DELETE"}.get(name.lstrip("a"), "INSERT") if writes else "SELECT"
        return self._add(
            operation,
            model,
            model,
            verb,
            site,
            certain,
            f"Django manager {model}.{manager[2]}.{name}" + (", django imported" if certain == CERTAIN else ""),
        )

    def _save(self, name: str, receiver: str, site: CallSite) -> bool:
        holder = self.scopes.class_scope()
        if receiver == "self" and holder is not None and holder.short in self.models:
            model, why = holder.short, "a method of a model"
        else:
            variable, rest = self._variable(receiver)
            if variable is None or rest:
                return False
            found = MANAGER.match(variable.made_from) or QUERY.match(variable.made_from)
            made = MADE.match(variable.made_from)
            if found:
                model, why = found[1].rpartition(".")[2], f"{receiver} came from {found[0]}"
            elif made and made[1] in self.models:
                model, why = made[1], f"{receiver} is a {made[1]}, a model"
            elif variable.type and variable.type in self.models:
                model, why = variable.type, f"{receiver} is declared a {variable.type}, a model"
            else:
                return False
        verb = "DELETE" if name == "delete" else "UPDATE"
        return self._add(DATABASE_WRITE, model, model, verb, site, LIKELY, f"{name}: {why}")

    def _celery(self, name: str, receiver: str, site: CallSite) -> bool:
        task = receiver.rpartition(".")[2]
        imported = self.has_import("celery")
        if not re.fullmatch(r"[\w.]+", receiver) or not (
            imported or name == "apply_async" or receiver.partition(".")[0] in self.names
        ):
            return False
        return self._add(
            MESSAGE_SEND,
            task,
            task,
            None,
            site,
            CERTAIN if imported else LIKELY,
            f"{name} of a task, Celery's" + (", celery imported" if imported else ""),
        )

    def _django_path(self, site: CallSite) -> bool:
        arguments = site.arguments
        path = python_literal(arguments[0]) if arguments else None
        if path is None or len(arguments) < 2 or arguments[1].startswith("include("):
            return True
        view = re.match(r"([\w.]+?)(?:\.as_view\s*\(|\s*\Z)", arguments[1])
        cleaned = re.sub(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)", r"{\1}", path).strip("^$")
        full = "/" + _PARAMETER.sub(r"{\1}", cleaned).lstrip("/")
        return self._add(
            ROUTE,
            f"ANY {full}",
            full,
            "ANY",
            site,
            CERTAIN,
            "path() of django.urls",
            view[1].removeprefix("views.") if view else None,
        )

    def _registered(self, site: CallSite) -> bool:
        arguments = site.arguments
        path = python_literal(arguments[0]) if arguments else None
        if path is None or len(arguments) < 2:
            return False
        full = "/" + path.strip("/^$") + "/"
        return self._add(
            ROUTE,
            f"ANY {full}",
            full,
            "ANY",
            site,
            CERTAIN,
            "registered with a REST framework router",
            arguments[1].strip().rpartition(".")[2],
        )

    def _table(self, site: CallSite, evidence: str) -> bool:
        arguments = site.arguments
        table = python_literal(arguments[0]) if arguments else None
        return bool(table) and self._add(TABLE, table or "", table, None, site, CERTAIN, evidence, "")

    def route(self, scope: Scope, dotted: str, last: str, arguments: str, start: int) -> bool:
        """Whether a decorator made a route of the function it stands on, which then was recorded."""
        if last not in known.HTTP_DECORATORS and last not in ("route", "api_route"):
            return False
        owner = dotted.rpartition(".")[0]
        if not owner:
            return False
        path = python_literal(arguments) if arguments.strip() else ""
        if path is None:
            found = re.search(r"(?:path|rule)\s*=\s*(.*)", arguments, re.DOTALL)
            path = python_literal(found[1]) if found else None
        if path is None:
            return False
        type_ = self.type_name(owner)
        variable, _ = self._variable(owner)
        if type_ in known.ROUTERS:
            confidence, why = CERTAIN, f"{owner} is a {type_}"
        elif self.has_import(*known.ROUTE_LIBRARIES) and (
            owner.rpartition(".")[2] in known.ROUTER_NAME or path.startswith("/")
        ):
            library = next(name for name in known.ROUTE_LIBRARIES if self.has_import(name))
            confidence, why = LIKELY, f"{owner} by its use, {library} imported"
        elif owner.rpartition(".")[2] in known.ROUTER_NAME and path.startswith("/"):
            confidence, why = LIKELY, f"{owner} by its name, a path in its argument"
        else:
            return False
        prefix = _PREFIX.search(variable.made_from) if variable else None
        full = (python_literal(prefix[1]) or "" if prefix else "") + path
        full = "/" + _PARAMETER.sub(r"{\1}", full).lstrip("/")
        methods = _METHODS.search(arguments)
        verbs = re.findall(r"[A-Z]+", methods[1].upper()) if methods else []
        if last in known.HTTP_DECORATORS:
            verbs = ["GET" if last == "websocket" else last.upper()]
        for verb in verbs or ["GET"]:
            self.source.add(
                ROUTE,
                f"{verb} {full}",
                start,
                scope.end,
                function=scope.name,
                target=full,
                verb=verb,
                confidence=confidence,
                evidence=f"@{dotted}: {why}",
            )
        return True
